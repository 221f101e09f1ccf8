"""A U-Net as a segmenter: what it learns of labels, and labels from what it says of an image.

It says of each pixel whether that is inside an object. Where objects touch, that does not tell them
apart: so it may learn their outlines as a class of their own, or that gaps between them count more.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import (
    distance_transform_edt,
    find_objects,
    maximum_filter,
    minimum_filter,
)
from scipy.ndimage import label as components
from scipy.special import expit, softmax
from skimage.segmentation import watershed

from aimicro import checks
from aimicro.segment.watershed import watershed_by_distance

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
_Mask = npt.NDArray[np.bool_]

_CLASSES = 3  # background, inside, border
_FAR = 4  # sigma: gaps wider than that weigh less than w0 / 2980
_ROUNDING = 1e-3  # by which probabilities may miss 0, 1 and their sum


def targets(labels: npt.ArrayLike, *, borders: int | Sequence[int] = 0) -> Image:
    """Compute what a U-Net is to learn: inside or outside, or three classes with borders.

    With borders, an object ends with an outline that belongs to it: all pixels from which one of
    another id, or of the background, is no further than `borders`. Two objects that touch are so
    kept apart by two outlines.

    Parameters
    ----------
    labels : array_like of int, ([Z,] Y, X)
        Ids of objects, 0 for background.
    borders : int or sequence of int, default 0
        Width of the outlines in pixels, for all axes or one for each. 0: no class for them.

    Returns
    -------
    ndarray of float32, (1, [Z,] Y, X) or (3, [Z,] Y, X)
        1 inside the objects and 0 outside, for a loss of masks such as ``"bce"``; or, for
        ``"cross_entropy"``, a channel for background, one for the inside, one for borders, with
        1 in one of them.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, and a width that is no whole number from 0 up.

    See Also
    --------
    segment : Back to labels.
    border_weights : Another way to learn gaps.

    Notes
    -----
    Objects that the border of the image cuts have no outline there: how they go on is not known,
    and a patch is to be taught what the whole image would be. An object as thin as two outlines has
    no inside.

    So three classes were learned on nuclei by Caicedo et al. [1]_.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    .. [1] J. C. Caicedo et al., "Evaluation of deep learning strategies for nucleus segmentation in
       fluorescence images", Cytometry Part A 95, 952-965 (2019). doi:10.1002/cyto.a.23863

    Examples
    --------
    >>> targets([[0, 5, 5, 5, 0, 0]]).astype(int).tolist()
    [[[0, 1, 1, 1, 0, 0]]]
    >>> background, inside, border = targets([[0, 5, 5, 5, 5, 7, 7]], borders=1).astype(int)
    >>> inside.tolist(), border.tolist()
    ([[0, 0, 1, 1, 0, 0, 1]], [[0, 1, 0, 0, 1, 1, 0]])
    """
    ids = checks.labels("labels", labels)
    hint = "It is the width of the outlines in pixels; 2 is usual, 0 is for none."
    widths = checks.per_axis("borders", borders, ids.ndim, whole_from=0, hint=hint)
    objects = ids > 0
    if not any(widths):
        return objects[np.newaxis].astype(np.float32)
    inside = objects & ~_near_another(ids, widths)
    return np.stack([~objects, inside, objects & ~inside]).astype(np.float32)


def border_weights(labels: npt.ArrayLike, *, w0: float = 10.0, sigma: float = 5.0) -> Image:
    r"""Weigh pixels for the loss: the nearer two objects are to each other, the more it counts.

    .. math:: w = 1 + w_0 \exp\left(-\frac{(d_1 + d_2)^2}{2 \sigma^2}\right)

    with the distances :math:`d_1` to the nearest object, 0 inside of one, and :math:`d_2` to the
    second nearest.

    Parameters
    ----------
    labels : array_like of int, ([Z,] Y, X)
        Ids of objects, 0 for background.
    w0 : float, default 10
        How much more the narrowest gaps count; 0 or more.
    sigma : float, default 5
        Of the sum of both distances, in pixels, above 0.

    Returns
    -------
    ndarray of float32, ([Z,] Y, X)
        Weights from 1 to ``1 + w0``. A target of classes times the weights is one that
        ``"cross_entropy"`` takes: ``targets(labels, borders=2) * border_weights(labels)``.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, and numbers out of their range.

    Notes
    -----
    In the paper [1]_ objects are kept apart by a gap of background, and the 1 is a weight that also
    makes up for rare classes. Distances to objects, rather than to their borders, let contacts
    count, too, where there is no gap. A sum of both above four `sigma` adds nothing.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
       segmentation", MICCAI 2015. doi:10.1007/978-3-319-24574-4_28

    Examples
    --------
    >>> border_weights([[1, 1, 1, 0, 2, 2, 0, 0]]).round(1)
    array([[ 8.3,  9.4, 10.2, 10.2, 10.2,  9.4,  7.1,  4.8]], dtype=float32)
    """
    ids = checks.labels("labels", labels)
    w0 = checks.number("w0", w0, low=0, hint="The paper has 10.")
    sigma = checks.number("sigma", sigma, above=0, unit="px", hint="The paper has 5.")
    nearest = np.full((2, *ids.shape), np.inf)
    _, consecutive = np.unique(ids, return_inverse=True)
    numbers = consecutive.reshape(ids.shape) + int(ids.min() > 0)
    reach = math.ceil(_FAR * sigma)
    for number, window in enumerate(find_objects(numbers), start=1):
        around = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in window)
        d1, d2 = nearest[:, *around]
        distance = distance_transform_edt(numbers[around] != number)
        nearest[:, *around] = np.minimum(d1, distance), np.minimum(d2, np.maximum(d1, distance))
    gap = nearest.sum(axis=0) / sigma
    return np.asarray(1 + w0 * np.exp(-(gap**2) / 2) * (gap <= _FAR), np.float32)


def segment(
    output: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    seed_threshold: float = 0.5,
    waist_depth: float | None = None,
    min_pixels: int = 0,
    logits: bool = True,
) -> Labels:
    """Turn what a U-Net says of an image into labels.

    Without borders, every connected component of pixels whose probability is above `threshold`
    becomes an object. With borders, the components of the inside are seeds: they grow over
    outlines, where inside is likeliest first, until they meet each other or the background. So
    objects that touch come apart, and keep their full size.

    Parameters
    ----------
    output : array_like, ([1,] [Z,] Y, X) or (3, [Z,] Y, X)
        Inside or outside, or the three classes of `targets`. Three planes are taken for classes:
        give a volume of so few as ``output[np.newaxis]``.
    threshold : float, default 0.5
        Probability, between 0 and 1, above which a pixel belongs to an object: to the inside or, if
        there are borders, to either.
    seed_threshold : float, default 0.5
        With borders: probability above which a pixel belongs to the inside. The higher, the more
        objects come apart.
    waist_depth : float, optional
        With borders: cut seeds at their waists, too, as `aimicro.segment.watershed_by_distance`
        does, where the distance to what is no seed falls by so many pixels. Few touching objects
        then stay one, and some that are one come apart: see `aimicro.segment.joining`.
    min_pixels : int, default 0
        Smaller objects are left out.
    logits : bool, default True
        Whether the output has yet to become probabilities, by a sigmoid or a softmax.

    Returns
    -------
    ndarray of int32, ([Z,] Y, X)
        Ids 1, 2, … of objects, 0 for background.

    Raises
    ------
    TypeError, ValueError
        For other channels, NaN, probabilities that are none, and settings out of range.

    Notes
    -----
    Pixels are connected by their sides, not by corners. What is above `threshold` with borders, but
    has no inside, is an object too: it is as thin as its outline.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> labels = np.array([[0, 5, 5, 5, 7, 7, 7, 0]])
    >>> segment(targets(labels), logits=False).tolist()
    [[0, 1, 1, 1, 1, 1, 1, 0]]
    >>> segment(targets(labels, borders=1), logits=False).tolist()
    [[0, 1, 1, 1, 2, 2, 2, 0]]
    """
    threshold = checks.number("threshold", threshold, above=0, below=1, hint="Try 0.5.")
    sure = checks.number("seed_threshold", seed_threshold, above=0, below=1, hint="Try 0.5.")
    least = checks.whole("min_pixels", min_pixels, low=0)
    channels = _channels(output)
    chances = _probabilities(channels) if logits else _checked(channels)
    if len(chances) == 1:
        found, _ = components(chances[0] > threshold)
    else:
        inside = chances[1] > sure
        if waist_depth is None:
            seeds, _ = components(inside)
        else:
            seeds = watershed_by_distance(inside, depth=waist_depth)
        found = _grown(seeds, chances[1], chances[1] + chances[2] > threshold)
    sizes = np.bincount(found.ravel())
    kept = (sizes >= max(least, 1)) & (np.arange(len(sizes)) > 0)
    return np.asarray((np.cumsum(kept) * kept)[found], np.int32)


def _near_another(ids: npt.NDArray[np.integer], widths: Sequence[int]) -> _Mask:
    """Where a pixel of another id lies in an ellipse of these half-axes, within the image."""
    offsets = np.meshgrid(*(np.arange(-width, width + 1) for width in widths), indexing="ij")
    scaled = (offset / max(width, 1) for offset, width in zip(offsets, widths, strict=True))
    ellipse = np.asarray(sum(part**2 for part in scaled)) <= 1
    lowest = minimum_filter(ids, footprint=ellipse, mode="nearest")
    highest = maximum_filter(ids, footprint=ellipse, mode="nearest")
    return np.asarray(lowest != highest)


def _grown(
    seeds: npt.NDArray[np.integer], inside: Image, foreground: _Mask
) -> npt.NDArray[np.integer]:
    """Seeds, grown over the foreground; what has none is one object."""
    whole, n_whole = components(foreground)
    seedless = np.ones(n_whole + 1, bool)
    seedless[np.unique(whole[seeds > 0])] = False
    seedless[0] = False
    seeds = np.where(seedless[whole], seeds.max() + whole, seeds)
    return np.asarray(watershed(-inside, seeds, mask=foreground))


def _channels(output: npt.ArrayLike) -> npt.NDArray[Any]:
    """The output as `(C, [Z,] Y, X)`, or a clear error."""
    values = checks.image("output", output, ndim=(2, 3, 4), hint="Give it for one image.")
    if values.ndim == 2 or (values.ndim == 3 and len(values) not in (1, _CLASSES)):
        values = values[np.newaxis]
    if len(values) not in (1, _CLASSES):
        raise ValueError(
            f"Expected output of 1 channel, or 3 for background, inside and border, got "
            f"{len(values)} in shape {values.shape}. Rays and flows have functions of their own."
        )
    return values


def _probabilities(channels: npt.NDArray[Any]) -> Image:
    """Chances from logits."""
    values = channels.astype(np.float32)
    return np.asarray(expit(values) if len(values) == 1 else softmax(values, axis=0))


def _checked(chances: npt.NDArray[Any]) -> Image:
    """Chances as they came, or a clear error."""
    values = chances.astype(np.float32)
    sums = values.sum(axis=0)
    if values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING:
        raise ValueError(
            f"Expected probabilities from 0 to 1, got {values.min():g} to {values.max():g}. Leave "
            "out logits=False for the output of a network that ends without a sigmoid."
        )
    if len(values) > 1 and np.abs(sums - 1).max() > _ROUNDING:
        raise ValueError(
            f"Expected probabilities of three classes with a sum of 1, got {sums.min():g} to "
            f"{sums.max():g}. Give the classes in the order background, inside, border."
        )
    return values
