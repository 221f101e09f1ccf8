"""Descriptions that tell of other planes than the file holds; files written frame by frame."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from aimicro.io import TiffError, read_header, read_tiff

PLANE = np.arange(40 * 33, dtype=np.uint16).reshape(40, 33)
SHAPED = '{"shape": [%d, 40, 33]}'
IMAGEJ = "ImageJ=1.11a\nimages=%d\nslices=%d\n"


def pages(path: Path, n: int, description: str) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for index in range(n):
            text = description if index == 0 else None
            writer.write(PLANE, metadata=None, contiguous=False, description=text)
    return path


@pytest.mark.parametrize("dialect", [SHAPED % 7, IMAGEJ % (7, 7)])
@pytest.mark.parametrize("trailing_planes", [1, 5, 8])
def test_a_plane_with_a_stale_count_and_trailing_bytes_is_refused(
    tmp_path: Path, dialect: str, trailing_planes: int
) -> None:
    path = pages(tmp_path / "stale.tif", 1, dialect)
    with path.open("ab") as file:
        file.write(b"\1" * PLANE.nbytes * trailing_planes)
    with pytest.raises(TiffError, match=r"stale\.tif: Expected an intact TIFF"):
        read_tiff(path, pages="Z")


@pytest.mark.parametrize("dialect", [SHAPED % 3, IMAGEJ % (3, 3)])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_more_pages_than_described_are_refused(
    tmp_path: Path, dialect: str, side_by_side: bool
) -> None:
    path = pages(tmp_path / "more.tif", 7, dialect)
    if side_by_side:
        stack = np.stack([PLANE] * 7)
        tifffile.imwrite(path, stack, description=dialect, metadata=None, photometric="minisblack")
    for read in (read_tiff, read_header):
        with pytest.raises(TiffError, match="Expected an intact TIFF"):
            read(path)


def test_a_stack_whose_first_plane_alone_is_described_is_read(tmp_path: Path) -> None:
    stack = np.stack([PLANE + k for k in range(7)])
    tifffile.imwrite(tmp_path / "one_page.tif", stack, truncate=True)
    assert np.array_equal(read_tiff(tmp_path / "one_page.tif", pages="Z").data, stack)


@pytest.fixture
def frame_by_frame(tmp_path: Path) -> Path:
    path = tmp_path / "frames.tif"
    with tifffile.TiffWriter(path) as writer:
        for k in range(500):
            writer.write(np.full((16, 17), k, np.uint16), contiguous=False)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.series) == 500  # or the test would show nothing
    return path


def test_frames_that_are_images_of_their_own_are_read_when_told_what_they_are(
    frame_by_frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = read_tiff(frame_by_frame, pages="T")
    assert (film.axes, film.data.shape) == ("TYX", (500, 16, 17))
    assert (film.data[:, 3, 4] == np.arange(500)).all()
    assert read_tiff(frame_by_frame, axes="ZYX").axes == "ZYX"
    assert read_header(frame_by_frame).shape == (500, 16, 17)
    monkeypatch.setattr("aimicro.io.large.LARGE", 100)
    mapped = read_tiff(frame_by_frame, pages="T", scratch=tmp_path).data
    assert np.array_equal(mapped, film.data)


def test_otherwise_one_short_line_says_what_to_do(frame_by_frame: Path) -> None:
    with pytest.raises(TiffError, match=r"got 500 of the shape \(16, 17\) uint16") as told:
        read_tiff(frame_by_frame)
    assert "pages='T'" in str(told.value)
    assert len(str(told.value)) < 400


def test_many_different_images_are_told_in_a_short_line(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as writer:
        for k in range(200):
            writer.write(np.zeros((4 + k, 5), np.uint8), contiguous=False, metadata=None)
    with pytest.raises(TiffError, match="got 200 of different shape or type") as told:
        read_tiff(tmp_path / "mixed.tif", pages="Z")
    assert len(str(told.value)) < 300
