"""Deconvolution with the smoothest specimen that explains the image.

`tikhonov` finds it in one step, but rings; `tikhonov_miller` forbids negative light, and iterates.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._descent import descent
from aimicro.restore._fourier import Blur, Mirrored, power
from aimicro.restore._variation import divergence, gradient, steepest, steps_of
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, excess_of, last_of
from aimicro.simulate import Noise


def tikhonov(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    smoothness: float,
    voxel_size_um: float | Sequence[float] = 1.0,
    noise: Noise | None = None,
    background: float = 0.0,
) -> Image:
    r"""Deconvolve with the smoothest specimen that explains the image, in one step.

    The estimate *f* makes :math:`|h \otimes f - d|^2 + \lambda |\Delta f|^2` as small as
    possible: it must look like the image *d*, and it must not be rough, which the Laplacian
    :math:`\Delta` tells. In the spectrum that is

    .. math:: F = \frac{H^*}{|H|^2 + \lambda |L|^2} D,

    a Wiener filter for specimens in which fine detail is rare: *L*, the transform of
    :math:`\Delta`, grows with the frequency.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        In any intensity unit; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        As for `richardson_lucy`.
    smoothness : float
        :math:`\lambda`, 1e-12 or more. Small sharpens more.
    voxel_size_um : float or sequence of float
        Size of a voxel along the axes, for :math:`\Delta`, in units of the smallest.
    noise : Noise, optional
        The camera. A linear filter needs its offset only, which is subtracted.
    background : float
        Light that does not come from the specimen, as for `richardson_lucy`; subtracted.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        It rings around bright structures and can be negative.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or another argument is not what it should be.

    See Also
    --------
    tikhonov_miller : The same with an estimate that is nowhere negative.

    Notes
    -----
    The image is mirrored at its borders as far as the PSF extends, so that no edge appears where
    it ends.

    Used in chapter 6, *Deconvolution*.

    References
    ----------
    F. Orieux, J.-F. Giovannelli, T. Rodet, "Bayesian estimation of regularization and point spread
    function parameters for Wiener-Hunt deconvolution", Journal of the Optical Society of America
    A 27 (2010) 1593-1607. doi:10.1364/JOSAA.27.001593

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 3, 1], [1, 3, 1]) / 25
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = tikhonov(blurred, psf, smoothness=1e-6)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    36 of 100 before, 100 after
    """
    hint = "Start with 0.01."
    strength = checks.number("smoothness", smoothness, low=1e-12, hint=hint)
    data, kernel = checked(image, psf)
    mirrored = Mirrored(kernel, excess_of(data, noise, background))
    steps = steps_of(voxel_size_um, len(mirrored.room))
    roughness = _laplacian(mirrored.room, steps)
    penalty: Image = np.float32(strength) * roughness * roughness
    return mirrored.filtered(lambda H: H.conj() / (power(H) + penalty))


def tikhonov_miller(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    smoothness: float,
    iterations: int,
    noise: Noise | None = None,
    background: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    each: Callable[[int, Image], None] | None = None,
) -> Image:
    r"""Deconvolve with the smoothest specimen without negative light (Tikhonov-Miller).

    The estimate *f* makes

    .. math:: \tfrac12 |h \otimes f - d|^2 + \tfrac{\lambda}{2} |\Delta f|^2, \qquad f \ge 0,

    as small as possible. That is `tikhonov` with a constraint, which no filter can obey: where
    light must not be negative, nothing rings. So it takes iterations.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        *d*, in any intensity unit; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        *h*, as for `richardson_lucy`.
    smoothness : float
        :math:`\lambda`, from 0 up. Start with 0.01; small sharpens more.
    iterations : int
        How often, at least once; 50 are enough unless the image is sharpened a lot.
    noise : Noise, optional
        The camera. Least squares need its offset only, which is subtracted.
    background : float
        Light that does not come from the specimen, as for `richardson_lucy`; subtracted.
    voxel_size_um : float or sequence of float
        Size of a voxel along the axes, for :math:`\Delta`, in units of the smallest.
    each : callable, optional
        Called with the number of each iteration, from 1, and the estimate after it.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        The estimate, nowhere negative, without the offset and the background.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or another argument is not what it should be.

    Notes
    -----
    As with `richardson_lucy`, the estimate goes on beyond the image. Instead of the conjugate
    gradients of [1]_, each iteration goes down the gradient, cuts off what is negative and starts
    the next one ahead, at the pace of [2]_.

    Used in chapter 6, *Deconvolution*.

    References
    ----------
    .. [1] G. M. P. van Kempen et al., "A quantitative comparison of image restoration methods for
       confocal microscopy", Journal of Microscopy 185 (1997) 354-365.
       doi:10.1046/j.1365-2818.1997.d01-629.x
    .. [2] A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
       inverse problems", SIAM Journal on Imaging Sciences 2 (2009) 183-202. doi:10.1137/080716542

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 3, 1], [1, 3, 1]) / 25
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = tikhonov_miller(blurred, psf, smoothness=1e-6, iterations=50)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    36 of 100 before, 100 after
    """
    count = checks.whole("iterations", iterations, low=1, hint="Start with 50.")
    estimates = tikhonov_miller_estimates(
        image,
        psf,
        smoothness=smoothness,
        noise=noise,
        background=background,
        voxel_size_um=voxel_size_um,
    )
    return last_of(estimates, count, each)


def tikhonov_miller_estimates(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    smoothness: float,
    noise: Noise | None = None,
    background: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
) -> Iterator[Image]:
    """The estimate after each iteration of Tikhonov and Miller, without end."""
    data, kernel = checked(image, psf)
    data = excess_of(data, noise, background)
    strength = checks.number("smoothness", smoothness, low=0, hint="Start with 0.01.")
    steps = steps_of(voxel_size_um, data.ndim)
    blur = Blur(kernel, data.shape)

    def laplacian(f: Image) -> Image:
        """How much brighter the neighbours are."""
        return divergence(gradient(f, steps), steps)

    def slope(f: Image) -> Image:
        """Where the sum of both terms grows."""
        return blur.back(blur.seen(f) - data) + np.float32(strength) * laplacian(laplacian(f))

    slopes = 1 + strength * steepest(steps) ** 2
    return descent(blur, data, slope, lambda f: np.maximum(f, 0), 1 / slopes)


def _laplacian(room: Sequence[int], steps: Sequence[np.float32]) -> Image:
    """Transfer function of the Laplacian, its sign reversed."""
    frequencies = [*map(np.fft.fftfreq, room[:-1]), np.fft.rfftfreq(room[-1])]
    total = np.zeros([len(f) for f in frequencies], np.float32)
    for frequency, step in zip(np.ix_(*frequencies), steps, strict=True):
        total += ((2 - 2 * np.cos(2 * np.pi * frequency)) / step**2).astype(np.float32)
    return total
