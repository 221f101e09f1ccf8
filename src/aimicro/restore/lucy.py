"""The algorithm of Richardson and Lucy, which asks what specimen would have given these counts."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore import _fourier as fourier
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked

_SEEN = 0.01  # fraction of its light that must reach the image before a voxel is estimated


def richardson_lucy(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    iterations: int,
    background: float = 0.0,
    accelerated: bool = False,
    each: Callable[[int, Image], None] | None = None,
) -> Image:
    r"""Deconvolve with the algorithm of Richardson and Lucy.

    From an even estimate :math:`f`, each iteration compares the image :math:`d` with what the
    estimate would look like, and spreads the quotient back with the mirrored PSF :math:`h^T`:

    .. math:: f \leftarrow \frac{f}{h^T \otimes m} \cdot
              h^T \otimes \left( m \, \frac{d}{h \otimes f + b} \right).

    Every iteration makes the image more likely under photon noise. That is why one has to stop:
    late iterations explain the noise.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        *d*, in any intensity unit, nowhere negative.
    psf : array_like, same number of axes
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle;
        it may be larger than the image.
    iterations : int
        How often, at least once: a few where photons are few, hundreds where they are many.
    background : float
        *b*, light in every voxel that does not come from the specimen, in the unit of `image`.
        Subtract the offset of a camera from the image instead, and clip: it is no light and has
        no photon noise, so that as a background it would only slow the estimate down.
    accelerated : bool
        Whether each iteration starts a little ahead, where the last two point to [4]_: some
        eight times fewer iterations to nearly the same estimate. An iteration may then make the
        image less likely.
    each : callable, optional
        Called with the number of each iteration, from 1, and the estimate after it.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        The estimate, nowhere negative and without the background.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not finite real numbers as described, the iterations not a whole
        number above 0, or the background negative.

    Notes
    -----
    A microscope sees light of structures beyond its field, and misses light of those at the
    border. So the estimate goes on beyond the image, and :math:`m` is 1 inside, 0 beyond: no data
    there, nothing to compare. :math:`h^T \otimes m` is the fraction of its light that a place sends
    into the image; where it is less than 1 %, the estimate is 0. Unlike a mirrored border, this
    assumes nothing about what lies outside [3]_. The estimate ends where 95 % of the light of the
    PSF does, along each axis; fainter tails wrap around to the other side.

    No light is lost: blurred again and without a background, the estimate has the sum of the image.

    Used in chapter 6, *Deconvolution*, and appendix A.

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", Journal of
       the Optical Society of America 62 (1972) 55-59. doi:10.1364/JOSA.62.000055
    .. [2] L. B. Lucy, "An iterative technique for the rectification of observed distributions",
       The Astronomical Journal 79 (1974) 745-754. doi:10.1086/111605
    .. [3] M. Bertero, P. Boccacci, "A simple method for the reduction of boundary effects in the
       Richardson-Lucy approach to image deconvolution", Astronomy & Astrophysics 437 (2005)
       369-374. doi:10.1051/0004-6361:20052717
    .. [4] D. S. C. Biggs, M. Andrews, "Acceleration of iterative image restoration algorithms",
       Applied Optics 36 (1997) 1766-1775. doi:10.1364/AO.36.001766

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 2, 1], [1, 2, 1]) / 16
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = richardson_lucy(blurred, psf, iterations=50)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    25 of 100 before, 100 after
    """
    count = checks.whole("iterations", iterations, low=1, hint="Start with 20.")
    data, kernel = checked(image, psf)
    estimates = estimates_of(data, kernel, background, accelerated)
    for number, estimate in enumerate(islice(estimates, count), start=1):
        if each is not None:
            each(number, estimate)
    return estimate


def estimates_of(data: Image, psf: Image, background: float, accelerated: bool) -> Iterator[Image]:
    """The estimate after each iteration of Richardson and Lucy, without end."""
    light = check_light(data, background)
    field = tuple(slice(0, side) for side in data.shape)
    # The transform is periodic: what does not fit behind the image lies before it.
    shape = fourier.room(data, fourier.reach(psf))
    otf = fourier.otf(psf, shape)
    mirrored = otf.conj()

    # Transforms are exact to some 1e-7 of the brightest voxel: below that there is only error.
    least = max(1e-6 * float(data.max()), float(np.finfo(np.float32).tiny))
    fraction = fourier.values(fourier.spectrum(np.ones_like(data), shape) * mirrored, shape, shape)
    weight = np.where(fraction > _SEEN, 1 / np.maximum(fraction, _SEEN), np.float32(0))
    start = np.float32(np.maximum(data - light, 0).mean(dtype=float))
    estimate = ahead = np.where(weight > 0, start, np.float32(0))
    step = np.zeros_like(estimate)
    while True:
        seen = fourier.values(fourier.spectrum(ahead, shape) * otf, shape, data.shape) + np.float32(
            light
        )
        quotient = data / np.maximum(seen, least)
        back = fourier.values(fourier.spectrum(quotient, shape) * mirrored, shape, shape)
        last, estimate = estimate, np.maximum(back, 0, out=back)
        estimate *= ahead
        estimate *= weight
        yield estimate[field].copy()
        if accelerated:
            last_step, step = step, estimate - ahead
            ahead = estimate + _stride(step, last_step) * (estimate - last)
            np.maximum(ahead, 0, out=ahead)
        else:
            ahead = estimate


def _stride(step: Image, last_step: Image) -> np.float32:
    """How far to start ahead, between 0 and 1: far where steps keep their direction."""
    power = float(np.vdot(last_step, last_step))
    stride = float(np.vdot(step, last_step)) / power if power > 0 else 0.0
    return np.float32(min(max(stride, 0.0), 1.0))


def check_light(data: Image, background: float) -> float:
    """The background; an error unless image and background can be light."""
    hint = "Give light per voxel in the unit of the image, or leave it out."
    light = checks.number("background", background, low=0, hint=hint)
    if data.min() < 0:
        raise ValueError(
            f"Expected an image from 0 up, got values down to {data.min():g}. "
            "Clip it at 0 after the offset of the camera has been subtracted."
        )
    return light
