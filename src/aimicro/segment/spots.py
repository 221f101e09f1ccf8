"""Spots: what is about as large as a blob of the Laplacian of Gaussian.

Used in chapters 8 and 9.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from aimicro import checks
from aimicro.segment._objects import (
    LENGTH,
    Labels,
    Light,
    Spacing,
    pieces,
    pixel_of,
    without_small,
)
from aimicro.segment.threshold import foreground


def log_response(image: npt.ArrayLike, *, radius: float, spacing: Spacing = 1.0) -> Light:
    r"""Answer of each place to the question whether a bright blob of a radius lies here.

    .. math:: -\sigma^2 \nabla^2 (G_\sigma * I), \qquad \sigma = r / \sqrt{n}

    in *n* dimensions: at the centre of a ball, of all radii its own answers most.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; blobs are bright.
    radius : float
        Radius *r* of a blob, in the unit of `spacing`.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of float64
        In the unit of the image; 0 on average where nothing is.

    Raises
    ------
    TypeError, ValueError
        If the image is none, is empty, or has another number of axes; if a setting is out of
        range.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    T. Lindeberg, "Feature detection with automatic scale selection", International Journal of
    Computer Vision 30 (1998) 79-116. doi:10.1023/A:1008045108935

    Examples
    --------
    >>> y, x = np.mgrid[-10:11, -10:11]
    >>> disc = (y**2 + x**2 <= 16).astype(float)
    >>> answers = {r: log_response(disc, radius=r)[10, 10] for r in (2, 4, 8)}
    >>> max(answers, key=answers.get)
    4
    """
    values = checks.intensities("image", image)
    pixel = pixel_of(spacing, values.ndim)
    sigma = checks.number("radius", radius, above=0, hint=LENGTH) / math.sqrt(values.ndim)
    response = np.zeros_like(values)
    for axis, side in enumerate(pixel):
        order = 2 * np.eye(values.ndim, dtype=int)[axis]
        curved = ndimage.gaussian_filter(values, [sigma / one for one in pixel], order=order)
        response -= (sigma / side) ** 2 * curved
    return response


def log_spots(
    image: npt.ArrayLike,
    *,
    radius: float,
    threshold: float = 0.1,
    factor: float = 0.5,
    sigma: float = 1.0,
    spacing: Spacing = 1.0,
) -> Labels:
    """Find blobs of one size, and grow each from its centre over the foreground.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; blobs are bright.
    radius : float
        Radius of a blob, in the unit of `spacing`.
    threshold : float
        Weakest answer of `log_response` that makes a spot, as a fraction of the strongest in the
        image.
    factor, sigma : float
        As for `foreground`, over which spots grow.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on; all 0 where nothing is found, as in an image of one intensity. Foreground
        that no spot reaches is left out.

    Raises
    ------
    TypeError, ValueError
        As for `log_response` and `foreground`.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> image = np.zeros((9, 20))
    >>> image[3:6, 3:6] = image[3:6, 12:15] = 1
    >>> log_spots(image, radius=2, sigma=0).max()
    np.int32(2)
    """
    threshold = checks.number("threshold", threshold, above=0, high=1, hint="Try 0.1.")
    response = log_response(image, radius=radius, spacing=spacing)
    inside = foreground(image, sigma=sigma, factor=factor, spacing=spacing)
    centres = _centres(response, inside & (response >= threshold * response.max()))
    return np.asarray(watershed(-response, centres, mask=inside)).astype(np.int32)


def log_pieces(
    image: npt.ArrayLike,
    *,
    radius: float,
    level: float = 0.4,
    min_area: float = 0.0,
    factor: float = 0.5,
    sigma: float = 1.0,
    spacing: Spacing = 1.0,
) -> Labels:
    """Sharpen, cut into pieces, and grow each over the foreground: touching objects of any form.

    Seen through the Laplacian of a narrow Gaussian, a faint line between two objects is a valley.
    So what lies above a level falls into pieces, long and bent ones, too. The square root of the
    light is taken before, so that bright and dim objects answer alike, and photon noise is even.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    radius : float
        As for `log_response`, in the unit of `spacing`: about a quarter of the width of an object.
    level : float
        Answer above which a pixel belongs to a piece, as a fraction of the strong ones (the 95th
        percentile in the foreground).
    min_area : float
        Area or volume that a piece has at least, in the unit of `spacing`.
    factor, sigma : float
        As for `foreground`, over which pieces grow.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on; all 0 where nothing is found, as in an image of one intensity. Foreground
        that no piece reaches is left out.

    Raises
    ------
    TypeError, ValueError
        As for `log_response` and `foreground`; if `level` is not above 0 and at most 1.

    Notes
    -----
    Used in chapter 9, *Cellpose*.

    Examples
    --------
    >>> image = np.full((9, 30), 100.0)
    >>> image[:, :3] = image[:, 27:] = image[:2] = image[7:] = 0
    >>> image[:, 14:16] = 70  # a faint line between two
    >>> log_pieces(image, radius=2, sigma=0).max()
    np.int32(2)
    """
    level = checks.number("level", level, above=0, high=1, hint="Try 0.4.")
    values = checks.intensities("image", image)
    pixel = pixel_of(spacing, values.ndim)
    # In a crowd, what is enclosed is no hole of an object.
    inside = foreground(values, sigma=sigma, factor=factor, fill_holes=False, spacing=spacing)
    response = log_response(np.sqrt(values - values.min()), radius=radius, spacing=spacing)
    if not inside.any():
        return np.zeros(values.shape, np.int32)
    strong = np.percentile(response[inside], 95)
    seeds = without_small(pieces(inside & (response > level * strong)), min_area, pixel)
    return np.asarray(watershed(-response, seeds, mask=inside)).astype(np.int32)


def log_discs(
    image: npt.ArrayLike,
    *,
    radius: float,
    size: float,
    threshold: float = 0.1,
    spacing: Spacing = 1.0,
) -> Labels:
    """Find blobs of one size, and draw a disc, or a ball, of one size around each.

    For objects that are all alike, and so dim or crowded that no mask shows where one ends. A pixel
    that lies in several discs goes to the nearest centre.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; blobs are bright.
    radius : float
        Radius of a blob, in the unit of `spacing`: for a crowd, less than that of the objects.
    size : float
        Radius of the discs, in the unit of `spacing`.
    threshold : float
        Weakest answer of `log_response` that makes a spot, as a fraction of the strongest in the
        image.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on; all 0 where nothing is found, as in an image of one intensity.

    Raises
    ------
    TypeError, ValueError
        As for `log_response`; if `size` is not above 0, or `threshold` not above 0 and at most 1.

    Notes
    -----
    Used in chapter 9, *StarDist*.

    Examples
    --------
    >>> image = np.zeros((9, 20))
    >>> image[3:6, 3:6] = image[3:6, 12:15] = 1
    >>> np.bincount(log_discs(image, radius=2, size=1).ravel())[1:]
    array([5, 5])
    """
    threshold = checks.number("threshold", threshold, above=0, high=1, hint="Try 0.1.")
    size = checks.number("size", size, above=0, hint=LENGTH)
    values = checks.intensities("image", image)
    # From the darkest pixel on: even light has a small answer, as its kernel ends somewhere.
    response = log_response(values - values.min(), radius=radius, spacing=spacing)
    centres = _centres(response, response > threshold * max(response.max(), 0))
    if not centres.any():
        return centres
    distance, nearest = ndimage.distance_transform_edt(
        centres == 0, sampling=pixel_of(spacing, response.ndim), return_indices=True
    )
    return np.where(distance <= size, centres[tuple(nearest)], 0)


def _centres(response: Light, allowed: npt.NDArray[np.bool_]) -> Labels:
    """Places that answer more than all around them, numbered from 1 on."""
    tops = response == ndimage.maximum_filter(response, size=3)
    numbers, _ = ndimage.label(tops & allowed, np.ones((3,) * response.ndim))
    return np.asarray(numbers, np.int32)
