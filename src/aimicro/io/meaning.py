"""What the numbers in a TIFF mean: which image, along which axes, how bright, and how large.

A private part of :mod:`aimicro.io`. What a file does not tell is left unknown or refused.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from aimicro.io.integrity import TiffError, check_directories, damaged
from aimicro.io.large import parts

AXES = "TZCYX"  # in the order of an ImageJ hyperstack
NOTE = "written_axes"  # left by write_tiff, because both formats declare every axis there is
_GUESS = str.maketrans("SIQ", "CZZ")  # what samples and unnamed pages most often are
# As casefold() leaves them: it turns the micro sign into the Greek letter.
_UM_PER_UNIT = {"pm": 1e-6, "å": 1e-4, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400.0}
_UM_PER_UNIT |= dict.fromkeys(("μm", "um", "micron", "microns", "micrometer", "micrometre"), 1.0)


# ---- which image is it?


@contextmanager
def opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, ElementTree.Element | None]]:
    """Open the file with its OME description, which another file of the same set may hold."""
    with ExitStack() as stack:
        tif = stack.enter_context(tifffile.TiffFile(path))
        ome = _ome_description(tif)
        pointer = None if ome is None else ome.find("{*}BinaryOnly")
        if pointer is not None:
            master = _part(path, pointer.attrib["MetadataFile"])
            if master.suffix.lower() in (".tif", ".tiff"):
                check_directories(master)
                tif = stack.enter_context(tifffile.TiffFile(master))
            else:
                xml = master.read_text(encoding="utf-8")
                tif = stack.enter_context(tifffile.TiffFile(path, omexml=xml))
            ome = _ome_description(tif)
        if ome is not None:
            uuids = ome.iterfind(".//{*}TiffData/{*}UUID")
            # A renamed file still calls itself by its old name, but keeps its UUID.
            others = (uuid for uuid in uuids if uuid.text != ome.attrib.get("UUID"))
            for name in sorted({other.attrib["FileName"] for other in others}):
                check_directories(_part(path, name))
        yield tif, ome


def _ome_description(tif: tifffile.TiffFile) -> ElementTree.Element | None:
    return ElementTree.fromstring(tif.ome_metadata) if tif.ome_metadata else None


def _part(path: Path, name: str) -> Path:
    part = path.with_name(name)
    if not part.is_file():
        raise TiffError(
            f"Expected all files of a multi-file OME-TIFF, got a set without {name!r}. Put it "
            "into the same folder, or open the whole set in Fiji and save it as one file."
        )
    return part


def only_series(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """Return the one image of the file, whose pyramid and thumbnails do not count."""
    if not tif.pages or not tif.series:
        raise TiffError("Expected an image, got a TIFF without one. Export the image again.")
    first, *others = tif.series
    different = [
        series
        for series in (*first.levels[1:], *others)
        if not (series.keyframe.is_reduced or series.keyframe.is_subifd)
    ]
    if different:
        shapes = ", ".join(f"{series.shape} {series.dtype}" for series in (first, *different))
        raise TiffError(
            f"Expected one image, got {1 + len(different)} of different shape or type: {shapes}. "
            "Save each of them as a file of its own."
        )
    if (tif.is_ome or tif.is_imagej) and first.kind in ("generic", "uniform"):
        raise damaged("its pages are not those that its ImageJ or OME description tells of")
    if not first.shape or 0 in first.shape:
        raise TiffError(f"Expected pixels, got the shape {first.shape}. Export the image again.")
    return first


# ---- what do its numbers mean?


def check_values_are_intensities(series: tifffile.TiffPageSeries, *, as_they_stand: bool) -> None:
    """Refuse numbers that are no intensities, and pictures that lie on their side."""
    if series.dtype.kind not in "buif":
        raise TiffError(
            f"Expected real numbers, got {series.dtype}. Save the amplitude, numpy.abs(data), "
            "or real and imaginary part as two files."
        )
    if as_they_stand:
        return
    page = series.keyframe
    orientation = page.tags.valueof("Orientation", 1)
    if orientation not in (0, 1):
        raise TiffError(
            f"Expected an upright image, got orientation {orientation}, mirrored or turned. "
            "Save it upright, or pass axes='YX' to take its rows as stored."
        )
    is_palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
    # ImageJ stores the lookup table of the display as a palette.
    if is_palette and series.kind not in ("imagej", "ome") and not _is_ramp(page.colormap):
        raise TiffError(
            "Expected intensities, got the indices of a colour palette. Convert a picture to grey "
            "values; where the indices are labels or intensities, pass axes='YX' to take them."
        )


def _is_ramp(colormap: NDArray[np.uint16] | None) -> bool:
    """Tell a lookup table, which grows brighter with the index, from the palette of a picture."""
    return colormap is not None and bool((np.diff(colormap.sum(axis=0, dtype=int)) >= 0).all())


def stored_axes(
    series: tifffile.TiffPageSeries,
    imagej: Mapping[str, Any],
    ome: ElementTree.Element | None,
    named: str | None,
    pages: str | None = None,
) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape as stored, without the axes of length 1 that nobody asked for."""
    description = "" if ome is None else ome.findtext("{*}Image/{*}Description", "")
    noted = imagej.get(NOTE) or description.partition(f"{NOTE}=")[2]
    asked = {"Y", "X"} | set(AXES) & set(series.axes if series.kind == "shaped" else str(noted))
    stored = zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True)
    kept = [(axis, n) for axis, n in stored if n > 1 or axis in asked]
    letters, shape = "".join(axis for axis, _ in kept), tuple(n for _, n in kept)
    # ImageJ stores three channels of 16 bits like an RGB photograph, but counts them as channels.
    if "S" in letters and imagej.get("channels") == shape[letters.index("S")]:
        letters = letters.replace("S", "C")
    if pages:
        letters = letters.translate(str.maketrans("IQ", 2 * pages))
    if "S" in letters and named is None:
        raise TiffError(
            f"Expected one intensity a pixel, got the colour samples of a picture, {letters} "
            f"{shape}. Save its channels as separate pages (in Fiji: Image > Color > Split "
            f"Channels), or pass axes={letters.translate(_GUESS)!r} to take colours as channels."
        )
    letters = named or letters
    if not are_axes(letters, len(shape)):
        raise TiffError(
            f"Expected a letter out of {AXES} for each axis, Y and X among them, got {letters!r} "
            f"for the shape {shape}. Name them as stored, such as axes={'TCZYX'[-len(shape) :]!r}."
        )
    return letters, shape


