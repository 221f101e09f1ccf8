"""Watersheds: a landscape over the foreground falls apart into hills, one for each object.

Used in chapters 8 and 9.
"""

import itertools

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from aimicro import checks
from aimicro.segment._objects import (
    LENGTH,
    Labels,
    Light,
    Mask,
    Spacing,
    light_of,
    pieces,
    pixel_of,
    same_shape,
    smoothed,
)

_DARK = 0.01  # of the brightest; what has less light has no meaningful logarithm


def watershed_by_distance(
    mask: npt.ArrayLike, *, smoothing: float = 1.0, depth: float = 0.5, spacing: Spacing = 1.0
) -> Labels:
    """Cut the foreground at its waists: hills of the distance to the background.

    Parameters
    ----------
    mask : array_like of bool, (Y, X) or (Z, Y, X)
        Foreground, for example from `foreground`.
    smoothing : float
        Standard deviation of a Gaussian blur of the distances, in the unit of `spacing`.
    depth : float
        How far the smoothed distance must fall between two hills, in the unit of `spacing`, so
        that they are two objects: with a smaller fall, the lower hill belongs to the higher.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on, 0 outside the mask; all 0 for an empty one.

    Raises
    ------
    TypeError
        If the mask is not made of true and false, or a setting is no number.
    ValueError
        If the mask has no pixels or not 2 or 3 axes, or a setting is out of its range.

    Notes
    -----
    Finds round objects that touch. A bent one is cut, and of two that overlap along their length
    it makes one: then brightness may tell more (`watershed_by_intensity`).

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    P. Soille, "Morphological image analysis", 2nd edition, Springer 2004, chapters 6 and 9.
    doi:10.1007/978-3-662-05088-0

    Examples
    --------
    Two discs that touch:

    >>> y, x = np.mgrid[:20, :36]
    >>> mask = (y - 10) ** 2 + (np.abs(x - 18) - 7) ** 2 < 64
    >>> watershed_by_distance(mask).max()
    np.int32(2)
    """
    inside, pixel = _checked(mask, spacing)
    return _hills(_distance(inside, smoothing, pixel), inside, depth)


def watershed_by_intensity(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    smoothing: float = 2.0,
    depth: float = 0.1,
    spacing: Spacing = 1.0,
) -> Labels:
    """Cut the foreground where it is darker: hills of the logarithm of light.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    mask : array_like of bool
        Foreground, of the same shape.
    smoothing : float
        Standard deviation of a Gaussian blur of the image, in the unit of `spacing`.
    depth : float
        How far the logarithm must fall between two hills: 0.1 stands for a tenth of the light.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on, 0 outside the mask; all 0 for an empty one.

    Raises
    ------
    TypeError, ValueError
        As for `watershed_by_distance`; if the image is none, or of another shape.

    Notes
    -----
    Light is counted from the median outside the mask. By its logarithm, a dim pair is cut as
    readily as a bright one.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> image = np.array([[0, 5, 9, 5, 9, 5, 0]])
    >>> watershed_by_intensity(image, image > 0, smoothing=0)
    array([[0, 1, 1, 1, 2, 2, 0]], dtype=int32)
    """
    inside, pixel = _checked(mask, spacing)
    light = _log_light(same_shape("image", image, inside.shape), inside, smoothing, pixel)
    return _hills(light, inside, depth)


def watershed_by_both(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    smoothing: float = 1.0,
    depth: float = 0.5,
    weight: float = 3.0,
    spacing: Spacing = 1.0,
) -> Labels:
    r"""Cut the foreground where it is narrow, or dark, or somewhat of both.

    The landscape is a sum of distance *d* and light *l*, both smoothed:

    .. math:: d + w \ln l

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities in any unit; objects are bright.
    mask : array_like of bool
        Foreground, of the same shape.
    smoothing : float
        Standard deviation of a Gaussian blur of distances and image, in the unit of `spacing`.
    depth : float
        How far the sum must fall between two hills, in the unit of `spacing`.
    weight : float
        Of light, in the unit of `spacing`: with 3, a tenth less light counts as 0.3 pixels less
        distance.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``.

    Returns
    -------
    ndarray of int32
        Ids from 1 on, 0 outside the mask; all 0 for an empty one.

    Raises
    ------
    TypeError, ValueError
        As for `watershed_by_intensity`.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> image = np.array([[0, 5, 9, 5, 9, 5, 0]])
    >>> watershed_by_both(image, image > 0, smoothing=0, weight=5).max()
    np.int32(2)
    """
    inside, pixel = _checked(mask, spacing)
    values = same_shape("image", image, inside.shape)
    weight = checks.number("weight", weight, low=0, hint=LENGTH)
    light = _log_light(values, inside, smoothing, pixel)
    return _hills(_distance(inside, smoothing, pixel) + weight * light, inside, depth)


