"""Corrections of a label image, one at a time: what a click or a stroke does to it.

Each function takes labels (Y, X) and what was pointed at, and returns new labels; the old ones stay
as they are. Objects that are not named keep every pixel. A place (y, x) is counted as in
`aimicro.io.outlines`: the pixel (0, 0) lies between the corners (0, 0) and (1, 1).

Used in chapter 9, *A labelling lab*.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from scipy.ndimage import label as components
from skimage.draw import line

from aimicro import checks
from aimicro.io.outlines import pixels_within

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Place = Sequence[float]

_CRUMB = 4  # pixels: less than that, beside a cut, is no piece
_REACH = 4  # pixels: what lies farther apart is not joined


def remove(labels: npt.ArrayLike, place: Place) -> Labels:
    """Take the object away that was clicked.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    place : (float, float)
        A place y, x in the object.

    Returns
    -------
    ndarray of int32, (Y, X)
        The labels without the object.

    Raises
    ------
    TypeError, ValueError
        If these are no labels of one plane, or there is no object at the place.

    Notes
    -----
    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> remove([[1, 1, 0, 2]], (0.5, 3.5)).tolist()
    [[1, 1, 0, 0]]
    """
    before = _checked(labels)
    return np.where(before == _object_at(before, place), 0, before).astype(np.int32)


def outlined(shape: Sequence[int], outline: npt.ArrayLike) -> Mask:
    """Find the pixels within an outline that was drawn.

    Parameters
    ----------
    shape : sequence of int
        Of the image, ``(Y, X)``.
    outline : array_like, (N, 2)
        Places y, x along it, three or more; it is closed.

    Returns
    -------
    ndarray of bool, (Y, X)
        Pixels whose centres lie within.

    Raises
    ------
    ValueError
        If there are fewer than three places.

    Notes
    -----
    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> outlined((2, 4), [(0, 1), (0, 3), (2, 3), (2, 1)]).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    ring = _places(outline, least=3, what="an outline")
    inside = np.zeros(tuple(shape), bool)
    mask, window = pixels_within([ring], shape)
    inside[window] = mask
    return inside


def add(labels: npt.ArrayLike, mask: npt.ArrayLike) -> Labels:
    """Add an object; what belongs to others stays theirs.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    mask : array_like of bool, (Y, X)
        Where the object is, such as from `outlined`.

    Returns
    -------
    ndarray of int32, (Y, X)
        The labels with a new id, the highest and one more. If others part what is left of the
        mask, the largest part is the object.

    Raises
    ------
    TypeError, ValueError
        If these are no labels of one plane, the mask has another shape, or nothing of it is free.

    Notes
    -----
    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> add([[1, 1, 0, 0, 0]], [[False, True, True, True, False]]).tolist()
    [[1, 1, 2, 2, 0]]
    """
    before, wanted = _checked(labels), np.asarray(mask, bool)
    if wanted.shape != before.shape:
        raise ValueError(
            f"Expected a mask of the shape of the labels, {before.shape}, got {wanted.shape}. "
            "Draw on the same image."
        )
    parts, n_parts = components(wanted & (before == 0))
    if n_parts == 0:
        raise ValueError(
            "Expected an outline around free pixels, got none: it is too small, or all of it "
            "belongs to others. Remove them first, or draw a larger outline."
        )
    after = before.copy()
    after[parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])] = before.max() + 1
    return after


