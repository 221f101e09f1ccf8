"""Of many star-shaped outlines that overlap, the most probable ones."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro.segment._rays import Floats

Index = npt.NDArray[np.intp]
# Which of the other stars share more with a star than they may.
TooClose = Callable[[int, Index], npt.NDArray[np.bool_]]


class Stars(NamedTuple):
    """Polygons or polyhedra, one a column: where they are, how far they reach, their sizes."""

    pixels: Index  # numbers in the flat image, (N,)
    centre: Floats  # ([z,] y, x), N
    rays: Floats  # (n_rays, N)
    low: Floats  # ([z,] y, x), N: corners of their boxes
    high: Floats
    size: Floats  # area or volume, (N,)


def stars(
    rays: Floats, pixels: Index, steps: Floats, size: Floats, *, shape: tuple[int, ...]
) -> Stars:
    """Measure boxes, ray by ray: fast where there are a million candidates."""
    centre = np.stack(np.unravel_index(pixels, shape)).astype(np.float32)
    low, high = centre.copy(), centre.copy()
    for ray, step in zip(rays, steps, strict=True):
        for axis, part in enumerate(step):
            end = centre[axis] + part * ray
            np.minimum(low[axis], end, out=low[axis])
            np.maximum(high[axis], end, out=high[axis])
    return Stars(pixels, centre, rays, low, high, size)


def suppress(
    candidates: Stars,
    scores: Floats,
    *,
    shape: tuple[int, ...],
    threshold: float,
    too_close: TooClose,
) -> Index:
    """Keep the best star, leave out those that share too much with it; and again with the rest.

    What comes back are the places among the N of those that are kept, those with the highest
    scores first. No two candidates have the same pixel.
    """
    if not len(scores):
        return candidates.pixels
    pixels, centre, low, high = candidates.pixels, *candidates[1:2], *candidates[3:5]
    reach = np.maximum(high - centre, centre - low).max(axis=1).astype(int) + 2
    waiting = np.full(shape, -1, np.int32)
    waiting.flat[pixels] = np.arange(len(pixels))
    kept = []
    for best in np.argsort(-scores, kind="stable").tolist():
        if waiting.flat[pixels[best]] < 0:
            continue
        kept.append(best)
        waiting.flat[pixels[best]] = -1
        # No star with its centre outside this window reaches the box of the best one.
        start = np.maximum(low[:, best].astype(int) - reach, 0)
        stop = np.maximum(high[:, best].astype(int) + reach, 0)
        near = waiting[tuple(map(slice, start, stop))]
        other = _may_share(candidates, best, near[near >= 0].astype(np.intp), threshold)
        waiting.flat[pixels[other[too_close(best, other)]]] = -1
    return np.array(kept, np.intp)


def _may_share(candidates: Stars, best: int, other: Index, threshold: float) -> Index:
    """Those whose boxes share enough; stars share no more than their boxes do."""
    shared = np.ones(len(other), np.float32)
    for low, high in zip(candidates.low, candidates.high, strict=True):
        side = np.minimum(high[other], high[best]) - np.maximum(low[other], low[best])
        shared *= np.maximum(side, 0)
    smaller = np.minimum(candidates.size[other], candidates.size[best])
    return np.asarray(other[shared > threshold * smaller])
