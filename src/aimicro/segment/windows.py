"""Objects of images larger than memory: window by window, each of them whole.

Used in chapter 9, *Training and using a model*.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from aimicro import checks

Box = tuple[slice, ...]


class Window(NamedTuple):
    """A part of an image, and where it lies.

    Attributes
    ----------
    box : tuple of slice
        Its pixels ([z,] y, x) in the whole image.
    image_shape : tuple of int
        Of the whole image, ([Z,] Y, X).
    """

    box: Box
    image_shape: tuple[int, ...]

    def at_ends(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Ids of the objects that the window may cut: they touch an end that is not the image's.

        Parameters
        ----------
        labels : ndarray of int, ([Z,] Y, X)
            Labels of the window.

        Returns
        -------
        ndarray of int, (N,)
            Their ids in rising order.
        """
        faces = [np.zeros(0, labels.dtype)]
        for axis, (side, n) in enumerate(zip(self.box, self.image_shape, strict=True)):
            faces += [labels.take(0, axis).ravel()] * (side.start > 0)
            faces += [labels.take(-1, axis).ravel()] * (side.stop < n)
        found = np.unique(np.concatenate(faces))
        return found[found > 0]


@dataclass(frozen=True, eq=False)
class WindowObjects:
    """The objects that begin in one core, each of them whole.

    Attributes
    ----------
    core : tuple of slice
        Where in the image they begin; each pixel of the image lies in one core.
    window : Window
        What was looked at: the core, and as much around it as its objects need.
    labels : ndarray of int32, ([Z,] Y, X)
        Of the window: the objects of the core, with ids that go on from core to core; 0 elsewhere.
    """

    core: Box
    window: Window
    labels: NDArray[np.int32]

    @property
    def boxes(self) -> list[Box]:
        """Where in the window each object lies, by rising ids."""
        ids = np.unique(self.labels)
        first = int(ids[ids > 0].min(initial=2**31 - 1))
        return [box for box in find_objects(np.maximum(self.labels - (first - 1), 0)) if box]


Segment = Callable[[NDArray[Any], Window], NDArray[Any]]


def by_windows(
    output: NDArray[Any],
    segment: Segment,
    *,
    core: Sequence[int],
    margin: int | Sequence[int],
    min_pixels: int = 0,
    most: int = 2**25,
) -> Iterator[WindowObjects]:
    """Find the objects of an image that is larger than memory, such as a mapped output.

    The image is cut into cores, and each is segmented with a margin around it. An object belongs
    to the core in which its first pixel lies, row by row: so none is cut by a border of cores, and
    none is found twice. Where one touches the end of its window, or sees less around it than it is
    long, that window is segmented again with twice the margin.

    Parameters
    ----------
    output : ndarray, ([C,] [Z,] Y, X)
        What a network predicts, or an image; only windows of it are read.
    segment : callable
        Makes labels `([Z,] Y, X)` of a window, which it gets with all channels, and of the `Window`
        that tells where it lies. Objects at its ends must not be left out for being small.
    core : sequence of int
        Size ([Z,] Y, X) of a core in pixels.
    margin : int or sequence of int
        What `segment` sees around a core at first, in pixels, 1 or more.
    min_pixels : int, default 0
        Objects with fewer pixels are left out, once they have been seen whole.
    most : int, default 2**25
        Pixels of the largest window.

    Returns
    -------
    iterator of WindowObjects
        The objects of one core, core by core, the last axis running fastest.

    Raises
    ------
    TypeError, ValueError
        For a core or a margin that does not fit the output, or is below 1, for labels of another
        shape than the window, and for an object that the largest window still cuts.

    Notes
    -----
    The labels are those of the whole image up to their ids, if `segment` makes of an object the
    same in every window that shows it and as much again around it. A threshold does. So do StarDist
    and Cellpose but for rounding, and for objects in a row of which each decides about the next,
    over more than the margin. A watershed of touching objects does where the window shows both.
    What looks at the whole image, such as Otsu's threshold, has to be computed before.

    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> from scipy.ndimage import label
    >>> image = np.zeros((9, 9))
    >>> image[3:6, 1:8] = 1  # across four cores
    >>> found = by_windows(image, lambda part, _: label(part)[0], core=(5, 5), margin=1)
    >>> [int(objects.labels.sum()) for objects in found]  # the first shows it whole
    [21, 0, 0, 0]
    """
    ndim = len(core)
    if ndim not in (2, 3) or output.ndim not in (ndim, ndim + 1):
        raise ValueError(
            f"Expected a core (Y, X) or (Z, Y, X), and an output with these axes and at most one "
            f"for channels before them, got core {tuple(core)} and shape {output.shape}. Give core "
            "without channels."
        )
    sides = checks.per_axis("core", core, ndim, whole_from=1)
    around = checks.per_axis("margin", margin, ndim, whole_from=1)
    least = checks.whole("min_pixels", min_pixels, low=0)
    most = checks.whole("most", most, low=1)
    shape = output.shape[-ndim:]
    return _core_by_core(output, segment, _cores(shape, sides), around, least, most)


