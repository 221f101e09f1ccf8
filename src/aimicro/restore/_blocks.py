"""Blocks of an image: cut out, grouped with those that look alike, and put back.

What BM3D and BM4D share. All blocks of a tile are the rows of one matrix, so that their distances
are a matrix product; filtered rows go back to where they came from, and overlap into an image.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from aimicro.restore.anscombe import Image

Places = npt.NDArray[np.intp]

# Takes noisy blocks and their guides as rows (P, N), and the rows (K, G) of each of G groups of K.
# Returns the sum of what the groups make of each row, weighted, and of the weights (P,).
Filter = Callable[[Image, Image, Places], tuple[Image, Image]]

_STEP = 3  # pixels from one reference to the next: at a ninth of the work, blocks still overlap
_KAISER = 2.0  # shape of the window: an estimate is worst at the edges of its block
_BLOCKS_IN_TILE = 64  # references that are matched at once


@dataclass(frozen=True)
class Blocks:
    """How large blocks are, and how far from each the search for similar ones goes, in pixels."""

    size: tuple[int, ...]
    reach: tuple[int, ...]

    def cut(self, image: Image) -> Image:
        """All blocks of an image as rows (P, N), one for each pixel where a block can start."""
        windows = np.lib.stride_tricks.sliding_window_view(image, self.size)
        return windows.reshape(-1, math.prod(self.size))

    def overlap(self, rows: Image, weights: Image, shape: Sequence[int]) -> tuple[Image, Image]:
        """Undo `cut`: the sum of blocks, each under a Kaiser window, and of what they weigh."""
        places = _starts(shape, self.size)
        # Each pixel of all blocks side by side, as they are added.
        blocks, weights = np.ascontiguousarray(rows.T), weights.reshape(places)
        total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for pixel, block, high in zip(np.ndindex(*self.size), blocks, self.window, strict=True):
            onto = tuple(slice(i, i + n) for i, n in zip(pixel, places, strict=True))
            total[onto] += high * block.reshape(places)
            weight[onto] += high * weights
        return total, weight

    @cached_property
    def window(self) -> Image:
        """The height of the Kaiser window at each pixel of a block (N,)."""
        sides = [np.kaiser(side, _KAISER).astype(np.float32) for side in self.size]
        return _outer(sides).ravel()


def filter_groups(noisy: Image, guide: Image, blocks: Blocks, group: int, filter_: Filter) -> Image:
    """Filter each block together with those that look like it in `guide`.

    Groups have `group` blocks, a power of two, or as many as a corner of a small image has.
    """
    places = _starts(noisy.shape, blocks.size)
    reach = tuple(min(r, n - 1) for r, n in zip(blocks.reach, places, strict=True))
    group = 2 ** int(math.log2(min(group, math.prod(r + 1 for r in reach))))
    margin = [(r, r) for r in reach]
    noisy_wide, guide_wide = np.pad(noisy, margin), np.pad(guide, margin)
    inside = np.pad(np.ones(places, bool), margin)

    def work(references: Sequence[Places]) -> tuple[tuple[slice, ...], Image, Image]:
        """One tile: where it lies, and what its groups add there."""
        starts = tuple(
            slice(at[0], at[-1] + 2 * r + 1) for at, r in zip(references, reach, strict=True)
        )
        tile = tuple(
            slice(s.start, s.stop + n - 1) for s, n in zip(starts, blocks.size, strict=True)
        )
        rows = blocks.cut(noisy_wide[tile])
        guides = rows if guide is noisy else blocks.cut(guide_wide[tile])
        windows = _windows(tuple(tuple(at - at[0]) for at in references), reach)
        alike = _most_alike(guides, inside[starts], windows, group)
        return tile, *blocks.overlap(*filter_(rows, guides, alike), noisy_wide[tile].shape)

    total, weight = np.zeros_like(noisy_wide), np.zeros_like(noisy_wide)
    # Threads work on tiles, not on products of small matrices. The order of the sums is fixed.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for tile, estimate, certainty in pool.map(work, _tiles(places, blocks.size)):
            total[tile] += estimate
            weight[tile] += certainty
    within = tuple(slice(r, r + n) for r, n in zip(reach, noisy.shape, strict=True))
    return np.asarray(total[within] / weight[within])


def _starts(shape: Sequence[int], size: Sequence[int]) -> list[int]:
    """At how many pixels along each axis a block can start."""
    return [n - side + 1 for n, side in zip(shape, size, strict=True)]


def _outer(factors: Sequence[npt.NDArray[np.float32]]) -> Image:
    """Product of one vector for each axis."""
    return np.asarray(math.prod(np.ix_(*factors)))


def _tiles(places: Sequence[int], size: Sequence[int]) -> Iterator[tuple[Places, ...]]:
    """References in tiles: every third block along each axis, and the last one."""
    axes = []
    many = round(_BLOCKS_IN_TILE ** (1 / len(places)))
    for n, side in zip(places, size, strict=True):
        at = np.unique(np.append(np.arange(0, n, min(_STEP, side)), n - 1))
        axes.append([at[i : i + many] for i in range(0, len(at), many)])
    return itertools.product(*axes)


@lru_cache(maxsize=8)  # all tiles of an image are alike, but for those at its end
def _windows(references: tuple[tuple[int, ...], ...], reach: tuple[int, ...]) -> Places:
    """Rows of the blocks around each reference (G, W); its own is in the middle."""
    counts = [at[-1] + 2 * r + 1 for at, r in zip(references, reach, strict=True)]
    offsets = np.ravel_multi_index(np.indices([2 * r + 1 for r in reach]), counts).ravel()
    corners = np.ravel_multi_index(np.meshgrid(*references, indexing="ij"), counts).ravel()
    return corners[:, None] + offsets


def _most_alike(rows: Image, inside: npt.NDArray[np.bool_], windows: Places, group: int) -> Places:
    """The rows (K, G) most alike to each reference in its window, itself first, by mean square."""
    own = windows.shape[1] // 2
    references = windows[:, own]
    rows = rows - rows[references].mean()  # so that differences of large numbers stay exact
    square = np.einsum("pn,pn->p", rows, rows)
    square[~inside.ravel()] = np.inf
    # |a - b|² = |a|² + |b|² - 2ab, and |a|² is the same for all candidates of one reference.
    distance = (-2 * rows[references]) @ rows.T
    distance += square
    distance = np.take_along_axis(distance, windows, axis=1)
    distance[:, own] = -np.inf
    nearest = np.argpartition(distance, group - 1, axis=1)[:, :group]
    order = np.argsort(np.take_along_axis(distance, nearest, axis=1), axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, axis=1)
    return np.take_along_axis(windows, nearest, axis=1).T
