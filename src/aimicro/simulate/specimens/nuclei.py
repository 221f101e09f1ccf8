"""Nuclei, each with its label."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aimicro import checks
from aimicro.simulate.specimens.drawing import (
    as_field,
    require_positive,
    spacing_um,
    to_peak_1,
)


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
    spacing = spacing_um(shape, pixel_size_um)
    n = checks.whole("n", n, low=1)
    require_positive(radius_um=radius_um)
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
                f"{as_field(spacing * shape)}, got room for {placed}. "
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
    return to_peak_1(image), labels


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
