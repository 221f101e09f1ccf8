"""The algorithm of Richardson and Lucy, which asks what specimen would have given these counts."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._fourier import SEEN, Blur
from aimicro.restore._variation import curvature, steps_of
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, last_of, light_of
from aimicro.simulate import Noise

_LEVEL = 0.01  # of the brightest voxel: smaller slopes count as level, so that they come to rest


def richardson_lucy(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    iterations: int,
    noise: Noise | None = None,
    background: float = 0.0,
    total_variation: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    accelerated: bool = False,
    each: Callable[[int, Image], None] | None = None,
) -> Image:
    r"""Deconvolve with the algorithm of Richardson and Lucy.

    From an even estimate :math:`f`, each iteration compares the image :math:`d` with what the
    estimate would look like, and spreads the quotient back with the mirrored PSF :math:`h^T`:

    .. math:: f \leftarrow \frac{f}{1 - \lambda \, \mathrm{div} \frac{\nabla f}{|\nabla f|}} \cdot
              \frac{1}{h^T \otimes m} \cdot
              h^T \otimes \left( m \, \frac{d}{h \otimes f + b} \right).

    Every iteration makes the image more likely under photon noise. That is why one has to stop:
    late iterations explain the noise. With total variation, :math:`\lambda > 0`, they also make
    the estimate smoother, but not its edges, and one may go on until nothing changes.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Light in any unit, nowhere negative; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle;
        it may be larger than the image. All of it is used.
    iterations : int
        How often, at least once: a few where photons are few, hundreds where they are many.
    noise : Noise, optional
        The camera: gain, offset and read noise in counts.
    background : float
        Light in every voxel that does not come from the specimen, in the unit of `image`; with
        `noise`, in counts above the offset.
    total_variation : float
        :math:`\lambda`, from 0 to 0.2. Start with 0.005; dim images need more.
    voxel_size_um : float or sequence of float
        Size of a voxel along the axes, for :math:`\nabla`, in units of the smallest: a step along
        z counts less the longer it is. Only total variation needs it.
    accelerated : bool
        Whether each iteration starts a little ahead, where the last two point to [4]_: some
        eight times fewer iterations to nearly the same estimate, fewer gained the stronger total
        variation is. An iteration may then make the image less likely.
    each : callable, optional
        Called with the number of each iteration, from 1, and the estimate after it.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        The estimate, nowhere negative, without the offset and the background.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not finite real numbers as described, or another argument is not what
        it should be. Counts below the offset need a camera with read noise.

    Notes
    -----
    Photons are counted, read noise is not: it has the same variance :math:`r^2` everywhere. With
    *g* counts per photon it is that of :math:`(r/g)^2` further photons, so these are added to the
    image and to the background, in counts: :math:`d = \mathrm{counts} - o + r^2/g` and
    :math:`b = \mathrm{background} + r^2/g` [5]_. What is below 0 even then stays so. To cut it off
    at the offset, or at 0, would leave the noise that brightens and drop the noise that darkens:
    false light wherever there is none.

    A microscope sees light of structures beyond its field, and misses light of those at the
    border. So the estimate goes on beyond the image, and :math:`m` is 1 inside, 0 beyond: no data
    there, nothing to compare. :math:`h^T \otimes m` is the fraction of its light that a place sends
    into the image; where it is less than 1 %, the estimate is 0. Unlike a mirrored border, this
    assumes nothing about what lies outside [3]_.

    No light is lost: blurred again and without a background, the estimate has the sum of the image.
    Total variation keeps that only nearly.

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
    .. [5] D. L. Snyder, A. M. Hammoud, R. L. White, "Image recovery from data acquired with a
       charge-coupled-device camera", Journal of the Optical Society of America A 10 (1993)
       1014-1023. doi:10.1364/JOSAA.10.001014
    .. [6] N. Dey et al., "Richardson-Lucy algorithm with total variation regularization for 3D
       confocal microscope deconvolution", Microscopy Research and Technique 69 (2006) 260-266.
       doi:10.1002/jemt.20294

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
    estimates = estimates_of(
        image,
        psf,
        noise=noise,
        background=background,
        total_variation=total_variation,
        voxel_size_um=voxel_size_um,
        accelerated=accelerated,
    )
    return last_of(estimates, count, each)


