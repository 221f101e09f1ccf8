"""From planes to slabs, and from a fine grid to the grid of an image."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aimicro import checks

Volume = NDArray[np.float32]
Light = NDArray[np.floating[Any]]


def slab_fractions(depths: Light, slabs: int) -> Iterator[tuple[float, Light]]:
    """Depth of each slab's PSF, and the fraction that the slab has in each plane."""
    hint = "Take 1 where the PSF is the same everywhere."
    slabs = checks.whole("slabs", slabs, low=1, high=len(depths), hint=hint)
    if slabs == 1:
        centres = depths.mean(keepdims=True)
    else:
        centres = np.linspace(depths[0], depths[-1], slabs)
    for centre, only_here in zip(centres, np.eye(slabs), strict=True):
        yield float(centre), np.interp(depths, centres, only_here)


def along_z(values: Light, ndim: int) -> Volume:
    """Make one value per plane ready to multiply an image of so many axes."""
    return values.astype(np.float32).reshape(-1, *(1,) * (ndim - 1))


Pixels = TypeVar("Pixels", Volume, NDArray[np.int32])


def downsample(
    image: Pixels,
    upsampling: tuple[int, ...],
    collectors: Sequence[Callable[[Pixels, int], Pixels]],
) -> Pixels:
    """Go to the grid of the image, along each axis in its way."""
    for axis, factor in enumerate(upsampling):
        collect = collectors[axis - len(upsampling)]  # a 2D image has the last two
        if factor > 1:
            image = np.moveaxis(collect(np.moveaxis(image, axis, 0), factor), 0, axis)
    return image


def mean(image: Volume, factor: int) -> Volume:
    """Mean of the finer voxels."""
    mean: Volume = image.reshape(-1, factor, *image.shape[1:]).mean(axis=1)
    return mean


def central(image: Volume, factor: int) -> Volume:
    """Take the finer voxel in the middle, or the mean of two."""
    return (image[(factor - 1) // 2 :: factor] + image[factor // 2 :: factor]) / np.float32(2)


def nearest(labels: NDArray[np.int32], factor: int) -> NDArray[np.int32]:
    """Take the finer voxel in the middle, or the one behind it."""
    return labels[factor // 2 :: factor]