def cut(labels: npt.ArrayLike, stroke: npt.ArrayLike) -> Labels:
    """Cut one object in two along a stroke.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    stroke : array_like, (N, 2)
        Places y, x along it, two or more. It cuts the object that most of it runs through, and
        begins and ends outside of that, or in its outermost pixels.

    Returns
    -------
    ndarray of int32, (Y, X)
        The larger piece keeps the id, the other gets the highest and one more. The pixels under the
        stroke go to the piece that is nearer: none is lost.

    Raises
    ------
    TypeError, ValueError
        If these are no labels of one plane, the stroke misses all objects, or leaves one piece or
        more than two.

    Notes
    -----
    Pieces are connected by the sides of pixels. Less than four pixels are no piece, but go to the
    nearest one.

    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> bar = np.zeros((4, 9), int)
    >>> bar[1:3] = 5
    >>> cut(bar, [(0, 3.5), (4, 3.5)])[1].tolist()
    [6, 6, 6, 6, 5, 5, 5, 5, 5]
    """
    before = _checked(labels)
    under = _pixels_along(_places(stroke, least=2, what="a stroke"), before.shape)
    hit = before[under & (before > 0)]
    if not len(hit):
        raise ValueError(
            "Expected a stroke through an object, got one through background. Begin on one side "
            "of the object, and end on the other."
        )
    owner = np.bincount(hit).argmax()
    parts, _ = components(before == owner)
    whole = parts == np.bincount(parts[under & (parts > 0)]).argmax()
    pieces, _ = components(whole & ~under)
    sizes = np.bincount(pieces.ravel())[1:]
    large = 1 + np.flatnonzero(sizes >= _CRUMB)
    if len(large) != 2:
        raise ValueError(
            f"Expected a stroke that leaves two pieces, got {len(large)}. Draw it once through "
            "the object, from the background on one side to that on the other."
        )
    nearest = distance_transform_edt(
        ~np.isin(pieces, large), return_distances=False, return_indices=True
    )
    smaller = large[np.argmin(sizes[large - 1])]
    after = before.copy()
    after[whole & (pieces[tuple(nearest)] == smaller)] = before.max() + 1
    return after


def join(labels: npt.ArrayLike, first: Place, second: Place) -> Labels:
    """Make one object of two.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    first, second : (float, float)
        A place y, x in each.

    Returns
    -------
    ndarray of int32, (Y, X)
        Both have the lower id, and so has the background in the narrowest part of a gap between
        them.

    Raises
    ------
    TypeError, ValueError
        If these are no labels of one plane, there is no object at a place, both are the same one,
        or more than four pixels lie between them, or another object.

    Notes
    -----
    With the distances :math:`d_1, d_2` of a pixel to both, the gap is filled where
    :math:`d_1 + d_2` is less than one pixel above its minimum.

    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> join([[3, 3, 0, 7, 7, 2]], (0.5, 0.5), (0.5, 4.5)).tolist()
    [[3, 3, 3, 3, 3, 2]]
    """
    before = _checked(labels)
    pair = [_object_at(before, place) for place in (first, second)]
    if pair[0] == pair[1]:
        raise ValueError("Expected two objects, got one twice. Click the other piece.")
    one, other = (before == number for number in pair)
    both = one | other
    if components(both)[1] >= components(one)[1] + components(other)[1]:
        away = distance_transform_edt(~one) + distance_transform_edt(~other)
        free = before == 0
        gap = away[free].min() - 1 if free.any() else np.inf
        filled = both | (free & (away < gap + 2))
        if gap > _REACH or components(filled)[1] >= components(both)[1]:
            raise ValueError(
                f"Expected two objects with at most {_REACH} pixels of background between them, "
                "got two farther apart, or with another between. Add what lies between them."
            )
        both = filled
    return np.where(both, min(pair), before).astype(np.int32)


def _checked(labels: npt.ArrayLike) -> Labels:
    values = checks.labels("labels", labels, ndim=2, hint="Correct one plane at a time.")
    return values.astype(np.int32)


def _places(values: npt.ArrayLike, *, least: int, what: str) -> npt.NDArray[np.float64]:
    places = np.asarray(values, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise ValueError(f"Expected places y, x, got shape {places.shape}. Give them as (N, 2).")
    if len(places) < least:
        raise ValueError(
            f"Expected {what} of {least} places or more, got {len(places)}. Draw on, or set more "
            "corners."
        )
    return places


def _object_at(labels: Labels, place: Place) -> int:
    (at,) = _places([place], least=1, what="a click")
    row, column = np.floor(at).astype(int)
    inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    number = int(labels[row, column]) if inside else 0
    if number == 0:
        raise ValueError(
            f"Expected an object at row {row}, column {column}, got background. Click inside an "
            "outline."
        )
    return number


def _pixels_along(places: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """The pixels under a stroke, within the image; they part what is connected by sides."""
    under = np.zeros(shape, bool)
    pixels = np.floor(places).astype(int)
    for (y0, x0), (y1, x1) in pairwise(pixels):
        rows, columns = line(y0, x0, y1, x1)
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        under[rows[inside], columns[inside]] = True
    return under
