"""Haar wavelets in a block that slides over an image, with its borders as they are.

Haar's wavelets add and subtract pixels: what a coefficient does when one pixel changes can be said
exactly, and the sum of the same pixels tells how much noise to expect in it. The block takes all
positions inside the image. Nothing is mirrored or wrapped round, so no pixel counts twice.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Signs = tuple[int, ...]  # for each axis that is split: 0 the sum of two halves, 1 their difference


@dataclass(frozen=True)
class Level:
    """One size of wavelets: the axes that it splits, its box, and how often each box is used."""

    axes: tuple[int, ...]
    length: int  # pixels along these axes
    pixels: int  # in the box
    weight: Array  # blocks that hold the box that begins here, by the pixels of the box


class SlidingHaar:
    """The wavelets for images of one shape.

    Parameters
    ----------
    shape : tuple of int
        Of the image. An axis is halved only as often as leaves two boxes along it: planes thin in
        *z* are halved along *y* and *x* alone from there on.
    most : int
        Sizes of wavelets at most.
    """

    def __init__(self, shape: tuple[int, ...], most: int) -> None:
        self._shape = shape
        self._depth = [max(0, min(most, n.bit_length() - 2)) for n in shape]
        self.coverage = self._blocks([0] * len(shape))
        self.levels = [self._level(j) for j in range(1, max(self._depth) + 1)]

    def _blocks(self, halvings: list[int]) -> Array:
        """How many positions of the block have a box, halved so often, begin at each pixel."""
        along = []
        for n, depth, j in zip(self._shape, self._depth, halvings, strict=True):
            begins = (np.arange(n) <= n - 2**depth).astype(float)
            along.append(sum(np.roll(begins, i * 2**j) for i in range(2 ** (depth - j))))
        return np.asarray(math.prod(np.ix_(*along)), float)

    def _level(self, j: int) -> Level:
        halvings = [min(j, depth) for depth in self._depth]
        axes = tuple(axis for axis, depth in enumerate(self._depth) if depth >= j)
        pixels = 2 ** sum(halvings)
        return Level(axes, 2**j, pixels, self._blocks(halvings) / pixels)

    def split(self, sums: Array, level: Level) -> tuple[Array, dict[Signs, Array]]:
        """From the sums in boxes of the level before: those of this one, and its wavelets."""
        bands: dict[Signs, Array] = {(): sums}
        for axis in level.axes:
            half = level.length // 2
            later = {signs: self._moved(one, half, axis) for signs, one in bands.items()}
            low = {(*signs, 0): one + later[signs] for signs, one in bands.items()}
            bands = low | {(*signs, 1): one - later[signs] for signs, one in bands.items()}
        return bands.pop((0,) * len(level.axes)), bands

    def join(self, coefficients: Array, level: Level, signs: Signs) -> Array:
        """The image that these coefficients make, the mean over all blocks."""
        image = coefficients * level.weight
        for axis, sign in zip(level.axes, signs, strict=True):
            image = image + (-1) ** sign * self._moved(image, -level.length // 2, axis)
        for finer in reversed(self.levels[: self.levels.index(level)]):
            for axis in finer.axes:
                image = image + self._moved(image, -finer.length // 2, axis)
        return image / self.coverage

    def around(self, sums: Array, level: Level, signs: Signs) -> Array:
        """The same difference as a wavelet, between the boxes beside its own: its parent.

        It tells whether there is an edge here, and has no pixel in common with the wavelet.
        """
        parent = sums
        for axis in itertools.compress(level.axes, signs):
            before = self._moved(parent, -level.length, axis)
            parent = before - self._moved(parent, level.length, axis)
        return parent

    def _moved(self, array: Array, pixels: int, axis: int) -> Array:
        """What lies so many pixels further along an axis of the image."""
        return np.roll(array, -pixels, axis - len(self._shape))
