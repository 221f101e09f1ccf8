"""Mitochondria: tubes in a cell, from fragments to one network of curved links."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from aimicro.simulate import _limits
from aimicro.simulate.specimens.drawing import (
    as_field,
    block_mean,
    coverage,
    jittered_lattice,
    require_positive,
    smooth_noise,
    spacing_um,
    to_peak_1,
    tube_depth,
    upsampling,
)

WALL_UM = 0.1  # of a stained outer membrane: the membrane itself is thinner, the dye around it adds


class FreeSpace:
    """Where the axis of a tube may run: inside a mask, a radius away from its border."""

    def __init__(self, mask: NDArray[np.bool_], spacing: NDArray[np.float64], radius_um: float):
        self.spacing = spacing
        # Without any border there is nothing to measure distances to.
        free = mask if mask.all() else distance_transform_edt(mask, sampling=spacing) > radius_um
        self.free = np.asarray(free)

    def holds(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which points, in µm, lie in the room."""
        index = np.round(points / self.spacing).astype(int)
        inside = np.all((index >= 0) & (index < self.free.shape), axis=-1)
        index[~inside] = 0
        return np.asarray(inside & self.free[tuple(np.moveaxis(index, -1, 0))])


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
    count = np.prod(np.maximum(spacing * shape / mesh_um, 1))
    _limits.memory(f"mitochondria {mesh_um:g} µm apart", count, 20_000)
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
    factors = upsampling(spacing, diameter_um / 2)
    _limits.memory("tubes drawn on finer pixels", np.prod(factors) * np.prod(shape), 16)
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
) -> FreeSpace:
    """Return the room for tubes in the mask, or in a cell that is made up."""
    # A map of the room needs no upsampling pixels than the tubes are thick.
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
    return FreeSpace(cell, spacing * stride, diameter_um / 2)


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


def curved_links(
    nodes: NDArray[np.float64], mesh_um: float, room: FreeSpace, rng: np.random.Generator
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Join all near nodes by gentle curves that stay in the room; pairs, and points on the way.

    Where a curve would leave the room, a straight line may still fit.
    """
    pairs = cKDTree(nodes).query_pairs(2 * mesh_um, output_type="ndarray")
    first, last = nodes[pairs[:, 0], None], nodes[pairs[:, 1], None]
    t = np.linspace(0, 1, 12)[1:-1, None]
    bend, wave = rng.normal(scale=[[[0.15]], [[0.08]]], size=(2, len(pairs), nodes.shape[1]))
    bump = bend[:, None] * np.sin(np.pi * t) + wave[:, None] * np.sin(2 * np.pi * t)
    bump *= np.linalg.norm(last - first, axis=-1)[..., None]
    straight = first + t * (last - first)
    bump *= np.asarray(room.holds(straight + bump).all(axis=1))[:, None, None]
    curves = straight + bump
    free = np.asarray(room.holds(curves).all(axis=1))
    return pairs[free], curves[free]


def choose_links(
    pairs: NDArray[np.int_],
    curves: NDArray[np.float64],
    n: int,
    connected: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Choose the pairs to keep, short ones first, without letting a piece grow too large.

    Kruskal's algorithm: a pair is kept if it joins two pieces. A piece may hold from 2 nodes (all
    are fragments) to all of them (one network); three tubes meet at a junction, not more. Only
    where a network would fall apart otherwise may a fourth join, in the second round.
    """
    length = np.linalg.norm(np.diff(curves, axis=1), axis=-1).sum(axis=1)
    order = np.argsort(length * rng.uniform(0.6, 1.4, size=len(pairs)))
    largest = 2 * max(n / 2, 1) ** connected
    loops = rng.random(len(pairs)) < 0.5 * connected
    piece, degree, size = np.arange(n), np.zeros(n, int), np.ones(n, int)
    kept = np.zeros(len(pairs), bool)

    def root(node: int) -> int:
        """The node that stands for the whole piece, found sooner the next time."""
        while piece[node] != node:
            piece[node] = node = piece[piece[node]]
        return node

    for most in (3, n) if connected == 1 else (3,):
        for pair in order:
            i, j = pairs[pair]
            a, b = root(i), root(j)
            joins = a != b and size[a] + size[b] <= largest
            closes = a == b and loops[pair] and most == 3 and max(degree[i], degree[j]) < 2
            if not kept[pair] and max(degree[i], degree[j]) < most and (joins or closes):
                kept[pair] = True
                degree[[i, j]] += 1
                if joins:
                    piece[b] = a
                    size[a] += size[b]
    return kept


def pieces_of(
    nodes: NDArray[np.float64], pairs: NDArray[np.int_], curves: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the straight pieces of all curves, after tension has rounded the kinks at nodes."""
    n, ndim = nodes.shape
    points = np.concatenate([nodes, curves.reshape(-1, ndim)])
    inner = n + np.arange(len(points) - n).reshape(curves.shape[:2])
    chains = np.concatenate([pairs[:, :1], inner, pairs[:, 1:]], axis=1)
    i, j = chains[:, :-1].ravel(), chains[:, 1:].ravel()
    neighbours = np.bincount(np.concatenate([i, j]), minlength=len(points))
    free = (neighbours > 1)[:, None]
    for _ in range(25):
        pull = np.zeros_like(points)
        np.add.at(pull, i, points[j])
        np.add.at(pull, j, points[i])
        points = np.where(free, (points + pull / np.maximum(neighbours, 1)[:, None]) / 2, points)
    alone = np.flatnonzero(neighbours == 0)  # a round fragment
    return points[np.concatenate([i, alone])], points[np.concatenate([j, alone])]
