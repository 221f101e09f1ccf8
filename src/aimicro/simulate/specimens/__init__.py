"""Specimens whose truth is known, in 2D and 3D.

Every function takes the shape of the image, ``(Y, X)`` or ``(Z, Y, X)``, and returns the amount
of fluorophore in each pixel, before any optics and any camera. Pixel ``i`` of an axis has its
centre at ``i * pixel_size_um``.
"""

from aimicro.simulate.specimens.cells import nuclei
from aimicro.simulate.specimens.cytoskeleton import filaments
from aimicro.simulate.specimens.spots import beads

__all__ = ["beads", "filaments", "nuclei"]
