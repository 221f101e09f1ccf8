"""Classical denoising, six ways, each with one strength that can be tuned.

Every method gets to see the same thing: an image whose noise has a standard deviation of 1.
`denoise` brings the image there and back, so a strength in units of the noise means the same for
camera counts, photons or an image between 0 and 1. There are two ways there. Without a noise
model, the image is divided by one estimate of its background noise. With one, `anscombe` makes
the noise the same in dark and bright regions first.
"""

import difflib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pywt
from scipy.ndimage import gaussian_filter, median_filter
from scipy.optimize import minimize_scalar
from scipy.stats import norm, poisson
from skimage.morphology import ball, disk
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

from aimicro.metrics.restoration import psnr

Image = npt.NDArray[np.float32]


def _gaussian(image: Image, sigma: float) -> Image:
    return np.asarray(gaussian_filter(image, sigma))


def _median(image: Image, radius: float) -> Image:
    footprint = (disk if image.ndim == 2 else ball)(int(radius))  # type: ignore[no-untyped-call]
    return np.asarray(median_filter(image, footprint=footprint))


def _bilateral(image: Image, sigma: float) -> Image:
    """Mean over neighbours, weighted by nearness in space and in intensity.

    Not scikit-image's: 0.26 fills its spatial weights in rows of one length and reads them in
    rows of another, so that the window comes out sheared.
    """
    # Wide on purpose: a range of 2 noise units guards the noise as if it were edges, and loses
    # about 2 dB against a plain Gaussian at 12 photons; 12 loses nothing.
    noise_range = 12.0
    radius = math.ceil(2.5 * sigma)
    padded = np.pad(image, radius, mode="symmetric")
    total, weights = np.zeros_like(image), np.zeros_like(image)
    for shift in itertools.product(range(-radius, radius + 1), repeat=image.ndim):
        corner = [radius + step for step in shift]
        window = tuple(slice(c, c + n) for c, n in zip(corner, image.shape, strict=True))
        neighbour = padded[window]
        distance2 = sum(step**2 for step in shift) / sigma**2
        weight = np.exp(-0.5 * (distance2 + ((neighbour - image) / noise_range) ** 2))
        total += weight * neighbour
        weights += weight
    return np.asarray(total / weights)


def _wavelet(image: Image, sigma: float) -> Image:
    """Wavelet shrinkage, averaged over shifts so that the grid of the wavelets does not show."""
    # At 12 photons, one shift alone loses 1.4 dB; with the library's Haar wavelets it loses 2.9.
    shifts = 8
    levels = min(4, pywt.dwtn_max_level([n + shifts for n in image.shape], "sym4"))
    if levels < 1:
        raise ValueError(
            f"Expected at least 6 pixels along every axis for 'wavelet', got shape {image.shape}. "
            "Denoise thin stacks plane by plane."
        )
    padded = np.pad(image, shifts, mode="symmetric")
    total = np.zeros_like(padded)
    for shift in range(shifts):
        window = (slice(shift, shift - shifts),) * image.ndim
        total[window] += denoise_wavelet(
            padded[window], sigma=sigma, wavelet="sym4", wavelet_levels=levels
        )
    return np.asarray(total[(slice(shifts, -shifts),) * image.ndim] / shifts, np.float32)


def _total_variation(image: Image, weight: float) -> Image:
    # A fixed number of steps: where the library's eps stops jumps with the weight, and with it
    # the result.
    smooth = denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        image, weight=weight, eps=0, max_num_iter=60
    )
    return np.asarray(smooth)


def _nonlocal_means(image: Image, sigma: float) -> Image:
    # Patches of 7 pixels, searched up to 9 pixels away, do 1 dB better than 5 and 6 after an
    # Anscombe transform at 12 photons. A volume gets about as many places and pixels to compare.
    size, distance = (7, 9) if image.ndim == 2 else (5, 3)
    restored = denoise_nl_means(
        image,
        patch_size=size,
        patch_distance=distance,
        h=0.6 * sigma,
        sigma=sigma,
        preserve_range=True,
    )
    return np.asarray(restored).reshape(image.shape)  # it drops axes of one pixel


