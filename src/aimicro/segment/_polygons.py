"""Star-shaped polygons in images: how large they are, and how much two of them share."""

import math

import numpy as np

from aimicro.segment._rays import Floats, directions
from aimicro.segment._suppression import Index, Stars, stars, suppress

_SURELY = 0.25  # overlaps that do not exceed the threshold by so much are measured once more,
_PIECES = 16  # with edges in so many pieces: the error falls with their square


def kept_polygons(
    rays: Floats, pixels: Index, scores: Floats, *, shape: tuple[int, ...], threshold: float
) -> Index:
    """Places of those that are kept, the best first.

    A polygon has `rays` (n_rays, N) above 0 from one of the `pixels` (N,), which are numbers in
    the flat image; no two have the same.
    """
    n_rays = len(rays)
    closed = np.concatenate([rays, rays[:1]])
    triangle = np.float32(math.sin(2 * math.pi / n_rays) / 2)
    area = triangle * np.einsum("kn,kn->n", closed[1:], closed[:-1])
    steps = directions(n_rays).astype(np.float32)
    polygons = stars(rays, pixels, steps, area, shape=shape)

    def too_close(best: int, other: Index) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        shared = _overlap(polygons, steps, best, other)
        unsure = shared < threshold + _SURELY
        if unsure.any():
            shared[unsure] = _overlap(polygons, steps, best, other[unsure], pieces=_PIECES)
        return np.asarray(shared > threshold)

    return suppress(polygons, scores, shape=shape, threshold=threshold, too_close=too_close)


def _overlap(polygons: Stars, steps: Floats, best: int, other: Index, *, pieces: int = 1) -> Floats:
    r"""Shared area over the smaller of both, of one polygon with each of some others.

    Seen from the centre of the best one, the shared area is
    :math:`\frac12 \oint \min(r, R)^2 d\theta` along the outline *r* of the other, with its own
    outline *R*. So the corners of the other that lie outside are drawn in to *R*, towards the
    centre, and the area within them is measured. Where *R* curves between two corners, that cuts
    off a little: more pieces of an edge, smaller errors.
    """
    n_rays = len(polygons.rays)
    around = np.arange(n_rays + 1) % n_rays  # the first corner once more at the end
    (y, x), (step_y, step_x) = polygons.centre, steps[around].T
    rays, longest = polygons.rays[:, other][around], polygons.rays[around, best]
    y = _divided(step_y[:, None] * rays + (y[other] - y[best]), pieces)
    x = _divided(step_x[:, None] * rays + (x[other] - x[best]), pieces)
    # An edge of the best one is the line a y + b x = 1: what is outside of it has more than 1.
    end_y, end_x = step_y * longest, step_x * longest
    across = end_y[:-1] * end_x[1:] - end_x[:-1] * end_y[1:]
    a, b = np.diff(end_x) / across, -np.diff(end_y) / across
    # Angles below 0 count edges from the last one, as indices below 0 do.
    edge = np.floor(np.arctan2(y, x) * np.float32(n_rays / (2 * math.pi))).astype(np.intp)
    outside = np.maximum(a[edge] * y + b[edge] * x, 1)
    y /= outside
    x /= outside
    twice = (y[:-1] * x[1:] - x[:-1] * y[1:]).sum(axis=0)
    smaller = np.minimum(polygons.size[other], polygons.size[best])
    return np.asarray(np.abs(twice) / (2 * smaller))


def _divided(corner: Floats, pieces: int) -> Floats:
    """A closed row of corners (n_rays + 1, N) with points in between."""
    if pieces == 1:
        return corner
    part = (np.arange(pieces, dtype=np.float32) / pieces)[:, None]
    between = corner[:-1, None] + part * np.diff(corner, axis=0)[:, None]
    between = between.reshape(pieces * (len(corner) - 1), corner.shape[1])
    return np.concatenate([between, corner[-1:]])
