"""Classical deconvolution: undo the blur of a microscope whose point spread function is known.

`wiener` divides the blur out of the spectrum, once. `richardson_lucy` asks again and again which
specimen would have given these counts. Both need the PSF, and one number that says when to stop
before the noise is sharpened too; `best_deconvolved` finds that number for a known truth.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from numbers import Integral, Real

import numpy as np
import numpy.typing as npt
from scipy import fft

from aimicro.restore.anscombe import Image, finite
from aimicro.restore.denoise import best_tuned
from aimicro.restore.tuning import Tuned, best_strength, scorer, several

Spectrum = npt.NDArray[np.complex64]

__all__ = ["DECONVOLUTIONS", "best_deconvolved", "richardson_lucy", "wiener"]

DECONVOLUTIONS = ("richardson_lucy", "wiener", "gaussian")
_NOISE_TO_SIGNAL = (1e-6, 10.0)  # from next to an inverse filter to next to a blur
_SEEN = 0.01  # share of its light that must reach the image before a voxel is estimated
_NEARLY_ALL = 0.95  # of the light; widefield's tails have no end, and padding for them is slow
_PAST_PEAK_DB = 0.3


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
    there, nothing to compare. :math:`h^T \otimes m` is the share of its light that a place sends
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
    _check_count("iterations", iterations)
    data, kernel = _checked(image, psf)
    estimates = _estimates(data, kernel, background, accelerated)
    for number, estimate in enumerate(islice(estimates, iterations), start=1):
        if each is not None:
            each(number, estimate)
    return estimate


def _estimates(data: Image, psf: Image, background: float, accelerated: bool) -> Iterator[Image]:
    """What each iteration of Richardson and Lucy estimates, without end."""
    _check_light(data, background)
    field = tuple(slice(0, side) for side in data.shape)
    # The transform is periodic: what does not fit behind the image lies before it.
    shape = _room(data, _reach(psf))
    otf = _otf(psf, shape)
    mirrored = otf.conj()

    # Transforms are exact to some 1e-7 of the brightest voxel: below that there is only error.
    least = max(1e-6 * float(data.max()), float(np.finfo(np.float32).tiny))
    share = _values(_spectrum(np.ones_like(data), shape) * mirrored, shape, shape)
    weight = np.where(share > _SEEN, 1 / np.maximum(share, _SEEN), np.float32(0))
    start = np.float32(np.maximum(data - background, 0).mean(dtype=float))
    estimate = ahead = np.where(weight > 0, start, np.float32(0))
    step = np.zeros_like(estimate)
    while True:
        seen = _values(_spectrum(ahead, shape) * otf, shape, data.shape) + np.float32(background)
        quotient = data / np.maximum(seen, least)
        back = _values(_spectrum(quotient, shape) * mirrored, shape, shape)
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
    if not (isinstance(noise_to_signal, Real) and 1e-12 <= noise_to_signal < math.inf):
        raise ValueError(
            f"Expected noise_to_signal of 1e-12 or more, got {noise_to_signal!r}. Start with 0.01."
        )
    return _wiener(*_checked(image, psf))(float(noise_to_signal))


def _wiener(data: Image, psf: Image) -> Callable[[float], Image]:
    """The filter for one image, to be called with its noise-to-signal ratio."""
    reach = _reach(psf)
    shape = _room(data, reach)
    edges = [(r, total - r - n) for r, total, n in zip(reach, shape, data.shape, strict=True)]
    otf = _otf(psf, shape)
    spectrum = _spectrum(np.pad(data, edges, mode="symmetric"), shape) * otf.conj()
    power = np.abs(otf) ** 2
    field = tuple(slice(r, r + n) for r, n in zip(reach, data.shape, strict=True))

    def filtered(ratio: float) -> Image:
        return _values(spectrum / (power + np.float32(ratio)), shape, shape)[field].copy()

    return filtered


def best_deconvolved(
    image: npt.ArrayLike | Sequence[npt.ArrayLike],
    truth: npt.ArrayLike | Sequence[npt.ArrayLike],
    psf: npt.ArrayLike | Sequence[npt.ArrayLike],
    method: str,
    *,
    data_range: float,
    affine: bool = True,
    background: float = 0.0,
    accelerated: bool = False,
    most_iterations: int = 100,
) -> Tuned:
    """Deconvolve with the strength that comes closest to the truth.

    This is more than fair to the method: with real images there is no truth to tune on.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X), or a list of them
        Blurred image or volume. A list or tuple holds several, which get one strength together;
        a single array is always one image.
    truth : array_like, or a list of them
        The truth of each; with ``affine=True`` in any unit.
    psf : array_like, or a list of them
        As for `richardson_lucy`: one for all, or one for each.
    method : {"richardson_lucy", "wiener", "gaussian"}
        What is tuned: the number of iterations, the ratio of noise to signal, or sigma in pixels
        of a Gaussian filter, which needs no PSF and only denoises.
    data_range : float
        Full scale for `aimicro.metrics.psnr`, in the unit of the truth. Its mean over the images
        is made as large as possible.
    affine : bool
        Whether each image is brought to the brightness of its truth before it is scored, with
        `aimicro.metrics.affine_fit`. The images that are returned are as the method made them.
    background, accelerated
        As for `richardson_lucy`; the other methods need neither.
    most_iterations : int
        Where `richardson_lucy` ends at the latest. It ends earlier where the score has fallen
        0.3 dB below its peak.

    Returns
    -------
    Tuned
        Strength, score, images and everything that was tried: iterations, ratios or sigmas.

    Raises
    ------
    TypeError, ValueError
        As for the methods and `aimicro.metrics.psnr`; and if there are not as many truths as
        images, or none.

    Notes
    -----
    Used in chapter 6, *Deconvolution*, and appendix A.
    """
    if method not in DECONVOLUTIONS:
        raise ValueError(
            f"Expected a method among {', '.join(DECONVOLUTIONS)}, got {method!r}. "
            "Choose one of these."
        )
    if method == "gaussian":
        return best_tuned(image, truth, method, data_range=data_range, affine=affine)
    images, psfs = several(image), several(psf)
    if len(psfs) == 1:
        psfs = [psfs[0]] * len(images)
    if len(psfs) != len(images):
        raise ValueError(
            f"Expected one PSF or as many as images, got {len(psfs)} for {len(images)} images. "
            "Pass one array, or a list of the length of the images."
        )
    score = scorer(images, several(truth), data_range=data_range, affine=affine)
    pairs = [_checked(*pair) for pair in zip(images, psfs, strict=True)]
    many = isinstance(image, list | tuple)
    if method == "richardson_lucy":
        _check_count("most_iterations", most_iterations)
        runs = (_estimates(*pair, background, accelerated) for pair in pairs)
        iterates = zip(*runs, strict=True)
        return _best_iteration(islice(iterates, most_iterations), score, many)
    filters = [_wiener(*pair) for pair in pairs]
    return best_strength(
        method,
        lambda ratio: tuple(filtered(ratio) for filtered in filters),
        score,
        grid=[float(ratio) for ratio in np.geomspace(*_NOISE_TO_SIGNAL, 8)],
        many=many,
    )


def _best_iteration(
    iterates: Iterator[tuple[Image, ...]],
    score: Callable[[Sequence[Image]], float],
    many: bool,
) -> Tuned:
    """The iteration with the best score, from one run that ends when the peak has passed."""
    tried: list[tuple[float, float]] = []
    best = -math.inf
    kept: tuple[Image, ...] = ()
    for number, estimates in enumerate(iterates, start=1):
        value = score(estimates)
        tried.append((float(number), value))
        if value > best:
            best, kept = value, estimates
        elif value < best - _PAST_PEAK_DB:
            break
    strength = max(tried, key=lambda pair: pair[1])[0]
    return Tuned(
        method="richardson_lucy",
        strength=strength,
        psnr=best,
        image=kept if many else kept[0],
        tried=tuple(tried),
        at_bound=strength == tried[-1][0],
    )


def _reach(psf: Image) -> list[int]:
    """Distance from the centre, along each axis, within which nearly all light falls."""
    reach = []
    for axis, side in enumerate(psf.shape):
        light = psf.sum(axis=tuple(set(range(psf.ndim)) - {axis}), dtype=float)
        beside = light[side // 2 + 1 :] + light[: side // 2][::-1]
        within = light[side // 2] + np.cumsum(np.append(0, beside))
        reach.append(int(np.argmax(within > _NEARLY_ALL)))
    return reach


def _room(data: Image, reach: Sequence[int]) -> list[int]:
    """Shape that reaches so far beyond the image on both sides, rounded up for fast transforms."""
    sides = zip(data.shape, reach, strict=True)
    return [fft.next_fast_len(n + 2 * r, real=True) for n, r in sides]


def _otf(psf: Image, shape: Sequence[int]) -> Spectrum:
    """Spectrum of the PSF with its centre at the first voxel; what finds no room wraps around."""
    window = np.zeros(shape, np.float32)
    places = ((np.arange(p) - p // 2) % n for p, n in zip(psf.shape, shape, strict=True))
    np.add.at(window, np.ix_(*places), psf)
    return _spectrum(window, shape)


def _spectrum(values: Image, shape: Sequence[int]) -> Spectrum:
    """``rfftn(values, shape)`` without the rows that are only padding: twice as fast."""
    spectrum = fft.rfft(values, shape[-1], workers=-1)
    for axis in reversed(range(values.ndim - 1)):
        spectrum = fft.fft(spectrum, shape[axis], axis=axis, overwrite_x=True, workers=-1)
    return np.asarray(spectrum)


def _values(spectrum: Spectrum, shape: Sequence[int], sides: Sequence[int]) -> Image:
    """``irfftn(spectrum, shape)``, computed only where it lies within these sides."""
    for axis, side in enumerate(sides[:-1]):
        rows = fft.ifft(spectrum, axis=axis, overwrite_x=True, workers=-1)
        spectrum = rows[(slice(None),) * axis + (slice(side),)]
    return np.asarray(fft.irfft(spectrum, shape[-1], workers=-1)[..., : sides[-1]])


def _checked(image: npt.ArrayLike, psf: npt.ArrayLike) -> tuple[Image, Image]:
    """Image and PSF as float32, or a clear error."""
    data, kernel = finite(image), finite(psf, "a PSF")
    if data.ndim not in (2, 3) or data.size == 0:
        raise ValueError(
            f"Expected an image of shape (Y, X) or (Z, Y, X) with pixels in it, got {data.shape}. "
            "Deconvolve one image or one volume at a time."
        )
    if kernel.ndim != data.ndim:
        raise ValueError(
            f"Expected a PSF with as many axes as the image, {data.ndim}, got {kernel.ndim}. "
            "Pass a PSF of the same number of dimensions."
        )
    if any(side % 2 == 0 for side in kernel.shape):
        raise ValueError(
            f"Expected a PSF with sides of odd length, got shape {kernel.shape}. "
            "Compute it in an odd window, so that its centre is a voxel."
        )
    if kernel.min() < 0 or not math.isclose(kernel.sum(), 1, abs_tol=1e-3):
        raise ValueError(
            f"Expected a PSF from 0 up that sums to 1, got a smallest value of {kernel.min():g} "
            f"and a sum of {kernel.sum():g}. Clip it at 0 and divide it by its sum."
        )
    return data.astype(np.float32), (kernel / kernel.sum()).astype(np.float32)


def _check_light(data: Image, background: float) -> None:
    """An error unless image and background can be light."""
    if not (isinstance(background, Real) and 0 <= background < math.inf):
        raise ValueError(
            f"Expected a background of 0 or more, got {background!r}. "
            "Give light per voxel in the unit of the image, or leave it out."
        )
    if data.min() < 0:
        raise ValueError(
            f"Expected an image from 0 up, got values down to {data.min():g}. "
            "Clip it at 0 after the offset of the camera has been subtracted."
        )


def _check_count(name: str, count: int) -> None:
    """An error unless the number of iterations is one."""
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(
            f"Expected {name} as a whole number from 1 up, got {count!r}. Start with 20."
        )