@dataclass(frozen=True)
class Method:
    """A denoiser with one strength.

    Attributes
    ----------
    function : callable
        Takes a float32 image whose noise has a standard deviation of 1, and the strength.
    strength : str
        Name of the strength.
    unit : str
        Its unit: pixels, or standard deviations of the noise.
    bounds : tuple of float
        Between which strengths `best_tuned` searches, in that unit.
    discrete : bool
        Whether the strength is a whole number.
    """

    function: Callable[[Image, float], Image]
    strength: str
    unit: str
    bounds: tuple[float, float]
    discrete: bool = False


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gaussian": Method(_gaussian, "sigma", "px", (0.2, 10.0)),
        "median": Method(_median, "radius", "px", (1, 8), discrete=True),
        "bilateral": Method(_bilateral, "spatial sigma", "px", (0.3, 5.0)),
        "wavelet": Method(_wavelet, "assumed noise", "noise sd", (0.1, 20.0)),
        "total_variation": Method(_total_variation, "weight", "noise sd", (0.05, 20.0)),
        "nonlocal_means": Method(_nonlocal_means, "assumed noise", "noise sd", (0.3, 20.0)),
    }
)


@dataclass(frozen=True)
class Noise:
    r"""Noise of a camera: photon noise plus read noise.

    .. math:: \mathrm{var} = g\,(\mathrm{mean} - o) + r^2

    Attributes
    ----------
    gain : float
        *g*, counts per photoelectron, above 0.
    offset : float
        *o*, counts of a pixel that no photon reached.
    read_noise : float
        *r*, standard deviation in counts. Data sheets give electrons: multiply by the gain.
    """

    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.gain < math.inf:
            raise ValueError(
                f"Expected a gain above 0, got {self.gain}. Give counts per photoelectron."
            )
        if not math.isfinite(self.offset):
            raise ValueError(
                f"Expected a finite offset, got {self.offset}. Give the counts of a dark pixel."
            )
        if not 0 <= self.read_noise < math.inf:
            raise ValueError(
                f"Expected a read_noise of 0 or more, got {self.read_noise}. "
                "Give a standard deviation in counts."
            )


@dataclass(frozen=True)
class Tuned:
    """A denoiser at the strength that suits known truths best.

    Attributes
    ----------
    method : str
        Name in `METHODS`.
    strength : float
        The best strength, in the unit of the method; 0 where no denoising was best.
    psnr : float
        Decibels at that strength, the mean over the images.
    image : ndarray of float32, or tuple of them
        Denoised at that strength: one image, or a tuple of as many as came in.
    tried : tuple of (strength, psnr)
        Everything that was tried, weakest first.
    at_bound : bool
        Whether the best strength is the largest that the method allows, so that a larger one
        could be better. There is no such doubt at the other end, because 0 is tried too.
    """

    method: str
    strength: float
    psnr: float
    image: Image | tuple[Image, ...]
    tried: tuple[tuple[float, float], ...]
    at_bound: bool


def denoise(
    image: npt.ArrayLike, method: str, strength: float, *, noise: Noise | None = None
) -> Image:
    """Denoise an image or a volume with one of the classical methods.

    ================= =================== ======== ==============================================
    method            strength            unit     what it does
    ================= =================== ======== ==============================================
    gaussian          sigma               px       mean, weighted by a Gaussian
    median            radius (whole)      px       median in a disk or a ball
    bilateral         spatial sigma       px       the same mean, without crossing strong edges
    wavelet           assumed noise       noise sd shrinks wavelet coefficients (BayesShrink)
    total_variation   weight              noise sd flattens the image, keeps edges (Chambolle)
    nonlocal_means    assumed noise       noise sd mean over places that look alike
    ================= =================== ======== ==============================================

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Noisy image, in any intensity unit; with `noise`, in camera counts.
    method : str
        One of `METHODS`.
    strength : float
        How much to denoise, in pixels or in standard deviations of the noise (see the table).
        0 gives the image back as it is.
    noise : Noise, optional
        What is known about the noise. With it, the image is denoised between `anscombe` and
        `inverse_anscombe`, where the noise is the same everywhere. Without it, one standard
        deviation is estimated: that of the background, which in an image of few photons is
        smaller than that of the bright structures.

    Returns
    -------
    ndarray of float32, same shape and unit as `image`

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or the strength is no number.
    ValueError
        If the method is unknown, the strength negative, NaN or, for the median, not whole; if
        the image is not 2D or 3D, is empty, has a NaN or an infinity, or is too small for the
        wavelets.

    Notes
    -----
    Volumes are taken to have cubic voxels: pixels mean the same along all axes.

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
    chosen = _method(method)
    _check_strength(method, strength)
    counts = _real(image)
    if strength == 0:
        return counts.astype(np.float32)
    if noise is None:
        level, scale = float(counts.mean()), _background_noise(counts)
        flat = chosen.function(((counts - level) / scale).astype(np.float32), float(strength))
        return (flat.astype(np.float64) * scale + level).astype(np.float32)
    gain, offset, read_noise = noise.gain, noise.offset, noise.read_noise
    stabilised = anscombe(counts, gain=gain, offset=offset, read_noise=read_noise)
    quiet = chosen.function(stabilised, float(strength))
    return inverse_anscombe(quiet, gain=gain, offset=offset, read_noise=read_noise)


def best_tuned(
    image: npt.ArrayLike | Sequence[npt.ArrayLike],
    truth: npt.ArrayLike | Sequence[npt.ArrayLike],
    method: str,
    *,
    data_range: float,
    noise: Noise | None = None,
) -> Tuned:
    """Denoise with the strength that comes closest to the truth.

    This is more than fair to the method: with real images there is no truth to tune on. What
    beats it does not owe that to a badly chosen strength. All strengths of a coarse grid are
    tried, and 0; then the interval around the best one is searched.

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
    chosen = _method(method)
    images, truths = _several(image), _several(truth)
    if len(images) != len(truths) or not images:
        raise ValueError(
            f"Expected one truth for each image, got {len(images)} images and {len(truths)} "
            "truths. Pass two arrays, or two lists of one length."
        )
    tried: dict[float, float] = {}

    def score(strength: float) -> float:
        restored = [denoise(i, method, strength, noise=noise) for i in images]
        values = [psnr(t, r, data_range=data_range) for t, r in zip(truths, restored, strict=True)]
        tried[strength] = float(np.mean(values))
        return tried[strength]

    score(0.0)
    grid = _grid(chosen)
    best = int(np.argmax([score(strength) for strength in grid]))
    if not chosen.discrete:
        around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        minimize_scalar(
            lambda log_strength: -score(math.exp(log_strength)),
            bounds=np.log(around),
            method="bounded",
            options={"maxiter": 8},
        )
    strength = max(tried, key=lambda key: tried[key])
    restored = tuple(denoise(i, method, strength, noise=noise) for i in images)
    return Tuned(
        method=method,
        strength=strength,
        psnr=tried[strength],
        image=restored if isinstance(image, list | tuple) else restored[0],
        tried=tuple(sorted(tried.items())),
        at_bound=strength == grid[-1],
    )


