"""Parts of an image, each with what lies around it, so that memory does not grow with the image."""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, TypeAlias

Box: TypeAlias = tuple[slice, ...]


class Part(NamedTuple):
    """A box of an image, for a filter that looks beyond it.

    Attributes
    ----------
    own : tuple of slice
        The pixels of this part and of no other.
    seen : tuple of slice
        These and what the filter sees around them.
    inner : tuple of slice
        Where in `seen` the own pixels are.
    """

    own: Box
    seen: Box
    inner: Box


def parts(shape: tuple[int, ...], reach: tuple[int, ...], most: float) -> Iterator[Part]:
    """Cut an image into boxes that see so many pixels at most, as few as halving makes.

    Boxes no longer than the filter reaches stay whole: smaller ones would see hardly less.
    """
    sides = list(shape)

    def seen(axis: int) -> int:
        """Pixels along an axis."""
        return min(sides[axis] + 2 * reach[axis], shape[axis])

    axes = range(len(shape))
    while math.prod(map(seen, axes)) > most:
        long = [axis for axis in axes if sides[axis] > max(reach[axis], 1)]
        if not long:
            break
        longest = max(long, key=sides.__getitem__)
        sides[longest] = -(-sides[longest] // 2)
    for corner in product(*(range(0, n, side) for n, side in zip(shape, sides, strict=True))):
        own = tuple(slice(c, min(c + s, n)) for c, s, n in zip(corner, sides, shape, strict=True))
        around = tuple(
            slice(max(o.start - r, 0), min(o.stop + r, n))
            for o, r, n in zip(own, reach, shape, strict=True)
        )
        inner = tuple(
            slice(o.start - a.start, o.stop - a.start) for o, a in zip(own, around, strict=True)
        )
        yield Part(own, around, inner)
