"""Images in files: read and written without surprises, also where they are larger than memory."""

from aimicro.io.files import replacing
from aimicro.io.integrity import TiffError
from aimicro.io.tiff import Planes, TiffImage, read_pair, read_tiff, write_tiff

__all__ = ["Planes", "TiffError", "TiffImage", "read_pair", "read_tiff", "replacing", "write_tiff"]
