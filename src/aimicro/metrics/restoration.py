"""How close a restored image is to the truth, in numbers.

The truth is always the first argument. ``mse``, ``psnr`` and ``ssim`` would not notice a swap;
``nrmse`` divides by the first image and ``affine_fit`` moves the second one onto the first, so
with them a swap changes the answer without any error. Everything is computed in float64: a sum
over a large float32 image loses the digits that a small difference lives in.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from aimicro import checks
from aimicro.metrics._checks import of_one_shape

_SSIM_SIGMA = 1.5
_SSIM_WINDOW = 11  # 3.5 sigma to each side of the middle, rounded: the window of Wang et al.


class AffineFit(NamedTuple):
    """An image moved onto the truth by one gain and one offset.

    Attributes
    ----------
    image : ndarray of float32, (Y, X) or (Z, Y, X)
        ``gain * image + offset``, in the units of the truth.
    gain : float
        Units of the truth per unit of the image.
    offset : float
        Units of the truth.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """

    image: npt.NDArray[np.float32]
    gain: float
    offset: float


def mse(truth: npt.ArrayLike, image: npt.ArrayLike) -> float:
    r"""Mean squared error of an image.

    .. math:: \mathrm{MSE} = \frac{1}{N} \sum_i (x_i - t_i)^2

    Parameters
    ----------
    truth : array_like, (Y, X) or (Z, Y, X)
        True image; integers and floats of any width, any intensity unit.
    image : array_like, same shape and unit as `truth`
        Restored image.

    Returns
    -------
    float
        Mean squared error, in squared intensity units; 0 is perfect.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If the shapes differ, are not 2D or 3D, or an image is empty, has a NaN or an infinity.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> mse([[0, 0], [0, 0]], [[2, 0], [0, 0]])
    1.0
    """
    t, x = _pair(truth, image)
    return float(np.mean((x - t) ** 2))


def nrmse(
    truth: npt.ArrayLike,
    image: npt.ArrayLike,
    *,
    normalization: Literal["euclidean", "min-max", "mean"] = "euclidean",
) -> float:
    r"""Root mean squared error of an image, relative to the truth.

    .. math:: \mathrm{NRMSE} = \sqrt{\mathrm{MSE}} \,/\, d(t)

    Parameters
    ----------
    truth : array_like, (Y, X) or (Z, Y, X)
        True image; any intensity unit. The error is divided by its size.
    image : array_like, same shape and unit as `truth`
        Restored image.
    normalization : {"euclidean", "min-max", "mean"}
        The divisor *d*: the root mean square of the truth, its range, or its mean. Papers use
        all three, so say which one when you report a value.

    Returns
    -------
    float
        Relative error without unit; 0 is perfect.

    Raises
    ------
    TypeError, ValueError
        As for `mse`; and if `normalization` is unknown, or the divisor is not above 0.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> nrmse([[3, 3], [3, 3]], [[3, 3], [3, 6]])
    0.5
    """
    t, x = _pair(truth, image)
    sizes: dict[str, Callable[[npt.NDArray[np.float64]], float]] = {
        "euclidean": lambda truth: math.sqrt(np.mean(truth**2)),
        "min-max": lambda truth: float(np.ptp(truth)),
        "mean": lambda truth: float(np.mean(truth)),
    }
    size = sizes[checks.one_of("normalization", normalization, sizes)](t)
    if size <= 0:
        raise ValueError(
            f"Expected a truth to divide by, got one whose {normalization} size is {size:g}. "
            "Use mse, or another normalization."
        )
    return math.sqrt(np.mean((x - t) ** 2)) / size


def psnr(truth: npt.ArrayLike, image: npt.ArrayLike, *, data_range: float) -> float:
    r"""Peak signal-to-noise ratio of an image, in decibels.

    .. math:: \mathrm{PSNR} = 10 \log_{10} \frac{L^2}{\mathrm{MSE}}

    Six decibels more mean half the root mean squared error.

    Parameters
    ----------
    truth : array_like, (Y, X) or (Z, Y, X)
        True image; any intensity unit.
    image : array_like, same shape and unit as `truth`
        Restored image.
    data_range : float
        *L*, the span of intensities that counts as full scale, in the unit of the images: 255
        for 8-bit images, the peak of the truth for a simulation. It has no default because it
        moves the result freely: values with different `data_range` cannot be compared.

    Returns
    -------
    float
        Decibels, more is better; infinity where the images are equal.

    Raises
    ------
    TypeError, ValueError
        As for `mse`; and if `data_range` is not a finite number above 0.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> psnr([[0, 0], [0, 0]], [[1, 1], [1, 1]], data_range=10)
    20.0
    """
    full_scale = _full_scale(data_range)
    error = mse(truth, image)
    return math.inf if error == 0 else 20 * math.log10(full_scale) - 10 * math.log10(error)


def mean_psnr(
    truths: npt.ArrayLike | Sequence[npt.ArrayLike],
    images: npt.ArrayLike | Sequence[npt.ArrayLike],
    *,
    data_range: float,
    affine: bool = False,
) -> float:
    """Mean peak signal-to-noise ratio of several images, in decibels.

    Parameters
    ----------
    truths : array_like, (Y, X) or (Z, Y, X), or list of them
        True images. A list or tuple holds many images, which may differ in shape; an
        array is always one, so pass a stack of 2D images as ``list(stack)``.
    images : array_like, or list of them
        Restored images, one for each truth.
    data_range : float
        Span of intensities that counts as full scale, as for `psnr`.
    affine : bool
        Whether each image is first brought to the brightness of its truth, with `affine_fit`.

    Returns
    -------
    float
        Mean of the decibels, in which every image counts the same.

    Raises
    ------
    TypeError, ValueError
        As for `psnr`; and if there are not as many images as truths, or none.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.

    Examples
    --------
    >>> truths = [np.zeros((2, 2)), np.zeros((2, 3))]
    >>> mean_psnr(truths, [truth + 1 for truth in truths], data_range=10)
    20.0
    """
    results, expected = checks.same_number(images=images, truths=truths)
    pairs = zip(expected, results, strict=True)
    fitted = ((t, affine_fit(t, i).image if affine else i) for t, i in pairs)
    return float(np.mean([psnr(t, i, data_range=data_range) for t, i in fitted]))


def ssim(truth: npt.ArrayLike, image: npt.ArrayLike, *, data_range: float) -> float:
    r"""Mean structural similarity of two images.

    In a window around each pixel, the means, variances and the covariance of both images give

    .. math::

        \frac{(2 \mu_t \mu_x + C_1)(2 \sigma_{tx} + C_2)}
             {(\mu_t^2 + \mu_x^2 + C_1)(\sigma_t^2 + \sigma_x^2 + C_2)},
        \quad C_1 = (0.01\,L)^2, \; C_2 = (0.03\,L)^2,

    and the mean over all pixels whose window lies inside the image is returned.

    Parameters
    ----------
    truth : array_like, (Y, X) or (Z, Y, X), at least 11 pixels along every axis
        True image; any intensity unit.
    image : array_like, same shape and unit as `truth`
        Restored image.
    data_range : float
        *L*, the span of intensities that counts as full scale, as for `psnr`. A large one makes
        the constants large and every image similar.

    Returns
    -------
    float
        Similarity, 1 for equal images; it can be negative.

    Raises
    ------
    TypeError, ValueError
        As for `psnr`; and if an axis is shorter than the window of 11 pixels.

    Notes
    -----
    The settings are those of Wang et al.: Gaussian window with a standard deviation of 1.5
    pixels, population covariance. They are *not* the defaults of scikit-image, which computes
    it here: those use a flat window of 7 pixels and give other numbers.

    Used in chapter 6, *Denoising*.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Transactions on Image Processing 13 (2004)
    600-612. doi:10.1109/TIP.2003.819861

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(256.0).reshape(16, 16)
    >>> ssim(ramp, ramp, data_range=255)
    1.0
    """
    full_scale = _full_scale(data_range)
    t, x = _pair(truth, image)
    if min(t.shape) < _SSIM_WINDOW:
        raise ValueError(
            f"Expected at least {_SSIM_WINDOW} pixels along every axis, got shape {t.shape}. "
            "Use larger images; for a thin stack, take the mean of ssim over its planes."
        )
    return float(
        structural_similarity(
            t,
            x,
            data_range=full_scale,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
    )


def affine_fit(truth: npt.ArrayLike, image: npt.ArrayLike) -> AffineFit:
    r"""Bring an image to the brightness scale of the truth, by least squares.

    .. math:: \min_{a, b} \sum_i (a\,x_i + b - t_i)^2
        \;\Rightarrow\; a = \frac{\mathrm{cov}(t, x)}{\mathrm{var}(x)}, \; b = \bar t - a \bar x

    An image in camera counts, or one that a network has normalised, can have every structure
    right and still a poor `psnr`. After this fit, brightness and background no longer count.
    Say so when you report such a value: the fit looks at the truth and never lowers the score.

    Parameters
    ----------
    truth : array_like, (Y, X) or (Z, Y, X)
        True image; any intensity unit.
    image : array_like, same shape as `truth`
        Restored image, in any other unit. A constant image has nothing to scale: it gets
        gain 0 and the mean of the truth as its offset.

    Returns
    -------
    AffineFit
        The moved image (float32), the gain *a* and the offset *b*. A negative gain means that
        bright and dark are exchanged.

    Raises
    ------
    TypeError, ValueError
        As for `mse`.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> fit = affine_fit([[10, 30], [50, 70]], [[0, 1], [2, 3]])
    >>> fit.gain, fit.offset
    (20.0, 10.0)
    """
    t, x = _pair(truth, image)
    t_mean, x_mean = float(t.mean()), float(x.mean())
    deviation = x - x_mean
    power = float(np.sum(deviation**2))
    # The mean of equal numbers is rounded, which can leave a power of 1e-34: hence the range.
    constant = power == 0 or np.ptp(x) == 0
    gain = 0.0 if constant else float(np.sum(deviation * (t - t_mean))) / power
    fitted = (gain * deviation + t_mean).astype(np.float32)
    return AffineFit(fitted, gain, t_mean - gain * x_mean)


def _pair(
    truth: npt.ArrayLike, image: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two images of one shape as float64, or a clear error."""
    hint = "Compare one image or one volume at a time."
    t, x = (
        checks.intensities(name, values, hint=hint)
        for name, values in (("truth", truth), ("image", image))
    )
    return of_one_shape("image", t, x)


def _full_scale(data_range: float) -> float:
    """`data_range` as a float above 0, or a clear error."""
    hint = "Give the span of intensities, for example 255."
    return checks.number("data_range", data_range, above=0, hint=hint)
