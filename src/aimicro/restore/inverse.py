"""The blur divided out of the spectrum, once, but not where only noise is left.

`inverse_filter` stops where the microscope passes next to nothing, and `wiener` divides less and
less the more the noise prevails.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._fourier import Mirrored, Spectrum, power
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, excess_of
from aimicro.simulate import Noise


def inverse_filter(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    cut_off: float,
    noise: Noise | None = None,
    background: float = 0.0,
) -> Image:
    r"""Deconvolve by division, where the microscope passes enough.

    The spectrum of the image is multiplied by :math:`1/H` where the transfer function *H*, the
    Fourier transform of the PSF, has a magnitude of `cut_off` or more, and by 0 elsewhere. Nothing
    is simpler, and nothing shows better what deconvolution has to fight: where *H* is small, the
    division makes noise large.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        In any intensity unit; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        As for `richardson_lucy`.
    cut_off : float
        Smallest fraction of a frequency that must pass, from 1e-6 to 1. Small sharpens more.
    noise : Noise, optional
        The camera. A linear filter needs its offset only, which is subtracted.
    background : float
        Light that does not come from the specimen, as for `richardson_lucy`; subtracted.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        It rings around bright structures and can be negative. Its mean is nearly that of the
        image without offset and background.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or another argument is not what it should be.

    Notes
    -----
    The image is mirrored at its borders as far as the PSF extends, so that no edge appears where
    it ends.

    Used in chapter 6, *Deconvolution*.

    References
    ----------
    D. Sage et al., "DeconvolutionLab2: An open-source software for deconvolution microscopy",
    Methods 115 (2017) 28-41. doi:10.1016/j.ymeth.2016.12.015

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 3, 1], [1, 3, 1]) / 25
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = inverse_filter(blurred, psf, cut_off=0.01)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    36 of 100 before, 100 after
    """
    # float32 is exact to some 1e-7 of the brightest frequency.
    least = checks.number("cut_off", cut_off, low=1e-6, high=1, hint="Start with 0.1.")
    data, kernel = checked(image, psf)
    mirrored = Mirrored(kernel, excess_of(data, noise, background))

    def response(H: Spectrum) -> Spectrum:
        """1/H, or nothing."""
        return np.divide(1, H, out=np.zeros_like(H), where=np.abs(H) >= least)

    return mirrored.filtered(response)


def wiener(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    noise_to_signal: float,
    noise: Noise | None = None,
    background: float = 0.0,
) -> Image:
    r"""Deconvolve with a Wiener filter.

    With the transfer function :math:`H`, the Fourier transform of the PSF, the spectrum :math:`D`
    of the image is multiplied by

    .. math:: \frac{H^*}{|H|^2 + K},

    which is :math:`1/H` where the microscope passes much, and next to nothing where it passes
    less than the noise.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        In any intensity unit; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        As for `richardson_lucy`.
    noise_to_signal : float
        *K*, power of the noise over that of the specimen, taken as the same at all frequencies;
        1e-12 or more. Small sharpens more.
    noise : Noise, optional
        The camera. A linear filter needs its offset only, which is subtracted.
    background : float
        Light that does not come from the specimen, as for `richardson_lucy`; subtracted.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        It rings around bright structures and can be negative. Its mean is that of the image
        without offset and background, over :math:`1 + K`.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or another argument is not what it should be.

    Notes
    -----
    The image is mirrored at its borders as far as the PSF extends, so that no edge appears where
    it ends.

    Used in chapter 6, *Deconvolution*, and appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 3, 1], [1, 3, 1]) / 25
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = wiener(blurred, psf, noise_to_signal=1e-4)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    36 of 100 before, 100 after
    """
    return filter_of(image, psf, noise=noise, background=background)(noise_to_signal)


def filter_of(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    noise: Noise | None = None,
    background: float = 0.0,
) -> Callable[[float], Image]:
    """The Wiener filter for one image, to be called with its noise-to-signal ratio."""
    data, kernel = checked(image, psf)
    mirrored = Mirrored(kernel, excess_of(data, noise, background))

    def filtered(noise_to_signal: float) -> Image:
        """The image, filtered with one ratio."""
        # Below 1e-12 the rounding of float32 comes out instead of the specimen.
        hint = "Start with 0.01."
        ratio = checks.number("noise_to_signal", noise_to_signal, low=1e-12, hint=hint)
        return mirrored.filtered(lambda H: H.conj() / (power(H) + np.float32(ratio)))

    return filtered
