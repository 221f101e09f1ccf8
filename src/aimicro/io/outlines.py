"""Objects as the polygons around their pixels, and back without a pixel lost.

A corner (y, x) is where four pixels meet: the pixel (0, 0) lies between the corners (0, 0) and
(1, 1), and its centre is at (0.5, 0.5). ImageJ and QuPath count like this, too, but write x first.

Used in chapter 9, *Training and using a model*.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label as connected_pieces

from aimicro import checks

_AT_ONCE = 2**20  # crossings of edges and rows that are computed at a time
# Corners where the top, right, lower and left side of a pixel begin, gone round clockwise.
_START = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])


class Outline(NamedTuple):
    """A connected piece of an object.

    Attributes
    ----------
    label : int
        Id of the object.
    rings : tuple of ndarray of int, (N, 2)
        Corners y, x where the outline turns. First comes the outer ring, clockwise as the image is
        seen, then one for each hole, the other way round.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    label: int
    rings: tuple[NDArray[np.int64], ...]


def outlines(labels: ArrayLike) -> list[Outline]:
    r"""Draw the outlines of all objects along the edges of their pixels.

    No ring touches itself, and two of them share single corners at most: such polygons are valid in
    all programs. By the shoelace formula their area is the number of pixels,

    .. math:: \sum_\text{rings} \frac12 \sum_i (x_i y_{i+1} - x_{i+1} y_i) = n_\text{pixels}.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Label image, 0 for background.

    Returns
    -------
    list of Outline
        In the order of ids. An object whose parts do not touch, or touch at corners only, has one
        for each part.

    Raises
    ------
    TypeError, ValueError
        If these are no labels of one plane.

    See Also
    --------
    from_outlines : The way back.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> for label, rings in outlines([[7, 7, 7], [7, 0, 7], [7, 7, 7]]):
    ...     print(label, [ring.tolist() for ring in rings])
    7 [[[0, 0], [0, 3], [3, 3], [3, 0]], [[1, 2], [1, 1], [2, 1], [2, 2]]]
    """
    image = checks.labels("labels", labels, ndim=2, hint="Outline one plane at a time.")
    # Padded so that every pixel has neighbours, and numbered anew: ids may be of any integer type.
    ids, which = np.unique(np.pad(image, 1), return_inverse=True)
    which = which.reshape(image.shape[0] + 2, image.shape[1] + 2)
    pieces = connected_pieces(which, background=0, connectivity=1)
    found: dict[int, list[NDArray[np.int64]]] = {}
    for piece, ring in _rings(pieces):
        rings = found.setdefault(piece, [])
        rings.insert(0 if _doubled_area(ring) > 0 else len(rings), ring)
    first = np.unique(pieces, return_index=True)[1]  # there is background, so piece 1 is second
    named = [(int(ids[which.flat[first[piece]]]), piece) for piece in found]
    return [Outline(label, tuple(found[piece])) for label, piece in sorted(named)]


def from_outlines(drawn: Iterable[Outline], shape: Sequence[int]) -> NDArray[np.int32]:
    """Paint outlines into a label image, later ones over earlier ones.

    Parameters
    ----------
    drawn : iterable of Outline
        Rings of corners y, x, which need not be whole numbers. See `pixels_within`.
    shape : sequence of int
        Of the image, ``(Y, X)``. What lies beyond it is left out.

    Returns
    -------
    ndarray of int32, (Y, X)
        Label image, 0 for background.

    See Also
    --------
    outlines : The way there.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> labels = np.array([[0, 4, 4], [3, 0, 4]])
    >>> from_outlines(outlines(labels), labels.shape).tolist()
    [[0, 4, 4], [3, 0, 4]]
    """
    labels = np.zeros(tuple(shape), np.int32)
    for label, rings in drawn:
        mask, window = pixels_within(rings, shape)
        labels[window][mask] = label
    return labels


