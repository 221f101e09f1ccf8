"""TIFF images are read right or refused in one line, and written completely or not at all."""

import itertools
import logging
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aimicro.io import Planes, TiffError, read_pair, read_tiff, write_tiff

# What ImageJ 1.53t (ij.jar, Opener.openImage) makes of the same files: the CRC-32 of its pixels,
# slice after slice, little-endian, and its calibration in µm along z, y and x. Where ImageJ has no
# z spacing it assumes 1, and where it has no unit it has no size: both are None here.
IMAGEJ_READS = {
    "deconv_bars_bead/psfs__psfgen1.tif": ("ZYX", "float32", "fbd12b4c", (0.25, 0.1, 0.1)),
    "neubias_3d/xyz_8bit__chromosomes.tif": (
        *("ZYX", "uint16", "065c2096"),
        (0.1499999999996362, 0.0338541684299046, 0.0338541684299046),
    ),
    "neubias_3d/xyz_8bit__mitotic_plate_calibrated.tif": (
        *("ZYX", "uint8", "eda51ae7"),
        (3.0, 0.08519643016734027, 0.08519643016734027),
    ),
    "neubias_3d/xyz_8bit__mitotic_plate_badZcalibrated.tif": (
        *("ZYX", "uint8", "eda51ae7"),
        (None, 0.08519643016734027, 0.08519643016734027),
    ),
    "neubias_3d/xyz_calibrated_16bit__golgi_bfa.tif": (
        *("ZYX", "uint16", "b87a7399"),
        (0.3875999999999999, 0.3514352968960532, 0.3514352968960532),
    ),
    "neubias_confocal_widefield/xyzc_16bit__dna_conf_wf.tif": (
        *("ZCYX", "uint16", "9d0e0e72"),
        (0.4994126016284111, 0.5118778700352326, 0.5118778700352326),
    ),
    "neubias_io/xy_8bit__nuclei_noisy_large.tif": ("YX", "uint8", "f1697bd6", (None, None)),
    "neubias_io/xy_float__h2b_bg_corr.tif": ("YX", "float32", "e7eea365", (None, None)),
    # 72 dpi is no pixel size.
    "neubias_io/xy_8bit_binary__two_cells_matlabstyle.tif": (
        *("YX", "uint8", "832c0e89", (None, None)),
    ),
    # Three channels of 16 bits, stored like an RGB photograph.
    "neubias_io/xyc_16bit__hela-cells.tif": (
        *("CYX", "uint16", "897d01d8"),
        (0.05149313617092096, 0.05149313617092096),
    ),
    # A lookup table stored as a palette, and a unit called px.
    "neubias_io/xyc_8bit__cyto_nuclei.tif": ("CYX", "uint8", "eec69861", (None, None)),
    "ome_tiff/4D-series.ome.tif": ("TZYX", "int8", "37f77afb", (None, None, None)),
    "fmd_confocal_pairs/gt/BPAE_G.tif": ("YX", "uint8", "26089f75", (None, None)),
    "psf_bead_measured/otf.tif": ("YX", "float32", "4304d4b4", (None, None)),
}
SHAPES = {"Z": 5, "Y": 30, "X": 40, "C": 2, "T": 3}
ODDITIES = "tiff_oddities"


def crc(data):
    return f"{zlib.crc32(data.astype(data.dtype.newbyteorder('<')).tobytes()):08x}"


def assert_sizes(image, pixel_size_um, *, rtol=1e-9):
    came, expected = (np.array(sizes, float) for sizes in (image.pixel_size_um, pixel_size_um))
    np.testing.assert_allclose(came, expected, rtol=rtol)  # None becomes NaN, equal to itself


def read_or_refused(path, **options):
    """Return the image, or the one line that refuses the file."""
    try:
        return read_tiff(path, **options)
    except TiffError as error:
        return str(error)


def is_refused_fax(image):
    """Whether a fax was refused, as with a tifffile that does not decode it yet."""
    release = tuple(map(int, tifffile.__version__.split(".")[:3]))
    return release < (2026, 2, 24) and isinstance(image, str) and "CCITT" in image


def image_of(axes, dtype):
    shape = [SHAPES[axis] for axis in axes]
    values = np.random.default_rng(0).integers(0, 200, shape)
    return (values > 100 if dtype == "bool" else values).astype(dtype)


def minimal_tiff(entries, *, body=b"", next_directory=0):
    """Build a little-endian TIFF of one directory from (tag, type, count, value) entries."""
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", next_directory) + body


def grey_tiff(width, length, *, compression=1, n_bytes=1, tile=None):
    """Build a header that declares a 16-bit image and points to a few bytes of pixels."""
    where = [(273, 4, 1, 8), (278, 4, 1, length), (279, 4, 1, n_bytes)]
    if tile:
        where = [(322, 4, 1, tile), (323, 4, 1, tile), (324, 4, 1, 8), (325, 4, 1, n_bytes)]
    entries = [(256, 4, 1, width), (257, 4, 1, length), (258, 3, 1, 16), (259, 3, 1, compression)]
    return minimal_tiff(sorted([*entries, (262, 3, 1, 1), (277, 3, 1, 1), *where]), body=bytes(64))


# ---- reading


