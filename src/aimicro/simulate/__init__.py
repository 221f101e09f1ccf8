"""The truth and how a microscope sees it: specimens, optics, microscopes, cameras, films."""

from aimicro.simulate.annotator import annotate
from aimicro.simulate.camera import Camera
from aimicro.simulate.culture import CellParameters, Culture
from aimicro.simulate.diversity import PhaseDiversity, random_strengths
from aimicro.simulate.films import Division, Event, Film, Track, bleaching, dividing_cells
from aimicro.simulate.invented import invented_nuclei
from aimicro.simulate.isotropic import LateralPairs, axial_kernel, lateral_pairs, stretched
from aimicro.simulate.microscope import Acquisition, Microscope, Recording
from aimicro.simulate.mirror import Mirror
from aimicro.simulate.noise import Noise
from aimicro.simulate.optics import airy_psf, blur, otf, psf, strehl_ratio
from aimicro.simulate.pairs import Pair, random_wavefront, simulate_pair
from aimicro.simulate.pupil import Pupil
from aimicro.simulate.scribbles import scribble
from aimicro.simulate.specimens import (
    Randomise,
    Tissue,
    beads,
    cells,
    filaments,
    membranes,
    mitochondria,
    nuclei,
    tissue,
    vesicles,
)
from aimicro.simulate.transmitted import cell_thickness, phase_map, transmitted_light
from aimicro.simulate.varying import varying_blur
from aimicro.simulate.zernike import wavefront, zernike

__all__ = [
    "Acquisition",
    "Camera",
    "CellParameters",
    "Culture",
    "Division",
    "Event",
    "Film",
    "LateralPairs",
    "Microscope",
    "Mirror",
    "Noise",
    "Pair",
    "PhaseDiversity",
    "Pupil",
    "Randomise",
    "Recording",
    "Tissue",
    "Track",
    "airy_psf",
    "annotate",
    "axial_kernel",
    "beads",
    "bleaching",
    "blur",
    "cell_thickness",
    "cells",
    "dividing_cells",
    "filaments",
    "invented_nuclei",
    "lateral_pairs",
    "membranes",
    "mitochondria",
    "nuclei",
    "otf",
    "phase_map",
    "psf",
    "random_strengths",
    "random_wavefront",
    "scribble",
    "simulate_pair",
    "strehl_ratio",
    "stretched",
    "tissue",
    "transmitted_light",
    "varying_blur",
    "vesicles",
    "wavefront",
    "zernike",
]
