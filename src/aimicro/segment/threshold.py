"""Thresholds: what is bright is an object, and the only question is how bright.

Used in chapters 8 and 9.
"""

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

from aimicro import checks
from aimicro.segment._objects import (
    LENGTH,
    Labels,
    Mask,
    Spacing,
    filled,
    light_of,
    pieces,
    pixel_of,
    same_shape,
    smoothed,
    without_small,
)


def foreground(
    image: npt.ArrayLike,
    *,
    sigma: float = 1.0,
    factor: float = 1.0,
    window: float | None = None,
    ratio: float = 1.0,
    fill_holes: bool = True,
    spacing: Spacing = 1.0,
) -> Mask:
    r"""Find what is brighter than a threshold: Otsu's, and if wanted a local one, too.

    The image is smoothed, and light *l* is counted from the background: the median of what Otsu's
    threshold *t* leaves dark. Then a pixel is foreground where

    .. math:: l > f t \quad \text{and, with a window,} \quad l > r \, (G_w * l),

    with the factor *f*, the ratio *r*, and the local mean in a Gaussian window :math:`G_w`.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    sigma : float
        Standard deviation of the smoothing, in the unit of `spacing`; 0 for none.
    factor : float
        On Otsu's threshold, counted from the background: below 1, objects are larger, and dim
        ones are found.
    window : float, optional
        Standard deviation of the window for the local mean, in the unit of `spacing`, about the
        radius of an object. Without it, there is one threshold for the whole image.
    ratio : float
        How much brighter than its surroundings a pixel must be. Without a window, it does nothing.
    fill_holes : bool
        Whether background without a way to the border of the image becomes foreground.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of bool
        True in the foreground; nowhere in an image of one intensity.

    Raises
    ------
    TypeError
        If the image is no image of real numbers, or a setting is no number.
    ValueError
        If the image is empty, has another number of axes (RGB) or NaN, or a setting is out of its
        range.

    Notes
    -----
    Counted from the background, a factor means the same whatever the offset of the camera.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
    Systems, Man, and Cybernetics 9 (1979) 62-66. doi:10.1109/TSMC.1979.4310076

    Examples
    --------
    >>> image = np.zeros((5, 5))
    >>> image[1:4, 1:4] = 10
    >>> foreground(image, sigma=0).sum()
    np.int64(9)
    """
    values = checks.intensities("image", image)
    factor = checks.number("factor", factor, above=0, hint="1 is Otsu's threshold.")
    ratio = checks.number("ratio", ratio, above=0, hint="1 is the local mean.")
    pixel = pixel_of(spacing, values.ndim)
    smooth = smoothed(values, sigma, pixel)
    if window is not None:
        window = checks.number("window", window, above=0, hint=LENGTH)
    if values.max() == values.min():  # else rounding would be taken for contrast
        return np.zeros(values.shape, bool)
    level = float(threshold_otsu(smooth))
    background = np.median(smooth[smooth <= level])
    light = smooth - background
    mask: Mask = light > factor * (level - background)
    if window is not None:
        mask &= light > ratio * smoothed(light, window, pixel)
    return filled(mask) if fill_holes else mask


def otsu(
    image: npt.ArrayLike,
    *,
    sigma: float = 1.0,
    factor: float = 1.0,
    fill_holes: bool = True,
    spacing: Spacing = 1.0,
    min_area: float = 0.0,
) -> Labels:
    """Segment by Otsu's threshold: each connected piece of the foreground is an object.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    sigma, factor, fill_holes, spacing : float or bool
        As for `foreground`.
    min_area : float
        Area or volume of the smallest object, in units of `spacing`.

    Returns
    -------
    ndarray of int32
        Ids from 1 on; all 0 where nothing is found, as in an image of one intensity.

    Raises
    ------
    TypeError, ValueError
        As for `foreground`.

    See Also
    --------
    aimicro.segment.watershed_by_distance : Splits objects that touch.

    Notes
    -----
    Pixels that meet only at a corner are not connected.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> otsu([[9, 9, 0, 0], [9, 9, 0, 8], [0, 0, 0, 8]], sigma=0)
    array([[1, 1, 0, 0],
           [1, 1, 0, 2],
           [0, 0, 0, 2]], dtype=int32)
    """
    mask = foreground(image, sigma=sigma, factor=factor, fill_holes=fill_holes, spacing=spacing)
    return without_small(pieces(mask), min_area, pixel_of(spacing, mask.ndim))


