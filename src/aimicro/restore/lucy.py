"""The algorithm of Richardson and Lucy, which asks what specimen would have given these counts."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._fourier import SEEN, Blur, blur_of
from aimicro.restore._variation import curvature, steps_of
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, checked_lens, finer_of, last_of, light_of
from aimicro.simulate import Noise

_FARTHEST = 0.9  # of the last change: with all of it, late estimates would swing
_MOST_PULL = 0.05  # of total variation on places that are hardly seen
_LEVEL = 0.01  # of the brightest voxel: smaller slopes count as level, so that they come to rest
_FLATTEST = 1e-18  # where there is no light at all; its square is still above 0 in float32


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
    finer: int = 1,
    each: Callable[[int, Image], None] | None = None,
) -> Image:
    r"""Deconvolve with the algorithm of Richardson and Lucy.

    From an even estimate :math:`f`, each iteration compares the image :math:`d` with what the
    estimate would look like, and spreads the quotient back with the mirrored PSF :math:`h^T`:

    .. math:: f \leftarrow
              \frac{f}{h^T \otimes m - \lambda \, \mathrm{div} \frac{\nabla f}{|\nabla f|}} \cdot
              h^T \otimes \left( m \, \frac{d}{h \otimes f + b} \right).

    Every iteration makes the image more likely under photon noise. That is why one has to stop:
    late iterations explain the noise. With total variation [6]_, :math:`\lambda > 0`, they also
    make the estimate smoother, but not its edges, and one may go on until nothing changes.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Light in any unit, nowhere negative; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle;
        it may be larger than the image. All of it is used. For an image whose PSF changes across
        the field: `(rows, columns, Y, X)`, as for :func:`aimicro.simulate.varying_blur`.
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
        Whether each iteration starts ahead of the last, the farther the more there were: 40 then
        reach what 200 do otherwise. An iteration may make the image less likely [4]_.
    finer : int
        For volumes: how many planes the estimate has for each step of the image along z. With 4,
        three planes that nobody recorded are estimated between any two. The PSF and
        `voxel_size_um` then have the finer step.
    each : callable, optional
        Called with the number of each iteration, from 1, and the estimate after it.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        The estimate, nowhere negative, without the offset and the background. With `finer` it has
        ``(Z - 1) * finer + 1`` planes.

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
    Total variation keeps that only nearly. Its :math:`|\nabla f|` is rounded off below 1 % of the
    brightest voxel, so that level ground comes to rest; and beyond the image, where a place sends
    little light into it, :math:`\lambda` is kept below a twentieth of that fraction, or the
    divisor could turn negative.

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
       Applied Optics 36 (1997) 1766-1775. doi:10.1364/AO.36.001766. How far ahead is here not
       measured, but follows A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding
       algorithm for linear inverse problems", SIAM Journal on Imaging Sciences 2 (2009) 183-202.
       doi:10.1137/080716542
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
    number = checks.whole("iterations", iterations, low=1, hint="Start with 20.")
    estimates = richardson_lucy_estimates(
        image,
        psf,
        noise=noise,
        background=background,
        total_variation=total_variation,
        voxel_size_um=voxel_size_um,
        accelerated=accelerated,
        finer=finer,
    )
    return last_of(estimates, number, each)


def richardson_lucy_estimates(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    noise: Noise | None = None,
    background: float = 0.0,
    total_variation: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    accelerated: bool = False,
    finer: int = 1,
) -> Iterator[Image]:
    """The estimate after each iteration of Richardson and Lucy, without end."""
    data, kernel = checked_lens(image, psf)
    data, light = light_of(data, noise, background)
    # Beyond 0.2 a voxel that is brighter than all around it would be divided by less than 0.
    hint = "Start with 0.005."
    strength = checks.number("total_variation", total_variation, low=0, high=0.2, hint=hint)
    steps = steps_of(voxel_size_um, data.ndim)
    blur = blur_of(kernel, data.shape, finer_of(finer, data.ndim))
    iteration = Iteration(blur, data, light)
    level = np.float32(max(_LEVEL * iteration.brightest, _FLATTEST))
    pull = np.minimum(np.float32(strength) * iteration.weight, max(strength, _MOST_PULL))

    def improved(estimate: Image) -> Image:
        """The estimate after one iteration."""
        better = iteration(estimate)
        if strength > 0:
            better /= 1 - pull * curvature(estimate, steps, level)
        return better

    start = iteration.start()
    steps_ahead = accelerated_from(improved, start) if accelerated else _plain(improved, start)
    return (estimate[blur.field].copy() for estimate in steps_ahead)