@pytest.mark.parametrize("name", IMAGEJ_READS)
def test_microscope_files_are_read_as_imagej_reads_them(shared_data, name):
    axes, dtype, pixels, pixel_size_um = IMAGEJ_READS[name]
    image = read_tiff(shared_data / name)
    assert (image.axes, image.data.dtype, crc(image.data)) == (axes, np.dtype(dtype), pixels)
    assert image.data.dtype.isnative
    assert_sizes(image, pixel_size_um, rtol=1e-15)
    assert image.name == name.rpartition("/")[2]


@pytest.mark.parametrize("folder", ["master", "companion"])
@pytest.mark.parametrize("plane", [1, 3, 5])
def test_any_file_of_a_set_opens_the_whole_set(shared_data, folder, plane):
    files = [shared_data / f"ome_tiff/{folder}/multifile-Z{z}.ome.tiff" for z in range(1, 6)]
    with_pillow = np.stack([np.asarray(Image.open(file)) for file in files])
    image = read_tiff(files[plane - 1])
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, with_pillow)


@pytest.mark.parametrize("folder", ["master", "companion"])
@pytest.mark.parametrize("lost", ["Z4", "master"])
def test_a_set_with_a_missing_or_cut_part_is_refused(shared_data, tmp_path, folder, lost):
    shutil.copytree(shared_data / "ome_tiff" / folder, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    master = "multifile.companion.ome" if folder == "companion" else "multifile-Z1.ome.tiff"
    part = tmp_path / (master if lost == "master" else f"multifile-{lost}.ome.tiff")
    whole = part.read_bytes()
    part.unlink()
    with pytest.raises(TiffError, match=rf"got a set without '{re.escape(part.name)}'. Put it"):
        read_tiff(tmp_path / "multifile-Z2.ome.tiff")
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TiffError, match=r"multifile-Z2\.ome\.tiff: Expected"):
        read_tiff(tmp_path / "multifile-Z2.ome.tiff")


def test_a_renamed_file_of_one_part_is_still_read(shared_data, tmp_path):
    renamed = shutil.copy(shared_data / "ome_tiff/4D-series.ome.tif", tmp_path / "renamed.tif")
    assert read_tiff(renamed).data.shape == (7, 5, 167, 439)


def ramp_of(name):
    """Return the picture of a file seq-1c-<bits>: numbers that count up, pixel after pixel."""
    bits = re.search(r"-1c-(i|)(\d+)(b|f|)", name)
    count = np.arange(256).reshape(16, 16)
    if bits[3] == "f":
        return (count / 255).astype(f"float{bits[2]}")
    if bits[1] == "i":
        return (count - 128).astype(f"int{bits[2]}")
    dtype = "bool" if bits[2] == "1" else f"uint{max(8, 2 ** (int(bits[2]) - 1).bit_length())}"
    return (count % 2 ** int(bits[2])).astype(dtype)


def test_every_encoding_of_a_known_ramp_is_read_bit_for_bit(shared_data):
    files = sorted((shared_data / ODDITIES / "valid").glob("seq__seq-1c-*"))
    files = [file for file in files if not re.search("palette|multipage", file.name)]
    assert len(files) == 50
    for file in files:
        if is_refused_fax(read_or_refused(file)):
            continue
        data = read_tiff(file).data
        np.testing.assert_array_equal(data, ramp_of(file.name), strict=True, err_msg=file.name)


def test_every_encoding_of_one_picture_is_the_same_picture(shared_data):
    folder = shared_data / ODDITIES / "shapes"
    expected = np.moveaxis(np.asarray(Image.open(folder / "shapes_uncompressed.tif")), -1, 0)
    stored = {"planar": "CYX", "": "YXC"}
    for name in ("deflate", "lzw", "lzw_planar", "lzw_tiled", "lzw_tiled_planar", "uncompressed"):
        image = read_tiff(folder / f"shapes_{name}.tif", axes=stored["planar" * ("planar" in name)])
        assert image.axes == "CYX"
        np.testing.assert_array_equal(image.data, expected, strict=True, err_msg=name)
    stack = read_tiff(folder / "shapes_tiled_multi.tif", axes="TYXC")
    assert (stack.axes, stack.data.shape) == ("TCYX", (3, *expected.shape))


@pytest.mark.parametrize("folder", ["valid", "shapes"])
def test_every_valid_file_is_read_or_refused_for_what_it_is(shared_data, folder):
    n_read = n_faxes = 0
    for file in sorted((shared_data / ODDITIES / folder).glob("*.tif*")):
        image = read_or_refused(file)
        if is_refused_fax(image):
            n_faxes += 1
        elif isinstance(image, str):
            assert re.search("colour|palette|letter out of|orientation|one image", image), image
        else:
            n_read += 1
            with tifffile.TiffFile(file) as tif:
                shape = (tif.pages[0].imagelength, tif.pages[0].imagewidth)
            assert (image.axes, image.data.shape) == ("YX", shape)
    assert n_read + n_faxes == {"valid": 86, "shapes": 2}[folder]


