"""Faces between the cells of a tissue: a Voronoi tiling, and shells drawn on its faces."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def to_faces(
    places: list[NDArray[np.float32]], seeds: NDArray[np.float64], spacing: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    r"""Return the nearest seed of each pixel, and how far in µm the face to the next one is.

    `places` holds the coordinates of the pixels in µm, an array for each axis. With the distances
    :math:`d_1, d_2` to the two nearest seeds :math:`\mathbf s_1, \mathbf s_2`, the face lies at

    .. math:: \frac{d_2^2 - d_1^2}{2\,|\mathbf s_2 - \mathbf s_1|},

    or out of reach, at infinity. The third image is the step in µm towards the face that is made
    by going to the next pixel along the axis that leads there best.
    """
    shape = places[0].shape
    first2, second2 = np.full((2, *shape), np.inf, np.float32)
    first, second = np.zeros((2, *shape), np.int32)
    for name, (box, seed) in enumerate(zip(_boxes(places, seeds, spacing), seeds, strict=True)):
        d2 = np.zeros(1, np.float32)
        for place, s in zip(places, seed, strict=True):
            d2 = d2 + (place[box] - np.float32(s)) ** 2
        closest, runner_up = d2 < first2[box], d2 < second2[box]
        np.copyto(second2[box], np.maximum(d2, first2[box]), where=runner_up)
        np.copyto(second[box], np.where(closest, first[box], np.int32(name)), where=runner_up)
        np.copyto(first2[box], d2, where=closest)
        np.copyto(first[box], np.int32(name), where=closest)
    apart2, step = np.zeros((2, *shape), np.float32)
    for column, width in zip(seeds.T.astype(np.float32), spacing.astype(np.float32), strict=True):
        between = np.abs(column[second] - column[first])
        apart2 += between**2
        np.maximum(step, width * between, out=step)
    apart = np.sqrt(np.maximum(apart2, np.float32(1e-12)))
    return first, (second2 - first2) / (2 * apart), step / apart


def _boxes(
    places: list[NDArray[np.float32]], seeds: NDArray[np.float64], spacing: NDArray[np.float64]
) -> list[tuple[slice, ...]]:
    """Return for each seed the box around the pixels that it may be nearest or next nearest to."""
    shape = np.asarray(places[0].shape)
    stride = np.maximum(shape // 24, 1)
    sparse = tuple(slice(None, None, by) for by in stride)
    points = np.stack([place[sparse] for place in places], axis=-1)
    straight = np.meshgrid(
        *(s * np.arange(0, n, by) for n, s, by in zip(shape, spacing, stride, strict=True)),
        indexing="ij",
    )
    # At a face both seeds are as far away as the nearest one; pixels left out add their distance.
    reach = cKDTree(seeds).query(points)[0].max() + np.linalg.norm(stride * spacing)
    reach += np.abs(points - np.stack(straight, axis=-1)).max()
    lowest = np.clip(np.floor((seeds - reach) / spacing), 0, shape).astype(int)
    highest = np.clip(np.ceil((seeds + reach) / spacing) + 1, 0, shape).astype(int)
    return [tuple(map(slice, *ends)) for ends in zip(lowest, highest, strict=True)]


def shell(
    distance: NDArray[np.float32], step: NDArray[np.float32], thickness_um: float
) -> NDArray[np.float32]:
    """Draw a shell as thick as asked for, however wide the pixels are across it.

    Pixels share the light linearly, so that along the best axis the shares of a thin shell add up
    to ``thickness_um / step``, wherever it lies between them.
    """

    def filled(edge: NDArray[np.float32]) -> NDArray[np.float32]:
        u = np.clip(edge / step, -1, 1)
        return np.asarray(0.5 + u - u * np.abs(u) / 2)

    half = np.float32(thickness_um / 2)
    return filled(distance + half) - filled(distance - half)
