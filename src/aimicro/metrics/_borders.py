"""From border to border: how far it is, for every pixel, without a map of all distances.

A distance transform of a volume needs some 20 times the memory of its mask. Here only border
pixels are looked at: first whether the goal is a few pixels away, and then, for the few that are
left, in a search tree.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aimicro.metrics import _checks
from aimicro.metrics._checks import Mask

Lengths: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = Sequence[npt.NDArray[np.intp]]

_NEAR = 2  # pixels along each axis; with more there are too many places to look at
_POINTS_AT_ONCE = 2**16  # so that a search needs few MB
_FEW = 2000  # points, which one core finds before a second one has begun
_ROUNDING = 1 + 1e-9  # 3 steps of 0.1 µm are within 0.3 µm, though not in floating point


class SurfaceDistances(NamedTuple):
    """Distances from all pixels of a border: what values there are, and how many of each."""

    lengths: Lengths
    counts: npt.NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of pixels of the border."""
        return int(self.counts.sum())

    @property
    def total(self) -> float:
        """Sum of all distances."""
        far = self.counts > 0
        return float(self.lengths[far] @ self.counts[far])

    def within(self, tolerance: float) -> int:
        """Number of pixels that are no farther off than a tolerance."""
        return int(self.counts[self.lengths <= tolerance * _ROUNDING].sum())

    def percentile(self, percentile: float) -> float:
        """Distance that so many percent do not exceed, linear between ranks as NumPy's."""
        rank = percentile / 100 * (self.n - 1)
        last = self.counts.cumsum()
        low, high = (
            float(self.lengths[np.searchsorted(last, r, side="right")])
            for r in (math.floor(rank), math.ceil(rank))
        )
        return low if low == high else low + (high - low) * (rank % 1)


def surface_distances(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, spacing: float | Sequence[float] | None
) -> tuple[SurfaceDistances, SurfaceDistances] | None:
    """From the border of the truth to that of the prediction, and back; None without any."""
    t, p = _masks(truth, prediction)
    lengths = _checks.lengths_of(spacing, t.ndim)
    if not (t.any() or p.any()):
        return None
    if not (t.any() and p.any()):
        never = SurfaceDistances(np.array([math.inf]), np.array([1]))
        return never, never
    t, p = _cropped(t, p)
    t, p = _border(t), _border(p)  # the masks are not needed any more, and large
    longest = int(np.argmax(t.shape))
    order = (longest, *(axis for axis in range(t.ndim) if axis != longest))
    t, p = t.transpose(order), p.transpose(order)
    steps = np.array(lengths)[list(order)]
    return _one_way(t, p, steps), _one_way(p, t, steps)


def boundary_bands(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    width: float,
    spacing: float | Sequence[float] | None,
) -> tuple[Mask, Mask]:
    """Pixels of each mask that are nearer than `width` to its own border."""
    t, p = _masks(truth, prediction)
    lengths = _checks.lengths_of(spacing, t.ndim)
    if not (t.any() or p.any()):
        return t, p
    t, p = _cropped(t, p)
    t = _band(t, width, lengths)  # one after the other, which needs less memory
    p = _band(p, width, lengths)
    return t, p


def _masks(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Mask, Mask]:
    """Two masks of one shape with some background, or a clear error."""
    pair = _checks.masks(truth, prediction)
    for name, mask in zip(("truth", "prediction"), pair, strict=True):
        if mask.all():
            raise ValueError(
                f"Expected {name} with some background, got a mask that is true in all "
                f"{mask.size} pixels. It has no outline: give a larger field, or use iou or dice."
            )
    return pair


def _cropped(truth: Mask, prediction: Mask) -> tuple[Mask, Mask]:
    """Leave out what is empty around both masks: it is background, as the outside is."""
    box = []
    for axis in range(truth.ndim):
        rest = tuple(other for other in range(truth.ndim) if other != axis)
        used = np.flatnonzero(truth.any(axis=rest) | prediction.any(axis=rest))
        box.append(slice(used[0], used[-1] + 1))
    return truth[tuple(box)], prediction[tuple(box)]


def _border(mask: Mask) -> Mask:
    """Pixels with a neighbour outside the mask or the image."""
    inside = mask.copy()
    for axis in range(mask.ndim):
        here, there = np.moveaxis(inside, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] &= there[:-1]
        here[:-1] &= there[1:]
        here[[0, -1]] = False
    return np.greater(mask, inside, out=inside)


def _one_way(start: Mask, goal: Mask, spacing: Lengths) -> SurfaceDistances:
    """From each border pixel of one mask to the nearest of the other."""
    per_plane = np.array(
        [np.count_nonzero(np.greater(*pair)) for pair in zip(start, goal, strict=True)]
    )
    found = [(np.zeros(1), np.array([np.count_nonzero(start) - per_plane.sum()]))]
    # A tree with all points can need more memory than the masks, and few lie far from their goal.
    reach = len(goal) if np.count_nonzero(goal) <= _POINTS_AT_ONCE else 8
    for slab in _slabs(per_plane):
        index = np.nonzero(np.greater(start[slab], goal[slab]))
        lengths = _near(index, goal, slab, spacing)
        far = np.flatnonzero(np.isinf(lengths))
        if len(far):
            places = _places([i[far] for i in index], slab.start, spacing)
            lengths[far] = _nearest(places, goal, spacing, reach)
        found.append(np.unique(lengths, return_counts=True))
    lengths, which = np.unique(np.concatenate([f[0] for f in found]), return_inverse=True)
    counts = np.zeros(len(lengths), np.int64)
    np.add.at(counts, which, np.concatenate([f[1] for f in found]))
    return SurfaceDistances(lengths, counts)


