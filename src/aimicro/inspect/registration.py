"""Whether two images lie on the same pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from aimicro import checks

_FINE, _COARSE = 1.0, 8.0  # pixels: finer is noise, coarser is illumination
_LARGEST = 2**22  # voxels that are enough to find a shift


class Shift(NamedTuple):
    """How far an image lies from another one.

    Attributes
    ----------
    offset : tuple of float
        Pixels along ([z,] y, x) by which the image has to be moved to lie on the other one.
    correlation : float
        Of both once it is moved; negative where one is bright and the other one dark.
    in_place : float
        Correlation as they lie.
    """

    offset: tuple[float, ...]
    correlation: float
    in_place: float


def shift_between(image: npt.ArrayLike, reference: npt.ArrayLike) -> Shift:
    """Measure by how much an image is shifted against another one of the same specimen.

    The highest cross-correlation of both, to a tenth of a pixel, once noise and illumination are
    filtered out. Contrast and unit may differ, so that a raw image can be laid on a mask.

    Parameters
    ----------
    image, reference : array_like, (Y, X) or (Z, Y, X)
        Of one shape; of large ones the part that `middle_of` chooses is used.

    Returns
    -------
    Shift
        Zero for images in which nothing can be compared.

    Raises
    ------
    TypeError, ValueError
        If one is no image, or their shapes differ.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    References
    ----------
    .. [1] M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup, "Efficient subpixel image registration
       algorithms", Optics Letters 33, 156-158 (2008). doi:10.1364/OL.33.000156

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(5, (64, 64))
    >>> shift_between(np.roll(image, 3, axis=1), image).offset
    (0.0, -3.0)
    """
    pixels, other = checks.image("image", image), checks.image("reference", reference)
    if pixels.shape != other.shape:
        raise ValueError(
            f"Expected images of one shape, got {pixels.shape} and {other.shape}. Crop them first."
        )
    middle = middle_of(pixels.shape)
    moving, fixed = _filtered(pixels[middle]), _filtered(other[middle])
    in_place = _correlation(moving, fixed)
    best = Shift((0.0,) * pixels.ndim, in_place, in_place)
    if not (moving.any() and fixed.any()):
        return best
    for sign in (1, -1):
        offset, *_ = phase_cross_correlation(
            fixed, sign * moving, upsample_factor=10, normalization=None
        )
        # Along an axis of one slice nothing moves; + 0 makes no zero negative.
        values = tuple(
            float(n) + 0.0 if size > 1 else 0.0 for n, size in zip(offset, fixed.shape, strict=True)
        )
        moved = np.roll(moving, np.rint(values).astype(int), axis=tuple(range(fixed.ndim)))
        correlation = _correlation(moved, fixed)
        if abs(correlation) > abs(best.correlation):
            best = Shift(values, correlation, in_place)
    return best


def middle_of(shape: Sequence[int]) -> tuple[slice, ...]:
    """Choose the middle part of an image, which is enough for `shift_between`.

    Parameters
    ----------
    shape : sequence of int
        `(Y, X)` or `(Z, Y, X)`.

    Returns
    -------
    tuple of slice
        All planes, and of each as much as makes four million voxels together.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> middle_of((3000, 1000))
    (slice(476, 2524, None), slice(0, 1000, None))
    """
    per_plane = _LARGEST // min(_LARGEST, int(np.prod(shape[:-2])) or 1)
    side = max(16, int(per_plane**0.5))
    starts = [max(0, (size - side) // 2) for size in shape[-2:]]
    along_z = [slice(0, n) for n in shape[:-2]]
    ends = [min(start + side, size) for start, size in zip(starts, shape[-2:], strict=True)]
    return (*along_z, *map(slice, starts, ends))


def _filtered(image: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """What is neither noise nor illumination, plane by plane."""
    values = image.astype(np.float64)
    flat = (0.0,) * (values.ndim - 2)
    coarse = min(_COARSE, min(values.shape[-2:]) / 4)
    fine = ndimage.gaussian_filter(values, (*flat, _FINE, _FINE))
    return np.asarray(fine - ndimage.gaussian_filter(values, (*flat, coarse, coarse)))


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    power = float((a * a).sum() * (b * b).sum())
    return float((a * b).sum()) / power**0.5 if power > 0 else 0.0
