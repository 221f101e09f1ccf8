"""What a pixel classifier knows of a pixel: its surroundings, at several scales.

Each scale begins with one smooth image. Its slopes and the slopes of these say whether there is
an edge, a spot, a line or a flat place. All the rest is made from them, so that nothing is
computed twice.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_limits

from aimicro import checks

Array: TypeAlias = npt.NDArray[np.float32]
Lengths: TypeAlias = tuple[float, ...]

SIGMAS = (0.7, 1.0, 1.6, 3.5, 5.0, 10.0)  # ilastik's, but for 0.3, which leaves pixels as they are

_NARROWER = 0.66  # of sigma: the second Gaussian of a difference, as in ilastik
_AROUND = 0.5  # of sigma: where the structure tensor looks for slopes, as in ilastik
_TRUNCATE = 4.0  # sigmas after which a Gaussian ends, as in SciPy
_STRIP = 64  # pixels of a line that one matrix makes
_BLOCK = 8192  # pixels whose eigenvalues are computed while they are in the processor's cache
_AT_ONCE = 2  # scales, one on each core; in 3D each takes 100 bytes a pixel meanwhile


def features(
    image: npt.ArrayLike,
    *,
    sigmas: Sequence[float] = SIGMAS,
    spacing: float | Sequence[float] = 1.0,
    channels: bool = False,
) -> Array:
    r"""Describe every pixel by filters of several sizes, as ilastik does.

    With :math:`G_\sigma` a Gaussian filter, *I* the image and :math:`S = G_\sigma I`, these are for
    each :math:`\sigma`

    .. math::
        S, \quad |\nabla S|, \quad \Delta S, \quad G_{0.66\sigma} I - S, \quad
        \lambda\!\left(G_{\sigma/2} (\nabla S \, \nabla S^\top)\right), \quad
        \lambda(\nabla \nabla^\top S):

    brightness, edges (gradient magnitude), spots (Laplacian and difference of Gaussians), and the
    eigenvalues :math:`\lambda`, largest first, of two matrices that tell lines and corners from
    spots: the structure tensor and the Hessian.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X), with channels (C, Y, X) or (C, Z, Y, X)
        In any unit; two pixels or more along each axis.
    sigmas : sequence of float
        Sizes of the filters, in the unit of `spacing`. Nothing farther away than about six times
        the largest has a say.
    spacing : float or sequence of float, default 1
        Distance from pixel to pixel along each axis, ``[z,] y, x``; 1 for sigmas in pixels. Where
        planes are farther apart than pixels, filters reach over fewer planes.
    channels : bool
        Whether the first axis holds channels. Each gets all features.

    Returns
    -------
    ndarray of float32, (F, [Z,] Y, X)
        In the order of `feature_names`, 8 for each sigma in 2D and 10 in 3D. Slopes are per unit
        of `spacing`.

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or a sigma is no number.
    ValueError
        If the image has another number of axes, an axis of one pixel, a NaN or an infinity, or
        sigmas or spacing are not above 0.

    See Also
    --------
    skimage.feature.multiscale_basic_features : Three of the six kinds, in 2D and 3D.

    Notes
    -----
    Slopes are differences of neighbours in the smooth image, as in scikit-image; ilastik filters
    with derivatives of the Gaussian. In noise the two differ by 10 % or less for sigmas of 3 pixels
    or more; for smaller ones, differences are smoother. A spot is bright in our difference of
    Gaussians, and dark in ilastik's. Beyond the border, the last pixel goes on.

    A Gaussian along an axis is a matrix product. A processor does that so fast that wide filters
    cost little more than narrow ones.

    Used in chapter 8, *The microglia case*.

    References
    ----------
    S. Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature Methods
    16 (2019) 1226-1232. doi:10.1038/s41592-019-0582-9

    Examples
    --------
    >>> import numpy as np
    >>> slope = 3 * np.arange(64.0) * np.ones((64, 1))
    >>> middle = features(slope, sigmas=[2])[:, 32, 32]
    >>> dict(zip(feature_names(2, sigmas=[2]), middle.round(3).tolist()))["gradient 2"]
    3.0
    """
    array = image_with_channels(image, channels=channels)
    ndim = array.ndim - 1
    sizes, steps = sizes_and_steps(sigmas, spacing, ndim)
    each = len(_kinds(ndim))
    found = np.empty((len(array), len(sizes), each, *array.shape[1:]), np.float32)
    jobs = [
        (pixels, sigma, steps, found[channel, scale])
        for channel, pixels in enumerate(array)
        for scale, sigma in enumerate(sizes)
    ]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda job: _describe(*job), jobs))
    return found.reshape(-1, *array.shape[1:])


def feature_names(ndim: int, *, sigmas: Sequence[float] = SIGMAS, n_channels: int = 1) -> list[str]:
    """Name what `features` gives, in its order.

    Parameters
    ----------
    ndim : int
        Axes of the image, 2 or 3.
    sigmas : sequence of float
        Sizes of the filters.
    n_channels : int
        Channels of the image.

    Returns
    -------
    list of str
        Kind and sigma, after the number of the channel where there are several.

    Raises
    ------
    TypeError, ValueError
        If `ndim` is not 2 or 3, a sigma not above 0, or there is no channel.

    Notes
    -----
    Used in chapter 8, *The microglia case*.

    Examples
    --------
    >>> feature_names(2, sigmas=[1.6])[:4]
    ['Gaussian 1.6', 'gradient 1.6', 'Laplacian 1.6', 'difference 1.6']
    """
    checks.whole("ndim", ndim, low=2, high=3, hint="It counts the axes, channels left aside.")
    checks.whole("n_channels", n_channels, low=1)
    sizes, _ = sizes_and_steps(sigmas, 1.0, ndim)
    names = [f"{kind} {sigma:g}" for sigma in sizes for kind in _kinds(ndim)]
    if n_channels == 1:
        return names
    return [f"channel {c}: {name}" for c in range(1, n_channels + 1) for name in names]


def smooth(images: Array, sigma: float, steps: Lengths) -> Array:
    """Filter with a Gaussian along the last axes, one for each of `steps`.

    Parameters
    ----------
    images : ndarray of float32, (..., [Z,] Y, X)
        One or many.
    sigma : float
        In the unit of `steps`.
    steps : tuple of float
        Distance from pixel to pixel, ``[z,] y, x``.

    Returns
    -------
    ndarray of float32
        Of the same shape.
    """
    for axis, step in enumerate(steps, start=images.ndim - len(steps)):
        images = _along(images, axis, sigma / step)
    return images


def reach_px(sigmas: Sequence[float], steps: Lengths) -> tuple[int, ...]:
    """Say how far away a pixel can be and still change a feature.

    Parameters
    ----------
    sigmas : sequence of float
        Sizes of the filters.
    steps : tuple of float
        Distance from pixel to pixel, ``[z,] y, x``.

    Returns
    -------
    tuple of int
        Pixels along each axis.
    """
    widest = max(sigmas)
    return tuple(_radius(widest / s) + 2 + _radius(_AROUND * widest / s) for s in steps)


def image_with_channels(image: npt.ArrayLike, *, channels: bool) -> Array:
    """Return an image as float32 with an axis of channels, or give a clear error.

    Parameters
    ----------
    image : array_like
        As for `features`.
    channels : bool
        Whether it has the axis.

    Returns
    -------
    ndarray of float32, (C, [Z,] Y, X)
        The image.
    """
    hint = "Say channels=True for (C, Y, X) or (C, Z, Y, X), and choose one time point."
    array = checks.image("image", image, ndim=(3, 4) if channels else (2, 3), hint=hint)
    array = np.ascontiguousarray(array if channels else array[None], np.float32)
    if min(array.shape[1:]) < 2:
        raise ValueError(
            f"Expected an image with two pixels or more along each axis, got {array.shape[1:]}. "
            "Give a single plane as (Y, X)."
        )
    return array


def sizes_and_steps(
    sigmas: Sequence[float], spacing: float | Sequence[float], ndim: int
) -> tuple[Lengths, Lengths]:
    """Return sigmas, and one step for each axis, or give a clear error.

    Parameters
    ----------
    sigmas : sequence of float
        Sizes of the filters.
    spacing : float or sequence of float
        Distance from pixel to pixel.
    ndim : int
        Axes, channels left aside.

    Returns
    -------
    tuple of tuple of float
        Sizes and steps.
    """
    hint = "Give sizes in the unit of the spacing, for example (1, 2, 4)."
    if np.ndim(sigmas) != 1 or len(sigmas) == 0:
        raise ValueError(f"Expected sigmas as a list of one or more, got {sigmas!r}. {hint}")
    sizes = tuple(checks.number("each sigma", sigma, above=0, hint=hint) for sigma in sigmas)
    return sizes, checks.per_axis("spacing", spacing, ndim)


def _kinds(ndim: int) -> list[str]:
    """What is computed at each scale."""
    ranks = range(1, ndim + 1)
    tensors = [f"{name} {rank}" for name in ("structure", "Hessian") for rank in ranks]
    return ["Gaussian", "gradient", "Laplacian", "difference", *tensors]


def _describe(image: Array, sigma: float, steps: Lengths, out: Array) -> None:
    """Write all features of one scale."""
    ndim = image.ndim
    pairs = list(combinations_with_replacement(range(ndim), 2))  # of a symmetric matrix
    level = image.mean()  # a camera's offset would cost digits, and slopes do not know it
    image = image - level
    blurred = smooth(image, sigma, steps)
    slopes = [_slope(blurred, axis, steps) for axis in range(ndim)]
    products = np.stack([slopes[i] * slopes[j] for i, j in pairs])
    bends = [_slope(slopes[i], j, steps) for i, j in pairs]
    out[0] = blurred + level
    out[1] = np.sqrt(sum(slope**2 for slope in slopes))
    out[2] = sum(bend for bend, (i, j) in zip(bends, pairs, strict=True) if i == j)
    out[3] = smooth(image, _NARROWER * sigma, steps) - blurred
    _eigenvalues(smooth(products, _AROUND * sigma, steps), out[4 : 4 + ndim])
    _eigenvalues(np.stack(bends), out[4 + ndim :])


def _slope(image: Array, axis: int, steps: Lengths) -> Array:
    """Half the difference of the two neighbours; at the border, that to the only one."""
    slope: Array = np.gradient(image, steps[axis], axis=axis)
    return slope


def _eigenvalues(upper: Array, out: Array) -> None:
    """Write the eigenvalues, largest first, of symmetric matrices given by their upper halves."""
    of_matrix = _of_two_rows if len(upper) == 3 else _of_three_rows
    upper, out = upper.reshape(len(upper), -1), out.reshape(len(out), -1)
    for start in range(0, upper.shape[1], _BLOCK):
        here = slice(start, start + _BLOCK)
        out[:, here] = of_matrix(*upper[:, here])


def _of_two_rows(yy: Array, yx: Array, xx: Array) -> tuple[npt.NDArray[np.floating], ...]:
    mean, away = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return mean + away, mean - away


def _of_three_rows(*upper: Array) -> tuple[npt.NDArray[np.float64], ...]:
    """The roots of a cubic, as cosines."""
    # Doubles, since near a double root half of the digits are lost.
    zz, zy, zx, yy, yx, xx = (element.astype(np.float64) for element in upper)
    mean = (zz + yy + xx) / 3
    zz, yy, xx = zz - mean, yy - mean, xx - mean
    size = np.sqrt((zz**2 + yy**2 + xx**2 + 2 * (zy**2 + zx**2 + yx**2)) / 6)
    volume = zz * (yy * xx - yx**2) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    cosine = volume / np.maximum(2 * size**3, np.finfo(np.float64).tiny)
    angle = np.arccos(np.clip(cosine, -1, 1)) / 3
    largest, smallest = (2 * size * np.cos(angle + turn) for turn in (0, 2 * math.pi / 3))
    return mean + largest, mean - largest - smallest, mean + smallest


def _radius(sigma: float) -> int:
    """Pixels from the middle of a Gaussian to its end."""
    return int(_TRUNCATE * sigma + 0.5)


def _along(images: Array, axis: int, sigma: float) -> Array:
    """Filter along one axis. Each strip of pixels is a product with a matrix of shifted kernels."""
    radius = _radius(sigma)
    if radius == 0:
        return images
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = np.append(kernel / kernel.sum(), np.zeros(_STRIP - 1))
    first = np.append(kernel[0], np.zeros(_STRIP - 1))
    shifted = toeplitz(first, kernel).astype(np.float32)  # (_STRIP, _STRIP + 2 radius)
    widths = [(radius, radius) if a == axis else (0, 0) for a in range(images.ndim)]
    padded = np.pad(images, widths, mode="edge")
    last = axis == images.ndim - 1
    if not last:  # (before, along, after)
        padded = padded.reshape(-1, padded.shape[axis], math.prod(images.shape[axis + 1 :]))
    out = np.empty_like(images)
    lines = out if last else out.reshape(len(padded), -1, padded.shape[2])
    for start in range(0, images.shape[axis], _STRIP):
        some = min(_STRIP, images.shape[axis] - start)
        matrix = shifted[:some, : some + 2 * radius]
        if last:
            lines[..., start : start + some] = (
                padded[..., start : start + some + 2 * radius] @ matrix.T
            )
        else:
            lines[:, start : start + some] = matrix @ padded[:, start : start + some + 2 * radius]
    return out
