"""Specimens whose truth is known: filaments, nuclei and beads, in 2D and 3D.

Every function takes the shape of the image, ``(Y, X)`` or ``(Z, Y, X)``, and returns the amount
of fluorophore in each pixel, before any optics and any camera. Pixel ``i`` of an axis has its
centre at ``i * pixel_size_um``.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian


def filaments(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.1,
    n: int | None = None,
    persistence_length_um: float = 30.0,
    thickness_um: float = 0.05,
    rng: np.random.Generator | int,
) -> NDArray[np.float32]:
    r"""Draw curved filaments, like microtubules, that run across the whole field.

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
    spacing = _spacing(shape, pixel_size_um)
    _require_positive(persistence_length_um=persistence_length_um, thickness_um=thickness_um)
    rng = np.random.default_rng(rng)
    extent = spacing * shape
    n = max(1, round(2 * extent[-2:].sum() / 3)) if n is None else _whole_number(n)

    # Gentle curves that start anywhere inside have left the field on both sides by then.
    reach = 1.25 * float(np.linalg.norm(extent))
    chains = _worm_like_chains(
        rng.normal(size=(n, len(extent))) * extent,
        length_um=2 * reach,
        step_um=min(4 * spacing.min(), persistence_length_um / 100),
        persistence_length_um=persistence_length_um,
        rng=rng,
    )
    middle = chains[:, chains.shape[1] // 2, None]
    chains += rng.uniform(0, extent - spacing, size=(n, 1, len(extent))) - middle
    points = _subdivide(chains, spacing.min() / 4) / spacing
    brightness = np.broadcast_to(rng.uniform(0.5, 1, size=(n, 1)), points.shape[:2])

    sigma = thickness_um / _FWHM_PER_SIGMA / spacing
    margin = np.ceil(4 * sigma).astype(int)  # light from just outside reaches into the field
    points = points.reshape(-1, len(extent)) + margin
    image = _deposit(points, brightness.ravel(), shape + 2 * margin)
    image = gaussian_filter(image, sigma, mode="constant")
    return _to_peak_1(image[tuple(map(slice, margin, shape + margin))])


def nuclei(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.25,
    n: int = 12,
    radius_um: float = 5.0,
    rng: np.random.Generator | int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw nuclei, and label each of them.

    Nuclei are ellipses (ellipsoids in 3D) with a smoothly wavy outline and a texture like
    chromatin. They differ in size, elongation and brightness, may touch but never overlap, and
    those at the border are cut by it.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.25
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 12
        Number of nuclei.
    radius_um : float, default 5
        Mean radius in µm; half-axes lie within 25 % of it.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1, edges anti-aliased.
    labels : numpy.ndarray
        int32 image of `shape`: 0 for background, ``1 … n`` for the nuclei, all of them present.

    Raises
    ------
    ValueError
        If `n` nuclei do not fit, or for the reasons given at :func:`filaments`.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> image, labels = nuclei((128, 128), n=3, rng=0)
    >>> np.unique(labels).tolist()
    [0, 1, 2, 3]
    """
    spacing = _spacing(shape, pixel_size_um)
    n = _whole_number(n)
    _require_positive(radius_um=radius_um)
    if radius_um < spacing.max():
        raise ValueError(
            f"Expected radius_um of at least one pixel, {spacing.max():g} µm, got {radius_um}. "
            f"Take larger nuclei or smaller pixels."
        )
    rng = np.random.default_rng(rng)
    chromatin = _chromatin(shape, spacing, rng)
    image = np.zeros(shape)
    labels = np.zeros(shape, np.int32)

    placed = failures = 0
    while placed < n:
        if failures == 200:
            raise ValueError(
                f"Expected room for n={n} nuclei of radius {radius_um:g} µm in a field of "
                f"{' × '.join(f'{e:g}' for e in spacing * shape)} µm, got room for {placed}. "
                f"Ask for at most {placed} nuclei, a smaller radius or a larger field."
            )
        box, depth = _nucleus(shape, spacing, radius_um, rng)
        inside = depth > 0
        if not inside.any() or labels[box][inside].any():
            failures += 1
            continue
        placed, failures = placed + 1, 0
        labels[box][inside] = placed
        coverage = np.clip(0.5 + depth / spacing.min(), 0, 1)
        image[box] += rng.uniform(0.5, 1) * coverage * chromatin[box]
    return _to_peak_1(image), labels


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
    spacing = _spacing(shape, pixel_size_um)
    n = _whole_number(n)
    _require_positive(diameter_um=diameter_um)
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
        image[box] += _deposit(points, np.ones(len(points)), box_shape)
    return _to_peak_1(image), positions_um


def _worm_like_chains(
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


def _subdivide(chains: NDArray[np.float64], step_um: float) -> NDArray[np.float64]:
    """Put points on the straight pieces between the nodes, `step_um` apart or less."""
    pieces = np.diff(chains, axis=1)
    parts = int(np.ceil(np.linalg.norm(pieces[0, 0]) / step_um))
    along = np.arange(parts)[:, None] / parts
    points = chains[:, :-1, None] + along * pieces[:, :, None]
    return points.reshape(len(chains), -1, chains.shape[-1])


def _deposit(
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


def _nucleus(
    shape: Sequence[int], spacing: NDArray[np.float64], radius_um: float, rng: np.random.Generator
) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Return the box around a random nucleus, and how deep in it each pixel lies in µm."""
    ndim = len(spacing)
    centre = rng.uniform(0, spacing * (np.asarray(shape) - 1))
    half_axes = radius_um * rng.uniform(0.75, 1.25, size=ndim)
    rotation = np.linalg.qr(rng.normal(size=(ndim, ndim))).Q
    # Plane waves on the unit circle or sphere are smooth, and the same formula in 2D and 3D.
    waves, phases = rng.normal(scale=2, size=(ndim, 4)), rng.uniform(0, 2 * np.pi, size=4)

    reach = 1.5 * radius_um + spacing
    first = np.maximum(np.floor((centre - reach) / spacing), 0).astype(int)
    last = np.minimum(np.ceil((centre + reach) / spacing), np.asarray(shape) - 1).astype(int)
    box = tuple(map(slice, first, last + 1))
    pixels = np.stack(np.meshgrid(*map(np.arange, first, last + 1), indexing="ij"), axis=-1)
    offset = (pixels * spacing - centre) @ rotation / half_axes
    distance = np.linalg.norm(offset, axis=-1)
    direction = offset / np.maximum(distance, 1e-9)[..., None]
    outline = 1 + 0.05 * np.cos(direction @ waves + phases).sum(axis=-1)
    return box, radius_um * (outline - distance)


def _chromatin(
    shape: Sequence[int], spacing: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return smooth noise around 1, in clumps of about a micrometre, never below 0.1."""
    noise = gaussian_filter(rng.normal(size=shape), 0.4 / spacing, mode="wrap")
    texture: NDArray[np.float64] = np.maximum(1 + 0.25 * noise / noise.std(), 0.1)
    return texture


def _ball(diameter_um: float, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill a sphere with a regular lattice of points in µm, and project it if there is no z."""
    # Half a pixel apart, linear shares add up to a flat inside; small beads need finer points.
    steps = np.minimum(spacing[[0, -2, -1]] / 2, diameter_um / 8)
    counts = np.ceil(diameter_um / 2 / steps).astype(int)
    axes = [step * np.arange(-count, count + 1) for step, count in zip(steps, counts, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    ball: NDArray[np.float64] = lattice[np.linalg.norm(lattice, axis=1) <= diameter_um / 2]
    return ball[:, -len(spacing) :]


def _to_peak_1(image: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale the brightest pixel to 1."""
    return np.asarray(image / image.max(), dtype=np.float32)


def _spacing(shape: Sequence[int], pixel_size_um: float | Sequence[float]) -> NDArray[np.float64]:
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


def _whole_number(n: int) -> int:
    """Check a number of objects."""
    if n != int(n) or n < 1:
        raise ValueError(f"Expected a whole number n of at least 1, got {n}. Ask for one or more.")
    return int(n)


def _require_positive(**lengths_um: float) -> None:
    """Check lengths."""
    for name, value in lengths_um.items():
        if not (value > 0 and np.isfinite(value)):
            raise ValueError(f"Expected {name} above 0, got {value}. Give a length in micrometres.")
