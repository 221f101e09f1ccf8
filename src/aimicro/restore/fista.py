"""Deconvolution with a specimen of even patches, or of few bright voxels, by shrinkage."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore._descent import descent
from aimicro.restore._fourier import blur_of
from aimicro.restore._variation import divergence, gradient, length, steepest, steps_of
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, excess_of, finer_of, last_of
from aimicro.simulate import Noise

REGULARISERS = ("tv", "l1")
_INNER = 5  # steps of total variation in each iteration, which go on from those before


def fista(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    regulariser: str = "tv",
    weight: float,
    iterations: int,
    noise: Noise | None = None,
    background: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    finer: int = 1,
    each: Callable[[int, Image], None] | None = None,
) -> Image:
    r"""Deconvolve with a specimen of even patches, or of few bright voxels (FISTA).

    The estimate *f* makes

    .. math:: \tfrac12 |h \otimes f - d|^2 + w R(f), \qquad f \ge 0,

    as small as possible. *R* is the total variation :math:`\sum |\nabla f|`, which is small for
    patches with sharp edges, or the sum :math:`\sum |f|`, which is small where few voxels are
    bright. Neither has a slope everywhere. So each iteration goes down the slope of the first term,
    and then to the nearest image with less of *R* ("shrinkage"); starting the next iteration
    ahead makes the error fall with the square of their number [1]_.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        *d*, in any intensity unit; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        *h*, as for `richardson_lucy`.
    regulariser : {"tv", "l1"}
        *R*: total variation, or the sum of the voxels.
    weight : float
        *w*, from 0 up, in the unit of the image. Start with a tenth of the standard deviation of
        its noise.
    iterations : int
        How often, at least once. Start with 50.
    noise : Noise, optional
        The camera. Least squares need its offset only, which is subtracted.
    background : float
        Light that does not come from the specimen, as for `richardson_lucy`; subtracted.
    voxel_size_um : float or sequence of float
        Size of a voxel along the axes, for :math:`\nabla`, in units of the smallest.
    finer : int
        For volumes: how many planes the estimate has for each step of the image along z. With 4,
        three planes that nobody recorded are estimated between any two. The PSF and
        `voxel_size_um` then have the finer step.
    each : callable, optional
        Called with the number of each iteration, from 1, and the estimate after it.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        With `finer`, of `(Z - 1) * finer + 1` planes. The estimate, nowhere negative, without the offset and the background.

    Raises
    ------
    TypeError, ValueError
        If image or PSF are not as for `richardson_lucy` (negative values in the image are fine),
        or another argument is not what it should be.

    Notes
    -----
    As with `richardson_lucy`, the estimate goes on beyond the image. The nearest image with less
    total variation is itself found by iteration [2]_; a few steps in each are enough, as they go
    on from those before.

    Used in chapter 6, *Deconvolution*.

    References
    ----------
    .. [1] A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
       inverse problems", SIAM Journal on Imaging Sciences 2 (2009) 183-202. doi:10.1137/080716542
    .. [2] A. Beck, M. Teboulle, "Fast gradient-based algorithms for constrained total variation
       image denoising and deblurring problems", IEEE Transactions on Image Processing 18 (2009)
       2419-2434. doi:10.1109/TIP.2009.2028250

    Examples
    --------
    >>> import numpy as np
    >>> psf = np.outer([1, 3, 1], [1, 3, 1]) / 25
    >>> blurred = np.pad(100 * psf, 4)
    >>> sharp = fista(blurred, psf, regulariser="l1", weight=0.1, iterations=50)
    >>> print(f"{blurred.max():.0f} of 100 before, {sharp.max():.0f} after")
    36 of 100 before, 100 after
    """
    count = checks.whole("iterations", iterations, low=1, hint="Start with 50.")
    estimates = fista_estimates(
        image,
        psf,
        regulariser=regulariser,
        weight=weight,
        noise=noise,
        background=background,
        voxel_size_um=voxel_size_um,
        finer=finer,
    )
    return last_of(estimates, count, each)


def fista_estimates(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    regulariser: str = "tv",
    weight: float,
    noise: Noise | None = None,
    background: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    finer: int = 1,
) -> Iterator[Image]:
    """The estimate after each iteration of FISTA, without end."""
    data, kernel = checked(image, psf)
    data = excess_of(data, noise, background)
    checks.one_of("regulariser", regulariser, REGULARISERS)
    hint = "Start with a tenth of the noise, in the unit of the image."
    w = np.float32(checks.number("weight", weight, low=0, hint=hint))
    steps = steps_of(voxel_size_um, data.ndim)
    blur = blur_of(kernel, data.shape, finer_of(finer, data.ndim))

    def slope(f: Image) -> Image:
        """Where the first term grows; a PSF with a sum of 1 makes nothing steeper."""
        return blur.back(blur.seen(f) - data)

    if regulariser == "tv" and w > 0:
        return descent(blur, data, slope, _Smoother(blur.shape, steps, w), 1.0)
    return descent(blur, data, slope, lambda f: np.maximum(f - w, 0), 1.0)


class _Smoother:
    """The nearest image with less total variation, and without negative light."""

    def __init__(
        self, shape: Sequence[int], steps: Sequence[np.float32], weight: np.float32
    ) -> None:
        self._steps, self._weight = steps, weight
        self._pace = np.float32(1 / (weight * steepest(steps)))
        # Directions of the slopes: where they are at most 1, they pull an image level.
        self._pull = [np.zeros(shape, np.float32) for _ in steps]

    def __call__(self, image: Image) -> Image:
        """Improve the directions a little, and pull."""
        ahead, t = self._pull, 1.0
        for _ in range(_INNER):
            slopes = gradient(self._pulled(image, ahead), self._steps)
            tried = [a + self._pace * s for a, s in zip(ahead, slopes, strict=True)]
            size = np.maximum(length(tried, np.float32(0)), 1)
            for direction in tried:
                direction /= size
            t, last_t = (1 + math.sqrt(1 + 4 * t**2)) / 2, t
            pace = np.float32((last_t - 1) / t)
            ahead = [p + pace * (p - q) for p, q in zip(tried, self._pull, strict=True)]
            self._pull = tried
        return self._pulled(image, self._pull)

    def _pulled(self, image: Image, pull: Sequence[Image]) -> Image:
        return np.maximum(image + self._weight * divergence(pull, self._steps), 0)
