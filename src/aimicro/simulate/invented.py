"""Nuclei as no microscope in particular shows them: images to learn from before the real ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum

from aimicro import checks
from aimicro.simulate.specimens import Randomise, nuclei

_RADIUS_PX = (6.0, 24.0)  # a factor of four: what lies outside, rescaling brings inside
_CROWDED = (0.2, 0.42)  # fraction covered before regions are emptied; beyond, places run out
_SHORTEST = 64  # a side that the largest nuclei fit into
_HINT = "Take 128 by 128 pixels, and cut patches from them."


def invented_nuclei(
    shape: Sequence[int] = (128, 128), *, rng: np.random.Generator | int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw an image of nuclei in which everything is left to chance, and their labels.

    Size, shape, crowding, stain, focus, glow, uneven background and noise are drawn anew for each
    image, from ranges wider than those of any one microscope. A network that has seen enough of
    them may take real images for more of the same (`Randomise` tells the idea and its source).

    Parameters
    ----------
    shape : sequence of int, default (128, 128)
        ``(Y, X)`` in pixels; each side at least 64, so that the largest nuclei find room.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    image : numpy.ndarray
        float32 image of `shape` in photons.
    labels : numpy.ndarray
        int32 image of `shape`: 0 for background, an id for each nucleus. There is one at least;
        ids have gaps.

    Raises
    ------
    ValueError
        If the image is not 2D, or a side is too short.

    Notes
    -----
    Radii lie between 6 and 24 pixels, half-axes may differ by two thirds, blur by a Gaussian of
    0.5 to 3 pixels, and the brightest pixel holds about 5 to 500 photons. Nuclei grow until they
    meet, and some regions are emptied, so that they touch in groups. Then come the changes of
    `Randomise`, and Poisson noise. `aimicro.data.weights` has a network that learned from 800.

    Used in chapter 9, *Fine-tuning and a human in the loop*.

    Examples
    --------
    >>> image, labels = invented_nuclei((96, 128), rng=0)
    >>> image.shape, labels.shape, bool(labels.any())
    ((96, 128), (96, 128), True)
    """
    sides = tuple(
        checks.whole("a side of shape", side, low=_SHORTEST, hint=_HINT) for side in shape
    )
    if len(sides) != 2:
        raise ValueError(f"Expected shape (Y, X), got {len(sides)} sides: {sides}. {_HINT}")
    rng = np.random.default_rng(rng)
    radius, stretch = np.exp(rng.uniform(*np.log(_RADIUS_PX))), np.exp(rng.uniform(-0.25, 0.25))
    n = 1 + int(rng.uniform(*_CROWDED) * np.prod(sides) / (np.pi * radius**2))
    rim = rng.uniform(0, 0.25) * radius
    _, cores = nuclei(
        sides, pixel_size_um=(stretch, 1 / stretch), n=n, radius_um=radius - rim, rng=rng
    )
    labels = _in_groups(_grown(cores, rim), rng)
    stain = rng.lognormal(0, rng.uniform(0, 0.7), labels.max() + 1)
    dye = np.where(labels > 0, stain[labels], 0)
    light = gaussian_filter(dye, rng.uniform(0.5, 3))
    light += rng.uniform(0, 0.5) * gaussian_filter(dye, rng.uniform(1, 3) * radius)
    changes = Randomise(texture=(0, 0.4), contrast=(0, 0.25))
    light, labels = changes(light / light.max(), labels, rng=rng)
    photons = np.exp(rng.uniform(np.log(5), np.log(500)))
    counts = rng.poisson(photons * (light + rng.uniform(0.02, 0.3)))
    return counts.astype(np.float32), labels


def _grown(cores: NDArray[np.int32], rim: float) -> NDArray[np.int32]:
    """Let nuclei grow until they meet: places drawn at random leave gaps, tissue does not."""
    distance, nearest = distance_transform_edt(cores == 0, return_indices=True)
    return np.where(distance <= rim, cores[tuple(nearest)], 0)


def _in_groups(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    """Keep the nuclei of some regions, so that they touch although much of the field is empty."""
    region = gaussian_filter(rng.normal(size=labels.shape), 0.15 * min(labels.shape), mode="wrap")
    names = np.unique(labels[labels > 0])
    height = np.asarray(maximum(region, labels, names))
    kept = names[height >= np.quantile(height, rng.uniform(0, 0.7))]
    return np.where(np.isin(labels, kept), labels, 0).astype(np.int32)
