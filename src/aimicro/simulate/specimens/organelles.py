"""Parts of cells that are tubes and shells: mitochondria and plasma membranes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aimicro.simulate.specimens._drawing import (
    as_field,
    jittered_lattice,
    require_positive,
    smooth_noise,
    spacing_um,
    to_peak_1,
)
from aimicro.simulate.specimens._network import Room, choose_links, curved_links, pieces_of
from aimicro.simulate.specimens._tubes import block_mean, coverage, finer, tube_depth
from aimicro.simulate.specimens._voronoi import shell, to_faces

WALL_UM = 0.1  # of a stained outer membrane: the membrane itself is thinner, the dye around it adds


def mitochondria(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.1,
    connected: float = 0.5,
    diameter_um: float = 0.4,
    mesh_um: float = 1.6,
    stain: Literal["matrix", "outer membrane"] = "matrix",
    within: NDArray[np.bool_] | None = None,
    rng: np.random.Generator | int,
) -> NDArray[np.float32]:
    r"""Draw mitochondria as tubes, from fragments to one branched network.

    They lie in the cytoplasm of one flat cell that fills the field, around the gap that its
    nucleus leaves, or anywhere inside a mask. Nodes are scattered over it, and near ones are
    joined by curved tubes until the pieces are as large as asked for. Up to three tubes meet at a
    node, rarely a fourth; nodes without any are round fragments.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.1
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    connected : float, default 0.5
        How far the mitochondria are fused: at 0 each is a fragment of one tube, at 1 all are one
        network with loops, as far as there is room to reach from one to another. In between, of
        :math:`N` nodes at most :math:`2\,(N/2)^c` belong together.
    diameter_um : float, default 0.4
        Width of the tubes in µm.
    mesh_um : float, default 1.6
        Typical distance in µm between nodes, and so the length of a fragment.
    stain : {"matrix", "outer membrane"}, default "matrix"
        What glows: all of the inside, or a wall of 0.1 µm around it, which leaves it hollow.
    within : numpy.ndarray, optional
        Boolean mask of `shape` that the mitochondria stay inside, such as a cell without its
        nucleus. By default a cell is made up.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1. In 2D it is a thin section in
        which all tubes lie flat.

    Raises
    ------
    ValueError
        If there is no room for a mitochondrion, `connected`, `stain` or `within` is not as above,
        or for the reasons given at :func:`filaments`.

    Notes
    -----
    A pixel holds the mean over its volume, also where it is wider than a tube.

    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> fragments = mitochondria((128, 128), connected=0, rng=0)
    >>> network = mitochondria((128, 128), connected=1, rng=0)
    >>> bool((network > 0).sum() > (fragments > 0).sum())
    True
    """
    spacing = spacing_um(shape, pixel_size_um)
    require_positive(diameter_um=diameter_um, mesh_um=mesh_um)
    if not 0 <= connected <= 1:
        raise ValueError(
            f"Expected connected from 0 (fragments) to 1 (one network), got {connected}. "
            f"Give a number between them."
        )
    if stain not in ("matrix", "outer membrane"):
        raise ValueError(
            f"Expected stain 'matrix' or 'outer membrane', got {stain!r}. Choose one of them."
        )
    rng = np.random.default_rng(rng)

    room = _cytoplasm(within, shape, spacing, diameter_um, rng)
    nodes = jittered_lattice(spacing * shape, mesh_um, 0.5, rng) - spacing / 2
    nodes = nodes[room.holds(nodes)]
    if not len(nodes):
        raise ValueError(
            f"Expected room for mitochondria {diameter_um:g} µm wide and {mesh_um:g} µm apart in a "
            f"field of {as_field(spacing * shape)}, found none. Take a larger field or mask."
        )
    pairs, curves = curved_links(nodes, mesh_um, room, rng)
    kept = choose_links(pairs, curves, len(nodes), connected, rng)
    starts, ends = pieces_of(nodes, pairs[kept], curves[kept])

    wall_um = WALL_UM if stain == "outer membrane" else None
    image = _draw_tubes(starts, ends, diameter_um, wall_um, shape, spacing)
    grain = 0.2 * smooth_noise(shape, spacing, 0.25, rng)  # cristae, nucleoids
    grain += 0.15 * smooth_noise(shape, spacing, 3.0, rng)  # one mitochondrion and another
    return to_peak_1(image * np.clip(1 + grain, 0.3, 1.7))


def _draw_tubes(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    diameter_um: float,
    wall_um: float | None,
    shape: Sequence[int],
    spacing: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return how much of each pixel the tubes fill, or the walls around them."""
    factors = finer(spacing, diameter_um / 2)
    fine = spacing / factors
    to_first_fine_pixel = (spacing - fine) / 2
    depth = tube_depth(
        starts + to_first_fine_pixel,
        ends + to_first_fine_pixel,
        np.full((len(starts), 2), diameter_um / 2),
        shape=np.asarray(shape) * factors,
        spacing=fine,
    )
    return block_mean(coverage(depth, fine.min(), wall_um), factors)


def _cytoplasm(
    within: NDArray[np.bool_] | None,
    shape: Sequence[int],
    spacing: NDArray[np.float64],
    diameter_um: float,
    rng: np.random.Generator,
) -> Room:
    """Return the room for tubes in the mask, or in a cell that is made up."""
    # A map of the room needs no finer pixels than the tubes are thick.
    stride = np.maximum(diameter_um / 2 // spacing, 1).astype(int)
    if within is None:
        cell = _spread_cell(-(-np.asarray(shape) // stride), spacing * stride, rng)
    elif np.shape(within) == tuple(shape):
        cell = np.asarray(within, bool)[tuple(slice(None, None, by) for by in stride)]
    else:
        raise ValueError(
            f"Expected within of the shape {tuple(shape)}, got {np.shape(within)}. "
            f"Give a mask of the image, true where mitochondria may be."
        )
    return Room(cell, spacing * stride, diameter_um / 2)


def _spread_cell(
    shape: NDArray[np.int_], spacing: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return a mask of the cytoplasm of one flat cell that fills the field, without its nucleus."""
    half = shape * spacing / 2
    axes = [(s * np.arange(n) - h) / h for s, n, h in zip(spacing, shape, half, strict=True)]
    y, x = np.meshgrid(*axes[-2:], indexing="ij")
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    amplitudes, phases = rng.uniform(0, 0.06, size=4), rng.uniform(0, 2 * np.pi, size=4)
    waves = amplitudes * np.cos(np.arange(2, 6) * angle[..., None] + phases)
    cell = distance < 0.88 + waves.sum(axis=-1)
    shift, stretch = rng.uniform(-0.12, 0.12, size=2), rng.uniform(0.85, 1.15)
    nucleus2 = (((y - shift[0]) * stretch) ** 2 + ((x - shift[1]) / stretch) ** 2) / 0.27**2
    if len(shape) == 2:
        return np.asarray(cell & (nucleus2 > 1))
    z = axes[0][:, None, None]
    # The cell is thickest at the nucleus and thins out towards its rim, as on a coverslip.
    thin = np.abs(z) < 1.15 - 0.6 * distance
    return np.asarray(cell & thin & (nucleus2 + (z / 0.85) ** 2 > 1))


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
        How far the faces are warped (standard deviation), as a part of `cell_um` from 0 to 0.1.
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
            f"Give a part of the width of a cell."
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
