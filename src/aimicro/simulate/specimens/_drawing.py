"""What all specimens are drawn with: curved lines, points between pixels, and checks."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

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


def spacing_um(shape: Sequence[int], pixel_size_um: float | Sequence[float]) -> NDArray[np.float64]:
    """Check shape and pixel size, and return one pixel size for each axis."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"Expected a shape (Y, X) or (Z, Y, X) of at least one pixel each, got {tuple(shape)}. "
            f"Give two or three positive whole numbers."
        )
    spacing = np.atleast_1d(np.asarray(pixel_size_um, dtype=float))
    if spacing.shape not in ((1,), (len(shape),)) or not np.all(
        (spacing > 0) & np.isfinite(spacing)
    ):
        raise ValueError(
            f"Expected one positive pixel size in µm, or one for each of {len(shape)} axes, "
            f"got {pixel_size_um}. Give them in the order of the shape."
        )
    return np.broadcast_to(spacing, len(shape))


def whole_number(n: int) -> int:
    """Check a number of objects."""
    if n != int(n) or n < 1:
        raise ValueError(f"Expected a whole number n of at least 1, got {n}. Ask for one or more.")
    return int(n)


def require_positive(**lengths_um: float) -> None:
    """Check lengths."""
    for name, value in lengths_um.items():
        if not (value > 0 and np.isfinite(value)):
            raise ValueError(f"Expected {name} above 0, got {value}. Give a length in micrometres.")


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
