"""What each kind of microscope makes of a point: its spot of light, in a few lines each.

Used in chapter 1, *One sample, many microscopes*.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0, j1, struve

from aimicro.simulate import optics

if TYPE_CHECKING:
    from aimicro.simulate.microscope import Microscope

Volume = NDArray[np.float32]
Light = NDArray[np.floating[Any]]  # of any sum
Shape3D = tuple[int, int, int]


def _focus(
    microscope: "Microscope",
    wavelength_um: float,
    shape: Sequence[int],
    depth_um: float,
    *,
    pixel_integrated: bool = False,
) -> Volume:
    """Spot of light of this wavelength, on the way in or out."""
    return optics.psf(
        microscope.pupil(wavelength_um, depth_um),
        shape,
        voxel_size_um=microscope.spacing_um,
        model=microscope.model,
        pixel_integrated=pixel_integrated,
    )


def _widefield(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Light from every depth, collected by camera pixels."""
    return _focus(microscope, microscope.emission_um, shape, depth_um, pixel_integrated=True)


def _light_sheet(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Widefield detection of what a thin sheet lights."""
    z = _distances(shape[0], microscope.spacing_um[0])[:, None, None]
    sheet = 0.5 ** (2 * z / microscope.sheet_thickness_um) ** 2
    return _widefield(microscope, shape, depth_um) * sheet


def _two_photon(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Two photons at once: the square of the excitation. All light is collected."""
    return _focus(microscope, microscope.excitation_wavelength_um, shape, depth_um) ** 2


def _confocal(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Excitation in a spot, times detection through a pinhole."""
    excitation = _focus(microscope, microscope.excitation_wavelength_um, shape, depth_um)
    # Here, because it takes a second to load: every start of the command line would wait for it.
    from scipy.signal import fftconvolve

    pinhole = _pinhole(microscope)
    z, y, x = (have + hole - 1 for have, hole in zip(shape, pinhole.shape, strict=True))
    emission = _focus(microscope, microscope.emission_um, (z, y, x), depth_um)
    detection: Light = fftconvolve(emission, pinhole, mode="valid", axes=(1, 2)).clip(0)
    return excitation * detection


def _sted(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Confocal spot, less what the doughnut depletes: that of a vortex, (2 r/d)² near its zero."""
    _, dy, dx = microscope.spacing_um
    r = np.hypot(_distances(shape[1], dy)[:, None], _distances(shape[2], dx))
    v = 2 * np.pi * microscope.na / microscope.depletion_um * np.maximum(r, 1e-9)
    vortex = np.pi / (2 * v) * (j1(v) * struve(0, v) - j0(v) * struve(1, v))  # v/6 near the zero
    depletion = (2 * r / _confocal_width_um(microscope) * vortex / (v / 6)) ** 2
    fluorescent: Light = 0.5 ** (microscope.saturation * depletion)
    return _confocal(microscope, shape, depth_um) * fluorescent


def _structured_illumination(microscope: "Microscope", shape: Shape3D, depth_um: float) -> Light:
    """Widefield's spot in focus at half its size, in a section of half its depth of focus."""
    pupil = microscope.pupil(microscope.emission_um, depth_um)
    half = replace(pupil, wavelength_um=pupil.wavelength_um / 2, depth_um=depth_um / 2)
    lateral = optics.psf(
        half,
        (1, *shape[1:]),
        voxel_size_um=microscope.spacing_um,
        model=microscope.model,
        pixel_integrated=True,
    )
    z = _distances(shape[0], microscope.spacing_um[0])[:, None, None]
    section: Light = np.sinc(2 * z / microscope.axial_unit_um) ** 2
    return lateral * section


# What a new modality needs: its PSF, of any sum, and its place in SCANNED if it has no camera.
PSFS: Mapping[str, Callable[["Microscope", Shape3D, float], Light]] = {
    "widefield": _widefield,
    "confocal": _confocal,
    "two-photon": _two_photon,
    "light-sheet": _light_sheet,
    "sted": _sted,
    "structured illumination": _structured_illumination,
}
SCANNED = frozenset({"confocal", "two-photon", "sted"})


def _pinhole(microscope: "Microscope") -> Volume:
    """Disc of the pinhole in the specimen; its border pixels count as far as they are covered."""
    radius_um = microscope.pinhole_au * 0.61 * microscope.emission_um / microscope.na
    parts = (np.arange(9) - 4) / 9
    y, x = (
        ((np.arange(2 * half + 1) - half)[:, None] + parts) * pixel
        for pixel in microscope.spacing_um[1:]
        for half in [int(np.ceil(radius_um / pixel))]
    )
    inside = np.hypot(y[:, :, None, None], x) <= radius_um
    disc: Volume = inside.mean(axis=(1, 3), dtype=np.float32)[None]
    disc /= disc.sum()
    return disc


def _confocal_width_um(microscope: "Microscope") -> float:
    """Full width at half maximum of the perfect confocal spot."""
    pixel = microscope.excitation_wavelength_um / (50 * microscope.na)
    perfect = replace(
        microscope,
        modality="confocal",
        aberrations={},
        sample_index=None,
        voxel_size_um=(pixel, pixel),
    )
    profile = perfect.psf((1, 81))[0, 40:]
    return float(2 * pixel * np.interp(-profile[0] / 2, -profile, np.arange(41)))


def _distances(length: int, step_um: float) -> Light:
    """Distance in µm from the centre, along one axis."""
    return (np.arange(length) - length // 2) * step_um
