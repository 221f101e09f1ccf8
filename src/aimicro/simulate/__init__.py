"""The truth and how a microscope sees it: specimens, optics and the camera."""

from aimicro.simulate.camera import Camera, NoiseModel
from aimicro.simulate.optics import airy_psf, blur
from aimicro.simulate.specimens import beads, filaments, nuclei

__all__ = ["Camera", "NoiseModel", "airy_psf", "beads", "blur", "filaments", "nuclei"]
