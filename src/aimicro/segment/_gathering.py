"""Where points have gathered, objects are."""

import math

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import (
    binary_dilation,
    binary_fill_holes,
    find_objects,
    generate_binary_structure,
    maximum_filter,
)

Labels = npt.NDArray[np.int32]
_Index = npt.NDArray[np.intp]

_AROUND = 5  # pixels: the side of the square in which a peak of the histogram is the highest
_PEAK = 10  # points: a peak has more
_REACH = 5  # pixels that a seed grows, at most
_GATHERED = 2  # points: a pixel that a seed grows into has more


def gather(ends: _Index, shape: tuple[int, ...]) -> Labels:
    """Object of each point (D, N), from 1 up, from the pixel where it ends; 0 is none.

    Pixels where most points of their surroundings end are seeds. A seed grows five times by one
    pixel into pixels where some points end, too; where two meet, the one with more points goes on.
    """
    ndim = len(shape)
    ends = ends + _REACH  # a margin, so that windows around seeds are whole
    padded = tuple(side + 2 * _REACH for side in shape)
    pixels = np.ravel_multi_index(tuple(ends), padded)
    counts = np.bincount(pixels, minlength=math.prod(padded)).astype(np.int32).reshape(padded)
    seeds = np.argwhere((counts > _PEAK) & (counts == maximum_filter(counts, _AROUND)))
    seeds = seeds[np.argsort(counts[tuple(seeds.T)], kind="stable")]

    windows = sliding_window_view(counts > _GATHERED, (2 * _REACH + 1,) * ndim)
    windows = windows[tuple(seeds.T - _REACH)]
    middle = np.zeros(windows.shape[1:], bool)
    middle[(_REACH,) * ndim] = True
    # One step along all axes of the image at once, none from seed to seed.
    neighbours = generate_binary_structure(ndim, ndim)[np.newaxis]
    grown = np.broadcast_to(middle, windows.shape)
    grown = binary_dilation(grown, neighbours, iterations=_REACH, mask=windows)

    which, *offsets = np.nonzero(grown)
    painted = np.zeros(padded, np.int32)
    painted[tuple(seeds[which].T + offsets - _REACH)] = which + 1  # the last one stays
    return np.asarray(painted[tuple(ends)])


def without(labels: Labels, ids: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Labels:
    """Labels without some of the objects, numbered again from 1 up."""
    new = (np.bincount(labels.ravel()) > 0).astype(np.int32)
    new[0] = 0
    new[ids] = 0
    return np.asarray((np.cumsum(new, dtype=np.int32) * new)[labels])


def without_holes(labels: Labels) -> Labels:
    """Labels with filled objects: what lies in the hole of another becomes part of it."""
    filled = labels.copy()
    for n, box in enumerate(find_objects(labels), start=1):
        if box is not None:
            filled[box][binary_fill_holes(filled[box] == n)] = n
    return filled
