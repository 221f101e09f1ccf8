"""Images in files: read and written without surprises, also where they are larger than memory."""

from aimicro.io.files import replacing
from aimicro.io.header import Header, memory_map, read_header, read_parts
from aimicro.io.integrity import TiffError
from aimicro.io.large import NoRoomError, is_large, parts, zeros_on_disk
from aimicro.io.tiff import (
    Planes,
    TiffImage,
    check_writable,
    read_pair,
    read_tiff,
    write_tiff,
)

__all__ = [
    "Header",
    "NoRoomError",
    "Planes",
    "TiffError",
    "TiffImage",
    "check_writable",
    "is_large",
    "memory_map",
    "parts",
    "read_header",
    "read_pair",
    "read_parts",
    "read_tiff",
    "replacing",
    "write_tiff",
    "zeros_on_disk",
]
