"""Two denoisers that find their own strength: SURE-LET for even noise, PURE-LET for counts.

The error of an estimate cannot be known without the truth, but where the noise is known its
expectation can. With Haar wavelets and thresholds whose sum is weighted, the weights with the
smallest expected error are the solution of a few linear equations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._haar import Array, Level, SlidingHaar
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked_noise
from aimicro.simulate import Noise

# With blocks of 16 pixels. Three sizes lose 0.1 dB at 12 photons, five gain nothing.
_LEVELS = 4


@dataclass(frozen=True)
class SelfTuned:
    """A denoised image, and the error that it is expected to have.

    Attributes
    ----------
    image : ndarray of float32
        The denoised image.
    mse : float
        Estimate of its mean squared error, in squared units of the image. It needs no truth, but
        the right noise: what the variance was told too low, comes out as error. It is low by
        itself where there are few pixels, because the weights were chosen by it: below 0 where
        there is nothing but noise.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """

    image: Image
    mse: float


def sure_let(image: npt.ArrayLike, *, sigma: float) -> SelfTuned:
    r"""Denoise an image with the same noise everywhere, with no strength to tune.

    The estimate is a weighted sum of thresholded images, :math:`F = F_0 + \sum_k a_k F_k`, and for
    Gaussian noise its expected error is that of Stein's unbiased estimate,

    .. math:: \mathrm{SURE} = \frac{1}{N} \Big( \lVert F(z) - z \rVert^2
              + 2 \sigma^2 \sum_n \frac{\partial F_n}{\partial z_n} \Big) - \sigma^2,

    a parabola in the weights *a*, whose lowest point is a linear system.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        *z*, noisy image in any intensity unit, or camera counts after `anscombe` (with a `sigma`
        of 1).
    sigma : float
        Standard deviation of the noise, in the unit of the image. 0 gives the image back.

    Returns
    -------
    SelfTuned
        The denoised image and its expected error.

    Raises
    ------
    TypeError, ValueError
        If the image is not 2D or 3D, has a NaN or an infinity, or has fewer than 4 pixels along
        all axes; or `sigma` is no number of 0 or more.

    See Also
    --------
    pure_let : For camera counts, whose noise grows with the signal.

    Notes
    -----
    Some 70 copies of a volume are held in double precision: cut a large one into parts.

    Used in chapter 6, *Denoising*.

    References
    ----------
    T. Blu, F. Luisier, "The SURE-LET approach to image denoising", IEEE Transactions on Image
    Processing 16 (2007) 2778-2786. doi:10.1109/TIP.2007.906002

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(1).normal(7, 1, size=(64, 64))
    >>> quiet = sure_let(noisy, sigma=1)
    >>> bool(quiet.image.std() < 0.2 * noisy.std())
    True
    """
    sigma = checks.number("sigma", sigma, low=0, hint="Give a standard deviation.")
    pixels = _pixels("image", image)
    if sigma == 0:
        return SelfTuned(pixels.astype(np.float32), 0.0)
    quiet, mse = _best(pixels, gain=0.0, variance=sigma**2)
    return SelfTuned(quiet.astype(np.float32), mse)


def pure_let(counts: npt.ArrayLike, *, noise: Noise) -> SelfTuned:
    r"""Denoise camera counts with their photon and read noise, with no strength to tune.

    As `sure_let`, with an estimate of the error for a camera. Instead of asking how an estimate
    changes with its pixel, it takes one photon of gain *g* out of that pixel: for photon noise
    :math:`E[\lambda F(z)] = E[z F(z - g)]`. For sums and differences of pixels, as Haar's wavelets
    are, that is exact. Thresholds follow the noise that each wavelet is expected to have.

    Parameters
    ----------
    counts : array_like, (Y, X) or (Z, Y, X)
        *z*, as the camera gave them, not clipped.
    noise : Noise
        Gain, offset and read noise, such as `aimicro.simulate.Camera.noise`.

    Returns
    -------
    SelfTuned
        The denoised counts, and their expected error in squared counts.

    Raises
    ------
    TypeError, ValueError
        As for `sure_let`; and if `noise` is no `Noise`.

    See Also
    --------
    sure_let : For noise that is the same everywhere.

    Notes
    -----
    Some 70 copies of a volume are held in double precision: cut a large one into parts.

    Used in chapter 6, *Denoising*.

    References
    ----------
    F. Luisier, C. Vonesch, T. Blu, M. Unser, "Fast interscale wavelet denoising of
    Poisson-corrupted images", Signal Processing 90 (2010) 415-427.
    doi:10.1016/j.sigpro.2009.07.009

    F. Luisier, T. Blu, M. Unser, "Image denoising in mixed Poisson-Gaussian noise", IEEE
    Transactions on Image Processing 20 (2011) 696-708. doi:10.1109/TIP.2010.2073477

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro.simulate import Noise
    >>> counts = 100 + 2 * np.random.default_rng(1).poisson(5, size=(64, 64))
    >>> quiet = pure_let(counts, noise=Noise(gain=2, offset=100))
    >>> bool(quiet.image.std() < 0.2 * counts.std())
    True
    """
    offset = checked_noise(noise).offset
    light = _pixels("counts", counts) - offset
    quiet, mse = _best(light, gain=noise.gain, variance=noise.read_noise**2)
    return SelfTuned((quiet + offset).astype(np.float32), mse)


def _pixels(name: str, image: npt.ArrayLike) -> Array:
    """The image, if there is an axis that can be halved."""
    pixels = checks.intensities(name, image, hint="Denoise one image or one volume at a time.")
    if max(pixels.shape) < 4:
        raise ValueError(
            f"Expected {name} with at least 4 pixels along an axis, got shape {pixels.shape}. "
            "Give more of the field around it."
        )
    return pixels


def _best(z: Array, *, gain: float, variance: float) -> tuple[Array, float]:
    """The sum of thresholded images with the smallest expected error, and that error."""
    parts = _Parts.of(z, gain, variance)
    terms = parts.images[1:].reshape(len(parts.images) - 1, -1)
    target = terms @ (z - parts.images[0]).ravel() - parts.covariances[1:]
    gram = terms @ terms.T
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1))  # a band may be empty
    weights = np.linalg.lstsq(gram / np.outer(scale, scale), target / scale, rcond=1e-8)[0] / scale
    return parts.weighted(np.concatenate([[1.0], weights]))


@dataclass(frozen=True)
class _Parts:
    """The images that are summed, first the sums in the largest boxes, then the thresholded.

    With each comes an unbiased estimate of its covariance with the noise, over all pixels.
    """

    images: Array
    covariances: Array
    z: Array
    noise_variance: float  # of all pixels

    @classmethod
    def of(cls, z: Array, gain: float, variance: float) -> "_Parts":
        """All parts of an image from which the offset was taken."""
        haar = SlidingHaar(z.shape, _LEVELS)
        # The same sums for the image, for what each pixel gives to the mean over blocks, and both.
        sums = np.stack([z, z / haar.coverage, 1 / haar.coverage])
        images, covariances = [], []
        for level in haar.levels:
            sums, wavelets = haar.split(sums, level)
            for signs, band in wavelets.items():
                parent = haar.around(sums[0], level, signs) / 2 ** (sum(signs) / 2)
                for term, covariance in _thresholded(sums, band, parent, level, gain, variance):
                    images.append(haar.join(term, level, signs))
                    covariances.append(covariance)
        base = haar.join(sums[0], level, (0,) * len(level.axes))
        covariance = float(np.sum(level.weight * (gain * sums[1] + variance * sums[2])))
        all_noise = float(np.sum(gain * z + variance))
        return cls(np.stack([base, *images]), np.array([covariance, *covariances]), z, all_noise)

    def weighted(self, weights: npt.NDArray[np.float64]) -> tuple[Array, float]:
        """A weighted sum of the images, and its expected mean squared error."""
        image = np.tensordot(weights, self.images, axes=1)
        residual = np.sum((image - self.z) ** 2)
        error = residual + 2 * weights @ self.covariances - self.noise_variance
        return image, float(error / image.size)


def _thresholded(
    sums: Array, band: Array, parent: Array, level: Level, gain: float, variance: float
) -> Iterator[tuple[Array, float]]:
    """One band of wavelets after each threshold, and the covariance of that with the noise."""
    (s, zs, ones), (w, zw, signed) = sums, band
    read_variance = variance * level.pixels
    now = _terms(w, s, parent, gain, read_variance)
    # One photon less in a pixel that is added, and in one that is subtracted.
    added = _terms(w - gain, s - gain, parent, gain, read_variance)
    subtracted = _terms(w + gain, s - gain, parent, gain, read_variance)
    for term, plus, minus in zip(now, added, subtracted, strict=True):
        photons = (zs + zw) / 2 * (term.value - plus.value)
        photons -= (zs - zw) / 2 * (term.value - minus.value)
        reading = (ones + signed) / 2 * (plus.by_w + plus.by_s)
        reading += (ones - signed) / 2 * (minus.by_w - minus.by_s)
        yield term.value, float(np.sum(level.weight * (photons + variance * reading)))


class _Term(NamedTuple):
    """A function of the wavelets *w* and the sums *s* of the same pixels, and its derivatives."""

    value: Array
    by_w: Array
    by_s: Array


def _terms(w: Array, s: Array, parent: Array, gain: float, read_variance: float) -> list[_Term]:
    """All wavelets; those within three noise units; those of them with a parent of noise."""
    noise = gain * np.maximum(s, gain) + read_variance  # of no less than one photon
    slope = gain * (s > gain) / noise
    u = (w**2 / (9 * noise)) ** 4  # a soft step at three noise units
    small = np.exp(-u)
    v = parent**2 / (12 * noise)
    alone = np.exp(-v)
    return [
        _Term(w, np.ones_like(w), np.zeros_like(w)),
        _Term(w * small, small * (1 - 8 * u), w * small * 4 * u * slope),
        _Term(
            w * small * alone, alone * small * (1 - 8 * u), w * small * alone * (4 * u + v) * slope
        ),
    ]
