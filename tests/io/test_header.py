"""What is known of a file before its pixels are read, and before an image is written."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from aimicro.io import (
    NoRoomError,
    TiffError,
    check_writable,
    read_header,
    read_parts,
    read_tiff,
    region_of,
    write_tiff,
    zeros_on_disk,
)

STACK = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)


def test_a_header_is_that_of_the_image_that_is_read(tmp_path: Path) -> None:
    write_tiff(tmp_path / "stack.tif", STACK, axes="ZYX")
    header = read_header(tmp_path / "stack.tif")
    assert (header.axes, header.shape, header.dtype) == ("ZYX", (3, 8, 9), np.uint16)
    assert header.nbytes == STACK.nbytes
    assert header.pixel_size_um == (None, None, None)


@pytest.mark.parametrize("ome", [False, True])
def test_a_header_tells_the_pixel_size(tmp_path: Path, ome: bool) -> None:
    path = tmp_path / "stack.tif"
    write_tiff(path, STACK, axes="ZYX", pixel_size_um=(0.3, 0.1, 0.2), ome=ome)
    told = read_header(path).pixel_size_um
    assert told == pytest.approx((0.3, 0.1, 0.2))
    assert told == read_tiff(path).pixel_size_um
    write_tiff(path, STACK, axes="CYX", pixel_size_um=0.1, ome=ome)
    assert read_header(path, channels=True).pixel_size_um == pytest.approx((0.1, 0.1))


def test_channels_and_time_points_are_refused(tmp_path: Path) -> None:
    for axes in ("CYX", "TYX"):
        write_tiff(tmp_path / "image.tif", STACK, axes=axes)
        with pytest.raises(TiffError, match="Expected one channel and one time point"):
            read_header(tmp_path / "image.tif")


def test_pixels_are_mapped_where_they_lie_as_read(tmp_path: Path) -> None:
    write_tiff(tmp_path / "plain.tif", STACK, axes="ZYX")
    image = read_tiff(tmp_path / "plain.tif").data
    region = region_of(tmp_path / "plain.tif", image)
    assert region is not None
    assert isinstance(region.open(), np.memmap)
    assert np.array_equal(region.open(), STACK)
    assert region_of(tmp_path / "plain.tif", image + 1) is None
    tifffile.imwrite(tmp_path / "packed.tif", STACK, compression="zlib", photometric="minisblack")
    assert region_of(tmp_path / "packed.tif", STACK) is None


def test_all_files_of_a_set_are_named(tmp_path: Path) -> None:
    parts = [tmp_path / f"part_{k}.ome.tif" for k in range(3)]
    blocks = "".join(
        f'<TiffData FirstZ="{k}" IFD="0"><UUID FileName="{part.name}">urn:uuid:{k}</UUID>'
        "</TiffData>"
        for k, part in enumerate(parts)
    )
    for k, part in enumerate(parts):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{k}"><Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint16" '
            f'DimensionOrder="XYZCT" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" SizeT="1">{blocks}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(part, STACK[k], description=xml, metadata=None)
    assert all(read_parts(part) == tuple(parts) for part in parts)
    assert np.array_equal(read_tiff(parts[1]).data, STACK)
    write_tiff(tmp_path / "alone.tif", STACK, axes="ZYX")
    assert read_parts(tmp_path / "alone.tif") == (tmp_path / "alone.tif",)


def test_what_cannot_be_written_is_refused_before_there_is_an_image(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.tif", (8, 9), np.float32, axes="YX", pixel_size_um=0.1)
    with pytest.raises(ValueError, match="each from 1e-5 to 1e5 µm"):
        check_writable(tmp_path / "a.tif", (8, 9), np.float32, axes="YX", pixel_size_um=1e6)
    with pytest.raises(TypeError, match="got complex64"):
        check_writable(tmp_path / "a.tif", (8, 9), np.complex64, axes="YX")
    with pytest.raises(ValueError, match="got 'ZYX' for the shape"):
        check_writable(tmp_path / "a.tif", (8, 9), np.float32, axes="ZYX")
    with pytest.raises(FileNotFoundError, match="Expected an existing folder"):
        check_writable(tmp_path / "nowhere" / "a.tif", (8, 9), np.float32, axes="YX")


def test_a_folder_that_cannot_be_written_to_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(NoRoomError, match=r"Permission denied\. Choose another place"):
        zeros_on_disk((10, 10), np.float32, tmp_path)


def test_a_name_that_is_no_utf_8_can_be_printed(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.tif"))
    path.write_bytes(b"no TIFF at all, but long enough")
    with pytest.raises(TiffError) as told:
        read_tiff(path)
    str(told.value).encode()
