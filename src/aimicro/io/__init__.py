"""Images in files: read and written without surprises, also where they are larger than memory."""

from aimicro.io.annotations import Annotations, read_annotations, write_annotations
from aimicro.io.files import replacing
from aimicro.io.header import Header, Region, read_header, read_parts, region_of
from aimicro.io.integrity import TiffError
from aimicro.io.large import (
    NoRoomError,
    Strip,
    converted,
    digest,
    is_large,
    parts,
    pieces,
    strips,
    zeros_on_disk,
)
from aimicro.io.objects import Boxes, boxes_of
from aimicro.io.outlines import Outline, from_outlines, outlines, pixels_within
from aimicro.io.tables import write_csv
from aimicro.io.tiff import (
    Planes,
    TiffImage,
    check_writable,
    read_pair,
    read_tiff,
    write_tiff,
)

__all__ = [
    "Annotations",
    "Boxes",
    "Header",
    "NoRoomError",
    "Outline",
    "Planes",
    "Region",
    "Strip",
    "TiffError",
    "TiffImage",
    "boxes_of",
    "check_writable",
    "converted",
    "digest",
    "from_outlines",
    "is_large",
    "outlines",
    "parts",
    "pieces",
    "pixels_within",
    "read_annotations",
    "read_header",
    "read_pair",
    "read_parts",
    "read_tiff",
    "region_of",
    "replacing",
    "strips",
    "write_annotations",
    "write_csv",
    "write_tiff",
    "zeros_on_disk",
]
