"""Spots: what is about as large as a blob of the Laplacian of Gaussian.

Used in chapters 8 and 9.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from aimicro import checks
from aimicro.segment._objects import LENGTH, Labels, Light, Spacing, pixel_of
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
    tops = response == ndimage.maximum_filter(response, size=3)
    centres, _ = ndimage.label(
        tops & inside & (response >= threshold * response.max()), np.ones((3,) * response.ndim)
    )
    return np.asarray(watershed(-response, centres, mask=inside)).astype(np.int32)