def _slabs(per_plane: npt.NDArray[np.int_]) -> Iterator[slice]:
    """Cut the first axis so that each slab has some points, but not many more than fit."""
    group = (per_plane.cumsum() - 1) // _POINTS_AT_ONCE
    for number in np.unique(group[per_plane > 0]):
        planes = np.flatnonzero((group == number) & (per_plane > 0))
        yield slice(int(planes[0]), int(planes[-1]) + 1)


def _near(index: Index, goal: Mask, slab: slice, spacing: Lengths) -> Lengths:
    """Length of the way to the nearest goal where it is a few pixels away, else infinity.

    Most outlines are right to a few pixels, and it is quicker to look there than in a tree.
    """
    planes = range(slab.start - _NEAR, slab.stop + _NEAR)
    block = np.zeros((len(planes), *(n + 2 * _NEAR for n in goal.shape[1:])), bool)
    inside = goal[max(planes.start, 0) : planes.stop]
    first = max(-planes.start, 0)
    block[first : first + len(inside), *[slice(_NEAR, -_NEAR)] * (goal.ndim - 1)] = inside
    places = np.ravel_multi_index(tuple(i + _NEAR for i in index), block.shape)
    around = np.array(list(product(range(-_NEAR, _NEAR + 1), repeat=goal.ndim)))
    lengths = np.sqrt(((around * spacing) ** 2).sum(axis=1))
    # From a place in the raveled block to each neighbour: strides count bytes, places elements.
    jumps = around @ (np.array(block.strides) // block.itemsize)
    nearest, left = np.full(len(places), math.inf), np.arange(len(places))
    for k in lengths.argsort():
        if lengths[k] >= (_NEAR + 1) * spacing.min():  # something outside the block may be nearer
            break
        hit = block.ravel()[places[left] + jumps[k]]
        nearest[left[hit]] = lengths[k]
        left = left[~hit]
    return nearest


def _places(index: Index, start: int, spacing: Lengths) -> Lengths:
    """Where pixels lie, a row each, if the first plane has the number `start`."""
    places = np.empty((len(index[0]), len(index)))
    for axis, i in enumerate(index):
        places[:, axis] = i * spacing[axis]
    places[:, 0] += start * spacing[0]
    return places


def _nearest(points: Lengths, goal: Mask, spacing: Lengths, reach: int) -> Lengths:
    """Length of the way to the nearest goal, looked for in more and more planes around."""
    nearest = np.full(len(points), math.inf)
    left = np.arange(len(points))
    while True:
        planes = np.rint(points[left, 0] / spacing[0]).astype(int)
        around = slice(max(planes.min() - reach, 0), planes.max() + reach + 1)
        goals = _places(np.nonzero(goal[around]), around.start, spacing)
        nearest[left] = _lengths(points[left], goals, spacing)
        if around.start == 0 and around.stop >= len(goal):
            return nearest
        left = left[nearest[left] > (reach + 1) * spacing[0]]  # what was not looked at is no nearer
        if not len(left):
            return nearest
        reach *= 4


def _lengths(points: Lengths, goals: Lengths, spacing: Lengths) -> Lengths:
    """Length of the way from each point to the nearest goal, or infinity."""
    if not len(goals):
        return np.full(len(points), math.inf)
    tree = cKDTree(goals, balanced_tree=False)  # built in half the time, and searched as fast
    _, which = tree.query(points, workers=-1 if len(points) > _FEW else 1)
    steps = np.rint((points - goals[which]) / spacing)  # so that equal distances have equal lengths
    lengths: Lengths = np.sqrt(((steps * spacing) ** 2).sum(axis=1))
    return lengths


def _band(mask: Mask, width: float, spacing: Sequence[float]) -> Mask:
    """Pixels of a mask nearer than `width` to its border."""
    most = [min(math.ceil(width / step), n) for step, n in zip(spacing, mask.shape, strict=True)]
    # A ball is a bundle of runs along the last axis: for each half length, where they stand.
    bundles: dict[int, list[tuple[int, ...]]] = {}
    for offset in product(*(range(-n, n + 1) for n in most[:-1])):
        square = sum((k * step) ** 2 for k, step in zip(offset, spacing[:-1], strict=True))
        fits = [
            k
            for k in range(most[-1] + 1)
            if math.sqrt(square + (k * spacing[-1]) ** 2) * _ROUNDING < width
        ]
        if fits:
            bundles.setdefault(fits[-1], []).append(offset)
    run, band = _border(mask), np.zeros_like(mask)
    for half in range(max(bundles) + 1):
        if half:
            run[..., 1:] |= run[..., :-1]
            run[..., :-1] |= run[..., 1:]
        for offset in bundles.get(half, []):
            there = tuple(slice(max(k, 0), min(k, 0) or None) for k in offset)
            here = tuple(slice(max(-k, 0), min(-k, 0) or None) for k in offset)
            band[there] |= run[here]
    band &= mask
    return band