REFUSED = {
    "deconv_bars_bead/bars-25pct__data.tif": r"got 'QYX' for the shape \(32, 64, 64\).*axes='ZYX'",
    f"{ODDITIES}/valid/rgb-3c-8b.tiff": r"colour samples of a picture, YXS.*pass axes='YXC'",
    f"{ODDITIES}/valid/cmyk-3c-8b.tiff": r"colour samples of a picture, YXS \(151, 157, 4\)",
    f"{ODDITIES}/valid/minisblack-2c-8b-alpha.tiff": r"SYX \(2, 64, 64\).*pass axes='CYX'",
    f"{ODDITIES}/shapes/shapes_tiled_multi.tif": r"IYXS \(3, 72, 128, 3\).*pass axes='ZYXC'",
    f"{ODDITIES}/valid/palette-1c-8b.tiff": "indices of a colour palette. Convert",
    f"{ODDITIES}/shapes/poppies.tif": "got orientation 6, mirrored or turned. Save it upright",
    f"{ODDITIES}/shapes/shapes_multi_size.tif": r"got 2 .* \(72, 128, 3\) uint8, \(36, 64, 3\)",
    f"{ODDITIES}/shapes/shapes_multi_color.tif": "got 5 of different shape or type",
    f"{ODDITIES}/LICENCE.txt": "got one of .* bytes that begins with b'Licence:'. Open it in Fiji",
    f"{ODDITIES}": "Expected a file, got a folder or a device",
    "ome_tiff/companion/multifile.companion.ome": "Expected a TIFF file",
    "nowhere.tif": "Expected a file that can be opened, got 'No such file or directory'. Check",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_file_what_came_and_what_to_do(shared_data, name):
    path = shared_data / name
    with pytest.raises(TiffError, match=REFUSED[name]) as refusal:
        read_tiff(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: Expected ")
    assert ", got " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "axes", "shape"),
    [
        ("deconv_bars_bead/bars-25pct__data.tif", "ZYX", (32, 64, 64)),
        ("psf_bead_measured/psf.tif", "ZYX", (61, 128, 128)),
        (f"{ODDITIES}/valid/palette-1c-8b.tiff", "YX", (151, 157)),
        (f"{ODDITIES}/shapes/poppies.tif", "YX", (756, 1008)),
        ("neubias_3d/xyz_calibrated_16bit__golgi_bfa.tif", "TYX", (25, 137, 147)),
    ],
)
def test_named_axes_take_the_numbers_as_they_stand(shared_data, name, axes, shape):
    image = read_tiff(shared_data / name, axes=axes)
    assert (image.axes, image.data.shape) == (axes, shape)
    np.testing.assert_array_equal(image.data, tifffile.imread(shared_data / name))


@pytest.mark.parametrize("metadata", [{}, None])  # None: not even a shape is noted
def test_pages_without_a_name_are_what_the_caller_says(tmp_path, metadata):
    stack, plane = image_of("ZYX", "uint8"), image_of("YX", "uint8")
    for name, image in {"stack.tif": stack, "plane.tif": plane}.items():
        tifffile.imwrite(tmp_path / name, image, metadata=metadata)
    with pytest.raises(TiffError, match="letter out of TZCYX"):
        read_tiff(tmp_path / "stack.tif")
    image = read_tiff(tmp_path / "stack.tif", pages="Z")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, stack)
    assert read_tiff(tmp_path / "plane.tif", pages="Z").axes == "YX"
    write_tiff(tmp_path / "film.tif", stack, axes="TYX")
    assert read_tiff(tmp_path / "film.tif", pages="Z").axes == "TYX"


@pytest.mark.parametrize(
    ("shape", "photometric", "message"),
    [
        ((2, 4, 8, 8), "minisblack", r"got 'ZZYX' for the shape \(2, 4, 8, 8\)"),
        ((4, 8, 8, 3), "rgb", "got the colour samples of a picture, ZYXS"),
    ],
)
def test_pages_have_one_name(tmp_path, shape, photometric, message):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8), photometric=photometric)
    with pytest.raises(TiffError, match=message):
        read_tiff(tmp_path / "a.tif", pages="Z")


@pytest.mark.parametrize("axes", ["YX", "ZZX", "QYX", "ZYXC", "zyx"])
def test_axes_that_do_not_fit_are_refused(shared_data, axes):
    with pytest.raises(TiffError, match=rf"got '{axes}' for the shape \(32, 64, 64\)"):
        read_tiff(shared_data / "deconv_bars_bead/bars-25pct__data.tif", axes=axes)


def test_axes_of_length_one_are_kept_only_where_a_file_names_them(tmp_path):
    plane = image_of("YX", "uint8")
    for axes, expected in {None: "YX", "ZYX": "ZYX", "QYX": "YX"}.items():
        tifffile.imwrite(tmp_path / "one.tif", plane[None], metadata={"axes": axes} if axes else {})
        image = read_tiff(tmp_path / "one.tif")
        assert image.axes == expected
        np.testing.assert_array_equal(image.data.squeeze(), plane)
    row = plane[:1]
    tifffile.imwrite(tmp_path / "row.tif", row, imagej=True)
    assert (read_tiff(tmp_path / "row.tif").data == row).all()


def test_planes_come_last_however_they_were_stored(tmp_path):
    stored = image_of("XYZ", "uint16")
    tifffile.imwrite(tmp_path / "xyz.tif", stored, photometric="minisblack")
    image = read_tiff(tmp_path / "xyz.tif", axes="XYZ")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, stored.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        *((name, 1.0) for name in ("micron", "um", "microns", "\\u00B5m", "micrometer")),
        *(("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("inch", 25400.0)),
        *((name, None) for name in ("pixel", "px", "", "furlong")),
    ],
)
def test_units_of_imagej(tmp_path, unit, um):
    tifffile.imwrite(
        tmp_path / "stack.tif",
        image_of("ZYX", "uint8"),
        imagej=True,
        resolution=(4, 2),  # pixels a unit, along x and y
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": unit},
    )
    factor = np.nan if um is None else um
    assert_sizes(read_tiff(tmp_path / "stack.tif"), np.array([3, 0.5, 0.25]) * factor)


