"""Checks of a point spread function, so that a deconvolved image is where it was."""

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore.anscombe import Image


def checked(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Image, Image]:
    """Image and PSF as float32, or a clear error."""
    hint = "Deconvolve one image or one volume at a time."
    data = checks.intensities("image", image, hint=hint)
    hint = "Pass a PSF of the same number of dimensions as the image."
    kernel = checks.psf("psf", psf, ndim=data.ndim, hint=hint)
    if any(side % 2 == 0 for side in kernel.shape):
        raise ValueError(
            f"Expected a PSF with sides of odd length, got shape {kernel.shape}. "
            "Compute it in an odd window, so that its centre is a voxel."
        )
    return data.astype(np.float32), (kernel / kernel.sum()).astype(np.float32)
