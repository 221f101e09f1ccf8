"""What a restored image says against itself where nobody knows the truth."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.metrics._checks import of_one_shape

_DARK = 0.5  # photons: where fewer are expected, the spread of a count is no longer known well


class Residual(NamedTuple):
    """What is left of a measured image when the restored one is taken away.

    Attributes
    ----------
    image : ndarray of float64, (Y, X) or (Z, Y, X)
        Measured less restored, in standard deviations of the noise.
    variance : float
        1 if as much was taken away as there was noise, more if too much was, less if too little.
    correlation : float
        Of neighbouring pixels, from -1 to 1; 0 for noise alone. Above 0 it holds shapes.

    Notes
    -----
    Used in chapter 5, *Without truth*.
    """

    image: npt.NDArray[np.float64]
    variance: float
    correlation: float


def residual(
    measured: npt.ArrayLike, restored: npt.ArrayLike, *, read_noise_e: float = 0.0
) -> Residual:
    r"""Take a restored image from the measured one, and ask whether only noise is left.

    .. math:: z = \frac{x - \hat x}{\sqrt{\max(\hat x, 0.5) + r^2}}

    Parameters
    ----------
    measured : array_like, (Y, X) or (Z, Y, X)
        What the detector counted, in photons: offset subtracted, divided by the gain.
    restored : array_like, same shape and unit as `measured`
        The restored image, blurred again if the blur was taken away.
    read_noise_e : float
        *r*, read noise in electrons; 0 for a detector that counts photons.

    Returns
    -------
    Residual
        The residual, its variance, and the correlation of its neighbouring pixels.

    Raises
    ------
    TypeError
        If an image is not made of real numbers, or is a mask.
    ValueError
        If the shapes differ, a pixel is not finite, the image has no two neighbours, or the read
        noise is negative.

    Notes
    -----
    A method that leaves the noise in leaves no residual: its variance is 0, and so is the
    correlation.

    Used in chapter 5, *Without truth*.

    Examples
    --------
    >>> light = np.full((64, 64), 20.0)
    >>> left = residual(np.random.default_rng(0).poisson(light), light)
    >>> round(left.variance, 1), round(left.correlation, 1)
    (1.0, 0.0)
    """
    x, y = of_one_shape(
        "restored",
        checks.intensities("measured", measured),
        checks.intensities("restored", restored),
    )
    read = checks.number("read_noise_e", read_noise_e, low=0, hint="Give a standard deviation.")
    z = (x - y) / np.sqrt(np.maximum(y, _DARK) + read**2)
    pairs = [
        (z.take(range(n - 1), axis), z.take(range(1, n), axis))
        for axis, n in enumerate(z.shape)
        if n > 1
    ]
    if not pairs:
        raise ValueError(f"Expected an image with neighbouring pixels, got shape {z.shape}.")
    middle, variance = z.mean(), z.var()
    together = np.mean([np.mean((one - middle) * (other - middle)) for one, other in pairs])
    correlation = float(together / variance) if variance > 0 else 0.0
    return Residual(z, float(variance), correlation)


def split_photons(
    photons: npt.ArrayLike, *, share: float = 0.5, rng: np.random.Generator | int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    r"""Give each counted photon to one of two images by the toss of a coin.

    Both are then images of the same field with less light, and their noises know nothing of each
    other, as long as the counts are those of photons.

    .. math:: a \sim \mathrm{Binomial}(n, p), \qquad b = n - a

    Parameters
    ----------
    photons : array_like, (Y, X) or (Z, Y, X)
        *n*, counted photons: whole numbers from 0.
    share : float
        *p*, the probability of the first image, between 0 and 1.
    rng : numpy.random.Generator or int
        Where chance comes from, or its seed.

    Returns
    -------
    first, second : ndarray of float32, same shape as `photons`
        Photons in each; together they are all.

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or is a mask.
    ValueError
        If a count is negative or no whole number, or the share is not between 0 and 1.

    Notes
    -----
    That the parts of a Poisson count are independent Poisson counts is used to test what was
    learned from data by Neufeld et al., *Data thinning for convolution-closed distributions*
    (2023), doi:10.48550/arXiv.2301.07276.

    Used in chapter 5, *Without truth*.

    Examples
    --------
    >>> first, second = split_photons([[9, 0], [4, 100]], rng=0)
    >>> first + second
    array([[  9.,   0.],
           [  4., 100.]], dtype=float32)
    """
    counts = checks.intensities("photons", photons, low=0)
    checks.number("share", share, above=0, below=1, hint="Give 0.5 for halves.")
    uneven = int(np.count_nonzero(counts != np.rint(counts)))
    if uneven:
        raise ValueError(
            f"Expected photons in whole numbers, got {uneven} of {counts.size} pixels between "
            "them. Subtract the offset, divide by the gain, and round with numpy.rint; with read "
            "noise near an electron or more, the two images are not independent any more."
        )
    first = np.random.default_rng(rng).binomial(counts.astype(np.int64), share)
    return first.astype(np.float32), (counts - first).astype(np.float32)


def split_error(
    restore: Callable[[npt.NDArray[np.float32]], npt.ArrayLike],
    photons: npt.ArrayLike,
    *,
    rng: np.random.Generator | int,
) -> float:
    r"""Estimate how far a method is from a truth that nobody knows, by photons kept from it.

    Half of the photons *a* are restored, and compared with the other half *b*. What the noise of
    *b* adds to the squared difference is known: its mean.

    .. math:: E = \overline{(f(a) - b)^2} - \overline{b}

    Parameters
    ----------
    restore : callable
        *f*, takes an image and returns it restored: same shape, in photons of half the light.
    photons : array_like, (Y, X) or (Z, Y, X)
        Counted photons: whole numbers from 0.
    rng : numpy.random.Generator or int
        Where chance comes from, or its seed.

    Returns
    -------
    float
        Estimate of the mean squared error of the restored half, in photons squared. It is right on
        average; for a very good method chance may turn it below 0.

    Raises
    ------
    TypeError, ValueError
        As for `split_photons`; and if what `restore` returns has another shape.

    Notes
    -----
    It tells the error at half the light, and whatever is in both halves passes for truth: a
    hot pixel, a reflection, the blur.

    Used in chapter 5, *Without truth*.

    Examples
    --------
    >>> counted = np.random.default_rng(0).poisson(20, size=(64, 64))
    >>> split_error(lambda half: np.full_like(half, half.mean()), counted, rng=1) < 0.5
    True
    """
    seen, kept = split_photons(photons, rng=rng)
    found = checks.intensities("the restored image", restore(seen))
    other, found = of_one_shape("the restored image", kept.astype(np.float64), found)
    return float(np.mean((found - other) ** 2) - math.fsum(other.ravel()) / other.size)
