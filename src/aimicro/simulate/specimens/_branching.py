"""Cells with a soma and branching processes, as microglia have them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro.simulate.specimens._drawing import worm_like_chains
from aimicro.simulate.specimens._tubes import block_mean, coverage, finer, tube_depth

TIP_UM, BASE_UM = 0.4, 1.2  # radii of a process, far from the soma and at it
REACHES_UM = (9.0, 8.0, 6.0)  # of a process to its first fork, to its second, and to its end
STEP_UM = 0.5

Allowed = Callable[[NDArray[np.float64], NDArray[np.int_]], NDArray[np.bool_]]


class Pieces(NamedTuple):
    """Straight pieces of tube, in µm: ends, the radius at each of them, and to whom they belong."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    radii: NDArray[np.float64]
    owner: NDArray[np.int_]

    def of(self, owner: int) -> "Pieces":
        """Return the pieces of one cell."""
        mine = self.owner == owner
        return Pieces(*(part[mine] for part in self))


class _Buds(NamedTuple):
    """Where processes go on growing: place, direction, way from the soma so far, and cell."""

    tip: NDArray[np.float64]
    direction: NDArray[np.float64]
    walked: NDArray[np.float64]
    owner: NDArray[np.int_]


def branching_cells(
    somata: NDArray[np.float64], soma_radius_um: float, allowed: Allowed, rng: np.random.Generator
) -> Pieces:
    """Grow processes from all somata at once, a generation of branches after the other.

    A process ends where ``allowed(points, owner)`` is first false along it.
    """
    n, ndim = somata.shape
    # The soma itself is a short thick piece; processes leave from its middle.
    axis = soma_radius_um * rng.uniform(-0.5, 0.5, size=(n, ndim)) / np.sqrt(ndim)
    thick = np.full((n, 2), 0.85 * soma_radius_um)
    generations = [Pieces(somata - axis, somata + axis, thick, np.arange(n))]
    buds = _first_buds(somata, rng)
    for reach_um in (soma_radius_um + REACHES_UM[0], *REACHES_UM[1:]):
        pieces, buds = _grow(buds, reach_um, soma_radius_um, allowed, rng)
        generations.append(pieces)
    return Pieces(*map(np.concatenate, zip(*generations, strict=True)))


def _first_buds(somata: NDArray[np.float64], rng: np.random.Generator) -> _Buds:
    """Let four to six processes leave each soma, spread around it."""
    counts = rng.integers(4, 7, size=len(somata))
    owner = np.repeat(np.arange(len(somata)), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    place = place + rng.uniform(-0.3, 0.3, size=len(owner))
    angle = 2 * np.pi * (place / counts[owner] + rng.random(len(somata))[owner])
    direction = rng.normal(scale=0.5, size=(len(owner), somata.shape[1]))
    direction[:, -2:] = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return _Buds(somata[owner], direction, np.zeros(len(owner)), owner)


def _grow(
    buds: _Buds,
    reach_um: float,
    soma_radius_um: float,
    allowed: Allowed,
    rng: np.random.Generator,
) -> tuple[Pieces, _Buds]:
    """Let every bud grow by about a reach, and fork."""
    chains = worm_like_chains(
        buds.direction,
        length_um=reach_um,
        step_um=STEP_UM,
        persistence_length_um=12.0,
        rng=rng,
    )
    nodes = buds.tip[:, None] + np.concatenate([np.zeros_like(chains[:, :1]), chains], axis=1)
    steps = chains.shape[1]
    grown = np.logical_and.accumulate(allowed(nodes[:, 1:], buds.owner), axis=1)
    grown &= np.arange(steps) < steps * rng.uniform(0.6, 1, size=(len(nodes), 1))
    walked = buds.walked[:, None] + STEP_UM * np.arange(steps + 1)
    beyond = np.maximum(walked - soma_radius_um, 0)
    radius = np.minimum(TIP_UM + (BASE_UM - TIP_UM) * np.exp(-beyond / 5), 0.6 * soma_radius_um)
    pieces = Pieces(
        nodes[:, :-1][grown],
        nodes[:, 1:][grown],
        np.stack([radius[:, :-1], radius[:, 1:]], axis=-1)[grown],
        np.broadcast_to(buds.owner[:, None], grown.shape)[grown],
    )
    last = grown.sum(axis=1)
    long = np.flatnonzero(last > 2)
    last = last[long]
    heading = (nodes[long, last] - nodes[long, last - 1]) / STEP_UM
    tips = _Buds(nodes[long, last], heading, walked[long, last], buds.owner[long])
    return pieces, _fork(tips, rng)


def _fork(tips: _Buds, rng: np.random.Generator) -> _Buds:
    """Turn most tips into two buds that lean to opposite sides; the others only bend."""
    heading = tips.direction
    aside = rng.normal(size=heading.shape)
    aside -= (aside * heading).sum(axis=1, keepdims=True) * heading
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    first = np.arange(len(heading))
    second = first[rng.random(len(heading)) < 0.75]
    parent = np.concatenate([first, second])
    side = np.concatenate([np.ones(len(first)), -np.ones(len(second))])
    lean = (side * rng.uniform(0.4, 0.9, size=len(parent)))[:, None] * aside[parent]
    return _Buds(tips.tip[parent], heading[parent] + lean, tips.walked[parent], tips.owner[parent])


def draw_cell(
    cell: Pieces, shape: Sequence[int], spacing: NDArray[np.float64]
) -> tuple[tuple[slice, ...], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the box around a cell, how much of each pixel it fills, and the pixels it owns."""
    nodes = np.stack([cell.starts, cell.ends])
    reach = cell.radii.max() + spacing
    first = np.floor((nodes.min(axis=(0, 1)) - reach) / spacing).astype(int)
    last = np.ceil((nodes.max(axis=(0, 1)) + reach) / spacing).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, np.asarray(shape) - 1)
    factors = finer(spacing, 2 * TIP_UM)
    fine = spacing / factors
    nodes -= spacing * first - (spacing - fine) / 2  # from the middle of the first fine pixel
    soma = np.arange(len(cell.radii)) == 0  # apart, because all pieces get boxes of the same size
    depth = np.full((last + 1 - first) * factors, -np.inf, np.float32)
    for part in (soma, ~soma):
        if part.any():
            starts, ends = nodes[:, part]
            tubes = tube_depth(starts, ends, cell.radii[part], shape=depth.shape, spacing=fine)
            np.maximum(depth, tubes, out=depth)
    filled = block_mean(coverage(depth, fine.min()), factors)
    inside = filled >= 0.5
    # Thin processes fill no pixel by half, but their axes hold the cell together.
    along = np.linspace(0, 1, 1 + int(np.ceil(4 * STEP_UM / spacing.min())))[:, None, None]
    axes = np.round((cell.starts + along * (cell.ends - cell.starts)) / spacing).astype(int)
    index = np.clip(axes - first, 0, last - first)
    inside[tuple(np.moveaxis(index, -1, 0))] = True
    return tuple(map(slice, first, last + 1)), filled, inside
