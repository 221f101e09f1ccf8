"""Classical denoising, seven ways, each with its strength, and the search for the best strength.

Every method gets to see the same thing: an image whose noise has a standard deviation of 1.
`denoise` brings the image there and back, so a strength in units of the noise means the same for
camera counts, photons or an image between 0 and 1. There are two ways there. Without a noise
model, the image is divided by one estimate of its background noise. With one, `anscombe` makes
the noise the same in dark and bright regions first.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pywt
from scipy.special import ndtri

from aimicro import checks
from aimicro.metrics import mean_psnr
from aimicro.restore.anscombe import Image, anscombe, inverse_anscombe
from aimicro.restore.kernel import checked_noise
from aimicro.restore.methods import METHODS, check_strength, find_method
from aimicro.restore.tuning import Search, Tuned, Tunings, in_parallel
from aimicro.simulate import Noise

# Strong filters are the slow ones, in volumes by far: a ball of 8 pixels has 2,109 voxels.
_PAST_PEAK_DB = 0.2


def denoise(
    image: npt.ArrayLike,
    method: str,
    strength: float | Sequence[float],
    *,
    noise: Noise | None = None,
) -> Image:
    """Denoise an image or a volume with one of the classical methods.

    ================= =================== ======== ==============================================
    method            strength            unit     what it does
    ================= =================== ======== ==============================================
    gaussian          sigma               px       mean, weighted by a Gaussian
    gaussian (volume) sigma z, sigma yx   px       the same, as far along z as suits the planes
    median            radius (whole)      px       median in a disk or a ball
    bilateral         spatial sigma,      px,      the same mean as the Gaussian, without those that
                      range               noise sd differ by more than the range
    wavelet           assumed noise       noise sd shrinks wavelet coefficients (BayesShrink)
    total_variation   weight              noise sd flattens the image, keeps edges (Chambolle)
    nonlocal_means    assumed noise,      noise sd mean over places that look alike, within a
                      tolerance           of it    tolerance in units of the assumed noise
    block_matching    assumed noise       noise sd filters blocks that look alike (`bm3d`, `bm4d`)
    ================= =================== ======== ==============================================

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Noisy image, in any intensity unit; with `noise`, in camera counts. An array with three axes
        is one volume: denoise the planes of a stack of 2D images one by one.
    method : str
        One of `METHODS`.
    strength : float or sequence of float
        How much to denoise, in pixels or in standard deviations of the noise, one number for each
        parameter in the table. 0 gives the image back as it is.
    noise : Noise, optional
        What is known about the noise, such as `aimicro.simulate.Camera.noise`. With it, the image
        is denoised between `anscombe` and `inverse_anscombe`, where the noise is the same
        everywhere. Without it, one standard deviation is estimated: that of the background, which
        in an image of few photons is smaller than that of the bright structures.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`
        The denoised image.

    Raises
    ------
    TypeError
        If the image is not made of real numbers or a list of images, the strength is not made of
        numbers, or `noise` no `Noise`.
    ValueError
        If the method is unknown; if the strength has not a number for each parameter, or one that
        is negative, NaN, 0 beside another or, for the median, not whole; if the image is not 2D or
        3D, is empty, has a NaN or an infinity, or is too small for the wavelets.

    Notes
    -----
    In volumes, pixels mean the same along all axes; only the Gaussian has its own strength along z.

    Used in chapter 6, *Denoising*.

    References
    ----------
    C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV (1998)
    839-846. doi:10.1109/ICCV.1998.710815

    S. G. Chang, B. Yu, M. Vetterli, "Adaptive wavelet thresholding for image denoising and
    compression", IEEE Transactions on Image Processing 9 (2000) 1532-1546.
    doi:10.1109/83.862633

    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR (2005)
    60-65. doi:10.1109/CVPR.2005.38

    Examples
    --------
    >>> import numpy as np
    >>> noisy = np.random.default_rng(1).poisson(50, size=(64, 64))
    >>> quiet = denoise(noisy, "gaussian", 2.0)
    >>> bool(quiet.std() < 0.2 * noisy.std())
    True
    """
    chosen = find_method(method)
    if noise is not None:
        checked_noise(noise)
    counts = checks.intensities("image", image, hint="Denoise one image or one volume at a time.")
    values = check_strength(method, strength, counts.ndim)
    if not any(values):
        return counts.astype(np.float32)
    if noise is None:
        level, scale = float(counts.mean()), _background_noise(counts)
        flat = chosen.function(((counts - level) / scale).astype(np.float32), *values)
        return (flat.astype(np.float64) * scale + level).astype(np.float32)
    gain, offset, read_noise = noise.gain, noise.offset, noise.read_noise
    stabilised = anscombe(counts, gain=gain, offset=offset, read_noise=read_noise)
    quiet = chosen.function(stabilised, *values)
    return inverse_anscombe(quiet, gain=gain, offset=offset, read_noise=read_noise)


def best_tuned(
    image: npt.ArrayLike | Sequence[npt.ArrayLike],
    truth: npt.ArrayLike | Sequence[npt.ArrayLike],
    method: str,
    *,
    data_range: float,
    noise: Noise | None = None,
    affine: bool = False,
) -> Tuned:
    """Denoise with the strength that comes closest to the truth.

    This is more than fair to the method: with real images there is no truth to tune on. What
    beats it does not owe that to a badly chosen strength. All strengths of a coarse grid are
    tried, and 0; then the interval around the best one is searched. With a second parameter, this
    is done for each of a few values of it, and around the best of these. With volumes, the grid
    ends where the score has fallen 0.2 dB below its peak.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X), or a list of them
        Noisy image or volume. A list or tuple holds several, which get one strength together;
        a single array is always one image, so pass a stack of 2D images as ``list(stack)``.
    truth : array_like, or a list of them
        The truth of each, in the unit of `image`.
    method : str
        One of `METHODS`.
    data_range : float
        Full scale for `aimicro.metrics.psnr`, whose mean over the images is made as large as
        possible.
    noise : Noise, optional
        As for `denoise`.
    affine : bool
        Whether each image is brought to the brightness of its truth before it is scored, with
        `aimicro.metrics.affine_fit`; the truth may then have another unit. The images that are
        returned are as the method made them.

    Returns
    -------
    Tuned
        Strength, score, images and everything that was tried. The score is never below that of
        the noisy image.

    Raises
    ------
    TypeError, ValueError
        As for `denoise` and `aimicro.metrics.psnr`; and if there are not as many truths as
        images, or none.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.full((64, 64), 50.0)
    >>> noisy = np.random.default_rng(1).poisson(truth)
    >>> tuned = best_tuned(noisy, truth, "median", data_range=50)
    >>> tuned.strength, tuned.at_bound
    (8.0, True)
    """
    chosen = find_method(method)
    images, truths = checks.same_number(images=image, truths=truth)
    axes = {np.ndim(one) for one in images}
    if len(axes) > 1:
        raise ValueError(
            f"Expected images with as many axes each, got {sorted(axes)}. Tune images and volumes "
            "apart: the same strength means another thing to them."
        )
    parameters = chosen.parameters_for(axes.pop())

    def restore(*strength: float) -> tuple[Image, ...]:
        """All images at one strength."""
        return tuple(denoise(one, method, strength, noise=noise) for one in images)

    score = partial(mean_psnr, truths, data_range=data_range, affine=affine)
    search = Search(restore, score, *parameters)
    search.at(*[0.0] * len(parameters))
    search.run(_PAST_PEAK_DB if np.ndim(images[0]) == 3 else math.inf)
    return search.result(method, many=isinstance(image, list | tuple))


def tune_all(
    images: npt.ArrayLike | Sequence[npt.ArrayLike],
    truths: npt.ArrayLike | Sequence[npt.ArrayLike],
    methods: Iterable[str] = METHODS,
    *,
    data_range: float,
    noises: Mapping[str, Noise | None] | None = None,
    affine: bool = False,
    workers: int = 2,
) -> Tunings:
    """Denoise with several methods, each with the strength that comes closest to the truth.

    Parameters
    ----------
    images : array_like, (Y, X) or (Z, Y, X), or a list of them
        Noisy images, as for `best_tuned`: a list holds several, an array is one.
    truths : array_like, or a list of them
        The truth of each, in the unit of `images`.
    methods : iterable of str
        Names out of `METHODS`, by default all.
    data_range : float
        Full scale for `aimicro.metrics.mean_psnr`.
    noises : mapping from str to Noise or None, optional
        What is known about the noise, in several ways, by names: ``{"plain": None, "with Anscombe":
        noise}`` tries each method without and with `anscombe`.
    affine : bool
        As for `best_tuned`.
    workers : int
        Threads for the methods that compute without Python's lock; the others are tuned one by
        one beside them.

    Returns
    -------
    Tunings
        A dictionary with the best of each: ``tunings[method]``, or ``tunings[method, name]`` where
        there are `noises`. `Tunings.best` is the best of all, `Tunings.scores` are rows for
        `aimicro.show.scoreboard`.

    Raises
    ------
    TypeError, ValueError
        As for `best_tuned`.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.

    Examples
    --------
    >>> truth = np.full((32, 32), 50.0)
    >>> noisy = np.random.default_rng(1).poisson(truth)
    >>> tunings = tune_all(noisy, truth, ["gaussian", "median"], data_range=50)
    >>> list(tunings.scores()), tunings.best.method
    (['gaussian', 'median'], 'gaussian')
    """
    names = [checks.one_of("method", name, METHODS) for name in methods]
    ways: Mapping[Any, Noise | None] = noises if noises else {None: None}

    def job(name: str, noise: Noise | None) -> Callable[[], Tuned]:
        """One method with one noise model."""
        return lambda: best_tuned(
            images, truths, name, data_range=data_range, noise=noise, affine=affine
        )

    keys = {((name, way) if noises else name): (name, ways[way]) for name in names for way in ways}
    return in_parallel(
        {key: job(*pair) for key, pair in keys.items()},
        workers,
        alone=[key for key, (name, _) in keys.items() if not METHODS[name].threads],
    )


def _background_noise(image: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the noise, from the median of the finest diagonal wavelet details.

    As scikit-image's ``estimate_sigma``, but an image without noise is no warning and no NaN.
    """
    details = np.abs(pywt.dwtn(image, "db2")["d" * image.ndim])
    details = details[details > 0]
    sigma = float(np.median(details) / ndtri(0.75)) if details.size else 0.0
    span = float(np.ptp(image))
    return max(sigma, 1e-6 * span) if span > 0 else 1.0
