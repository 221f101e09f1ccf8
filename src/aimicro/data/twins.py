"""Simulated stand-ins for the real images, of the same shapes and in the same units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aimicro import simulate

Pair = tuple[NDArray[Any], NDArray[Any]]


def nuclei(n: int) -> Pair:
    """Return a widefield picture of n unevenly stained nuclei in counts, and their labels."""
    sharp, labels = simulate.nuclei((520, 696), n=n, radius_um=8.5, rng=n, pixel_size_um=0.65)
    return _stained(sharp, labels, np.random.default_rng(n))


def crowded_nuclei(seed: int) -> Pair:
    """Return the same of 170 large, oblong nuclei."""
    rng = np.random.default_rng(seed)
    sharp, labels = simulate.nuclei(
        (520, 696), n=170, radius_um=9, rng=rng, pixel_size_um=(0.85, 0.55)
    )
    return _stained(sharp, labels, rng)


def _stained(sharp: NDArray[Any], labels: NDArray[Any], rng: np.random.Generator) -> Pair:
    """Return nuclei as a camera sees them, each with its own amount of dye."""
    dye = rng.lognormal(0, 0.5, labels.max() + 1)[labels]
    photons = 20 * ndimage.gaussian_filter(sharp * dye, 2.5) + 4
    return 30 * rng.poisson(photons) + 120, labels


def denoising_pair(seed: int) -> Pair:
    """Return a frame, and the mean of 50 in counts: as dim, and as badly registered."""
    sharp = simulate.filaments((576, 576), pixel_size_um=0.065, n=8, rng=900 + seed)
    spot = simulate.airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=0.065)
    light = simulate.blur(sharp, spot)[32:-32, 32:-32]
    light *= 100 / light.max()
    frame = 5 * np.random.default_rng(seed).poisson(light / 5 + 0.2)
    return 3.0 + frame, 3 + ndimage.shift(light, (0.6, 0), mode="nearest")


def bead() -> NDArray[Any]:
    """Return the picture of a bead in a light sheet, with two aberrations and noise."""
    microscope = simulate.Microscope(
        "light-sheet",
        na=1.1,
        refractive_index=1.33,
        emission_um=0.52,
        voxel_size_um=(0.09, 0.08, 0.08),
        sheet_thickness_um=0.92,
        aberrations={"primary spherical": 0.25, "horizontal coma": -0.15},
    )
    light = microscope.psf((61, 129, 129))
    counts: NDArray[Any] = np.random.default_rng(0).poisson(142 + 7600 * light / light.max())
    return counts


def epidermis() -> Pair:
    """Return the rows of a lineage (frame, id, mother, y, x), and labels of five frames."""
    movie = simulate.dividing_cells(
        15,
        (400, 400),
        n=120,
        radius_um=4.5,
        rng=4,
        frame_interval_s=1800,
        speed_um_per_min=0.1,
        division_time_min=240,
    )
    mother = np.array([0, *(track.parent for track in movie.lineage)])
    ids, frame, y, x = movie.tracks.T  # in micrometres; a pixel is 0.5 µm wide
    rows = np.column_stack([frame, ids, mother[ids.astype(int)], y / 0.5, x / 0.5])
    return rows, movie.labels[:5, 128:384, 128:384]
