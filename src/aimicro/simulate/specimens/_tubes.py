"""What networks and branching cells are drawn with: tubes that may taper, with soft edges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Pixels looked at in one go: few enough to stay in the cache, enough to keep NumPy busy.
CHUNK = 500_000


def tube_depth(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
    *,
    shape: Sequence[int] | NDArray[np.int_],
    spacing: NDArray[np.float64],
) -> NDArray[np.float32]:
    r"""Return how deep in µm each pixel lies in a union of straight pieces of tube.

    A piece runs from `starts` to `ends`, both ``(n, ndim)`` in µm, and its radius goes from
    ``radii[:, 0]`` to ``radii[:, 1]``. With the nearest point of its axis at the part :math:`t`,

    .. math:: \text{depth} = r_0 + t\,(r_1 - r_0) - |\mathbf x - \mathbf x_0 - t\,\mathbf a|,
              \qquad t = \min(\max(\frac{(\mathbf x - \mathbf x_0) \cdot \mathbf a}
              {|\mathbf a|^2}, 0), 1).

    Pixels more than a pixel outside all pieces are given minus infinity.
    """
    depth = np.full(np.prod(shape), -np.inf, np.float32)
    margin = radii.max() + spacing  # the edge is soft over one pixel
    corners = np.floor((np.minimum(starts, ends) - margin) / spacing).astype(int)
    longest = np.abs(ends - starts).max(axis=0)
    box = np.ceil((longest + 2 * margin) / spacing).astype(int) + 2
    for part in np.array_split(np.arange(len(starts)), len(starts) * np.prod(box) // CHUNK + 1):
        index, value = _pieces(starts[part], ends[part], radii[part], corners[part], box, spacing)
        inside = np.ones(value.shape, bool)
        flat = np.zeros(value.shape, int)
        for pixels, size in zip(index, shape, strict=True):
            inside &= (pixels >= 0) & (pixels < size)
            flat = flat * size + pixels
        inside &= value > -spacing.max()
        np.maximum.at(depth, flat[inside], value[inside])
    return depth.reshape(tuple(shape))


def _pieces(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
    corners: NDArray[np.int_],
    box: NDArray[np.int_],
    spacing: NDArray[np.float64],
) -> tuple[list[NDArray[np.int_]], NDArray[np.float32]]:
    """Return the pixels of the box around each piece, axis by axis, and their depth in it."""
    ndim = len(box)
    axes = (ends - starts).astype(np.float32)
    column = (slice(None),) + (None,) * ndim
    index = []
    squared: NDArray[np.float32] = np.zeros((len(starts), *box), np.float32)
    dot = np.zeros_like(squared)
    for axis in range(ndim):
        pixels = corners[:, axis, None] + np.arange(box[axis])
        offset = (pixels * spacing[axis] - starts[:, axis, None]).astype(np.float32)
        along = (len(starts), *(box[axis] if other == axis else 1 for other in range(ndim)))
        index.append(pixels.reshape(along))
        squared += (offset**2).reshape(along)
        dot += (offset * axes[:, axis, None]).reshape(along)
    length2 = np.maximum((axes**2).sum(axis=1), 1e-12)[column]
    t = np.clip(dot / length2, 0, 1)
    distance = np.sqrt(np.maximum(squared - t * (2 * dot - t * length2), 0))
    first, last = radii.astype(np.float32).T
    return index, first[column] + t * (last - first)[column] - distance


def coverage(
    depth: NDArray[np.float32], edge_um: float, wall_um: float | None = None
) -> NDArray[np.float32]:
    """Turn depth into the part of a pixel that is filled: all of it, or a wall at the surface."""
    filled: NDArray[np.float32] = np.clip(0.5 + depth / np.float32(edge_um), 0, 1)
    if wall_um is not None:
        filled -= np.clip(0.5 + (depth - np.float32(wall_um)) / np.float32(edge_um), 0, 1)
    return filled


def finer(spacing: NDArray[np.float64], smallest_um: float) -> NDArray[np.int_]:
    """Into how many parts to cut the pixels, so that they resolve the smallest structure."""
    # The small allowance keeps 0.2 / 0.2 from becoming two parts by rounding.
    return np.ceil(spacing / smallest_um - 1e-6).astype(int)


def block_mean(image: NDArray[np.float32], factors: NDArray[np.int_]) -> NDArray[np.float32]:
    """Average blocks of fine pixels: a coarse pixel holds what its whole volume holds."""
    split = [part for size, f in zip(image.shape, factors, strict=True) for part in (size // f, f)]
    axes = tuple(range(1, 2 * len(factors), 2))
    mean: NDArray[np.float32] = image.reshape(split).mean(axis=axes, dtype=np.float32)
    return mean
