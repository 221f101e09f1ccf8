"""Checks of image, point spread function and camera, the same for every classical method."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore.anscombe import Image
from aimicro.simulate import Noise
from aimicro.simulate.varying import node_psfs


def checked(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Image, Image]:
    """Image and PSF as float32, or a clear error."""
    hint = "Deconvolve one image or one volume at a time."
    data = checks.intensities("image", image, hint=hint)
    hint = "Pass a PSF of the same number of dimensions as the image."
    kernel = checks.psf("psf", psf, ndim=data.ndim, odd=True, hint=hint)
    return data.astype(np.float32), (kernel / kernel.sum()).astype(np.float32)


def checked_lens(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Image, Image]:
    """The same, where the PSF may also be those of nodes (rows, columns, Y, X) of an image."""
    if np.ndim(psf) != 4:
        return checked(image, psf)
    hint = "A PSF that changes across the field is one of images; take a volume plane by plane."
    data = checks.intensities("image", image, ndim=2, hint=hint)
    return data.astype(np.float32), node_psfs(psf)


def finer_of(finer: int, ndim: int) -> int:
    """Planes of the estimate for each of the image, or an error unless there are planes."""
    finer = checks.whole("finer", finer, low=1, hint="Give the step in z over the pixel size.")
    if finer > 1 and ndim != 3:
        raise ValueError(
            f"Expected a volume (Z, Y, X) for finer={finer}, got an image with {ndim} axes. "
            "Only planes can be missing; leave finer out."
        )
    return finer


def checked_noise(noise: Noise) -> Noise:
    """What is known about the noise, or an error unless it is told in full."""
    if not isinstance(noise, Noise):
        raise TypeError(
            f"Expected noise with gain, offset and read_noise, got {type(noise).__name__}. "
            "Describe it with Noise(gain=…), or pass the noise of a simulated camera, camera.noise."
        )
    return noise


def _camera(noise: Noise | None) -> Noise:
    """The camera, or one whose counts are light."""
    return Noise() if noise is None else checked_noise(noise)


def background_of(background: float) -> float:
    """The background, or an error unless it can be light."""
    hint = "Give light per voxel in the unit of the image, or leave it out."
    return checks.number("background", background, low=0, hint=hint)


def light_of(data: Image, noise: Noise | None, background: float) -> tuple[Image, float]:
    """Data and background with photon noise only, the read noise counted as further photons."""
    camera, light = _camera(noise), background_of(background)
    # Its variance r² is that of r²/g counts of light, each photon being g counts.
    further = camera.read_noise**2 / camera.gain
    data = data - np.float32(camera.offset)
    if further == 0 and data.min() < 0:
        raise ValueError(
            f"Expected an image from {camera.offset:g} up, got values down to "
            f"{data.min() + camera.offset:g}. Give the noise of the camera with its offset and its "
            "read noise, which explains counts below the offset; do not clip them."
        )
    return data + np.float32(further), light + further


def excess_of(data: Image, noise: Noise | None, background: float) -> Image:
    """Data as light of the specimen alone, with the noise about it."""
    return data - np.float32(_camera(noise).offset) - np.float32(background_of(background))


def last_of(
    estimates: Iterator[Image], iterations: int, each: Callable[[int, Image], None] | None
) -> Image:
    """The estimate after so many iterations; `each` gets all of them on the way."""
    for number, estimate in enumerate(islice(estimates, iterations), start=1):
        if each is not None:
            each(number, estimate)
    return estimate


def for_each(psf: Any, count: int) -> list[Any]:
    """A PSF for each image, or a clear error."""
    psfs = list(psf) if isinstance(psf, list | tuple) else [psf]
    if len(psfs) == 1:
        return psfs * count
    if len(psfs) != count:
        raise ValueError(
            f"Expected one PSF or as many as images, got {len(psfs)} for {count} images. "
            "Pass one array, or a list of the length of the images."
        )
    return psfs
