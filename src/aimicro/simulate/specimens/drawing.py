"""What all specimens are drawn with: curved lines, points between pixels, tubes, and checks."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate import _limits

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian


def worm_like_chains(
    directions: NDArray[np.float64],
    *,
    length_um: float,
    step_um: float,
    persistence_length_um: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Grow one chain along each direction; ``(n, nodes, ndim)`` in µm, a node every step."""
    n_steps = int(np.ceil(length_um / step_um))
    kicks = rng.normal(
        scale=np.sqrt(step_um / persistence_length_um), size=(n_steps, *directions.shape)
    )
    tangents = np.empty_like(kicks)
    tangent = directions
    for step, kick in enumerate(kicks):
        tangent = tangent / np.sqrt((tangent**2).sum(axis=1, keepdims=True))
        tangents[step] = tangent
        tangent = tangent + kick
    return step_um * np.cumsum(tangents, axis=0).swapaxes(0, 1)


def subdivide(chains: NDArray[np.float64], step_um: float) -> NDArray[np.float64]:
    """Put points on the straight pieces between the nodes, `step_um` apart or less."""
    pieces = np.diff(chains, axis=1)
    parts = int(np.ceil(np.linalg.norm(pieces[0, 0]) / step_um))
    along = np.arange(parts)[:, None] / parts
    points = chains[:, :-1, None] + along * pieces[:, :, None]
    return points.reshape(len(chains), -1, chains.shape[-1])


def deposit(
    points: NDArray[np.float64], weights: NDArray[np.float64], shape: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Share the weight of each point, in pixels, among the pixels around it.

    The shares are linear in the distance, so that the total and the centre of mass are kept.
    """
    near = np.all((points > -1) & (points < shape), axis=1)
    points, weights = points[near], weights[near]
    corner = np.floor(points).astype(int)
    fraction = points - corner
    padded = tuple(shape + 2)
    image = np.zeros(np.prod(padded))
    for offset in product((0, 1), repeat=len(padded)):
        share = weights * np.prod(np.where(offset, fraction, 1 - fraction), axis=1)
        index = np.ravel_multi_index(tuple((corner + offset + 1).T), padded)
        image += np.bincount(index, share, minlength=image.size)
    return image.reshape(padded)[(slice(1, -1),) * len(padded)]


def to_peak_1(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale the brightest pixel to 1."""
    return np.asarray(image / image.max(), dtype=np.float32)


def spacing_um(
    shape: Sequence[int], pixel_size_um: float | Sequence[float], *, bytes_each: float = 40
) -> NDArray[np.float64]:
    """Check shape, memory and pixel size, and return one pixel size for each axis."""
    sides = _limits.voxels(shape)
    spacing = np.array(_limits.voxel("pixel_size_um", pixel_size_um, len(sides)))
    _limits.memory(f"an image of shape {sides}", math.prod(sides), bytes_each)
    return spacing


def require_positive(**lengths_um: float) -> None:
    """Check lengths."""
    for name, value in lengths_um.items():
        checks.number(name, value, above=0, unit="µm", hint="Give a length in micrometres.")


def smooth_noise(
    shape: Sequence[int],
    spacing: NDArray[np.float64],
    scale_um: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return Gaussian noise of mean 0 and variance 1, smooth over `scale_um`.

    It is a sum of Gaussian bumps of random height on a grid as wide as they are, so that it costs
    the same for large scales as for small ones. Its correlation is ``exp(-(d / 2 scale_um)**2)``.
    """
    bases = []
    for size, step in zip(shape, spacing, strict=True):
        position = step * np.arange(size)
        centre = scale_um * np.arange(-3, np.ceil(position[-1] / scale_um) + 4)
        basis = np.exp(-(((position[:, None] - centre) / scale_um) ** 2) / 2)
        bases.append(basis / np.sqrt((basis**2).sum(axis=1, keepdims=True)))
    noise = rng.normal(size=[basis.shape[1] for basis in bases]).astype(np.float32)
    for basis in reversed(bases):  # each product smooths the last axis and brings it to the front
        noise = np.moveaxis(noise @ basis.T.astype(np.float32), -1, 0)
    return np.ascontiguousarray(noise)


def jittered_lattice(
    extent: NDArray[np.float64], pitch_um: float, jitter: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scatter points evenly over a field, ``(n, ndim)`` in µm, about `pitch_um` apart.

    Rows and layers are shifted by half a pitch against each other, as in the closest packing, and
    each point is then moved by up to `jitter` pitches along each axis.
    """
    counts = np.maximum(np.round(extent / pitch_um), 1).astype(int)
    index = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1)
    index = index.reshape(-1, len(extent))
    places = index + 0.25
    places[:, 1:] += 0.5 * (index[:, :-1] % 2)
    places += rng.uniform(-jitter, jitter, size=places.shape)
    return np.asarray(places / counts * extent)


def as_field(extent: NDArray[np.float64]) -> str:
    """Write the size of a field for a message."""
    return " × ".join(f"{e:g}" for e in extent) + " µm"


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


def upsampling(spacing: NDArray[np.float64], smallest_um: float) -> NDArray[np.int_]:
    """Into how many parts to cut the pixels, so that they resolve the smallest structure."""
    # The small allowance keeps 0.2 / 0.2 from becoming two parts by rounding.
    return np.ceil(spacing / smallest_um - 1e-6).astype(int)


def block_mean(image: NDArray[np.float32], factors: NDArray[np.int_]) -> NDArray[np.float32]:
    """Average blocks of fine pixels: a coarse pixel holds what its whole volume holds."""
    split = [part for size, f in zip(image.shape, factors, strict=True) for part in (size // f, f)]
    axes = tuple(range(1, 2 * len(factors), 2))
    mean: NDArray[np.float32] = image.reshape(split).mean(axis=axes, dtype=np.float32)
    return mean
