"""How large a pixel is, in the words and units of the programs that write TIFFs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from aimicro.io import read_tiff

STACK = np.zeros((3, 8, 9), np.uint16)


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("micron", 1.0),
        ("microns", 1.0),
        ("um", 1.0),
        ("µm", 1.0),
        ("μm", 1.0),  # with the Greek letter
        ("\\u00B5m", 1.0),
        ("\\u03BCm", 1.0),
        ("micrometer", 1.0),
        ("micrometers", 1.0),
        ("Micrometres", 1.0),
        ("nm", 1e-3),
        ("nanometers", 1e-3),
        ("mm", 1e3),
        ("cm", 1e4),
        ("inch", 25400.0),
        ("inches", 25400.0),
    ],
)
def test_units_of_imagej(tmp_path: Path, unit: str, um: float) -> None:
    path = tmp_path / "stack.tif"
    description = f"ImageJ=1.54f\nimages=3\nslices=3\nunit={unit}\nspacing=2\n"
    with tifffile.TiffWriter(path) as writer:
        for plane in STACK:
            writer.write(
                plane,
                metadata=None,
                contiguous=False,
                description=description.encode(),
                resolution=(4.0, 5.0),
                resolutionunit="NONE",
            )
    size = read_tiff(path).pixel_size_um
    assert size == pytest.approx((2 * um, um / 5, um / 4))


def centimetres(path: Path, description: str, **options: Any) -> None:
    with tifffile.TiffWriter(path) as writer:
        for plane in STACK:
            writer.write(
                plane,
                metadata=None,
                contiguous=False,
                description=description,
                resolution=(1e4 / 0.1, 1e4 / 0.2),  # pixels a centimetre
                resolutionunit="CENTIMETER",
                **options,
            )


def test_pixels_a_centimetre_as_bioformats_exports_them(tmp_path: Path) -> None:
    centimetres(tmp_path / "bf.tif", "ImageJ=\nhyperstack=true\nimages=3\nslices=3\n")
    assert read_tiff(tmp_path / "bf.tif").pixel_size_um == pytest.approx((None, 0.2, 0.1))
    centimetres(tmp_path / "plain.tif", "", software="OME Bio-Formats")
    assert read_tiff(tmp_path / "plain.tif", pages="Z").pixel_size_um[1:] == pytest.approx(
        (0.2, 0.1)
    )


def test_the_resolution_of_a_picture_for_print_is_no_pixel_size(tmp_path: Path) -> None:
    centimetres(tmp_path / "print.tif", "", software="Photo editor")
    assert read_tiff(tmp_path / "print.tif", pages="Z").pixel_size_um == (None, None, None)
