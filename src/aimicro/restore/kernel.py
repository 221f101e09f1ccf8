"""Checks of a point spread function, so that a deconvolved image is where it was."""

import math

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore.anscombe import Image

_OFF_CENTRE = 0.25  # of the width of the PSF; aberrations leave its light within a tenth


def checked(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Image, Image]:
    """Image and PSF as float32, or a clear error."""
    hint = "Deconvolve one image or one volume at a time."
    data = checks.intensities("image", image, hint=hint)
    hint = "Pass a PSF of the same number of dimensions as the image."
    kernel = checks.intensities("psf", psf, ndim=data.ndim, hint=hint)
    if any(side % 2 == 0 for side in kernel.shape):
        raise ValueError(
            f"Expected a PSF with sides of odd length, got shape {kernel.shape}. "
            "Compute it in an odd window, so that its centre is a voxel."
        )
    if kernel.min() < 0 or not math.isclose(kernel.sum(), 1, abs_tol=1e-3):
        raise ValueError(
            f"Expected a PSF from 0 up that sums to 1, got a smallest value of {kernel.min():g} "
            f"and a sum of {kernel.sum():g}. Clip it at 0 and divide it by its sum."
        )
    _check_centre(kernel)
    return data.astype(np.float32), (kernel / kernel.sum()).astype(np.float32)


def _check_centre(psf: npt.NDArray[np.float64]) -> None:
    """An error if the light is centred elsewhere: the result would be moved by as much."""
    off, width = [], []
    for axis, side in enumerate(psf.shape):
        light = psf.sum(axis=tuple(set(range(psf.ndim)) - {axis})) / psf.sum()
        place = np.arange(side) - side // 2
        off.append(float(light @ place))
        width.append(math.sqrt(light @ (place - off[-1]) ** 2))
    if any(abs(o) > max(1, _OFF_CENTRE * w) for o, w in zip(off, width, strict=True)):
        raise ValueError(
            "Expected a PSF with its light around the middle voxel, got its centre "
            f"{', '.join(f'{o:+.1f}' for o in off)} voxels from there along "
            f"{', '.join('zyx'[-psf.ndim :])}, by which the result would be moved. Subtract the "
            "background of a measured one, and crop it around its brightest voxel."
        )
