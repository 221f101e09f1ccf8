"""Cells that settle in a field: where they find room, whom they touch, what they cover."""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, label

from aimicro.simulate.specimens._cell_shapes import Shape, shape_of

FAR = np.float32(-1e6)
"""Depth of a pixel that no cell reaches."""

PRESS = (0.04, 0.16)
"""Fraction of a cell that lies on a neighbour when it is pressed against it."""

SQUEEZE = 0.45
"""Largest fraction of a cell that may lie on neighbours where room is short."""


class Crowd(NamedTuple):
    """Cells that cover as much of the field as was asked for, pixel by pixel."""

    depth: NDArray[np.float32]
    """How deep below the outline of its cell, in µm; below 0 outside."""
    inward: NDArray[np.float32]
    """The same, but where a cell touches another, below the border between them."""
    owner: NDArray[np.int32]
    """The cell whose outline is nearest: ``1 … n``, or 0."""
    labels: NDArray[np.int32]
    """The cell that covers the pixel: ``1 … n``, or 0."""


class Colony:
    """A field in which cells settle one after the other.

    Every pixel belongs to the cell in which it lies deepest. Cells that are put on one another
    thus share the overlap out, and meet along a straight border as cells do that press together.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        spacing: NDArray[np.float64],
        kind: str,
        radius_um: float,
        rng: np.random.Generator,
    ) -> None:
        self.shape, self.spacing, self.rng = shape, spacing, rng
        self.kind, self.radius_um = kind, radius_um
        self.depth = np.full(shape, FAR)
        self.second = np.full(shape, FAR)  # depth in the cell that came second
        self.owner = np.zeros(shape, np.int32)
        self.middles: list[NDArray[np.int_]] = []
        self.lonely: set[int] = set()
        measure = np.pi * radius_um**2 if len(shape) == 2 else 4 / 3 * np.pi * radius_um**3
        self.smallest = float(0.05 * measure / np.prod(spacing))

    @property
    def n(self) -> int:
        """Number of cells so far."""
        return len(self.middles)

    @property
    def covered(self) -> float:
        """Fraction of the field that the cells cover."""
        return np.count_nonzero(self.depth > 0) / self.depth.size

    def fill(self, density: float, touching: float) -> Crowd:
        """Cover a fraction `density` of the field, where a fraction `touching` of cells touch."""
        goal, missing = density, np.inf
        while missing > 0:
            if not self.settle(goal, touching):
                raise ValueError(
                    f"Expected room for {self.kind} cells over a fraction of {density} of the "
                    f"field, of which {touching} touch, got none for the last of {self.n}. Ask "
                    f"for a lower density, more that touch, or smaller pixels."
                )
            depth = self.part(touching)
            keep_largest_pieces(depth, self.owner, 0, smallest=1)
            missing = density - np.count_nonzero(depth > 0) / depth.size
            goal += missing
        # All outlines move inward alike until the cells cover as many pixels as asked for.
        for _ in range(2):  # a cell may lose a tip on the way, which the others make up for
            level = max(float(np.quantile(depth, 1 - density)), 0)
            keep_largest_pieces(depth, self.owner, level, smallest=1)
        depth -= level
        numbers = np.flatnonzero(np.bincount(self.owner[depth > 0]))
        in_order = np.zeros(self.n + 1, np.int32)
        in_order[numbers] = np.arange(1, len(numbers) + 1)
        owner = in_order[self.owner]
        # Where it touches another, a cell ends where both are equally deep.
        inward = np.minimum(depth, self.depth - np.maximum(self.second, 0))
        return Crowd(depth, inward, owner, np.where(depth > 0, owner, 0))

    def settle(self, density: float, touching: float) -> bool:
        """Add cells until they cover this fraction of the field, and enough of them touch.

        Return False if there is no room for so many.
        """
        extent, size = self.spacing * self.shape, 1.0
        while self.covered < density or (
            # The last cells may have to look for company, but not until the field is full.
            len(self.lonely) > (1 - touching) * self.n + 0.5 and self.covered < (1 + density) / 2
        ):
            cell = shape_of(self.kind, size * self.radius_um, self.spacing, extent, self.rng)
            too_few = self.n - len(self.lonely) < touching * self.n
            partner = self.rng.choice(sorted(self.lonely)) if too_few and self.lonely else None
            middle = self._room_for(cell, partner)
            if middle is None:
                size *= 0.95  # where room is short, cells stay small
                if size < 0.3:
                    break
                continue
            self._add(cell, middle)
        room = self.covered >= density
        for i in keep_largest_pieces(self.depth, self.owner, 0, self.smallest):
            self.lonely.discard(i)
        return room

    def _room_for(self, cell: Shape, partner: int | None) -> NDArray[np.int_] | None:
        """Find a pixel for the middle of the cell: pressed on its partner, or else by itself."""
        if partner is not None:
            around = self.rng.uniform(-1, 1, size=(200, len(self.shape))) * cell.depth.shape
            places = np.rint(self.middles[partner - 1] + around).astype(int)
            places = places[np.all((places >= 0) & (places < self.shape), axis=1)]
            overlap = self._overlap(cell, places)
            good = np.flatnonzero((overlap >= PRESS[0]) & (overlap <= PRESS[1]))
            if len(good):
                return np.asarray(places[self.rng.choice(good)])
        tries = self.rng.integers(self.depth.size, size=600)
        empty = tries[self.depth.flat[tries] <= 0][:100]
        if len(empty) == 0:
            return None
        places = np.stack(np.unravel_index(empty, self.shape), axis=-1)
        overlap = self._overlap(cell, places)
        best = overlap.argmin()  # the first of those without any
        return np.asarray(places[best]) if overlap[best] <= SQUEEZE else None

    def _overlap(self, cell: Shape, places: NDArray[np.int_]) -> NDArray[np.float64]:
        """Estimate the fraction of the cell that would lie on others, for each place."""
        pixels = self.rng.choice(np.flatnonzero(cell.depth > 0), 100)
        offsets = np.stack(np.unravel_index(pixels, cell.depth.shape), axis=-1) - cell.middle
        inside = np.ones((len(places), len(offsets)), bool)
        flat = np.zeros(inside.shape, int)
        for axis, length in enumerate(self.shape):
            at = places[:, axis, None] + offsets[:, axis]
            inside &= (at >= 0) & (at < length)
            flat = flat * length + at
        taken = (self.depth.take(flat, mode="clip") > 0) & inside
        share: NDArray[np.float64] = taken.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        return share

    def _add(self, cell: Shape, middle: NDArray[np.int_]) -> None:
        """Put the cell into the field, and note whom it touches."""
        first = middle - cell.middle
        last = first + cell.depth.shape
        low, high = np.maximum(first, 0), np.minimum(last, self.shape)
        box = tuple(map(slice, low, high))
        new = cell.depth[tuple(map(slice, low - first, high - first))]
        old, owner = self.depth[box], self.owner[box]
        met = set(np.flatnonzero(np.bincount(owner[(new > 0) & (old > 0)])).tolist())

        self.middles.append(middle)
        np.maximum(self.second[box], np.minimum(new, old), out=self.second[box])
        owner[new > old] = self.n
        np.maximum(old, new, out=old)
        self.lonely -= met
        if not met:
            self.lonely.add(self.n)

    def part(self, touching: float) -> NDArray[np.float32]:
        """Cut cells loose until the fraction `touching` of them touches, and return the depth.

        One pixel of background is enough, diagonally too.
        """
        labels = np.where(self.depth > 0, self.owner, 0)
        here, there = contacts(labels)
        ones, others = labels.flat[here], labels.flat[there]
        pairs = np.flatnonzero(np.bincount(ones.astype(int) * (self.n + 1) + others))
        touched: dict[int, set[int]] = {i: set() for i in np.unique(labels[labels > 0]).tolist()}
        for one, other in zip(*(side.tolist() for side in divmod(pairs, self.n + 1)), strict=True):
            touched[one].add(other)
            touched[other].add(one)

        surplus = sum(map(bool, touched.values())) - round(touching * len(touched))
        cut = np.zeros(self.n + 1, bool)
        for i in self.rng.permutation(list(touched)).tolist():
            loose = 1 + sum(touched[j] == {i} for j in touched[i])  # itself, and who had only it
            if touched[i] and loose <= surplus:
                surplus -= loose
                cut[i] = True
                for j in touched[i]:
                    touched[j].discard(i)
                touched[i] = set()

        apart = cut[ones] | cut[others]
        depth = self.depth.copy()
        depth.flat[np.where(ones > others, here, there)[apart]] = FAR
        return depth


def keep_largest_pieces(
    depth: NDArray[np.float32], owner: NDArray[np.int32], level: float, smallest: float
) -> list[int]:
    """Take all but the largest piece of each cell out of `depth`, and that too if it is small.

    Return the cells of which nothing is left.
    """
    gone = []
    labels = np.where(depth > level, owner, 0)
    for i, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        pieces, count = label(labels[box] == i)
        sizes = np.bincount(pieces.flat)[1:]
        if count > 1 or sizes[0] < smallest:
            kept = binary_dilation(pieces == 1 + sizes.argmax()) & (sizes.max() >= smallest)
            depth[box][(owner[box] == i) & ~kept] = FAR
            if sizes.max() < smallest:
                gone.append(i)
    return gone


def contacts(labels: NDArray[np.int32]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the flat indices of all neighbouring pixels, diagonals too, of different cells."""
    flat = np.arange(labels.size).reshape(labels.shape)
    here, there = [], []
    steps = [step for step in product((-1, 0, 1), repeat=labels.ndim) if step > (0,) * labels.ndim]
    for step in steps:
        one = tuple(slice(max(-s, 0), min(-s, 0) or None) for s in step)
        two = tuple(slice(max(s, 0), min(s, 0) or None) for s in step)
        differ = (labels[one] != labels[two]) & (labels[one] > 0) & (labels[two] > 0)
        here.append(flat[one][differ])
        there.append(flat[two][differ])
    return np.concatenate(here), np.concatenate(there)