def estimates_of(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    noise: Noise | None = None,
    background: float = 0.0,
    total_variation: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    accelerated: bool = False,
) -> Iterator[Image]:
    """The estimate after each iteration of Richardson and Lucy, without end."""
    data, kernel = checked(image, psf)
    data, light = light_of(data, noise, background)
    # Beyond 0.2 a voxel that is darker than all others around it would be divided by less than 0.
    hint = "Start with 0.005."
    strength = checks.number("total_variation", total_variation, low=0, high=0.2, hint=hint)
    steps = steps_of(voxel_size_um, data.ndim)
    blur = Blur(kernel, data.shape)
    iteration = _Iteration(blur, data, light)
    level = np.float32(_LEVEL * iteration.brightest)

    def improved(estimate: Image) -> Image:
        """The estimate after one iteration."""
        better = iteration(estimate)
        if strength > 0:
            better /= 1 - np.float32(strength) * curvature(estimate, steps, level)
        return better

    start = iteration.start()
    steps_ahead = _accelerated(improved, start) if accelerated else _plain(improved, start)
    return (estimate[blur.field].copy() for estimate in steps_ahead)


class _Iteration:
    """One iteration without total variation, prepared for an image."""

    def __init__(self, blur: Blur, data: Image, light: float) -> None:
        self._blur, self._data, self._light = blur, data, np.float32(light)
        tiny = float(np.finfo(np.float32).tiny)
        self.brightest = max(float(data.max()), 1e3 * tiny)
        # Transforms are exact to some 1e-7 of the brightest voxel: below that is only error.
        self._least = np.float32(max(1e-6 * self.brightest, tiny))
        fraction = blur.back(np.ones_like(data))
        reached = fraction > SEEN
        self._weight = np.divide(1, fraction, out=np.zeros_like(fraction), where=reached)

    def start(self) -> Image:
        """Light that is the same wherever there is an estimate."""
        mean = np.maximum(self._data - self._light, 0).mean(dtype=float)
        return np.where(self._weight > 0, np.float32(mean), np.float32(0))

    def __call__(self, estimate: Image) -> Image:
        """The estimate, corrected by the quotient of the image and what it would look like."""
        seen = self._blur.seen(estimate)
        seen += self._light
        quotient = np.divide(self._data, np.maximum(seen, self._least, out=seen), out=seen)
        back = self._blur.back(quotient)
        np.maximum(back, 0, out=back)
        back *= self._weight
        back *= estimate
        return back


def _plain(improved: Callable[[Image], Image], estimate: Image) -> Iterator[Image]:
    """Each estimate is improved."""
    while True:
        estimate = improved(estimate)
        yield estimate


def _accelerated(improved: Callable[[Image], Image], estimate: Image) -> Iterator[Image]:
    """Each is improved from a place ahead of it, in the direction of the last change."""
    ahead, step = estimate, np.zeros_like(estimate)
    while True:
        last, estimate = estimate, improved(ahead)
        yield estimate
        last_step, step = step, estimate - ahead
        ahead = estimate - last
        ahead *= _stride(step, last_step)
        ahead += estimate
        np.maximum(ahead, 0, out=ahead)


def _stride(step: Image, last_step: Image) -> np.float32:
    """How far to start ahead, between 0 and 1: far where steps keep their direction."""
    power = float(np.vdot(last_step, last_step))
    stride = float(np.vdot(step, last_step)) / power if power > 0 else 0.0
    return np.float32(min(max(stride, 0.0), 1.0))
