"""Specimens whose truth is known, in 2D and 3D.

Every function takes the shape of the image, ``(Y, X)`` or ``(Z, Y, X)``, and returns the amount
of fluorophore in each pixel, before any optics and any camera. Pixel ``i`` of an axis has its
centre at ``i * pixel_size_um``.
"""

from aimicro.simulate.specimens.cells import cells
from aimicro.simulate.specimens.filaments import filaments
from aimicro.simulate.specimens.membranes import membranes
from aimicro.simulate.specimens.mitochondria import mitochondria
from aimicro.simulate.specimens.nuclei import nuclei
from aimicro.simulate.specimens.randomise import Randomise
from aimicro.simulate.specimens.spots import beads, vesicles
from aimicro.simulate.specimens.tissue import Tissue, tissue

__all__ = [
    "Randomise",
    "Tissue",
    "beads",
    "cells",
    "filaments",
    "membranes",
    "mitochondria",
    "nuclei",
    "tissue",
    "vesicles",
]
