"""Plasma membranes of closely packed cells: thin shells on the faces of a Voronoi tiling."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aimicro.simulate import _limits
from aimicro.simulate.specimens.drawing import (
    as_field,
    jittered_lattice,
    require_positive,
    smooth_noise,
    spacing_um,
    to_peak_1,
)


def membranes(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.2,
    cell_um: float = 10.0,
    thickness_um: float = 0.1,
    waviness: float = 0.04,
    height_um: float | None = None,
    rng: np.random.Generator | int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw the plasma membranes of closely packed cells, and label the cells.

    The cells are a Voronoi tiling: each pixel belongs to the nearest of many seeds, with distances
    measured in a slightly warped space, which makes the faces wavy. Membranes are thin shells on
    the faces, of slightly uneven brightness. In 3D the cells fill the volume as in a tissue, or
    form a sheet like an epithelium, with dark space above and below.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.2
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    cell_um : float, default 10
        Typical width of a cell in µm.
    thickness_um : float, default 0.1
        Thickness in µm of the two membranes between neighbours, with their gap and dye.
    waviness : float, default 0.04
        How far the faces are warped (standard deviation), as a fraction of `cell_um` from 0 to 0.1.
    height_um : float, optional
        Height in µm of a single sheet of cells in the middle of a 3D stack. By default cells fill
        the volume.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape`: 0 inside the cells, brightest pixel 1.
    labels : numpy.ndarray
        int32 image of `shape`: ``1 … n`` for the cells, all of them present, and 0 for the space
        outside a sheet. Membranes belong half to one cell and half to its neighbour.

    Raises
    ------
    ValueError
        If `waviness` is out of its range, a height is asked for in 2D or no membrane crosses
        the field, or for the reasons given at :func:`filaments`.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> image, labels = membranes((128, 128), cell_um=8, rng=0)
    >>> int(labels.min()), bool(labels.max() > 4)
    (1, True)
    """
    spacing = spacing_um(shape, pixel_size_um)
    require_positive(cell_um=cell_um, thickness_um=thickness_um)
    if not 0 <= waviness <= 0.1:
        raise ValueError(
            f"Expected waviness from 0 (flat faces) to 0.1 of cell_um, got {waviness}. "
            f"Give a fraction of the width of a cell."
        )
    if height_um is not None:
        require_positive(height_um=height_um)
        if len(shape) == 2:
            raise ValueError(
                f"Expected no height_um for the 2D shape {tuple(shape)}, got {height_um}. "
                f"Leave it out, or give a shape (Z, Y, X)."
            )
    rng = np.random.default_rng(rng)
    nearest, distance, step = _tiling(shape, spacing, cell_um, waviness, height_um, rng)
    image = shell(distance, step, thickness_um)
    if not image.any():
        raise ValueError(
            f"Expected a membrane in the field of {as_field(spacing * shape)}, got none between "
            f"cells of {cell_um:g} µm. Take smaller cells or a larger field."
        )
    image *= np.clip(1 + 0.2 * smooth_noise(shape, spacing, cell_um / 12, rng), 0.3, 1.7)
    present = np.bincount(nearest.ravel() + 1) > 0  # seeds count from 0, and -1 is no cell
    present[0] = False
    numbers = np.where(present, np.cumsum(present), 0).astype(np.int32)
    return to_peak_1(image), numbers[nearest + 1]


def _tiling(
    shape: Sequence[int],
    spacing: NDArray[np.float64],
    cell_um: float,
    waviness: float,
    height_um: float | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the cell of each pixel, -1 for none, and the images that :func:`shell` draws from."""
    extent, ndim = spacing * shape, len(shape)

    # Cells of the tissue go on beyond the field, or else its rim would look like nothing else.
    around = np.full(ndim, 1.5 * cell_um)
    if height_um is not None:
        around[0] = cell_um / 2 - extent[0] / 2
    count = np.prod(np.maximum((extent + 2 * around) / cell_um, 1))
    _limits.memory(f"cells of {cell_um:g} µm", count, 4_000)
    seeds = jittered_lattice(extent + 2 * around, cell_um, 0.28, rng) - around
    if height_um is not None:
        seeds[:, 0] = extent[0] / 2
    places = [
        np.float32(width) * np.arange(n, dtype=np.float32).reshape(-1, *(1,) * (ndim - 1 - axis))
        + np.float32(waviness * cell_um) * smooth_noise(shape, spacing, cell_um / 6, rng)
        for axis, (n, width) in enumerate(zip(shape, spacing, strict=True))
    ]
    nearest, distance, step = to_faces(places, seeds, spacing)
    if height_um is not None:
        beyond = np.abs(places[0] - np.float32(extent[0] / 2)) - np.float32(height_um / 2)
        rim = np.abs(beyond) < distance
        distance[rim], step[rim] = np.abs(beyond[rim]), spacing[0]
        distance[(beyond > 0) & ~rim] = np.inf
        nearest[beyond > 0] = -1
    return nearest, distance, step


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
        """How much of each pixel lies inside of an edge."""
        u = np.clip(edge / step, -1, 1)
        return np.asarray(0.5 + u - u * np.abs(u) / 2)

    half = np.float32(thickness_um / 2)
    return filled(distance + half) - filled(distance - half)
