"""Predictions made wrong on purpose: take the true labels, and spoil them in one chosen way.

A score is understood once you know which mistakes it sees. So each function here makes one kind
of mistake, of a size that you choose, and no other. All take a label image, ``(Y, X)`` or
``(Z, Y, X)`` with 0 for background, leave it as it is, and return a new one in int32. Lengths are
in pixels. With the same seed, a larger fraction spoils the same objects and some more.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import line_nd
from skimage.segmentation import expand_labels, find_boundaries

from aimicro import checks

Labels: TypeAlias = npt.NDArray[np.int32]
Box: TypeAlias = tuple[slice, ...]

_ROUGHNESS = 3.0  # pixels along an outline within which it is displaced alike
_LARGEST = np.iinfo(np.int32).max // 2  # so that new objects have numbers, too


def shift(labels: npt.ArrayLike, by: int | Sequence[int]) -> Labels:
    """Move all objects, as an unnoticed drift of the stage does.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    by : int or sequence of int
        Pixels along each axis, ``[z,] y, x``; one number for all axes.

    Returns
    -------
    ndarray of int32
        What leaves the image is gone, and background comes in.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `by` not one whole number, or one for each axis.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> shift([[1, 0, 0], [0, 2, 0]], (0, 1)).tolist()
    [[0, 1, 0], [0, 0, 2]]
    """
    truth = _checked(labels)
    steps = np.broadcast_to(by, truth.ndim) if np.ndim(by) == 0 else np.asarray(by)
    if steps.shape != (truth.ndim,) or steps.dtype.kind not in "iu":
        raise ValueError(
            f"Expected whole pixels, one number or one for each of {truth.ndim} axes, got {by}. "
            "Give for example (0, 3) for 3 pixels to the right."
        )
    moved = np.zeros_like(truth)
    ahead = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(steps, truth.shape, strict=True))
    back = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(steps, truth.shape, strict=True))
    if (np.abs(steps) < truth.shape).all():
        moved[ahead] = truth[back]
    return moved


def grow(labels: npt.ArrayLike, by: float) -> Labels:
    """Make all objects larger or smaller, as a threshold too low or too high does.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    by : float
        Pixels by which each outline moves outwards, or inwards if negative. Objects that meet
        stop there, the border of the image peels nothing off, and the smallest may vanish.

    Returns
    -------
    ndarray of int32
        The objects, larger or smaller.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `by` is not finite.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> grow([[0, 0, 1, 1, 1, 0, 0]], 1).tolist()
    [[0, 1, 1, 1, 1, 1, 0]]
    >>> grow([[0, 0, 1, 1, 1, 0, 0]], -1).tolist()
    [[0, 0, 0, 1, 0, 0, 0]]
    """
    truth = _checked(labels)
    checks.number("by", by, hint="Give pixels, for example -2.")
    if by >= 0:
        larger: Labels = expand_labels(truth, distance=by)
        return larger
    for _, box, mask in _objects(truth):
        if not mask.all():  # else there is nothing to measure a distance to
            truth[box][mask & (ndimage.distance_transform_edt(mask) <= -by)] = 0
    return truth


def punch_holes(
    labels: npt.ArrayLike, *, fraction: float, radius: float, rng: np.random.Generator | int
) -> Labels:
    """Punch round holes into objects, as a dark nucleolus does.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    fraction : float
        Part of the objects that get a hole, from 0 to 1.
    radius : float
        Radius of a hole in pixels, around the pixel farthest from the outline. A rim of one
        pixel always stays.
    rng : numpy.random.Generator or int
        Chooses the objects.

    Returns
    -------
    ndarray of int32
        The objects with holes in them.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, `fraction` is not within 0 to 1, or `radius` is below 0.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> punch_holes([[1, 1, 1], [1, 1, 1], [1, 1, 1]], fraction=1, radius=5, rng=0).tolist()
    [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    truth = _checked(labels)
    checks.number("radius", radius, low=0, hint="Give it in pixels.")
    chosen = _chosen(_names(truth), fraction, rng)
    for name, box, mask in _objects(truth):
        if name in chosen:
            inner = (slice(1, -1),) * mask.ndim
            depth = ndimage.distance_transform_edt(np.pad(mask, 1))[inner]
            centre = np.unravel_index(depth.argmax(), depth.shape)
            truth[box][(depth > 1) & (_distance_from(centre, mask.shape) <= radius)] = 0
    return truth


def merge(labels: npt.ArrayLike, *, fraction: float, rng: np.random.Generator | int) -> Labels:
    """Join objects with their nearest neighbours, as a blurred gap makes a network do.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    fraction : float
        Part of the objects that lose their own label to a neighbour, from 0 to 1; the last
        object keeps its.
    rng : numpy.random.Generator or int
        Chooses the objects.

    Returns
    -------
    ndarray of int32
        A bridge of background, three pixels wide, is filled where objects do not touch.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `fraction` is not within 0 to 1.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> merge([[1, 1, 0, 2, 2]], fraction=0.5, rng=0).tolist()
    [[2, 2, 2, 2, 2]]
    """
    truth = _checked(labels)
    names = _names(truth)
    outline = np.argwhere(find_boundaries(truth, mode="inner"))
    owner = truth[tuple(outline.T)]
    for name in _chosen(names, fraction, rng)[: max(len(names) - 1, 0)]:
        mine, others = outline[owner == name], outline[owner != name]
        gaps, nearest = cKDTree(mine).query(others)
        there = int(gaps.argmin())
        neighbour = owner[owner != name][there]
        bridge = _bridge(mine[nearest[there]], others[there], truth.shape)
        truth[bridge] = np.where(truth[bridge] == 0, neighbour, truth[bridge])
        truth[truth == name] = neighbour
        owner[owner == name] = neighbour
    return truth


def split(labels: npt.ArrayLike, *, fraction: float, rng: np.random.Generator | int) -> Labels:
    """Cut objects in two, across their long axis, as a watershed from two seeds does.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    fraction : float
        Part of the objects of two pixels or more that are cut, from 0 to 1.
    rng : numpy.random.Generator or int
        Chooses the objects.

    Returns
    -------
    ndarray of int32
        The cut has no width: every pixel of an object stays in an object. Half of each gets a
        new label, after the largest.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `fraction` is not within 0 to 1.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> split([[0, 3, 3, 3, 3, 0]], fraction=1, rng=0).tolist()
    [[0, 3, 3, 4, 4, 0]]
    """
    truth = _checked(labels)
    names, pixels = np.unique(truth[truth > 0], return_counts=True)
    chosen = _chosen(names[pixels > 1], fraction, rng)
    unused = int(truth.max()) + 1
    for name, box, mask in _objects(truth):
        if name in chosen:
            offsets = np.argwhere(mask) - np.argwhere(mask).mean(axis=0)
            long_axis = np.linalg.eigh(offsets.T @ offsets)[1][:, -1]
            right = offsets @ long_axis > 0
            truth[box][mask] = np.where(right == right[-1], unused, name)
            unused += 1
    return truth


def miss(
    labels: npt.ArrayLike,
    *,
    fraction: float,
    rng: np.random.Generator | int,
    smallest_first: bool = False,
) -> Labels:
    """Leave objects out, as every method does with dim or small ones.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    fraction : float
        Part of the objects that are missed, from 0 to 1.
    rng : numpy.random.Generator or int
        Chooses the objects, or among equally small ones.
    smallest_first : bool
        Whether small objects are missed before large ones.

    Returns
    -------
    ndarray of int32
        The objects that are left.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `fraction` is not within 0 to 1.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> miss([[1, 1, 0, 2, 0, 3, 3]], fraction=1 / 3, rng=0, smallest_first=True).tolist()
    [[1, 1, 0, 0, 0, 3, 3]]
    """
    truth = _checked(labels)
    names = _names(truth)
    order = _chosen(names, 1, rng)
    if smallest_first:
        sizes = np.bincount(np.searchsorted(names, truth[truth > 0]), minlength=len(names))
        order = order[sizes[np.searchsorted(names, order)].argsort(kind="stable")]
    truth[np.isin(truth, order[: _count(len(names), fraction)])] = 0
    return truth


def invent(
    labels: npt.ArrayLike, *, n: int, radius: float, rng: np.random.Generator | int
) -> Labels:
    """Put objects into the background, as a network does with debris.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    n : int
        Number of false objects.
    radius : float
        Their radius in pixels; discs in 2D, balls in 3D. They touch neither an object nor the
        border of the image.
    rng : numpy.random.Generator or int
        Chooses the places.

    Returns
    -------
    ndarray of int32
        The false objects are numbered after the largest true label.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, `radius` is below 0, `n` is no whole number from 0 up, or
        there is no room for so many.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> invent([[0, 0, 0], [0, 0, 0], [0, 0, 0], [7, 7, 7]], n=1, radius=0, rng=0).tolist()
    [[0, 0, 0], [0, 8, 0], [0, 0, 0], [7, 7, 7]]
    """
    truth = _checked(labels)
    checks.number("radius", radius, low=0, hint="Give it in pixels.")
    checks.whole("n", n, low=0, hint="Give the number of false objects.")
    random, unused = np.random.default_rng(rng), int(truth.max()) + 1
    inner = (slice(1, -1),) * truth.ndim
    room = ndimage.distance_transform_edt(np.pad(truth == 0, 1))[inner]
    free = room > radius + 1
    for done in range(n):
        places = np.argwhere(free)
        if not len(places):
            raise ValueError(
                f"Expected room for {n} objects of radius {radius:g} in the background, got "
                f"{done}. Ask for fewer or smaller ones."
            )
        away = _distance_from(random.choice(places), truth.shape)
        truth[away <= radius] = unused + done
        free &= away > 2 * radius + 1
    return truth


def rough_outline(
    labels: npt.ArrayLike, *, amplitude: float, rng: np.random.Generator | int
) -> Labels:
    """Displace outlines at random, as a hand with a mouse does.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects.
    amplitude : float
        Root mean square of the displacement along each axis in pixels. Neighbouring pixels move
        alike, within about 3 pixels; with more than that, crumbs break off.
    rng : numpy.random.Generator or int
        Makes the displacements. With the same seed, they grow with the amplitude.

    Returns
    -------
    ndarray of int32
        The objects with other outlines.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image, or `amplitude` is below 0.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> rough_outline([[0, 1, 1, 0]], amplitude=0, rng=0).tolist()
    [[0, 1, 1, 0]]
    """
    truth = _checked(labels)
    checks.number("amplitude", amplitude, low=0, hint="Give it in pixels.")
    random = np.random.default_rng(rng)
    places = list(np.indices(truth.shape, dtype=np.float64))
    for axis in places:
        waves = ndimage.gaussian_filter(random.normal(size=truth.shape), _ROUGHNESS)
        axis += amplitude * waves / max(math.sqrt(np.mean(waves**2)), np.finfo(float).tiny)
    moved: Labels = ndimage.map_coordinates(truth, places, order=0, mode="nearest")
    return moved


def _checked(labels: npt.ArrayLike) -> Labels:
    """Copy a label image as int32, or give a clear error."""
    array = checks.labels("labels", labels, hint="Spoil one image or one volume at a time.")
    if array.max() > _LARGEST:
        raise ValueError(
            f"Expected labels up to {_LARGEST}, got {array.max()}. Number them again: "
            "skimage.segmentation.relabel_sequential(labels)[0]."
        )
    return array.astype(np.int32)


def _names(labels: Labels) -> Labels:
    """Labels of all objects, sorted."""
    return np.unique(labels[labels > 0])


def _count(n: int, fraction: float) -> int:
    """So many of n objects."""
    checks.number("fraction", fraction, low=0, high=1, hint="Give 0.25 for a quarter.")
    return round(n * fraction)


def _chosen(names: Labels, fraction: float, rng: np.random.Generator | int) -> Labels:
    """Some of the objects at random; a larger fraction begins with the same ones."""
    return np.random.default_rng(rng).permutation(names)[: _count(len(names), fraction)]


def _objects(labels: Labels) -> Iterator[tuple[int, Box, npt.NDArray[np.bool_]]]:
    """Each object: its label, its box with a pixel more to each side, and its mask in there."""
    names = _names(labels)
    ranks = np.where(labels > 0, np.searchsorted(names, labels) + 1, 0)
    boxes = ndimage.find_objects(ranks)
    for rank, (name, tight) in enumerate(zip(names, boxes, strict=True), start=1):
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in tight)
        yield int(name), box, ranks[box] == rank


def _distance_from(centre: Sequence[int], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Distance of every pixel from one, in pixels."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    distance: npt.NDArray[np.float64] = np.sqrt(
        sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
    )
    return distance


def _bridge(
    start: npt.NDArray[np.int_], stop: npt.NDArray[np.int_], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.int_], ...]:
    """Index of a straight line of pixels and their next neighbours, inside the image."""
    line = np.transpose(line_nd(start, stop, endpoint=True))
    steps = np.vstack([0 * start, np.eye(len(shape), dtype=int), -np.eye(len(shape), dtype=int)])
    pixels = (line[:, None] + steps).reshape(-1, len(shape))
    return tuple(pixels[((pixels >= 0) & (pixels < shape)).all(axis=1)].T)