def pixels_within(
    rings: Sequence[ArrayLike], shape: Sequence[int]
) -> tuple[NDArray[np.bool_], tuple[slice, slice]]:
    """Find the pixels whose centres lie within an outline.

    A centre is within if a line from there to the left crosses the rings an odd number of times; so
    a ring inside another is a hole. Of centres on the outline itself, those on a right or an upper
    side are within: ImageJ has it so, and of two outlines with a common side, one gets the pixel.

    Parameters
    ----------
    rings : sequence of array_like, (N, 2)
        Corners y, x of each ring, which need not be whole numbers, nor lie in the image.
    shape : sequence of int
        Of the image, ``(Y, X)``.

    Returns
    -------
    mask : ndarray of bool
        Whether each pixel of the window is within.
    window : tuple of slice
        Rows and columns of the image around the outline.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> mask, window = pixels_within([[(1, 0.4), (1, 2.6), (3, 2.6), (3, 0.4)]], (5, 4))
    >>> window[0], mask.astype(int).tolist()
    (slice(1, 3, None), [[1, 1, 1], [1, 1, 1]])
    """
    starts = [np.reshape(np.asarray(ring, np.float64), (-1, 2)) for ring in rings]
    ends = [np.roll(ring, -1, axis=0) for ring in starts]
    corners, limits = np.concatenate(starts), np.asarray(shape)
    low = np.clip(np.floor(corners.min(axis=0)), 0, limits).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=0)), low, limits).astype(np.int64)
    odd = np.zeros(high - low + (0, 1), np.uint8)
    for y, x in _crossings(corners, np.concatenate(ends), low[0], high[0]):
        # With ImageJ's 1e-8, rounding errors do not decide about a centre on the outline.
        right_of = np.clip(np.floor(x + 0.5 + 1e-8), low[1], high[1]).astype(np.int64)
        np.bitwise_xor.at(odd, (y - low[0], right_of - low[1]), np.uint8(1))
    mask = np.bitwise_xor.accumulate(odd, axis=1)[:, :-1].astype(bool)
    return mask, (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))


def _crossings(
    start: NDArray[np.float64], end: NDArray[np.float64], top: int, bottom: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Rows whose middles are crossed by edges from `start` to `end`, and where."""
    is_down = start[:, :1] <= end[:, :1]
    upper, lower = np.where(is_down, start, end), np.where(is_down, end, start)
    # An edge crosses the middle of a row, at half a pixel, from its upper end on to its lower end.
    first, last = (np.clip(np.ceil(ends[:, 0] - 0.5), top, bottom) for ends in (upper, lower))
    counts = (last - first).astype(np.int64)
    part = np.cumsum(counts) // _AT_ONCE
    for number in np.unique(part[counts > 0]):
        edge = np.repeat(np.flatnonzero(part == number), counts[part == number])
        row = first[edge].astype(np.int64) + _places_in_runs(counts[part == number])
        (y, x), (y_end, x_end) = upper[edge].T, lower[edge].T
        yield row, x + (row + 0.5 - y) * (x_end - x) / (y_end - y)


def _places_in_runs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2 and so on for each of several runs."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _rings(pieces: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Follow the sides of pixels where a piece ends, and return the turns of each ring.

    Where two pixels of a piece touch at a corner only, the ring goes on along the second one. Both
    are connected round one side of the corner, so the two passes of it are in different rings.
    """
    flat, width = pieces.ravel(), pieces.shape[1]
    pixel = np.flatnonzero(flat)  # never in the first or last row or column
    outward, ahead = (-width, 1, width, -1), (1, width, -1, -width)
    keys, following = [], []  # of a side: four times its pixel, and 0 to 3
    for side in range(4):
        here = pixel[flat[pixel + outward[side]] != flat[pixel]]
        straight, askew = here + ahead[side], here + ahead[side] + outward[side]
        goes_on = np.where(
            flat[straight] == flat[here], 4 * straight + side, 4 * here + (side + 1) % 4
        )
        turns_out = flat[askew] == flat[here]
        keys.append(4 * here + side)
        following.append(np.where(turns_out, 4 * askew + (side - 1) % 4, goes_on))
    key = np.concatenate(keys)
    order = np.argsort(key)
    key, successor = key[order], np.concatenate(following)[order]
    for ring in _cycles(np.searchsorted(key, successor).tolist()):
        pixels, sides = key[ring] // 4, key[ring] % 4
        turn = sides != np.roll(sides, 1)
        y, x = pixels[turn] // width - 1, pixels[turn] % width - 1  # without the padding
        yield int(flat[pixels[0]]), np.stack([y, x], axis=1) + _START[sides[turn]]


def _cycles(successor: list[int]) -> Iterator[list[int]]:
    """Follow successors until all have been visited."""
    visited = bytearray(len(successor))
    for start in range(len(successor)):
        cycle, place = [], start
        while not visited[place]:
            visited[place] = True
            cycle.append(place)
            place = successor[place]
        if cycle:
            yield cycle


def _doubled_area(ring: NDArray[np.int64]) -> int:
    """Twice the area within a ring, negative where it runs anticlockwise."""
    (y, x), (y_next, x_next) = ring.T, np.roll(ring, -1, axis=0).T
    return int((x * y_next - x_next * y).sum())
