"""Thin curved lines: filaments like microtubules."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.specimens.drawing import (
    FWHM_PER_SIGMA,
    as_field,
    deposit,
    require_positive,
    spacing_um,
    subdivide,
    to_peak_1,
    worm_like_chains,
)


def filaments(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.1,
    n: int | None = None,
    persistence_length_um: float = 30.0,
    thickness_um: float = 0.05,
    rng: np.random.Generator | int,
) -> NDArray[np.float32]:
    r"""Draw curved filaments, like microtubules, that run on until they leave the field.

    Each filament is a worm-like chain: its tangent :math:`\mathbf t` keeps its direction over the
    persistence length :math:`P`. In :math:`d` dimensions, at a distance :math:`s` along it,

    .. math:: \langle \mathbf t(0) \cdot \mathbf t(s) \rangle = e^{-(d-1)\,s / 2P}.

    Filaments differ in brightness, and where they cross their light adds up.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.1
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, optional
        Number of filaments. By default one for every 3 µm of the outline of the (y, x) field, so
        that small and large fields are equally crowded.
    persistence_length_um : float, default 30
        Persistence length in µm; 30 µm was measured for microtubules in living cells [1]_.
    thickness_um : float, default 0.05
        Full width at half maximum of a filament in µm, far below the resolution of light.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1.

    Raises
    ------
    ValueError
        If the shape is neither 2D nor 3D, or a size or number is not positive.

    Notes
    -----
    In a flat stack the filaments lie flat too, as they do in a spread cell: their first direction
    is drawn from a sphere that is stretched to the shape of the field.

    Used in chapter 6, *Denoising*.

    References
    ----------
    .. [1] C. P. Brangwynne, F. C. MacKintosh, D. A. Weitz, "Force fluctuations and polymerization
       dynamics of intracellular microtubules", PNAS 104 (2007) 16128–16133.
       https://doi.org/10.1073/pnas.0703094104

    Examples
    --------
    >>> image = filaments((64, 64), rng=0)
    >>> image.shape, float(image.min()), float(image.max())
    ((64, 64), 0.0, 1.0)
    """
    spacing = spacing_um(shape, pixel_size_um)
    require_positive(persistence_length_um=persistence_length_um, thickness_um=thickness_um)
    rng = np.random.default_rng(rng)
    extent = spacing * shape
    n = max(1, round(2 * extent[-2:].sum() / 3)) if n is None else checks.whole("n", n, low=1)

    # Gentle curves that start anywhere inside have left the field on both sides by then.
    reach = 1.25 * float(np.linalg.norm(extent))
    step_um = min(4 * spacing.min(), persistence_length_um / 100)
    points_each = 2 * reach / step_um * np.ceil(4 * step_um / spacing.min())
    _limits.memory(f"{n} filaments in a field of {as_field(extent)}", n * points_each, 100)
    chains = worm_like_chains(
        rng.normal(size=(n, len(extent))) * extent,
        length_um=2 * reach,
        step_um=step_um,
        persistence_length_um=persistence_length_um,
        rng=rng,
    )
    middle = chains[:, chains.shape[1] // 2, None]
    chains += rng.uniform(0, extent - spacing, size=(n, 1, len(extent))) - middle
    points = subdivide(chains, spacing.min() / 4) / spacing
    brightness = np.broadcast_to(rng.uniform(0.5, 1, size=(n, 1)), points.shape[:2])

    sigma = thickness_um / FWHM_PER_SIGMA / spacing
    margin = np.ceil(4 * sigma).astype(int)  # light from just outside reaches into the field
    points = points.reshape(-1, len(extent)) + margin
    image = deposit(points, brightness.ravel(), shape + 2 * margin)
    image = gaussian_filter(image, sigma, mode="constant")
    return to_peak_1(image[tuple(map(slice, margin, shape + margin))])
