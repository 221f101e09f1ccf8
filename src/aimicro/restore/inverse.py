"""The Wiener filter: divide the blur out of the spectrum, once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore import _fourier as fourier
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked


def wiener(image: npt.ArrayLike, psf: npt.ArrayLike, *, noise_to_signal: float) -> Image:
    r"""Deconvolve with a Wiener filter.

    With the transfer function :math:`H`, the Fourier transform of the PSF, the spectrum :math:`D`
    of the image is multiplied by

    .. math:: \frac{H^*}{|H|^2 + K},

    which is :math:`1/H` where the microscope passes much, and next to nothing where it passes
    less than the noise.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        In any intensity unit.
    psf : array_like, same number of axes
        As for `richardson_lucy`.
    noise_to_signal : float
        *K*, power of the noise over that of the specimen, taken as the same at all frequencies;
        1e-12 or more. Small sharpens more.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        It rings around bright structures and can be negative. Its mean is that of the image
        over :math:`1 + K`.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or `noise_to_signal` is too small.

    Notes
    -----
    The image is mirrored at its borders as far as the PSF reaches, so that no edge appears where
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
    # Below 1e-12 the rounding of float32 comes out instead of the specimen.
    hint = "Start with 0.01."
    ratio = checks.number("noise_to_signal", noise_to_signal, low=1e-12, hint=hint)
    return filter_of(*checked(image, psf))(ratio)


def filter_of(data: Image, psf: Image) -> Callable[[float], Image]:
    """The filter for one image, to be called with its noise-to-signal ratio."""
    reach = fourier.reach(psf)
    shape = fourier.room(data, reach)
    edges = [(r, total - r - n) for r, total, n in zip(reach, shape, data.shape, strict=True)]
    otf = fourier.otf(psf, shape)
    spectrum = fourier.spectrum(np.pad(data, edges, mode="symmetric"), shape) * otf.conj()
    power = np.abs(otf) ** 2
    field = tuple(slice(r, r + n) for r, n in zip(reach, data.shape, strict=True))

    def filtered(ratio: float) -> Image:
        """The image, filtered with one ratio."""
        return fourier.values(spectrum / (power + np.float32(ratio)), shape, shape)[field].copy()

    return filtered