def _checked(mask: npt.ArrayLike, spacing: Spacing) -> tuple[Mask, tuple[float, ...]]:
    """A mask and the size of its pixels."""
    array = checks.image("mask", mask)
    if array.dtype.kind != "b":
        raise TypeError(
            f"Expected mask as true and false, got {array.dtype}. Make it with "
            "aimicro.segment.foreground, or compare with a threshold: image > 100."
        )
    return array, pixel_of(spacing, array.ndim)


def _distance(mask: Mask, smoothing: float, pixel: tuple[float, ...]) -> Light:
    """Distance to the background, smoothed."""
    edge = int(mask.all())  # without background, the border of the image is where it begins
    padded = np.pad(mask, edge)
    distance = np.zeros(padded.shape)
    numbers = pieces(padded)
    # Piece by piece: most of an image is background, over which there is nothing to measure.
    for number, tight in enumerate(ndimage.find_objects(numbers), start=1):
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in tight)
        piece = numbers[box] == number
        distance[box] += ndimage.distance_transform_edt(piece, sampling=pixel)
    inner = tuple(slice(edge, edge + side) for side in mask.shape)
    return smoothed(distance[inner], smoothing, pixel, name="smoothing")


def _log_light(image: Light, mask: Mask, smoothing: float, pixel: tuple[float, ...]) -> Light:
    """Logarithm of the light above the background."""
    light = light_of(smoothed(image, smoothing, pixel, name="smoothing"), ~mask)
    brightest = max(float(light.max()), np.finfo(float).tiny)
    return np.log(np.maximum(light / brightest, _DARK))


def _hills(landscape: Light, mask: Mask, depth: float) -> Labels:
    """Every hill of the landscape, then the shallow ones joined to their neighbours."""
    depth = checks.number("depth", depth, low=0, hint="0 makes an object of every hill.")
    inside = np.where(mask, landscape, -np.inf)
    tops = mask & (inside == ndimage.maximum_filter(inside, size=3))
    seeds, _ = ndimage.label(tops, np.ones((3,) * mask.ndim))
    hills = np.asarray(watershed(-landscape, seeds, mask=mask))
    new = _joined(hills, landscape, depth)
    return np.asarray(new[hills])


def _joined(hills: Labels, landscape: Light, depth: float) -> Labels:
    """New number of each hill: the same where the pass between two is not as low as `depth`.

    Passes are taken from the highest down, so that the lower hill has its final height when the
    pass is judged. What is left are the h-maxima of the landscape.
    """
    count = int(hills.max())
    peak = np.full(count + 1, -np.inf)
    np.maximum.at(peak, hills[hills > 0], landscape[hills > 0])
    root = list(range(count + 1))

    def found(hill: int) -> int:
        while root[hill] != hill:
            hill = root[hill]
        return hill

    for height, one, other in _passes(hills, landscape):
        low, high = sorted((found(one), found(other)), key=peak.__getitem__)
        if low != high and peak[low] - height <= depth:
            root[low] = high
    roots = [found(hill) for hill in range(count + 1)]
    return np.unique(roots, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _passes(hills: Labels, landscape: Light) -> list[tuple[float, int, int]]:
    """Where two hills meet: height and the two, the highest pass first."""
    met = []
    for axis in range(hills.ndim):
        one, other = (np.moveaxis(hills, axis, 0)[part] for part in (slice(-1), slice(1, None)))
        border = (one != other) & (one > 0) & (other > 0)
        heights = (np.moveaxis(landscape, axis, 0)[part] for part in (slice(-1), slice(1, None)))
        height = np.minimum(*heights)[border]
        met.append(zip(height.tolist(), one[border].tolist(), other[border].tolist(), strict=True))
    return sorted(itertools.chain(*met), reverse=True)
