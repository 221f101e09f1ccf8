"""Whole cells, each with its label."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, gaussian_filter

from aimicro import checks
from aimicro.simulate.specimens._colony import Colony
from aimicro.simulate.specimens.drawing import (
    require_positive,
    spacing_um,
    to_peak_1,
)

CellKind = Literal["round", "elongated", "spindle", "irregular"]

MAX_DENSITY: dict[str, tuple[float, float]] = {
    "round": (0.85, 0.6),
    "elongated": (0.8, 0.5),
    "spindle": (0.8, 0.5),
    "irregular": (0.85, 0.5),
}
"""Largest fraction of the field that cells can be asked to cover, in 2D and in 3D."""


def cells(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.25,
    kind: CellKind = "round",
    density: float = 0.4,
    touching: float = 0.5,
    radius_um: float = 7.0,
    nucleus: float = 0.4,
    rng: np.random.Generator | int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw whole cells at a density that is asked for, and label each of them.

    Cells differ in size, shape and brightness, have a grainy cytoplasm and a nucleus, and are cut
    by the border of the field. Where they touch they press on each other: the border between
    them is straight, they lose their outer shape, but they never overlap.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.25
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    kind : {"round", "elongated", "spindle", "irregular"}, default "round"
        ``"round"`` like cells in suspension, ``"elongated"`` like bent rods of bacteria,
        ``"spindle"`` like fibroblasts with two tips, ``"irregular"`` with lobes and protrusions,
        not convex.
    density : float, default 0.4
        Fraction of the field that cells cover, met within 0.005. At most 0.85 for round and
        irregular cells and 0.8 for the others in 2D; in 3D 0.6 for round cells and 0.5 for the
        others, if cells are ten pixels wide along all axes.
    touching : float, default 0.5
        Fraction of the cells that touch at least one other, from 0 to 1. With 0 there is a pixel of
        background or more between any two. It is met as far as whole cells allow, within one or
        two of them.
    radius_um : float, default 7
        Radius in µm of the disc, or in 3D the ball, that is about as large as a free cell. For
        bacteria take 0.8. Where it is crowded, cells stay smaller.
    nucleus : float, default 0.4
        Brightness of the nucleus where that of the cytoplasm is 1: below 1 for a stain that
        stays outside, above 1 for one that gathers there, 1 for none to be seen.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape`: background 0, brightest pixel 1, outer edges anti-aliased. In
        2D a cell is brightest where it would be thickest; in 3D its cytoplasm is even.
    labels : numpy.ndarray
        int32 image of `shape`: 0 for background, ``1 … n`` for the cells, each in one piece.

    Raises
    ------
    ValueError
        If the kind is unknown, a fraction is out of range, the cells do not fit, or for the reasons
        given at :func:`filaments`.

    Notes
    -----
    Cells settle one after the other. Each pixel then belongs to the cell in whose free outline
    it lies deepest. At last all outlines move inward alike until the number of covered pixels is
    the one that was asked for.

    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> image, labels = cells((256, 256), kind="spindle", density=0.3, rng=0)
    >>> round(float((labels > 0).mean()), 2)
    0.3
    """
    spacing = spacing_um(shape, pixel_size_um, bytes_each=55)
    require_positive(radius_um=radius_um)
    _check_cells(shape, spacing, kind, density, touching, radius_um, nucleus)
    rng = np.random.default_rng(rng)
    colony = Colony(tuple(shape), spacing, kind, radius_um, rng)
    crowd = colony.fill(density, touching)
    light = np.zeros(shape, np.float32)
    for i, tight in enumerate(find_objects(crowd.labels), start=1):
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in tight)
        own = (crowd.owner[box] == i) & binary_dilation(crowd.labels[box] == i)
        light[box][own] = _stain(np.where(own, crowd.inward[box], 0), spacing, nucleus, rng)[own]
    light *= np.clip(0.5 + crowd.depth / spacing.min(), 0, 1)
    light *= _cytoplasm(shape, spacing, radius_um, rng)
    return to_peak_1(light), crowd.labels


def _check_cells(
    shape: Sequence[int],
    spacing: NDArray[np.float64],
    kind: str,
    density: float,
    touching: float,
    radius_um: float,
    nucleus: float,
) -> None:
    """Check what :func:`cells` is asked for."""
    checks.one_of("kind", kind, MAX_DENSITY)
    if radius_um < 2 * spacing.max():
        raise ValueError(
            f"Expected radius_um of at least two pixels, {2 * spacing.max():g} µm, got "
            f"{radius_um}. Take larger cells or smaller pixels."
        )
    extent = spacing * shape
    half_a_cell = float(np.pi * radius_um**2 / 2 / np.prod(extent[-2:]))
    if len(shape) == 3:
        half_a_cell *= min(4 / 3 * radius_um / extent[0], 1)
    most = MAX_DENSITY[kind][len(shape) - 2]
    hint = "The least is half a cell: change the density, the radius or the field."
    name = f"density of {kind} cells in {len(shape)}D"
    checks.number(name, density, low=float(half_a_cell), high=most, hint=hint)
    checks.number("touching", touching, low=0, high=1, hint="Give the fraction that touches.")
    checks.number("nucleus", nucleus, low=0, hint="Give its brightness, cytoplasm being 1.")


def _stain(
    depth: NDArray[np.float32],
    spacing: NDArray[np.float64],
    nucleus: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the light of one cell, from its depth below the outline in µm."""
    # The nucleus is an ellipse in place and shape like the cell's inner part.
    pixels = rng.choice(np.argwhere(depth > 0), 500)
    weights = depth[tuple(pixels.T)] ** 2
    centre = np.average(pixels * spacing, axis=0, weights=weights)
    spread = np.cov((pixels * spacing).T, aweights=weights) + np.diag(spacing**2)
    axes = np.linalg.cholesky(spread)
    centre += axes @ rng.normal(scale=0.2, size=len(spacing))
    position = np.ix_(
        *(s * np.arange(n) - c for n, s, c in zip(depth.shape, spacing, centre, strict=True))
    )
    squared = np.zeros_like(depth)
    for row in np.linalg.inv(axes):
        terms = [np.float32(w) * x.astype(np.float32) for w, x in zip(row, position, strict=True)]
        squared += sum(terms[1:], terms[0]) ** 2

    share = depth / depth.max()
    edge = 0.1 + 2 * spacing.min() / depth.max()
    core = np.clip((1.55 - np.sqrt(squared)) / edge, 0, 1) * np.clip((share - 0.35) / edge, 0, 1)
    light = rng.uniform(0.5, 1) * (1 + (nucleus - 1) * core)
    if depth.ndim == 2:  # as thick as a drop, and spread thin at the outline
        light *= 0.3 + 0.7 * np.sqrt(1 - np.clip(1 - share, 0, 1) ** 2)
    return np.asarray(light, dtype=np.float32)


def _cytoplasm(
    shape: Sequence[int], spacing: NDArray[np.float64], radius_um: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return noise around 1 that is smooth on two scales, never below 0.2."""
    texture = np.ones(shape, np.float32)
    for size, strength in ((0.2, 0.1), (0.05, 0.12)):
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise = gaussian_filter(noise, size * radius_um / spacing, mode="wrap", truncate=3)
        texture += strength * noise / noise.std()
    return np.maximum(texture, np.float32(0.2))