def anscombe(
    image: npt.ArrayLike, *, gain: float = 1.0, offset: float = 0.0, read_noise: float = 0.0
) -> Image:
    r"""Transform camera counts so that the noise is the same in dark and in bright regions.

    With :math:`x = (z - o)/g` in photoelectrons and :math:`\sigma = r/g` in electrons,

    .. math:: f(z) = 2 \sqrt{\max\left(x + \tfrac{3}{8} + \sigma^2,\, 0\right)},

    whose noise has a standard deviation close to 1 from a few photons on.

    Parameters
    ----------
    image : array_like, any shape
        *z*, camera counts.
    gain : float
        *g*, counts per photoelectron.
    offset : float
        *o*, counts of a pixel that no photon reached.
    read_noise : float
        *r*, standard deviation in counts.

    Returns
    -------
    ndarray of float32, same shape
        Stabilised values, in units of the noise.

    Raises
    ------
    TypeError, ValueError
        If the image is not made of finite real numbers, the gain is not above 0, or the read
        noise is below 0.

    See Also
    --------
    inverse_anscombe : The way back, which is *not* this formula solved for *z*.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    References
    ----------
    M. Mäkitalo, A. Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE Transactions on Image Processing 22 (2013) 91-103.
    doi:10.1109/TIP.2012.2202675

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> [round(float(anscombe(rng.poisson(n, 100_000)).std()), 1) for n in (5, 50, 500)]
    [1.0, 1.0, 1.0]
    """
    camera = Noise(gain, offset, read_noise)
    electrons = (_finite(image) - camera.offset) / camera.gain
    variance = (camera.read_noise / camera.gain) ** 2
    return (2 * np.sqrt(np.maximum(electrons + 3 / 8 + variance, 0))).astype(np.float32)