def local_threshold(
    image: npt.ArrayLike,
    *,
    window: float,
    ratio: float = 1.0,
    sigma: float = 1.0,
    factor: float = 0.5,
    fill_holes: bool = True,
    spacing: Spacing = 1.0,
    min_area: float = 0.0,
) -> Labels:
    """Segment by a threshold that follows the light around: each connected piece is an object.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    window, ratio, sigma, factor, fill_holes, spacing : float or bool
        As for `foreground`. A low factor keeps the noise of empty places out.
    min_area : float
        Area or volume of the smallest object, in units of `spacing`.

    Returns
    -------
    ndarray of int32
        Ids from 1 on; all 0 where nothing is found, as in an image of one intensity.

    Raises
    ------
    TypeError, ValueError
        As for `foreground`.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    A bright and a dim object, which one threshold would not keep both:

    >>> image = [[0, 90, 0, 0, 0, 0, 0, 9, 0]]
    >>> local_threshold(image, window=2, factor=0.05).max(), otsu(image).max()
    (np.int32(2), np.int32(1))
    """
    mask = foreground(
        image,
        sigma=sigma,
        factor=factor,
        window=window,
        ratio=ratio,
        fill_holes=fill_holes,
        spacing=spacing,
    )
    return without_small(pieces(mask), min_area, pixel_of(spacing, mask.ndim))


def redraw(
    labels: npt.ArrayLike,
    image: npt.ArrayLike,
    *,
    level: float = 0.5,
    sigma: float = 1.0,
    spacing: Spacing = 1.0,
) -> Labels:
    r"""Give each object a threshold of its own, so that bright ones are not drawn too large.

    Blur spreads the outline of an object; where its light has fallen to half, the edge was. One
    threshold for all meets that for one brightness only. Here a pixel of object *i* stays where

    .. math:: l > v \, \bar{l}_i,

    with the mean light :math:`\bar{l}_i` of the object, counted from the background.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        Objects, drawn rather too large than too small: none grows.
    image : array_like
        Intensities, of the same shape.
    level : float
        The fraction *v*, from 0 to 1.
    sigma : float
        Standard deviation of a smoothing, in the unit of `spacing`.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        The objects with their ids; holes that open up are closed.

    Raises
    ------
    TypeError, ValueError
        If `labels` are no labels, `image` is no image of their shape, or a setting is out of
        range.

    Notes
    -----
    The background is the median of the pixels without an object; where there are none, 0.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> redraw([[0, 1, 1, 1, 0, 2, 2, 2]], [[0, 2, 9, 2, 0, 1, 3, 1]], sigma=0, level=0.7)
    array([[0, 0, 1, 0, 0, 0, 2, 0]], dtype=int32)
    """
    objects = checks.labels("labels", labels, hint="Redraw one image at a time.").astype(np.int32)
    values = same_shape("image", image, objects.shape)
    level = checks.number("level", level, low=0, high=1, hint="0.5 is half of the mean light.")
    pixel = pixel_of(spacing, values.ndim)
    light = light_of(smoothed(values, sigma, pixel), objects == 0)
    ids: npt.NDArray[np.integer] = objects
    if ids.max() >= ids.size:  # with large gaps, a table of all numbers would be too long
        ids = np.asarray(np.unique(ids, return_inverse=True)[1]).reshape(objects.shape)
    counts = np.maximum(np.bincount(ids.ravel()), 1)
    mean = np.bincount(ids.ravel(), weights=light.ravel()) / counts
    kept = (objects > 0) & (light > level * mean[ids])
    return np.where(filled(kept), objects, 0).astype(np.int32)