def log_likelihood(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    iterations: int,
    noise: Noise | None = None,
    background: float = 0.0,
) -> float:
    r"""How likely an image is with this PSF, if the specimen is what Richardson-Lucy finds with it.

    .. math:: \ln L = \sum d \ln m - m, \qquad m = h \otimes f + b,

    without what is the same for all PSFs.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        *d*, as for `richardson_lucy`.
    psf : array_like, same number of axes
        *h*, as for `richardson_lucy`.
    iterations : int
        How often the accelerated estimate *f* is improved first.
    noise : Noise, optional
        The camera, as for `richardson_lucy`.
    background : float
        As for `richardson_lucy`.

    Returns
    -------
    float
        Natural logarithm, of counts in photons.

    Raises
    ------
    TypeError, ValueError
        As for `richardson_lucy`.

    Notes
    -----
    Used in appendix A, *Aberration correction*.

    Examples
    --------
    >>> import numpy as np
    >>> narrow, wide = np.zeros((5, 5)), np.ones((5, 5)) / 25
    >>> narrow[2, 2] = 1
    >>> block = np.pad(np.full((5, 5), 40.0), 8)  # what the wide one makes of a point
    >>> fits = [log_likelihood(block, psf, iterations=50) for psf in (narrow, wide)]
    >>> bool(np.isclose(*fits, rtol=0.01))
    True
    """
    number = checks.whole("iterations", iterations, low=1, hint="Start with 30.")
    data, kernel = checked(image, psf)
    data, light = light_of(data, noise, background)
    iteration = Iteration(Blur(kernel, data.shape), data, light)
    estimate = last_of(accelerated_from(iteration, iteration.start()), number, None)
    return iteration.log_likelihood(estimate) / (noise.gain if noise else 1.0)


class Iteration:
    """One iteration without total variation, prepared for an image."""

    def __init__(self, blur: Blur, data: Image, light: float) -> None:
        self._blur, self._data, self._light = blur, data, np.float32(light)
        tiny = float(np.finfo(np.float32).tiny)
        self.brightest = max(float(data.max()), 1e3 * tiny)
        # Transforms are exact to some 1e-7 of the brightest voxel: below that is only error.
        self._least = np.float32(max(1e-6 * self.brightest, tiny))
        fraction = blur.back(np.ones_like(data))
        reached = fraction > SEEN
        self.weight = np.divide(1, fraction, out=np.zeros_like(fraction), where=reached)

    def start(self) -> Image:
        """Light that is the same wherever there is an estimate."""
        mean = np.maximum(self._data - self._light, 0).mean(dtype=float)
        return np.where(self.weight > 0, np.float32(mean), np.float32(0))

    def expected(self, estimate: Image) -> Image:
        """What the image would be on average, and never quite nothing."""
        seen = self._blur.seen(estimate)
        seen += self._light
        return np.maximum(seen, self._least, out=seen)

    def log_likelihood(self, estimate: Image) -> float:
        """Of the image, but for what is the same for all estimates."""
        seen = self.expected(estimate)
        return float(np.sum(self._data * np.log(seen) - seen, dtype=float))

    def __call__(self, estimate: Image) -> Image:
        """The estimate, corrected by the quotient of the image and what it would look like."""
        seen = self.expected(estimate)
        quotient = np.divide(self._data, seen, out=seen)
        back = self._blur.back(quotient)
        np.maximum(back, 0, out=back)
        back *= self.weight
        back *= estimate
        return back


def _plain(improved: Callable[[Image], Image], estimate: Image) -> Iterator[Image]:
    """Each estimate is improved."""
    while True:
        estimate = improved(estimate)
        yield estimate


def accelerated_from(improved: Callable[[Image], Image], estimate: Image) -> Iterator[Image]:
    """Each is improved from a place ahead of it, in the direction of the last change."""
    ahead = estimate
    for number in count():
        last, estimate = estimate, improved(ahead)
        yield estimate
        ahead = estimate - last
        ahead *= np.float32(min(number / (number + 3), _FARTHEST))
        ahead += estimate
        np.maximum(ahead, 0, out=ahead)
