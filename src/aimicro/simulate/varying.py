"""A blur that changes across the field: sharp on the axis of the lens, smeared in the corners."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate.optics import convolve


def varying_blur(specimen: ArrayLike, psfs: ArrayLike) -> NDArray[np.float32]:
    r"""Blur a specimen with a point spread function that changes from place to place.

    The PSF is known at nodes: a regular grid of places, from corner to corner of the field. In
    between it is the mean of the four nodes around, by nearness. With the weight :math:`w_k` of
    node :math:`k`, which is 1 there and falls evenly to 0 at its neighbours,

    .. math:: g = \sum_k h_k \otimes (w_k f), \qquad \sum_k w_k = 1.

    The weights stand inside: they belong to the place that sends the light. So every point keeps
    all of its light.

    Parameters
    ----------
    specimen : array_like, (Y, X)
        Amount of fluorophore, not negative.
    psfs : array_like, (rows, columns, y, x)
        The PSF of each node, the first row at the upper border, the last at the lower one; two
        rows and columns or more. Each is nowhere negative and has a sum of 1. It may lie off its
        centre, as coma puts it: then it moves the light.

    Returns
    -------
    numpy.ndarray
        float32 image of the shape of `specimen`. As with :func:`blur`, light that leaves the
        field is lost, and none comes in.

    Raises
    ------
    TypeError, ValueError
        If the specimen is no image, has negative values or values that are not finite; if there
        are fewer than two rows or columns of PSFs, or if they are larger than the specimen, have
        sides of even length, negative values, or another sum than 1.

    Notes
    -----
    Used in chapter 6, *A blur that changes across the field*.

    References
    ----------
    J. G. Nagy, D. P. O'Leary, "Restoring images degraded by spatially variant blur", SIAM Journal
    on Scientific Computing 19, 1063-1082 (1998). https://doi.org/10.1137/S106482759528507X

    Examples
    --------
    >>> sharp, wide = np.zeros((2, 3, 3))
    >>> sharp[1, 1], wide[1] = 1, 1 / 3
    >>> points = np.zeros((9, 9))
    >>> points[4, [0, 7]] = 24
    >>> varying_blur(points, [[sharp, wide], [sharp, wide]])[4].round().astype(int)
    array([24,  0,  0,  0,  0,  0,  7, 10,  7])
    """
    light = checks.image("specimen", specimen, low=0, ndim=2).astype(np.float32)
    kernels = node_psfs(psfs)
    if np.any(np.greater(kernels.shape[2:], light.shape)):
        raise ValueError(
            f"Expected PSFs no larger than the specimen of shape {light.shape}, got shape "
            f"{kernels.shape[2:]}. Crop them, or enlarge the specimen."
        )
    rows, columns = kernels.shape[:2]
    image = np.zeros_like(light)
    for row, column, weight in node_weights(light.shape, rows, columns):
        image += convolve(weight * light, kernels[row, column])
    return image


def node_psfs(psfs: ArrayLike) -> NDArray[np.float32]:
    """Return the PSFs of nodes, or an error unless each of them keeps the light."""
    given = np.asarray(psfs)
    if given.ndim != 4 or min(given.shape[:2], default=0) < 2:
        raise ValueError(
            f"Expected psfs (rows, columns, y, x) of two rows and columns or more, got shape "
            f"{given.shape}. A field with one PSF needs blur."
        )
    if any(side % 2 == 0 for side in given.shape[2:]):
        raise ValueError(
            f"Expected PSFs with sides of odd length, got shape {given.shape[2:]}. Compute them in "
            "an odd window, so that their centre is a pixel."
        )
    kernels = checks.intensities("psfs", given.reshape(-1, *given.shape[2:]), ndim=3)
    totals = kernels.sum(axis=(1, 2))
    if kernels.min() < 0 or not np.allclose(totals, 1, atol=1e-3):
        worst = totals[np.abs(totals - 1).argmax()]
        raise ValueError(
            f"Expected PSFs from 0 up, each with a sum of 1, got a smallest value of "
            f"{kernels.min():g} and a sum of {worst:g}. Clip them at 0 and divide each by its sum."
        )
    kernels /= totals[:, np.newaxis, np.newaxis]
    return kernels.astype(np.float32).reshape(given.shape)


def node_weights(
    shape: Sequence[int], rows: int, columns: int, *, beyond: tuple[int, int] = (0, 0)
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Yield row, column and weights of each node; together they are 1 everywhere.

    The nodes lie from corner to corner of a field of `shape`. The weights go on so many pixels
    `beyond` it on each side, where they are those of the border.
    """
    down, across = (
        _tents(side, n, further)
        for side, n, further in zip(shape, (rows, columns), beyond, strict=True)
    )
    for row, fall in enumerate(down):
        for column, run in enumerate(across):
            yield row, column, np.outer(fall, run).astype(np.float32)


def _tents(side: int, n: int, beyond: int) -> NDArray[np.float64]:
    """Weights (n, side + 2 * beyond) of the nodes along one axis."""
    place = np.clip(np.arange(-beyond, side + beyond), 0, side - 1) / max(side - 1, 1) * (n - 1)
    return np.asarray(np.maximum(1 - np.abs(place - np.arange(n)[:, np.newaxis]), 0))
