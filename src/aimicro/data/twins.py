"""Simulated stand-ins for the real images, of the same shapes and in the same units."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aimicro import simulate

Pair = tuple[NDArray[Any], NDArray[Any]]

NUCLEUS_VOXEL_UM = (0.4994, 0.5119, 0.5119)


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
    rng = np.random.default_rng(seed)
    frame = 5 * rng.poisson(light / 5 + 0.2)
    drifted = ndimage.shift(light, (0.6, 0), mode="nearest").clip(0)
    return 3.0 + frame, 3 + rng.poisson(50 * drifted / 5) / 10


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


def bars() -> tuple[NDArray[Any], ...]:
    """Return image, truth and PSF of six bars, the PSF half a plane off as in the real files."""
    truth = np.zeros((32, 64, 64), np.float32)
    for k, row in enumerate((19, 24, 29, 34, 39, 44)):
        height = 9 + 2 * k
        truth[height : height + 1 + k % 2, row : row + 1 + k // 3, 17:46] = 65535
    microscope = simulate.Microscope("widefield", na=1.3, voxel_size_um=(0.1, 0.095, 0.095))
    fine = microscope.psf((65, 65, 65))  # two planes for each of the image
    centred, between = fine[::2], fine[1::2, :64, :64]
    light = 24 * simulate.blur(np.pad(truth, 32), centred / centred.sum())[(slice(32, -32),) * 3]
    rng = np.random.default_rng(0)
    counts = 25 * rng.poisson(light / 25) + rng.normal(130, 110, light.shape)
    image = np.maximum(counts, 0).astype(np.float32)
    return image, truth, (5e5 * between).astype(np.float32)


def confocal_and_widefield() -> Pair:
    """Return a nucleus, widefield and confocal, the one shifted against the other."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:45, :130, :133]
    inside = ((z - 22) / 6) ** 2 + ((y - 65) / 26) ** 2 + ((x - 66) / 34) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.normal(size=inside.shape), (1, 1.5, 1.5))
    dye = np.float32(inside) * np.exp(0.7 * texture / texture.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the real pixels are as coarse
        psf = simulate.Microscope(
            "widefield",
            na=1.2,
            refractive_index=1.33,
            emission_um=0.46,
            voxel_size_um=NUCLEUS_VOXEL_UM,
        ).psf((45, 65, 65))
    light = simulate.blur(dye, psf)
    widefield = 2 * rng.poisson(600 * light / light.max() + 320)
    moved = ndimage.shift(ndimage.gaussian_filter(dye, 0.5), (2.2, 0, -3.7), order=1)
    return widefield, 100 * rng.poisson(120 * np.maximum(moved, 0) / moved.max())


def epidermis() -> Pair:
    """Return the rows of a lineage (frame, id, mother, y, x), and labels of five frames."""
    film = simulate.dividing_cells(
        15,
        (400, 400),
        n=120,
        radius_um=4.5,
        rng=4,
        frame_interval_s=1800,
        speed_um_per_min=0.1,
        division_time_min=240,
    )
    mother = np.array([0, *(track.parent for track in film.lineage)])
    ids, frame, y, x = film.tracks.T  # in micrometres; a pixel is 0.5 µm wide
    rows = np.column_stack([frame, ids, mother[ids.astype(int)], y / 0.5, x / 0.5])
    return rows, film.labels[:5, 128:384, 128:384]