def are_axes(letters: str, ndim: int) -> bool:
    """Tell whether there is one known letter for each axis, Y and X among them."""
    different = set(letters)
    return len(letters) == len(different) == ndim and {"Y", "X"} <= different <= set(AXES)


def bright_is_large(data: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    """Invert the values where 0 is white."""
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return data
    if data.dtype.kind not in "bu":
        raise TiffError(
            f"Expected 0 to be black, got 0 as white in {data.dtype}, which has no black. "
            "Invert it where it was made, or pass axes='YX' to take its numbers as stored."
        )
    out = data if data.flags.writeable else None  # of a large image there is no room for two
    white = data.dtype.type(2**page.bitspersample - 1)
    return np.asarray(np.bitwise_xor(white, data, out=out))


def check_finite(data: NDArray[Any]) -> None:
    """Refuse NaN and infinite values."""
    if data.dtype.kind != "f":
        return
    n_seen, n_bad, place = 0, 0, 0
    for part in parts(data):
        bad = np.flatnonzero(~np.isfinite(part))
        if len(bad) and not n_bad:
            place = n_seen + int(bad[0])
        n_seen, n_bad = n_seen + part.size, n_bad + len(bad)
    if n_bad:
        first = tuple(int(i) for i in np.unravel_index(place, data.shape))
        raise TiffError(
            f"Expected finite values, got {n_bad} of {data.size} NaN or infinite, the first at "
            f"{first}. Replace them or leave the image out; allow_nan=True reads them as they are."
        )


def planes_last(data: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    """Move Y and X to the end, without a copy."""
    ordered = "".join(axis for axis in letters if axis not in "YX") + "YX"
    return data.transpose([letters.index(axis) for axis in ordered]), ordered


# ---- how large is a pixel?


def pixel_size(
    imagej: Mapping[str, Any], ome: ElementTree.Element | None, tif: tifffile.TiffFile
) -> dict[str, float | None]:
    """Return µm along Z, Y and X, or None where the file does not tell."""
    return _imagej_pixel_size(imagej, tif) if ome is None else _ome_pixel_size(ome)


def _in_um(length: object, unit: object) -> float | None:
    """Return a length in µm, or None where its number or unit says nothing."""
    unit = str(unit).replace("\\u00B5", "µ").strip().casefold()
    try:
        um = abs(float(str(length))) * _UM_PER_UNIT[unit]
    except (KeyError, ValueError):
        return None
    return um if 0 < um < math.inf else None


def _ome_pixel_size(ome: ElementTree.Element) -> dict[str, float | None]:
    pixels = ome.find("{*}Image/{*}Pixels")
    told = {} if pixels is None else pixels.attrib
    return {
        axis: _in_um(told.get(f"PhysicalSize{axis}"), told.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZYX"
    }


def _imagej_pixel_size(
    imagej: Mapping[str, Any], tif: tifffile.TiffFile
) -> dict[str, float | None]:
    unit = {axis: imagej.get(f"{axis.lower()}unit", imagej.get("unit")) for axis in "ZYX"}
    size = {"Z": _in_um(imagej.get("spacing"), unit["Z"])}
    for axis in "YX":
        # The tag holds pixels a unit of length, as a fraction.
        n_pixels, n_units = tif.pages.first.tags.valueof(f"{axis}Resolution", (0, 0))
        size[axis] = _in_um(n_units / n_pixels, unit[axis]) if n_pixels else None
    return size