def inverse_anscombe(
    values: npt.ArrayLike, *, gain: float = 1.0, offset: float = 0.0, read_noise: float = 0.0
) -> Image:
    r"""Bring denoised values back from `anscombe` to camera counts, without bias.

    A denoiser estimates the mean :math:`E[f(z)]`, and the root of a mean is more than the mean
    of a root. Solving the formula of `anscombe` for *z* therefore comes out too dark, by up
    to a quarter of a photon, which is much where there are few. The exact unbiased inverse asks
    which mean count :math:`\lambda` has that mean,

    .. math:: E[f(z) \mid \lambda] = \sum_k \frac{\lambda^k e^{-\lambda}}{k!}
              \int 2 \sqrt{\max\left(k + n + \tfrac{3}{8} + \sigma^2, 0\right)}
              \, \mathcal{N}(n; 0, \sigma^2) \, dn,

    from a table for :math:`\lambda` up to 100 and :math:`D^2/4 - 1/8 - \sigma^2` above.

    Parameters
    ----------
    values : array_like, any shape
        *D*, denoised values in the units of `anscombe`.
    gain, offset, read_noise : float
        As they were for `anscombe`.

    Returns
    -------
    ndarray of float32, same shape
        Camera counts, never below `offset`: no image has less than no light.

    Raises
    ------
    TypeError, ValueError
        As for `anscombe`.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    References
    ----------
    M. Mäkitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson
    image denoising", IEEE Transactions on Image Processing 20 (2011) 99-109.
    doi:10.1109/TIP.2010.2056693; with read noise, as for `anscombe`.

    Examples
    --------
    >>> import numpy as np
    >>> dim = np.random.default_rng(1).poisson(0.5, size=100_000)
    >>> mean = anscombe(dim).mean()
    >>> print(f"solved {(mean / 2) ** 2 - 3 / 8:.2f}, unbiased {inverse_anscombe(mean):.2f}")
    solved 0.38, unbiased 0.50
    """
    camera = Noise(gain, offset, read_noise)
    means, electrons = _expectations(camera.read_noise / camera.gain)
    D = _finite(values)
    variance = (camera.read_noise / camera.gain) ** 2
    many = D**2 / 4 - 1 / 8 - variance
    x = np.where(means[-1] < D, many, np.interp(D, means, electrons))
    return (camera.gain * x + camera.offset).astype(np.float32)


@lru_cache(maxsize=8)
def _expectations(
    read_noise: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean of the transformed counts (first) for mean counts from 0 to 100 electrons (second)."""
    electrons = np.linspace(0, 10, 2001) ** 2
    counts = np.arange(250)  # 15 standard deviations above a mean of 100
    error = np.linspace(-8, 8, 1001)
    weight = norm.pdf(error) / norm.pdf(error).sum()
    argument = counts[:, None] + read_noise * error + 3 / 8 + read_noise**2
    given_count = 2 * np.sqrt(np.maximum(argument, 0)) @ weight
    return poisson.pmf(counts, electrons[:, None]) @ given_count, electrons


def _background_noise(image: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the noise, from the median of the finest diagonal wavelet details.

    As scikit-image's ``estimate_sigma``, but an image without noise is no warning and no NaN.
    """
    details = np.abs(pywt.dwtn(image, "db2")["d" * image.ndim])
    details = details[details > 0]
    sigma = float(np.median(details) / norm.ppf(0.75)) if details.size else 0.0
    span = float(np.ptp(image))
    return max(sigma, 1e-6 * span) if span > 0 else 1.0


def _grid(method: Method) -> list[float]:
    """Strengths to try first: every whole one, or equal ratios of at most 2.5."""
    low, high = method.bounds
    if method.discrete:
        return [float(strength) for strength in range(int(low), int(high) + 1)]
    steps = math.ceil(math.log(high / low) / math.log(2.5))
    return [float(strength) for strength in np.geomspace(low, high, steps + 1)]


def _several(images: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Sequence[npt.ArrayLike]:
    """A list of images, also of one."""
    return images if isinstance(images, list | tuple) else [np.asarray(images)]


def _method(name: str) -> Method:
    """The method of that name, or an error with the nearest name."""
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(str(name), METHODS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
    raise ValueError(f"Expected a method among {', '.join(METHODS)}, got {name!r}. {hint}")


def _check_strength(name: str, strength: float) -> None:
    """An error unless the strength is one that the method can have."""
    method = METHODS[name]
    what = f"{method.strength} in {method.unit}"
    if not isinstance(strength, Real):
        raise TypeError(
            f"Expected the strength of {name!r} ({what}) as one number, "
            f"got {type(strength).__name__}. Its usual range is {method.bounds}."
        )
    if not 0 <= strength < math.inf:
        raise ValueError(
            f"Expected the strength of {name!r} ({what}) to be 0 or more, got {strength}. "
            f"Its usual range is {method.bounds}."
        )
    if method.discrete and strength != int(strength):
        raise ValueError(
            f"Expected the strength of {name!r} ({what}) as a whole number, got {strength}. "
            f"Round it; its usual range is {method.bounds}."
        )


def _real(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """One image or volume as float64, or a clear error."""
    array = _finite(image)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(
            f"Expected an image of shape (Y, X) or (Z, Y, X) with pixels in it, got {array.shape}. "
            "Denoise one image or one volume at a time."
        )
    return array


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Real, finite numbers as float64, or a clear error."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"Expected an image of integers or floats, got {array.dtype}. "
            "Convert it to intensities first."
        )
    array = array.astype(np.float64)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(
            f"Expected a finite image, got {bad} NaN or infinite pixels of {array.size}. "
            "Crop them away or fill them."
        )
    return array
