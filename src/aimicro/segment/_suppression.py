"""Of many star-shaped polygons that overlap, the most probable ones."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro.segment._rays import Floats, directions

_Index = npt.NDArray[np.intp]

_SURELY = 0.25  # overlaps that do not exceed the threshold by so much are measured once more,
_PIECES = 16  # with edges in so many pieces: the error falls with their square


class _Stars(NamedTuple):
    """Polygons, one a column: where they are, how far they reach, and their areas."""

    y: Floats
    x: Floats
    rays: Floats  # (n_rays + 1, N): the first one once more at the end
    top: Floats
    bottom: Floats
    left: Floats
    right: Floats
    area: Floats


def suppress(
    rays: Floats, pixels: _Index, scores: Floats, *, shape: tuple[int, int], threshold: float
) -> _Index:
    """Keep the best polygon, leave out those that share too much with it; and again with the rest.

    A polygon has `rays` (n_rays, N) above 0 from one of the `pixels` (N,), which are numbers in
    the flat image; no two have the same. What comes back are the places among the N of those that
    are kept, those with the highest scores first.
    """
    if not len(pixels):
        return pixels
    stars = _stars(rays, pixels, shape[1])
    down = int(max((stars.bottom - stars.y).max(), (stars.y - stars.top).max())) + 2
    aside = int(max((stars.right - stars.x).max(), (stars.x - stars.left).max())) + 2
    waiting = np.full(shape, -1, np.int32)
    waiting.flat[pixels] = np.arange(len(pixels))
    kept = []
    for best in np.argsort(-scores, kind="stable").tolist():
        if waiting.flat[pixels[best]] < 0:
            continue
        kept.append(best)
        waiting.flat[pixels[best]] = -1
        # No polygon with its centre outside this window reaches the box of the best one.
        rows = slice(max(int(stars.top[best]) - down, 0), max(int(stars.bottom[best]) + down, 0))
        columns = slice(
            max(int(stars.left[best]) - aside, 0), max(int(stars.right[best]) + aside, 0)
        )
        near = waiting[rows, columns]
        other = _may_share(stars, best, near[near >= 0].astype(np.intp), threshold)
        shared = _overlap(stars, best, other)
        unsure = shared < threshold + _SURELY
        if unsure.any():
            shared[unsure] = _overlap(stars, best, other[unsure], pieces=_PIECES)
        waiting.flat[pixels[other[shared > threshold]]] = -1
    return np.array(kept, np.intp)


def _stars(rays: Floats, pixels: _Index, width: int) -> _Stars:
    """Boxes and areas, ray by ray: fast where there are a million candidates."""
    y, x = (place.astype(np.float32) for place in np.divmod(pixels, width))
    top, bottom, left, right = y.copy(), y.copy(), x.copy(), x.copy()
    for ray, (sin, cos) in zip(rays, directions(len(rays)).astype(np.float32), strict=True):
        end = y + sin * ray
        np.minimum(top, end, out=top)
        np.maximum(bottom, end, out=bottom)
        end = x + cos * ray
        np.minimum(left, end, out=left)
        np.maximum(right, end, out=right)
    closed = np.concatenate([rays, rays[:1]])
    triangle = np.float32(math.sin(2 * math.pi / len(rays)) / 2)
    area = triangle * np.einsum("kn,kn->n", closed[1:], closed[:-1])
    return _Stars(y, x, closed, top, bottom, left, right, area)


def _may_share(stars: _Stars, best: int, other: _Index, threshold: float) -> _Index:
    """Those whose boxes share enough; polygons share no more than their boxes do."""
    down = np.minimum(stars.bottom[other], stars.bottom[best])
    down -= np.maximum(stars.top[other], stars.top[best])
    aside = np.minimum(stars.right[other], stars.right[best])
    aside -= np.maximum(stars.left[other], stars.left[best])
    smaller = np.minimum(stars.area[other], stars.area[best])
    enough = np.maximum(down, 0) * np.maximum(aside, 0) > threshold * smaller
    return np.asarray(other[enough])


def _overlap(stars: _Stars, best: int, other: _Index, *, pieces: int = 1) -> Floats:
    r"""Shared area over the smaller of both, of one polygon with each of some others.

    Seen from the centre of the best one, the shared area is
    :math:`\frac12 \oint \min(r, R)^2 d\theta` along the outline *r* of the other, with its own
    outline *R*. So the corners of the other that lie outside are drawn in to *R*, towards the
    centre, and the area within them is measured. Where *R* curves between two corners, that cuts
    off a little: more pieces of an edge, smaller errors.
    """
    n_rays = len(stars.rays) - 1
    step_y, step_x = directions(n_rays).astype(np.float32)[np.arange(n_rays + 1) % n_rays].T
    rays = stars.rays[:, other]
    y = _divided(step_y[:, None] * rays + (stars.y[other] - stars.y[best]), pieces)
    x = _divided(step_x[:, None] * rays + (stars.x[other] - stars.x[best]), pieces)
    # An edge of the best one is the line a y + b x = 1: what is outside of it has more than 1.
    end_y, end_x = step_y * stars.rays[:, best], step_x * stars.rays[:, best]
    across = end_y[:-1] * end_x[1:] - end_x[:-1] * end_y[1:]
    a, b = np.diff(end_x) / across, -np.diff(end_y) / across
    # Angles below 0 count edges from the last one, as indices below 0 do.
    edge = np.floor(np.arctan2(y, x) * np.float32(n_rays / (2 * math.pi))).astype(np.intp)
    outside = np.maximum(a[edge] * y + b[edge] * x, 1)
    y /= outside
    x /= outside
    twice = (y[:-1] * x[1:] - x[:-1] * y[1:]).sum(axis=0)
    return np.asarray(np.abs(twice) / (2 * np.minimum(stars.area[other], stars.area[best])))


def _divided(corner: Floats, pieces: int) -> Floats:
    """A closed row of corners (n_rays + 1, N) with points in between."""
    if pieces == 1:
        return corner
    part = (np.arange(pieces, dtype=np.float32) / pieces)[:, None]
    between = corner[:-1, None] + part * np.diff(corner, axis=0)[:, None]
    between = between.reshape(pieces * (len(corner) - 1), corner.shape[1])
    return np.concatenate([between, corner[-1:]])
