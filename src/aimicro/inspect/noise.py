"""How many photons an image was made of, estimated from its noise."""

import itertools
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimicro import checks

# Blind to all that is flat or sloping, so that what is left of most specimens is noise.
_KERNEL = np.outer([1, -2, 1], [1, -2, 1]) / 6
_MEAN = np.ones((5, 5)) / 25
_BINS, _FEWEST = 40, 100  # levels of brightness, and pixels in one
_LARGEST = 2**22  # pixels that are enough for an estimate
_FIELD = 512  # pixels along the sides of a part of a plane that is larger
_DOUBT = 0.25  # the largest standard error of the gain, as a fraction of it
# Of a normal distribution: sigma over the mean size of the smaller three quarters. So a few edges
# do not count, nor do the steps of whole numbers, as they would with a median.
_KEPT, _SIGMA_PER_SIZE = 0.75, 1.9421


class PhotonTransfer(NamedTuple):
    """How the noise of an image grows with its brightness.

    Attributes
    ----------
    gain : float
        Counts for each photon that was detected.
    dark : float
        Counts at which the noise would vanish: the offset of the camera, less the read noise in
        electrons squared times the gain.
    photons : float
        Detected in the brightest thousandth of the image.
    """

    gain: float
    dark: float
    photons: float


def photon_transfer(image: npt.ArrayLike) -> PhotonTransfer | None:
    """Estimate the photons that were detected, from a single image.

    Photons arrive at random, so the variance of a pixel is proportional to its light, and the slope
    is the gain: `variance = gain * (mean - dark)`. The mean is that of 5 x 5 pixels, and the
    variance that of the second difference along both axes, by its smaller three quarters, so that a
    few edges do not count. It takes the noise of neighbours for independent: after smoothing,
    resampling or lossy compression there seem to be more photons than there were.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities, in any unit. Of a large one the parts that `noise_boxes` chooses are used.

    Returns
    -------
    PhotonTransfer or None
        None where the variance does not grow with the mean beyond doubt, as in simulated truths.

    Raises
    ------
    TypeError, ValueError
        If `image` is none.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    References
    ----------
    .. [1] J. R. Janesick, "Photon Transfer: DN -> λ", SPIE Press (2007). doi:10.1117/3.725073
    .. [2] J. Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding
       64, 300-302 (1996). doi:10.1006/cviu.1996.0060

    Examples
    --------
    >>> light = np.tile(np.linspace(5, 100, 512), (512, 1))
    >>> found = photon_transfer(100 + 2 * np.random.default_rng(0).poisson(light))
    >>> round(found.gain, 1), round(found.dark), round(found.photons, -1)
    (2.0, 100, 100.0)
    """
    pixels = checks.image("image", image)
    planes = [pixels[box].reshape(pixels[box].shape[-2:]) for box in noise_boxes(pixels.shape)]
    found = [_mean_and_residual(plane) for plane in planes]
    mean, residual = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    if mean.size < _FEWEST:
        return None
    line = _line(*_binned(mean, residual))
    if line is None:
        return None
    gain, intercept = line
    dark = -intercept / gain
    photons = (float(np.percentile(mean, 99.9)) - dark) / gain
    return PhotonTransfer(gain, dark, photons) if photons > 0 else None


def noise_boxes(shape: Sequence[int]) -> list[tuple[slice, ...]]:
    """Choose the parts of an image that are enough for `photon_transfer`.

    Parameters
    ----------
    shape : sequence of int
        `(Y, X)` or `(Z, Y, X)`.

    Returns
    -------
    list of tuple of slice
        The whole planes, or so many at equal distances that they have four million pixels. Of a
        larger plane, and of the middle one of several, 4 x 4 fields of 512 x 512 pixels.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> [box[0] for box in noise_boxes((24, 1024, 1024))]
    [slice(3, 4, None), slice(9, 10, None), slice(15, 16, None), slice(21, 22, None)]
    >>> len(noise_boxes((4096, 4096)))
    16
    """
    *before, height, width = shape
    n_planes, every = math.prod(before), max(1, math.prod(shape) // _LARGEST)
    fields, planes = [(slice(0, height), slice(0, width))], range(every // 2, n_planes, every)
    if height * width > _LARGEST:
        fields = list(itertools.product(_spread(height), _spread(width)))
        planes = range(n_planes // 2, n_planes // 2 + 1)
    return [(*[slice(z, z + 1)] * len(before), *field) for z in planes for field in fields]


def _spread(length: int) -> list[slice]:
    """Up to four stretches of an axis, at equal distances."""
    n = min(4, max(1, length // _FIELD))
    middles = length * (2 * np.arange(n) + 1) // (2 * n)
    starts = np.maximum(middles - _FIELD // 2, 0).tolist()
    return [slice(start, min(start + _FIELD, length)) for start in starts]


def _mean_and_residual(
    plane: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if min(plane.shape) < 5:
        return np.zeros(0), np.zeros(0)
    values, inside = plane.astype(np.float64), (slice(2, -2), slice(2, -2))
    mean = ndimage.convolve(values, _MEAN)[inside]
    return mean.ravel(), ndimage.convolve(values, _KERNEL)[inside].ravel()


def _binned(
    mean: npt.NDArray[np.float64], residual: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean, variance and number of the pixels of each level of brightness."""
    low, high = np.percentile(mean, (0.1, 99.9))
    edges = np.linspace(low, high, _BINS + 1)
    level = np.digitize(mean, edges)
    order = np.argsort(level, kind="stable")
    ends = np.searchsorted(level[order], np.arange(1, _BINS + 2))
    rows = []
    for start, end in pairwise(ends):
        members = order[start:end]
        if members.size >= _FEWEST:
            sizes = np.sort(np.abs(residual[members]))[: int(_KEPT * members.size)]
            sigma = _SIGMA_PER_SIZE * sizes.mean()
            rows.append((mean[members].mean(), sigma**2, members.size))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _line(
    mean: npt.NDArray[np.float64], variance: npt.NDArray[np.float64], n: npt.NDArray[np.float64]
) -> tuple[float, float] | None:
    """Slope and intercept, where the slope is positive beyond doubt."""
    if mean.size < 4 or not variance.any():
        return None
    # The error of a variance is proportional to it.
    error = (variance + variance.mean() / 10) / np.sqrt(n)
    design = np.stack([mean, np.ones_like(mean)], axis=1) / error[:, np.newaxis]
    (gain, intercept), *_ = np.linalg.lstsq(design, variance / error, rcond=None)
    misfit = (variance - gain * mean - intercept) / error
    spread = np.linalg.pinv(design.T @ design)[0, 0] * (misfit @ misfit) / (mean.size - 2)
    return (float(gain), float(intercept)) if gain > 0 and spread**0.5 < _DOUBT * gain else None