def _cores(shape: Sequence[int], sides: Sequence[int]) -> Iterator[Box]:
    """Boxes that cover an image, each pixel once."""
    for place in itertools.product(*(range(0, n, s) for n, s in zip(shape, sides, strict=True))):
        ends = zip(place, sides, shape, strict=True)
        yield tuple(slice(start, min(start + side, n)) for start, side, n in ends)


def _core_by_core(
    output: NDArray[Any],
    segment: Segment,
    cores: Iterator[Box],
    margin: tuple[int, ...],
    least: int,
    most: int,
) -> Iterator[WindowObjects]:
    n_found = 0
    for core in cores:
        window, labels, own = _seen_whole(output, segment, core, margin, most)
        sizes = np.bincount(labels.ravel())
        kept = np.zeros(len(sizes), bool)
        kept[own] = True
        kept &= sizes >= max(least, 1)
        ids = np.where(kept, np.cumsum(kept) + n_found, 0).astype(np.int32)
        n_found += int(kept.sum())
        yield WindowObjects(core, window, ids[labels])


def _seen_whole(
    output: NDArray[Any], segment: Segment, core: Box, margin: tuple[int, ...], most: int
) -> tuple[Window, NDArray[Any], list[int]]:
    """Labels of a window that shows each object which begins in the core, and those objects."""
    shape = output.shape[-len(core) :]
    seen = None
    while True:
        window = _around(core, margin, shape)
        if seen and math.prod(side.stop - side.start for side in window.box) > most:
            break
        pixels: Any = (..., *window.box)
        labels = segment(output[pixels], window)
        if labels.shape != tuple(side.stop - side.start for side in window.box):
            raise ValueError(
                f"Expected labels of the shape of the window, got {labels.shape}. Give a function "
                "that returns a label for each pixel."
            )
        boxes = find_objects(labels)
        own = [k for k, box in enumerate(boxes, 1) if box and _begins(labels, k, box, window, core)]
        seen = window, labels, own
        narrow = [
            any(_is_near_end(boxes[k - 1], window, axis) for k in own) for axis in range(len(core))
        ]
        if not any(narrow):
            return seen
        margin = tuple(2 * m if more else m for m, more in zip(margin, narrow, strict=True))
    window, labels, own = seen
    if cut := sorted(set(own) & set(window.at_ends(labels).tolist())):
        box = find_objects(labels)[cut[0] - 1]
        first = [w.start + b.start for w, b in zip(window.box, box, strict=True)]
        raise ValueError(
            f"Expected objects that a window of {most} pixels shows whole, got one from "
            f"{'zyx'[-len(core) :]} = {first} on that is larger. Raise the threshold if "
            "objects run together, or make the image smaller."
        )
    return seen


def _around(core: Box, margin: Sequence[int], shape: Sequence[int]) -> Window:
    """A core with a margin, within the image."""
    box = tuple(
        slice(max(0, side.start - m), min(n, side.stop + m))
        for side, m, n in zip(core, margin, shape, strict=True)
    )
    return Window(box, tuple(shape))


def _begins(labels: NDArray[Any], number: int, box: Box, window: Window, core: Box) -> bool:
    """Whether the first pixel of an object, row by row, lies in the core."""
    # On the way to the answer, most objects are known not to: no pixel is looked at for them.
    for axis, (b, w, c) in enumerate(zip(box, window.box, core, strict=True)):
        start, stop = b.start + w.start, b.stop + w.start
        if start >= c.stop or (stop if axis else start + 1) <= c.start:
            return False
    first = np.unravel_index(int((labels[box] == number).argmax()), labels[box].shape)
    pixel = (w.start + b.start + int(f) for w, b, f in zip(window.box, box, first, strict=True))
    return all(c.start <= p < c.stop for p, c in zip(pixel, core, strict=True))


def _is_near_end(box: Box, window: Window, axis: int) -> bool:
    """Whether the window ends, within the image, closer to an object than this is long."""
    side, seen = box[axis], window.box[axis]
    room = side.stop - side.start
    before = seen.start > 0 and side.start < room
    behind = seen.stop < window.image_shape[axis] and seen.stop - seen.start - side.stop < room
    return bool(before or behind)
