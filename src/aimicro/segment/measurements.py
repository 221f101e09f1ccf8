"""How large and how bright objects are, and of what shape: a row for each, units in the names.

Used in chapter 9, *Training and using a model*.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.measure import perimeter_crofton

from aimicro import checks

_AXES = "zyx"


def measure(
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    pixel_size_um: float | Sequence[float],
) -> dict[str, NDArray[Any]]:
    r"""Measure each object of a label image.

    The equivalent diameter is that of a disc of the same area :math:`A`, or a ball of the same
    volume :math:`V`:

    .. math:: d = \sqrt{4A / \pi} \quad\text{or}\quad d = \sqrt[3]{6V / \pi}

    The axes are those of the ellipse, or ellipsoid, with the same second moments. The perimeter is
    Crofton's, from how often lines in four directions cross it: of a disc, within 4 % from 20
    pixels across, and too long below.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        Label image, 0 for background.
    image : array_like, optional
        Intensities of the same shape, or of several channels: ``(C, [Z,] Y, X)``.
    pixel_size_um : float or sequence of float
        Distance between pixels in µm along ([z,] y, x).

    Returns
    -------
    dict of str to ndarray
        Columns with a value for each object, in the order of ids: ``label``; ``area_um2`` or, of
        stacks, ``volume_um3``; ``equivalent_diameter_um``; ``centroid_y_um`` and so on, from the
        middle of the first pixel; ``major_axis_um`` and ``minor_axis_um``, whole lengths; in two
        dimensions ``eccentricity``, 0 for a disc, and where pixels are square ``perimeter_um``;
        ``intensity_mean``, ``intensity_max`` and ``intensity_sum``, or of channels
        ``intensity_mean_c0`` and so on; and ``on_border``, whether the object touches the edge of
        the image, which may cut it.

    Raises
    ------
    TypeError, ValueError
        If these are no labels, the image has another shape or is no image, or the size of pixels is
        not above 0.

    See Also
    --------
    aimicro.io.write_csv : Writes what this returns.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> labels = np.zeros((8, 8), int)
    >>> labels[2:6, 3:7] = 5
    >>> table = measure(labels, np.full((8, 8), 3.0), pixel_size_um=0.5)
    >>> table["label"], table["area_um2"], table["intensity_sum"]
    (array([5]), array([4.]), array([48.]))
    """
    ids, numbers = _numbered(checks.labels("labels", labels))
    hint = "Give it in µm for each axis, for example (0.3, 0.1, 0.1) for z, y, x."
    size = checks.per_axis("pixel_size_um", pixel_size_um, numbers.ndim, unit="µm", hint=hint)
    channels = {} if image is None else _channels(image, numbers.shape)
    table = {"label": ids, **_shapes(numbers, size)}
    for name, channel in channels.items():
        lights = [channel[box][mask] for box, mask in _objects(numbers)]
        table[f"intensity_mean{name}"] = np.array([light.mean() for light in lights], float)
        table[f"intensity_max{name}"] = np.array([light.max() for light in lights], float)
        table[f"intensity_sum{name}"] = np.array([light.sum() for light in lights], float)
    places = np.arange(1, len(ids) + 1)
    return table | {"on_border": np.isin(places, _at_border(numbers))}


def _numbered(labels: NDArray[np.integer]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Ids of the objects, and the labels numbered anew: no memory for ids that are left out."""
    ids = np.unique(labels[labels > 0])
    return ids, np.searchsorted(ids, labels, side="right")


def _objects(numbers: NDArray[np.int64]) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """The box of each object, and which of its pixels are the object's."""
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        yield box, numbers[box] == number


def _channels(image: ArrayLike, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """Each channel by the end of the names of its columns."""
    found = checks.image("image", image, ndim=(len(shape), len(shape) + 1))
    if found.shape[-len(shape) :] != shape:
        raise ValueError(
            f"Expected an image of the shape of the labels, {shape}, or with channels before it, "
            f"got {found.shape}. Move channels to the front, or resample one of them."
        )
    if found.ndim == len(shape):
        return {"": found.astype(np.float64)}
    return {f"_c{place}": channel.astype(np.float64) for place, channel in enumerate(found)}


def _shapes(numbers: NDArray[np.int64], size: tuple[float, ...]) -> dict[str, NDArray[Any]]:
    """Size, place and form."""
    ndim, n = numbers.ndim, int(numbers.max(initial=0))
    # The length of a border is known for square pixels alone.
    square = ndim == 2 and np.isclose(size[0], size[1])
    n_pixels, perimeter = np.empty(n), np.empty(n)
    centroid, spread = np.empty((n, ndim)), np.empty((n, ndim, ndim))
    for place, (box, mask) in enumerate(_objects(numbers)):
        points = (np.argwhere(mask) + [side.start for side in box]) * size
        n_pixels[place], centroid[place] = len(points), points.mean(axis=0)
        away = points - centroid[place]
        # Not a matrix product, for which its library would take tens of MB beside a large image.
        spread[place] = np.einsum("pi,pj->ij", away, away) / len(points)
        if square:
            perimeter[place] = perimeter_crofton(mask) * size[0]
    area = n_pixels * math.prod(size)
    diameter = np.sqrt(4 * area / np.pi) if ndim == 2 else np.cbrt(6 * area / np.pi)
    # Along an axis of an ellipse, the variance is a quarter of the semi-axis squared; of an
    # ellipsoid, a fifth.
    variances = np.clip(np.linalg.eigvalsh(spread), 0, None)  # the smallest first
    axes = 2 * np.sqrt((ndim + 2) * variances)
    table = {"area_um2" if ndim == 2 else "volume_um3": area, "equivalent_diameter_um": diameter}
    table |= {f"centroid_{axis}_um": centroid[:, place] for place, axis in enumerate(_AXES[-ndim:])}
    table |= {"major_axis_um": axes[:, -1], "minor_axis_um": axes[:, 0]}
    if ndim == 2:
        # A single pixel has no axes, and is round.
        ratio = axes[:, 0] / np.where(axes[:, 1] > 0, axes[:, 1], 1)
        table["eccentricity"] = np.where(axes[:, 1] > 0, np.sqrt(1 - ratio**2), 0)
    if square:
        table["perimeter_um"] = perimeter
    return table


def _at_border(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Objects in the first or last row, column or plane; a single plane has no border."""
    faces = [np.take(numbers, [0, -1], axis=axis) for axis, n in enumerate(numbers.shape) if n > 1]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(face.ravel() for face in faces)]))
