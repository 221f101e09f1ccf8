"""Lines along which two pieces touch, and what is to be seen there.

A private part of :mod:`aimicro.segment.joining`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import convex_hull_image

from aimicro import checks
from aimicro.segment._objects import Light, light_of, same_shape, smoothed

Labels = npt.NDArray[np.int32]
Pair = tuple[int, int]
_Mask = npt.NDArray[np.bool_]

SIGHTS = (
    "light of the line",
    "darkest quarter of the line",
    "likeness of light",
    "fill",
    "fill lost",
    "smaller area",
    "area",
    "line to side",
    "line to whole",
)
_SIGMA = 0.5  # pixels: noise of single pixels goes, lines of two pixels stay
_REACH = 2  # pixels on either side of a contact that count as its line
_AROUND = _REACH + 1


def checked(labels: npt.ArrayLike, image: npt.ArrayLike) -> tuple[Labels, Light]:
    """A copy of the labels, numbered without gaps, and the light above the background."""
    ids = checks.labels("labels", labels, ndim=2, hint="Join the pieces of one 2D image.")
    light = light_of(smoothed(same_shape("image", image, ids.shape), _SIGMA, (1, 1)), ids == 0)
    names = np.unique(np.append(ids.ravel(), 0))
    return np.searchsorted(names, ids).astype(np.int32), light


def touching(ids: Labels) -> set[Pair]:
    """The ids of each two pieces with pixels side by side."""
    found: set[Pair] = set()
    for one, other in ((ids[1:], ids[:-1]), (ids[:, 1:], ids[:, :-1])):
        both = np.sort(np.stack([one, other], axis=-1)[(one != other) & (one > 0) & (other > 0)])
        found |= {(int(a), int(b)) for a, b in np.unique(both, axis=0)}
    return found


def around(windows: Sequence[tuple[slice, ...]], by: int = _AROUND) -> tuple[slice, ...]:
    """The smallest window that holds all of these, and some pixels around it."""
    sides = zip(*windows, strict=True)
    return tuple(
        slice(max(min(s.start for s in side) - by, 0), max(s.stop for s in side) + by)
        for side in sides
    )


def sights_of(ids: Labels, light: Light, pair: Pair, window: tuple[slice, ...]) -> list[float]:
    """What is to be seen of two pieces that touch, in the order of `SIGHTS`."""
    shown, parts = light[window], [ids[window] == i for i in pair]
    whole = parts[0] | parts[1]
    line = whole & np.logical_and(*(ndimage.binary_dilation(p, iterations=_REACH) for p in parts))
    dim, bright = sorted(max(float(np.median(shown[part])), 1e-9) for part in parts)
    areas = [np.count_nonzero(part) for part in parts]
    alone = [area * _fill(part) for area, part in zip(areas, parts, strict=True)]
    small, area, fill = min(areas), sum(areas), _fill(whole)
    length = np.count_nonzero(line) / (2 * _REACH)
    return [
        float(np.median(shown[line])) / dim,
        float(np.percentile(shown[line], 25)) / dim,
        dim / bright,
        fill,
        fill - sum(alone) / area,
        float(np.log(small)),
        float(np.log(area)),
        length / np.sqrt(small),
        length / np.sqrt(area),
    ]


def _fill(mask: _Mask) -> float:
    """The fraction of its convex hull that a piece fills."""
    return float(np.count_nonzero(mask) / np.count_nonzero(convex_hull_image(mask)))
