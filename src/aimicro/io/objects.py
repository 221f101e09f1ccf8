"""Where the objects of a label image lie, found strip by strip.

Used in chapter 9, *Training and using a model*.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.io.large import strips

_EMPTY = 2**14  # pixels between objects that cost as little as another group


class Boxes(NamedTuple):
    """The objects of a label image: the i-th entries belong together.

    Attributes
    ----------
    ids : ndarray of int, (N,)
        In rising order.
    sizes : ndarray of int, (N,)
        Pixels of each object.
    starts, stops : ndarray of int, (N, 2) or (N, 3)
        Its first pixel along each axis, and the one behind its last.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    ids: NDArray[Any]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    def box(self, place: int) -> tuple[slice, ...]:
        """Return the bounding box of the object at a place of the list.

        Parameters
        ----------
        place : int
            From 0.

        Returns
        -------
        tuple of slice
            To index the label image with.
        """
        return tuple(map(slice, self.starts[place].tolist(), self.stops[place].tolist()))


def boxes_of(labels: ArrayLike) -> Boxes:
    """Find the bounding boxes of all objects, in memory that grows with their number alone.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        Label image, 0 for background; read some rows at a time.

    Returns
    -------
    Boxes
        Ids, sizes and boxes.

    Raises
    ------
    TypeError, ValueError
        If these are no labels.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> found = boxes_of([[0, 7, 7], [4, 0, 7]])
    >>> found.ids, found.sizes, found.box(1)
    (array([4, 7]), array([1, 3]), (slice(0, 2, None), slice(1, 3, None)))
    """
    image = checks.labels("labels", labels)
    none = np.zeros((0, image.ndim), np.int64)
    found = [Boxes(np.zeros(0, image.dtype), none[:, 0], none, none)]
    for plane, first, _, rows in strips(image):
        ids, y, x, lengths = _runs(rows)
        ends = [np.stack([y + first, x], 1), np.stack([y + first + 1, x + lengths], 1)]
        low, high = (
            np.concatenate(
                [np.broadcast_to(np.array(plane, int) + k, (len(ids), len(plane))), e], 1
            )
            for k, e in enumerate(ends)
        )
        found.append(_joined(Boxes(ids, lengths, low, high)))
    return _joined(Boxes(*map(np.concatenate, zip(*found, strict=True))))


def groups(boxes: Boxes, *, most: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Put objects together that lie side by side and follow each other, so that few boxes show all.

    Parameters
    ----------
    boxes : Boxes
        The objects.
    most : int
        Pixels that several of them may take; one alone may be larger.

    Yields
    ------
    first, last : int
        Ids of the first and of the last object of a group.
    box : tuple of slice
        The box around them, in which there may be others.

    Examples
    --------
    >>> list(groups(boxes_of([[0, 7, 7], [4, 0, 7]]), most=6))
    [(4, 7, (slice(0, 2, None), slice(0, 3, None)))]
    """
    ids, box = boxes.ids.tolist(), boxes.box(0) if len(boxes.ids) else ()
    first = 0
    for place in range(1, len(ids)):
        own = boxes.box(place)
        both = tuple(
            slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box, own, strict=True)
        )
        if _area(both) > min(most, _area(box) + _area(own) + _EMPTY):
            yield ids[first], ids[place - 1], box
            first, both = place, own
        box = both
    if ids:
        yield ids[first], ids[-1], box


def _area(box: tuple[slice, ...]) -> int:
    return math.prod(side.stop - side.start for side in box)


def _runs(rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Pixels of one object side by side: their id, where the first one is, and how many."""
    begins = np.ones(rows.shape, bool)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=rows.size)
    y, x = np.divmod(starts, rows.shape[1])
    ids = rows[y, x]
    inside = ids > 0
    return ids[inside], y[inside], x[inside], lengths[inside]


def _joined(pieces: Boxes) -> Boxes:
    """One entry for each id."""
    order = np.argsort(pieces.ids, kind="stable")
    ids, sizes, starts, stops = (values[order] for values in pieces)
    ids, first = np.unique(ids, return_index=True)
    return Boxes(
        ids,
        np.add.reduceat(sizes, first),
        np.minimum.reduceat(starts, first),
        np.maximum.reduceat(stops, first),
    )
