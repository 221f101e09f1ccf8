"""What the numbers in a TIFF mean: which image, along which axes, how bright, and how large.

A private part of :mod:`aimicro.io`. What a file does not tell is left unknown or refused.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
_UM_PER_UNIT = {"pm": 1e-6, "å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
_UM_PER_UNIT |= dict.fromkeys(("μm", "μ", "um", "micron", "microns"), 1.0)
_UM_PER_UNIT |= dict.fromkeys(("inch", "inches", "in"), 25400.0)
_UM_PER_UNIT |= {
    f"{prefix}{word}": um
    for prefix, um in (("nano", 1e-3), ("micro", 1.0), ("milli", 1e3), ("centi", 1e4))
    for word in ("meter", "meters", "metre", "metres")
}
_CENTIMETRES = 3  # in the tag ResolutionUnit; 2, inches, is what pictures for print have
_NAMED = 3  # shapes that a message lists


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
        for part in parts_of_set(path, ome):
            check_directories(part)
        yield tif, ome


def _ome_description(tif: tifffile.TiffFile) -> ElementTree.Element | None:
    return ElementTree.fromstring(tif.ome_metadata) if tif.ome_metadata else None


def parts_of_set(path: Path, ome: ElementTree.Element | None) -> list[Path]:
    """Return the other files of a multi-file OME-TIFF."""
    if ome is None:
        return []
    uuids = ome.iterfind(".//{*}TiffData/{*}UUID")
    # A renamed file still calls itself by its old name, but keeps its UUID.
    others = (uuid for uuid in uuids if uuid.text != ome.attrib.get("UUID"))
    return [_part(path, name) for name in sorted({other.attrib["FileName"] for other in others})]


def _part(path: Path, name: str) -> Path:
    part = path.with_name(name)
    if not part.is_file():
        raise TiffError(
            f"Expected all files of a multi-file OME-TIFF, got a set without {name!r}. Put it "
            "into the same folder, or open the whole set in Fiji and save it as one file."
        )
    return part


class Frames:
    """Pages of one shape and type, each of which the file calls an image of its own.

    What read_tiff asks of a `tifffile.TiffPageSeries`, for files that are written frame by frame.
    """

    kind, dataoffset = "frames", None

    def __init__(self, tif: tifffile.TiffFile) -> None:
        self._tif, self.keyframe, self.dtype = tif, tif.pages.first, tif.series[0].dtype
        self.shape = (len(tif.pages), *self.keyframe.shape)
        self.axes = "I" + self.keyframe.axes
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def __iter__(self) -> Iterator[Any]:
        return iter(self._tif.pages)

    def asarray(self, out: Any = None) -> NDArray[Any]:
        """Decode all of them."""
        return np.asarray(self._tif.asarray(key=slice(None), out=out))


Series = tifffile.TiffPageSeries | Frames


def only_series(tif: tifffile.TiffFile, *, frames: bool = False) -> Series:
    """Return the one image of the file, whose pyramid and thumbnails do not count.

    With `frames`, images of one shape and type are the planes of one.
    """
    if not tif.pages or not tif.series:
        raise TiffError("Expected an image, got a TIFF without one. Export the image again.")
    first, *others = tif.series
    different = [
        series
        for series in (*first.levels[1:], *others)
        if not (series.keyframe.is_reduced or series.keyframe.is_subifd)
    ]
    if different and _are_frames(tif, (first, *different)):
        if frames:
            return Frames(tif)
        raise TiffError(
            f"Expected one image, got {len(tif.pages)} of the shape {first.shape} {first.dtype}, "
            "each on its own. Open the file in Fiji and save it as a stack.",
            in_python="For the frames of a film pass pages='T', for slices pages='Z'.",
        )
    if different:
        shapes = [f"{series.shape} {series.dtype}" for series in (first, *different)]
        listed = ", ".join([*shapes[:_NAMED], *(["…"] if len(shapes) > _NAMED else [])])
        raise TiffError(
            f"Expected one image, got {len(shapes)} of different shape or type: {listed}. "
            "Save each of them as a file of its own."
        )
    if not first.shape or 0 in first.shape:
        raise TiffError(f"Expected pixels, got the shape {first.shape}. Export the image again.")
    _check_counts(tif, first)
    return first


def _are_frames(tif: tifffile.TiffFile, images: Sequence[tifffile.TiffPageSeries]) -> bool:
    """Tell whether every page is an image of its own, and all are alike."""
    alike = {(series.shape, series.dtype, len(series)) for series in images}
    return len(alike) == 1 and len(images) == len(tif.pages) and len(images[0]) == 1


def _check_counts(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse a description that tells of other planes than the file holds."""
    if (tif.is_ome or tif.is_imagej or tif.is_shaped) and series.kind in ("generic", "uniform"):
        raise damaged("its pages are not those that its description tells of")
    if series.kind == "imagej" and len(tif.pages) > len(series):  # tifffile leaves out the others
        raise damaged(f"it describes {len(series)} pages, and holds {len(tif.pages)}")
    declared, held = math.prod(series.shape), len(series) * series.keyframe.size
    if series.is_truncated and series.dataoffset is not None:
        # A file above 4 GB may describe its first plane only; the others follow to its very end.
        n_bytes = tif.filehandle.size - series.dataoffset
        held = n_bytes // series.dtype.itemsize
    if declared != held:
        raise damaged(f"it describes {declared} pixels, {series.shape}, and holds {held}")