@pytest.mark.parametrize(("unit", "um"), [("µm", 1), ("nm", 1e-3), ("Å", 1e-4), ("mm", 1e3)])
def test_units_of_ome(tmp_path, unit, um):
    size = {"PhysicalSizeX": 2.0, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 3.0}
    tifffile.imwrite(
        tmp_path / "a.ome.tif", image_of("ZYX", "uint8"), metadata={"axes": "ZYX", **size}
    )
    assert_sizes(read_tiff(tmp_path / "a.ome.tif"), (None, 3.0, 2.0 * um))


def as_min_is_white(path):
    """Set the photometric interpretation of a file to 0, as ImageJ does for an inverted table."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(0)


def test_zero_as_white_is_inverted_but_for_imagej(tmp_path):
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    tifffile.imwrite(tmp_path / "scan.tif", mask)
    write_tiff(tmp_path / "imagej.tif", mask, axes="YX")
    as_min_is_white(tmp_path / "scan.tif")
    as_min_is_white(tmp_path / "imagej.tif")
    np.testing.assert_array_equal(read_tiff(tmp_path / "imagej.tif").data, mask)
    np.testing.assert_array_equal(read_tiff(tmp_path / "scan.tif").data, 255 - mask)
    np.testing.assert_array_equal(read_tiff(tmp_path / "scan.tif", axes="YX").data, mask)
    tifffile.imwrite(tmp_path / "signed.tif", mask.view(np.int8))
    as_min_is_white(tmp_path / "signed.tif")
    with pytest.raises(TiffError, match="got 0 as white in int8"):
        read_tiff(tmp_path / "signed.tif")


def test_an_image_that_stays_on_the_disk_is_the_one_in_memory(shared_data, tmp_path, monkeypatch):
    """All kinds of files: in their own, or decoded into a temporary one; or refused alike."""
    folders = (f"{ODDITIES}/*", "ome_tiff/*", "neubias_io")
    files = [file for folder in folders for file in shared_data.glob(f"{folder}/*.tif*")]
    in_memory = [read_or_refused(file, pages="Z") for file in files]
    monkeypatch.setattr("aimicro.io.large.LARGE", 0)
    n_read = n_decoded = 0
    for file, expected in zip(files, in_memory, strict=True):
        came = read_or_refused(file, pages="Z", scratch=tmp_path)
        if isinstance(expected, str):
            assert came == expected
            continue
        np.testing.assert_array_equal(came.data, expected.data, err_msg=file.name)
        assert came.data.dtype.newbyteorder("=") == expected.data.dtype
        assert (came.axes, came.pixel_size_um) == (expected.axes, expected.pixel_size_um)
        assert list(tmp_path.iterdir()) == []
        n_read, n_decoded = n_read + 1, n_decoded + came.data.flags.writeable
    assert n_decoded > 60
    assert n_read - n_decoded > 20  # mapped


def test_nan_and_infinities_are_counted_and_refused(tmp_path):
    data = np.ones((3, 4, 5), np.float32)
    data[1, 2, 3], data[2, 0, 0] = np.nan, np.inf
    write_tiff(tmp_path / "ratio.tif", data, axes="ZYX")
    with pytest.raises(TiffError, match=r"got 2 of 60 NaN or infinite, the first at \(1, 2, 3\)"):
        read_tiff(tmp_path / "ratio.tif")
    np.testing.assert_array_equal(read_tiff(tmp_path / "ratio.tif", allow_nan=True).data, data)
    data = np.ones((2, 1100, 1000), np.float32)  # more than is looked at in one go
    data[1, 7, 8:10], data[1, 1000, 3] = np.nan, -np.inf
    write_tiff(tmp_path / "large.tif", data, axes="ZYX")
    with pytest.raises(TiffError, match=r"got 3 of 2200000 NaN .* first at \(1, 7, 8\). Replace"):
        read_tiff(tmp_path / "large.tif")


def test_complex_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "field.tif", np.ones((4, 4), np.complex64))
    with pytest.raises(TiffError, match=r"got complex64. Save the amplitude, numpy.abs\(data\)"):
        read_tiff(tmp_path / "field.tif")


def test_raw_and_truth_must_lie_on_the_same_pixels(shared_data, tmp_path):
    names = [shared_data / f"fmd_confocal_pairs/{kind}/BPAE_G.tif" for kind in ("noisy", "gt")]
    raw, truth = read_pair(*names)
    assert raw.data.shape == truth.data.shape == (512, 512)
    assert np.corrcoef(raw.data.ravel(), truth.data.ravel())[0, 1] > 0.8
    write_tiff(tmp_path / "crop.tif", truth.data[:500], axes="YX")
    expected = rf"^{tmp_path}/crop.tif: Expected .*{names[0]}, YX \(512, 512\), got YX \(500, 512\)"
    with pytest.raises(TiffError, match=expected):
        read_pair(names[0], tmp_path / "crop.tif")
    write_tiff(tmp_path / "t.tif", np.ones((2, 8, 8), np.uint8), axes="TYX")
    write_tiff(tmp_path / "z.tif", np.ones((2, 8, 8), np.uint8), axes="ZYX")
    with pytest.raises(TiffError, match=r"TYX \(2, 8, 8\), got ZYX \(2, 8, 8\)"):
        read_pair(tmp_path / "t.tif", tmp_path / "z.tif")


# ---- damaged files


@pytest.mark.parametrize(
    "name",
    [
        *(f"{ODDITIES}/valid/seq__seq-1c-8b-{kind}-20f3db0c.tiff" for kind in ("lzw", "bigtiff")),
        f"{ODDITIES}/valid/seq__seq-1c-16b-multistrip-68f373a0.tiff",
        f"{ODDITIES}/valid/seq__seq-1c-8b-tiled-deflate-20f3db0c.tiff",
        f"{ODDITIES}/valid/predictor-3-gray-f32.tif",
        "deconv_bars_bead/psfs__psfgen1.tif",
        "neubias_3d/xyz_calibrated_16bit__golgi_bfa.tif",
        "neubias_io/xyc_8bit__cyto_nuclei.tif",
        "ome_tiff/4D-series.ome.tif",
    ],
)
def test_a_file_cut_anywhere_is_refused(shared_data, tmp_path, name):
    whole = (shared_data / name).read_bytes()
    cuts = {0, 1, 4, 8, 15, 16, len(whole) // 2, *range(len(whole) - 16, len(whole))}
    cuts |= set(np.random.default_rng(0).integers(0, len(whole), 40).tolist())
    for n_bytes in sorted(cuts):
        (tmp_path / "cut.tif").write_bytes(whole[:n_bytes])
        image = read_or_refused(tmp_path / "cut.tif")
        if not isinstance(image, str):  # nothing but padding was lost
            assert n_bytes == len(whole) - 1
            np.testing.assert_array_equal(image.data, read_tiff(shared_data / name).data)


READ_ALL = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
from aimicro.io import TiffError, read_tiff
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    start = time.perf_counter()
    try:
        print("READ", path, read_tiff(path).data.shape)
    except TiffError as error:
        assert str(error).startswith(path + ": Expected ") and len(str(error).splitlines()) == 1
        print("REFUSED", error)
    assert time.perf_counter() - start < 5, path
print("KIB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_no_damaged_file_hangs_fills_the_memory_or_gets_through(shared_data, tmp_path):
    corrupt = sorted((shared_data / ODDITIES / "corrupt").glob("*.tif"))
    assert len(corrupt) == 8
    bombs = {
        "uncompressed": grey_tiff(60000, 60000),
        "deflate": grey_tiff(60000, 60000, compression=8, n_bytes=60),
        "lzw": grey_tiff(2**32 - 1, 2**31, compression=5, n_bytes=60),
        "tile": grey_tiff(16, 16, compression=8, n_bytes=60, tile=65536),
        "small_claim": grey_tiff(8000, 8000, compression=8, n_bytes=60),
        "circle": minimal_tiff([(256, 4, 1, 4)], next_directory=8),
        "many_tags": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(100),
        "far_value": minimal_tiff([(273, 4, 2**31, 100)]),
        "no_page": b"II*\0" + bytes(12),
        "no_tags": minimal_tiff([], body=bytes(16)),
        "sparse": grey_tiff(4, 4, n_bytes=0),
        "short_strip": grey_tiff(4, 4, n_bytes=31),  # 32 are needed, and more follow in the file
    }
    for name, content in bombs.items():
        (tmp_path / f"{name}.tif").write_bytes(content)
    paths = [*map(str, corrupt), *(str(tmp_path / f"{name}.tif") for name in bombs)]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_ALL, *paths],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stderr) == (0, "")  # nothing that tifffile logs leaks
    *outcomes, (_, kib) = (line.split(maxsplit=1) for line in run.stdout.splitlines())
    assert [kind for kind, _ in outcomes] == ["REFUSED"] * len(paths)
    assert int(kib) < 64 * 1024
    reasons = dict(zip(bombs, [reason for _, reason in outcomes[len(corrupt) :]], strict=True))
    for name in ("deflate", "lzw", "tile"):
        assert re.search(r"declares \d+ bytes of pixels in a file of \d+\)", reasons[name])
    assert "in a circle at byte 8" in reasons["circle"]
    assert "too few bytes for the shape (4, 4)" in reasons["short_strip"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_an_image_or_a_refusal(shared_data, tmp_path_factory, data):
    names = ("lzw-hpredict", "multistrip", "tiled-deflate", "bigtiff", "packbits")
    name = data.draw(st.sampled_from(names))
    file = shared_data / ODDITIES / f"valid/seq__seq-1c-8b-{name}-20f3db0c.tiff"
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = tmp_path_factory.mktemp("changed") / "changed.tif"
    changed.write_bytes(content)
    image = read_or_refused(changed)
    assert "\n" not in image if isinstance(image, str) else image.data.size > 0


def test_pages_that_the_description_counts_must_be_there(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, image_of("ZYX", "uint8"), imagej=True, metadata={"axes": "ZYX"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"images=5", b"images=9").replace(b"slices=5", b"slices=9"))
    with pytest.raises(TiffError, match=r"stack\.tif: Expected an intact TIFF"):
        read_tiff(path)


@pytest.mark.parametrize("options", [{"truncate": True}, {"imagej": True}])
def test_a_cut_stack_with_one_directory_for_all_its_pages_is_refused(tmp_path, options):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, image_of("ZYX", "uint8"), metadata={"axes": "ZYX"}, **options)
    with tifffile.TiffFile(path) as tif:
        first, end = tif.pages[0], tif.series[0].dataoffset + tif.series[0].nbytes
    content = bytearray(path.read_bytes()[:end])
    next_directory = first.offset + 2 + 12 * len(first.tags)
    content[next_directory : next_directory + 4] = bytes(4)  # as ImageJ does beyond 4 GB
    path.write_bytes(content)
    np.testing.assert_array_equal(read_tiff(path).data, image_of("ZYX", "uint8"))
    for lost in (1, 600, 1300, 4000, 5900):
        path.write_bytes(content[:-lost])
        with pytest.raises(TiffError, match="Expected"):
            read_tiff(path)


def test_a_tile_that_is_not_listed_is_missed(tmp_path):
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, np.ones((32, 32), np.uint8), tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages[0]
        page.tags["TileOffsets"].overwrite(page.dataoffsets[:3])
        page.tags["TileByteCounts"].overwrite(page.databytecounts[:3])
    with pytest.raises(TiffError, match="it lists 3 of 4 strips or tiles"):
        read_tiff(path)


def test_a_description_that_cannot_be_read_is_missed(tmp_path):
    """Without it the image would come back with other axes, and without its pixel size."""
    write_tiff(tmp_path / "a.tif", image_of("YX", "uint8"), axes="YX", pixel_size_um=0.1)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    tag = {b"II": "<HH", b"MM": ">HH"}[bytes(content[:2])]
    place = content.index(struct.pack(tag, 270, 2))
    content[place : place + 4] = struct.pack(tag, 270, 99)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(TiffError, match=r"damaged or incomplete one \(.*TiffTag 270.*invalid"):
        read_tiff(tmp_path / "a.tif")


def test_damage_is_seen_even_where_the_log_of_tifffile_is_off(shared_data, tmp_path):
    whole = (shared_data / "neubias_3d/xyz_8bit__mitotic_plate_calibrated.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:-2000])
    logger = logging.getLogger("tifffile")
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with pytest.raises(TiffError, match="Expected an intact TIFF"):
            read_tiff(tmp_path / "cut.tif")
    finally:
        logger.setLevel(logging.NOTSET)
    assert not logger.filters


def test_only_the_messages_about_the_file_being_read_are_held_back(caplog, tmp_path):
    (tmp_path / "broken.tif").write_bytes(minimal_tiff([(256, 0, 1, 1)]))
    stop = threading.Event()

    def log_from_elsewhere():
        while not stop.is_set():
            logging.getLogger("tifffile").error("from elsewhere")
            time.sleep(0.001)

    elsewhere = threading.Thread(target=log_from_elsewhere)
    elsewhere.start()
    for _ in range(20):
        with pytest.raises(TiffError, match=r"broken\.tif: Expected"):
            read_tiff(tmp_path / "broken.tif")
    stop.set()
    elsewhere.join()
    assert {record.getMessage() for record in caplog.records} == {"from elsewhere"}


def test_a_traceback_names_the_error_as_users_import_it():
    code = "from aimicro.io import read_tiff; read_tiff('nowhere.tif')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.splitlines()[-1].startswith("aimicro.io.TiffError: nowhere.tif: Expected")


def test_a_picture_with_the_name_of_a_tiff_is_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "picture.tif", format="PNG")
    with pytest.raises(TiffError, match=r"begins with b'\\x89PNG.*File > Save As > Tiff"):
        read_tiff(tmp_path / "picture.tif")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(TiffError, match="got one of 0 bytes"):
        read_tiff(tmp_path / "empty.tif")
    os.mkfifo(tmp_path / "pipe.tif")  # opening it would wait for a writer for ever
    with pytest.raises(TiffError, match="got a folder or a device"):
        read_tiff(tmp_path / "pipe.tif")
    with pytest.raises(TiffError, match=r"two lines\.tif: Expected"):
        read_tiff(tmp_path / "two\nlines.tif")


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    write_tiff(tmp_path / "secret.tif", image_of("YX", "uint8"), axes="YX")
    (tmp_path / "secret.tif").chmod(0)
    me = os.geteuid()
    os.seteuid(65534 if me == 0 else me)  # root may read everything
    try:
        with pytest.raises(TiffError, match="got 'Permission denied'"):
            read_tiff(tmp_path / "secret.tif")
    finally:
        os.seteuid(me)


# ---- writing


AXES = ["".join(axes) + "YX" for n in range(4) for axes in itertools.permutations("TZC", n)]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


@settings(max_examples=120, deadline=None)
@given(
    axes=st.sampled_from(AXES),
    dtype=st.sampled_from(DTYPES),
    lengths=st.lists(st.integers(1, 4), min_size=5, max_size=5),
    size=st.none() | st.lists(st.none() | st.floats(1e-5, 1e5), min_size=3, max_size=3),
    ome=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read(tmp_path_factory, axes, dtype, lengths, size, ome, seed):
    path = tmp_path_factory.mktemp("written") / "image.tif"
    shape = lengths[: len(axes)]
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    data = np.frombuffer(np.random.default_rng(seed).bytes(n_bytes), dtype).reshape(shape)
    data = data.view(np.uint8) % 2 == 1 if dtype == "bool" else np.nan_to_num(data)
    n_spatial = 2 + ("Z" in axes)
    size = None if size is None else size[:n_spatial]
    write_tiff(path, data, axes=axes, pixel_size_um=size, ome=ome)
    image = read_tiff(path)
    assert image.axes == axes
    np.testing.assert_array_equal(image.data, data, strict=True)
    expected = [None] * n_spatial if size is None else size
    assert_sizes(image, expected)
    with tifffile.TiffFile(path) as tif:
        in_order = axes == "".join(axis for axis in "TZCYX" if axis in axes)
        sizes_fit = None not in expected[-2:] or expected == [None] * n_spatial
        is_imagej = dtype in ("uint8", "uint16", "float32") and in_order and shape[-1] > 1
        assert tif.is_imagej == (is_imagej and sizes_fit and not ome)
        assert tif.is_ome != tif.is_imagej


def test_imagej_is_told_axes_and_sizes_in_its_own_words(tmp_path):
    path = tmp_path / "hyperstack.tif"
    write_tiff(path, image_of("TZCYX", "uint16"), axes="TZCYX", pixel_size_um=(0.3, 0.2, 0.1))
    with Image.open(path) as tif:
        told = tif.tag_v2[270].splitlines()
        x, y = float(tif.tag_v2[282]), float(tif.tag_v2[283])
    assert {"images=30", "channels=2", "slices=5", "frames=3", "hyperstack=true"} <= set(told)
    assert {"unit=\\u00B5m", "spacing=0.3"} <= set(told)
    assert (x, y) == pytest.approx((10, 5))  # pixels per µm
    with Image.open(path) as tif:
        plane = 2 * 5 * 2 + 3 * 2 + 1  # t=2, z=3, c=1, the channel running fastest
        tif.seek(plane)
        np.testing.assert_array_equal(np.asarray(tif), image_of("TZCYX", "uint16")[2, 3, 1])


def test_labels_become_ome_tiff_with_everything_said_in_xml(tmp_path):
    labels = image_of("CZYX", "int32") * 1000
    write_tiff(tmp_path / "labels.tif", labels, axes="CZYX", pixel_size_um=(None, 0.2, 0.1))
    with Image.open(tmp_path / "labels.tif") as tif:
        xml = tif.tag_v2[270].encode("latin-1")  # as Pillow decodes ASCII tags
        pixels = ElementTree.fromstring(xml).find("{*}Image/{*}Pixels").attrib
        tif.seek(5 + 2)  # c=1, z=2
        np.testing.assert_array_equal(np.asarray(tif), labels[1, 2])
    assert pixels["Type"] == "int32"
    assert [pixels[f"Size{axis}"] for axis in "XYZCT"] == ["40", "30", "5", "2", "1"]
    assert pixels["DimensionOrder"].startswith("XYZC")
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == ("0.1", "µm")
    assert "PhysicalSizeZ" not in pixels


@pytest.mark.parametrize("ome", [False, True])
def test_an_image_made_plane_by_plane_is_the_file_of_the_whole_image(tmp_path, ome):
    data = image_of("ZCYX", "uint16")
    planes = Planes(data.shape, data.dtype, iter(data.reshape(-1, *data.shape[-2:])))
    names = {"whole.tif": data, "planes.tif": planes}
    for name, image in names.items():
        write_tiff(tmp_path / name, image, axes="ZCYX", pixel_size_um=0.1, ome=ome)
    whole, streamed = ((tmp_path / name).read_bytes() for name in names)
    without_uuid = re.compile(rb"[-0-9a-f]{36}")
    assert without_uuid.sub(b"", streamed) == without_uuid.sub(b"", whole)
    np.testing.assert_array_equal(read_tiff(tmp_path / "planes.tif").data, data)


def test_planes_that_end_early_leave_no_file(tmp_path):
    data = image_of("ZYX", "uint8")
    with pytest.raises(ValueError, match="wrong number of bytes"):
        write_tiff(tmp_path / "a.tif", Planes(data.shape, data.dtype, iter(data[:3])), axes="ZYX")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_planes_of_more_than_four_gigabytes_are_written_and_read(tmp_path):
    shape = (33, 11586, 11586)  # 4.4 GB of one byte a pixel
    planes = (np.full(shape[1:], z, np.uint8) for z in range(shape[0]))
    file = tmp_path / "a.tif"
    try:
        write_tiff(file, Planes(shape, np.dtype(np.uint8), planes), axes="ZYX")
        found = read_tiff(file, scratch=tmp_path)
        assert found.data.shape == shape
        assert [plane[-1, -1] for plane in found.data] == list(range(shape[0]))
    finally:
        file.unlink(missing_ok=True)  # pytest keeps folders


def test_channels_keep_their_names(tmp_path):
    names, data = ["raw", "restored"], image_of("ZCYX", "float32")
    write_tiff(tmp_path / "a.tif", data, axes="ZCYX", channels=names)
    write_tiff(tmp_path / "b.tif", data, axes="ZCYX", channels=names, ome=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.imagej_metadata["Labels"] == names * SHAPES["Z"]
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        channels = ElementTree.fromstring(tif.ome_metadata).findall(".//{*}Channel")
    assert [channel.attrib["Name"] for channel in channels] == names
    for axes, image in (("ZCYX", data), ("ZYX", data[:, 0])):
        with pytest.raises(ValueError, match=r"Expected a name for each of [02] channels, got"):
            write_tiff(tmp_path / "c.tif", image, axes=axes, channels=["raw"])


def test_an_unknown_slice_spacing_stays_unknown_to_imagej(tmp_path):
    data = image_of("ZYX", "uint8")
    write_tiff(tmp_path / "a.tif", data, axes="ZYX", pixel_size_um=(None, 0.2, 0.1))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert "spacing" not in tif.imagej_metadata
    assert_sizes(read_tiff(tmp_path / "a.tif"), (None, 0.2, 0.1))


def test_one_number_is_the_size_along_every_axis(tmp_path):
    for size in (0.065, np.float32(0.065), np.full(3, 0.065)):
        write_tiff(tmp_path / "a.tif", image_of("ZYX", "float32"), axes="ZYX", pixel_size_um=size)
        assert_sizes(read_tiff(tmp_path / "a.tif"), np.full(3, float(np.min(size))))


BAD_OUTPUT = {
    "name": ({"path": "a.png"}, ValueError, r"ending in .tif or .tiff, got 'a.png'"),
    "folder": ({"path": "no/a.tif"}, FileNotFoundError, r"got .*/no\. Create it first"),
    "int64": ({"data": np.ones((4, 4), int)}, TypeError, r"got int64. Convert it, .*int32\)"),
    "complex": ({"data": np.ones((4, 4), complex)}, TypeError, "got complex128"),
    "float16": ({"data": np.ones((4, 4), np.float16)}, TypeError, "got float16"),
    "too few": ({"axes": "X"}, ValueError, r"got 'X' for the shape \(4, 4\)"),
    "twice": ({"axes": "YY"}, ValueError, "got 'YY'"),
    "unknown": ({"axes": "SX"}, ValueError, "got 'SX'"),
    "order": ({"axes": "XY"}, ValueError, "got 'XY'.*numpy.moveaxis"),
    "empty": ({"data": np.ones((0, 4), "u1")}, ValueError, r"shape \(0, 4\)"),
    "sizes": ({"pixel_size_um": (1, 1, 1)}, ValueError, r"2 sizes for YX.*got \(1, 1, 1\)"),
    "zero": ({"pixel_size_um": 0.0}, ValueError, "from 1e-5 to 1e5 µm or None, got 0.0"),
    "nan": ({"pixel_size_um": (np.nan, 1.0)}, ValueError, r"got \(nan, 1.0\). Give them in micro"),
    "one too many": ({"pixel_size_um": np.ones(3)}, ValueError, r"2 sizes for YX"),
    "metres": ({"pixel_size_um": 65e-9}, ValueError, "got 6.5e-08"),
}


@pytest.mark.parametrize("case", BAD_OUTPUT)
def test_what_cannot_be_written_is_refused(tmp_path, case):
    change, error, message = BAD_OUTPUT[case]
    good = {"path": "a.tif", "data": np.ones((4, 4), np.uint8), "axes": "YX"}
    arguments = good | change
    path, data = tmp_path / arguments.pop("path"), arguments.pop("data")
    with pytest.raises(error, match=message):
        write_tiff(path, data, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_the_rights_of_new_files_are_kept(tmp_path):
    (tmp_path / "link.tif").symlink_to(tmp_path / "real.tif")
    write_tiff(tmp_path / "link.tif", image_of("YX", "uint8"), axes="YX")
    (tmp_path / "other").touch()
    assert (tmp_path / "link.tif").is_symlink()
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("real.tif", "other")]
    assert rights[0] == rights[1]


def test_a_full_disk_leaves_the_old_image(tmp_path):
    """A limit on the size of files stands in for the disk: the write fails in the middle."""
    write_tiff(tmp_path / "image.tif", np.ones((8, 8), np.uint8), axes="YX")
    script = (
        "import resource, signal, sys, numpy as np\nfrom aimicro.io import write_tiff\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "write_tiff(sys.argv[1], np.zeros((1000, 1000), np.uint8), axes='YX')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "image.tif")], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "OSError: 1000000 requested" in run.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["image.tif"]
    assert read_tiff(tmp_path / "image.tif").data.all()


WRITE_FOR_EVER = """
import itertools, sys, numpy as np
from aimicro.io import write_tiff
images = [np.full((16, 512, 512), value, np.uint16) for value in (1, 2)]
print("ready", flush=True)
for image in itertools.cycle(images):
    write_tiff(sys.argv[1], image, axes="ZYX")
"""


def test_a_killed_run_leaves_the_old_or_the_new_image(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "image.tif"
    write_tiff(path, np.full((16, 512, 512), 1, np.uint16), axes="ZYX")
    n_killed_in_the_middle = 0
    for _ in range(30):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path)], stdout=subprocess.PIPE
        ) as writer:
            writer.stdout.readline()
            while not [*tmp_path.glob(".*.tmp")]:
                time.sleep(0.0005)
            time.sleep(rng.uniform(0, 0.01))
            writer.send_signal(signal.SIGKILL)
        image = read_tiff(path)
        assert (image.axes, image.data.shape) == ("ZYX", (16, 512, 512))
        assert len(np.unique(image.data)) == 1
        left_over = [*tmp_path.glob(".*.tmp")]
        n_killed_in_the_middle += len(left_over)
        for file in left_over:
            file.unlink()
        if n_killed_in_the_middle == 4:
            return
    pytest.fail(f"killed {n_killed_in_the_middle} times in the middle of a write, not 4 times")


def test_reading_needs_no_torch():
    code = "import sys, aimicro.io, aimicro.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
