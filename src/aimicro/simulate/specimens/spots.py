"""Small round things with known positions: beads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aimicro.simulate.specimens._drawing import (
    deposit,
    require_positive,
    spacing_um,
    to_peak_1,
    whole_number,
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
    n = whole_number(n)
    require_positive(diameter_um=diameter_um)
    rng = np.random.default_rng(rng)
    margin = diameter_um / 2 + 2 * spacing  # keeps every bead, and the box it is drawn in, inside
    lowest, highest = margin, spacing * (np.asarray(shape) - 1) - margin
    if np.any(highest < lowest):
        raise ValueError(
            f"Expected a field of more than {' × '.join(f'{e:g}' for e in 2 * margin + spacing)} "
            f"µm, got {' × '.join(f'{e:g}' for e in spacing * shape)} µm. "
            f"Take smaller beads or a larger shape."
        )
    positions_um = rng.uniform(lowest, highest, size=(n, len(spacing)))

    ball = _ball(diameter_um, spacing)
    image = np.zeros(shape)
    box_shape = np.ceil(diameter_um / spacing).astype(int) + 2
    for centre in positions_um:
        corner = np.floor((centre - diameter_um / 2) / spacing).astype(int)
        points = (centre + ball) / spacing - corner
        box = tuple(map(slice, corner, corner + box_shape))
        image[box] += deposit(points, np.ones(len(points)), box_shape)
    return to_peak_1(image), positions_um


def _ball(diameter_um: float, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill a sphere with a regular lattice of points in µm, and project it if there is no z."""
    # Half a pixel apart, linear shares add up to a flat inside; small beads need finer points.
    steps = np.minimum(spacing[[0, -2, -1]] / 2, diameter_um / 8)
    counts = np.ceil(diameter_um / 2 / steps).astype(int)
    axes = [step * np.arange(-count, count + 1) for step, count in zip(steps, counts, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    ball: NDArray[np.float64] = lattice[np.linalg.norm(lattice, axis=1) <= diameter_um / 2]
    return ball[:, -len(spacing) :]