# ---- what do its numbers mean?


def check_values_are_intensities(series: Series, *, as_they_stand: bool) -> None:
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
            "Save it upright.",
            in_python="Or pass axes='YX' to take its rows as stored.",
        )
    is_palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
    # ImageJ stores the lookup table of the display as a palette.
    if is_palette and series.kind not in ("imagej", "ome") and not _is_ramp(page.colormap):
        raise TiffError(
            "Expected intensities, got the indices of a colour palette. Convert a picture to grey "
            "values.",
            in_python="Where they are labels or intensities, pass axes='YX' to take them.",
        )


def _is_ramp(colormap: NDArray[np.uint16] | None) -> bool:
    """Tell a lookup table, which grows brighter with the index, from the palette of a picture."""
    return colormap is not None and bool((np.diff(colormap.sum(axis=0, dtype=int)) >= 0).all())


def stored_axes(
    series: Series,
    imagej: Mapping[str, Any],
    ome: ElementTree.Element | None,
    named: str | None,
    pages: str | None = None,
) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape as stored, without the axes of length 1 that nobody asked for."""
    description = "" if ome is None else ome.findtext("{*}Image/{*}Description", "")
    noted = str(imagej.get(NOTE) or description.partition(f"{NOTE}=")[2])
    asked = {"Y", "X"} | set(AXES) & set(series.axes if series.kind == "shaped" else noted)
    kept = long_axes(series, asked)
    letters, shape = "".join(axis for axis, _ in kept), tuple(n for _, n in kept)
    # write_tiff noted the axes of length 1, too, which tifffile leaves out.
    if letters == "".join(axis for axis in noted if axis in letters):
        size = dict(kept)
        letters, shape = noted, tuple(size.get(axis, 1) for axis in noted)
    # ImageJ stores three channels of 16 bits like an RGB photograph, but counts them as channels.
    if "S" in letters and imagej.get("channels") == shape[letters.index("S")]:
        letters = letters.replace("S", "C")
    if pages:
        letters = letters.translate(str.maketrans("IQ", 2 * pages))
    if "S" in letters and named is None:
        raise TiffError(
            f"Expected one intensity a pixel, got the colour samples of a picture, {letters} "
            f"{shape}. Save its channels as separate pages, in Fiji: Image > Color > Split "
            "Channels.",
            in_python=f"Or pass axes={letters.translate(_GUESS)!r} to take colours as channels.",
        )
    letters = named or letters
    if not are_axes(letters, len(shape)):
        raise TiffError(
            f"Expected a letter out of {AXES} for each axis, Y and X among them, got {letters!r} "
            f"for the shape {shape}. Say what they are in Fiji, Image > Properties, and save it.",
            in_python=f"Or name them as stored, such as axes={'TCZYX'[-len(shape) :]!r}.",
        )
    return letters, shape


def long_axes(series: Series, asked: Collection[str] = "YX") -> list[tuple[str, int]]:
    """Return the axes longer than 1 with their lengths, as stored, and those asked for."""
    stored = zip(series.axes, series.shape, strict=True)
    return [(axis, n) for axis, n in stored if n > 1 or axis in asked]


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
            "Invert it where it was made.",
            in_python="Or pass axes='YX' to take its numbers as stored.",
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
            f"{first}. Replace them or leave the image out.",
            in_python="Or pass allow_nan=True to read them as they are.",
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
    # ImageJ writes the letters µ and μ as escapes.
    unit = re.sub(r"\\u00b5|\\u03bc", "μ", str(unit).strip().casefold())
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
    tags = tif.pages.first.tags
    # Bio-Formats names no unit in ImageJ's description, and writes pixels a centimetre.
    by_bioformats = "Bio-Formats" in str(tags.valueof("Software", ""))
    by_centimetre = int(tags.valueof("ResolutionUnit", 0)) == _CENTIMETRES
    if imagej.get("unit") is None and (imagej or by_bioformats) and by_centimetre:
        unit |= {"Y": "cm", "X": "cm"}
    size = {"Z": _in_um(imagej.get("spacing"), unit["Z"])}
    for axis in "YX":
        # The tag holds pixels a unit of length, as a fraction.
        n_pixels, n_units = tags.valueof(f"{axis}Resolution", (0, 0))
        size[axis] = _in_um(n_units / n_pixels, unit[axis]) if n_pixels else None
    return size
