"""Small round things with known positions: beads and vesicles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.specimens.drawing import (
    as_field,
    deposit,
    require_positive,
    spacing_um,
    to_peak_1,
)


def beads(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.1,
    n: int = 20,
    diameter_um: float = 0.1,
    rng: np.random.Generator | int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Draw solid fluorescent spheres with centres between the pixels.

    All beads hold the same amount of light, lie wholly inside the field, and add up where they
    overlap. In 2D a bead is drawn as its projection, brightest in the middle where it is thickest.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.1
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 20
        Number of beads.
    diameter_um : float, default 0.1
        Diameter in µm; 0.1 µm is below the resolution of light, as wanted to measure a PSF.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1.
    positions_um : numpy.ndarray
        ``(n, ndim)`` centres in µm, in (z, y, x) order; the first pixel has its centre at 0.

    Raises
    ------
    ValueError
        If the field is too small for one bead, or for the reasons given at :func:`filaments`.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> image, positions_um = beads((64, 64), n=5, rng=0)
    >>> positions_um.shape
    (5, 2)
    """
    spacing = spacing_um(shape, pixel_size_um)
    n = checks.whole("n", n, low=1)
    require_positive(diameter_um=diameter_um)
    rng = np.random.default_rng(rng)
    lowest, highest = _room(shape, spacing, diameter_um)
    positions_um = rng.uniform(lowest, highest, size=(n, len(spacing)))

    ball = _ball(diameter_um, spacing)
    image = np.zeros(shape)
    for centre in positions_um:
        _add(image, ball, centre, diameter_um, 1.0, spacing)
    return to_peak_1(image), positions_um


def vesicles(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.1,
    n: int = 60,
    diameter_um: tuple[float, float] = (0.2, 0.8),
    clustered: float = 0.0,
    rng: np.random.Generator | int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Draw vesicles: round spots of different sizes and brightness, even or in clusters.

    Vesicles are filled spheres with centres between the pixels. They lie wholly inside the field,
    add up where they overlap, and are drawn in 2D as projections, as :func:`beads` are. Their
    sizes are known from their order: vesicle ``i`` has the diameter
    ``numpy.geomspace(*diameter_um, n)[i]``, so that small ones are the most common.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.1
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 60
        Number of vesicles.
    diameter_um : tuple of float, default (0.2, 0.8)
        Diameters in µm of the smallest and of the largest vesicle, which may be equal.
    clustered : float, default 0
        Fraction of the vesicles, from 0 to 1, that lie in clusters of about eight, 2 µm across.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1.
    positions_um : numpy.ndarray
        ``(n, ndim)`` centres in µm, in (z, y, x) order, the smallest vesicle first; the first
        pixel has its centre at 0.

    Raises
    ------
    ValueError
        If the field is too small for the largest vesicle, the diameters do not ascend, `clustered`
        is not from 0 to 1, or for the reasons given at :func:`filaments`.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> image, positions_um = vesicles((64, 64), n=5, diameter_um=(0.3, 0.6), rng=0)
    >>> diameters_um = np.geomspace(0.3, 0.6, 5)
    >>> len(diameters_um) == len(positions_um)
    True
    """
    spacing = spacing_um(shape, pixel_size_um)
    n = checks.whole("n", n, low=1)
    diameters_um = _diameters(diameter_um, n)
    if not 0 <= clustered <= 1:
        raise ValueError(
            f"Expected clustered from 0 (none) to 1 (all), got {clustered}. "
            f"Give the fraction of the vesicles that lie in clusters."
        )
    rng = np.random.default_rng(rng)
    lowest, highest = _room(shape, spacing, diameters_um[-1])
    positions_um = rng.uniform(lowest, highest, size=(n, len(spacing)))
    members = rng.permutation(n)[: round(clustered * n)]
    centres = rng.uniform(lowest, highest, size=(max(1, len(members) // 8), len(spacing)))
    spread = rng.normal(scale=0.5, size=(len(members), len(spacing)))
    positions_um[members] = centres[rng.integers(len(centres), size=len(members))] + spread
    # Those that would stick out are put back as by a mirror; in a thin stack, one is not enough.
    positions_um = np.where(positions_um < lowest, 2 * lowest - positions_um, positions_um)
    positions_um = np.where(positions_um > highest, 2 * highest - positions_um, positions_um)
    positions_um = np.clip(positions_um, lowest, highest)

    image = np.zeros(shape)
    for centre, diameter, density in zip(
        positions_um, diameters_um, rng.uniform(0.4, 1, size=n), strict=True
    ):
        light = density * diameter**3
        ball = _ball(diameter, spacing)
        _add(image, ball, centre, diameter, light / len(ball), spacing)
    return to_peak_1(image), positions_um


def _diameters(diameter_um: tuple[float, float], n: int) -> NDArray[np.float64]:
    """Check the range of diameters, and space `n` of them evenly by ratio."""
    ends = np.atleast_1d(np.asarray(diameter_um, dtype=float))
    if ends.shape != (2,) or not (0 < ends[0] <= ends[1] < np.inf):
        raise ValueError(
            f"Expected diameter_um (smallest, largest) above 0 and ascending, got {diameter_um}. "
            f"Give two lengths in micrometres."
        )
    return np.geomspace(float(ends[0]), float(ends[1]), n)


def _room(
    shape: Sequence[int], spacing: NDArray[np.float64], diameter_um: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest position in µm at which a ball lies inside the field."""
    margin = diameter_um / 2 + 2 * spacing  # keeps every ball, and the box it is drawn in, inside
    lowest, highest = margin, spacing * (np.asarray(shape) - 1) - margin
    if np.any(highest < lowest):
        raise ValueError(
            f"Expected a field of more than {as_field(2 * margin + spacing)}, "
            f"got {as_field(spacing * shape)}. Take smaller spots or a larger shape."
        )
    return lowest, highest


def _add(
    image: NDArray[np.float64],
    ball: NDArray[np.float64],
    centre: NDArray[np.float64],
    diameter_um: float,
    light_per_point: float,
    spacing: NDArray[np.float64],
) -> None:
    """Add a ball of points to the image, around a centre in µm."""
    box_shape = np.ceil(diameter_um / spacing).astype(int) + 2
    corner = np.floor((centre - diameter_um / 2) / spacing).astype(int)
    points = (centre + ball) / spacing - corner
    box = tuple(map(slice, corner, corner + box_shape))
    image[box] += deposit(points, np.full(len(points), light_per_point), box_shape)


def _ball(diameter_um: float, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill a sphere with a regular lattice of points in µm, and project it if there is no z."""
    # Half a pixel apart, linear shares add up to a flat inside; small beads need finer points.
    steps = np.minimum(spacing[[0, -2, -1]] / 2, diameter_um / 8)
    counts = np.ceil(diameter_um / 2 / steps).astype(int)
    _limits.memory(f"a ball of {diameter_um:g} µm", np.prod(2.0 * counts + 1), 60)
    axes = [step * np.arange(-count, count + 1) for step, count in zip(steps, counts, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    ball: NDArray[np.float64] = lattice[np.linalg.norm(lattice, axis=1) <= diameter_um / 2]
    return ball[:, -len(spacing) :]
