"""How mitochondria are connected: a mesh of curved links between scattered nodes."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree


class Room:
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


def curved_links(
    nodes: NDArray[np.float64], mesh_um: float, room: Room, rng: np.random.Generator
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
