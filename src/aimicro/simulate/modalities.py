"""What each kind of microscope makes of a point: its spot of light, as a formula each.

Arrays in, arrays out: `excitation` and `emission` are the spots of the light that goes in and
comes out, ``(Z, Y, X)`` and of any sum. :meth:`aimicro.simulate.microscope.Microscope.psf` computes
them and chooses the formula.

Used in chapter 1, *One sample, many microscopes*.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0, j1, struve

Light = NDArray[np.floating[Any]]

MODALITIES = (
    "widefield",
    "confocal",
    "two-photon",
    "light-sheet",
    "sted",
    "structured illumination",
)
SCANNED = frozenset({"confocal", "two-photon", "sted"})


def light_sheet(emission: Light, thickness_um: float, dz_um: float) -> Light:
    """Widefield detection of what a thin sheet lights."""
    z = distances(len(emission), dz_um)[:, None, None]
    sheet: Light = 0.5 ** (2 * z / thickness_um) ** 2
    return emission * sheet


def two_photon(excitation: Light) -> Light:
    """Two photons at once: the square of the excitation. All light is collected."""
    return excitation**2


def confocal(excitation: Light, emission: Light, pinhole: Light) -> Light:
    """Excitation in a spot, times detection through a pinhole, by which `emission` is wider."""
    # Here, because it takes a second to load: every start of the command line would wait for it.
    from scipy.signal import fftconvolve

    detection: Light = fftconvolve(emission, pinhole, mode="valid", axes=(1, 2)).clip(0)
    return excitation * detection


def sted(confocal: Light, depletion: Light, saturation: float) -> Light:
    """Confocal spot, less what the doughnut depletes."""
    fluorescent: Light = 0.5 ** (saturation * depletion)
    return confocal * fluorescent


def structured_illumination(in_focus: Light, planes: int, section_um: float, dz_um: float) -> Light:
    """Spot in focus at half its size, in sections of half the depth of focus."""
    z = distances(planes, dz_um)[:, None, None]
    section: Light = np.sinc(2 * z / section_um) ** 2
    return in_focus * section


def doughnut(r_um: Light, na: float, wavelength_um: float, width_um: float) -> Light:
    """Focus of a vortex, scaled to (2 r/d)² near its zero with the width d of the confocal spot."""
    v = 2 * np.pi * na / wavelength_um * np.maximum(r_um, 1e-9)
    vortex = np.pi / (2 * v) * (j1(v) * struve(0, v) - j0(v) * struve(1, v))  # v/6 near the zero
    depletion: Light = (2 * r_um / width_um * vortex / (v / 6)) ** 2
    return depletion


def pinhole(radius_um: float, dy_um: float, dx_um: float) -> NDArray[np.float32]:
    """Disc of a pinhole in the specimen; its border pixels count as far as they are covered."""
    parts = (np.arange(9) - 4) / 9
    y, x = (
        ((np.arange(2 * half + 1) - half)[:, None] + parts) * pixel
        for pixel in (dy_um, dx_um)
        for half in [int(np.ceil(radius_um / pixel))]
    )
    inside = np.hypot(y[:, :, None, None], x) <= radius_um
    disc: NDArray[np.float32] = inside.mean(axis=(1, 3), dtype=np.float32)[None]
    disc /= disc.sum()
    return disc


def distances(length: int, step_um: float) -> Light:
    """Distance in µm from the centre, along one axis."""
    return (np.arange(length) - length // 2) * step_um
