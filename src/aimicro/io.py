"""TIFF images with their axes, pixel size and data type, read and written without surprises.

A TIFF may be a microscope's stack, a photograph, a fax, or the first half of a copy that broke off.
Readers in common use guess, fill what is missing with zeros, and go on; an analysis then runs on
numbers that nobody measured. :func:`read_tiff` returns what was recorded, or says in one line what
it expected, what came, and what to do.
"""

import logging
import math
import os
import secrets
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray

_AXES = "TZCYX"  # in the order of an ImageJ hyperstack
_GUESS = str.maketrans("SIQ", "CZZ")  # what samples and unnamed pages most often are
_NOTE = "written_axes"
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_OME_TYPES = (*_IMAGEJ_TYPES, "bool", "int8", "int16", "int32", "uint32", "float64")
_BYTES_OF_TAG_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BYTES_OF_TAG_TYPE |= {13: 4, 16: 8, 17: 8, 18: 8}
# Pixels may unfold to 256 MiB, or to 2000 times their file (Deflate reaches 1032 times,
# on an empty image). Beyond both, the file declares what it cannot hold.
_ALWAYS_UNFOLDED = 2**28
_LARGEST_UNFOLDING = 2000
# As casefold() leaves them: it turns the micro sign into the Greek letter.
_UM_PER_UNIT = {"pm": 1e-6, "å": 1e-4, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400.0}
_UM_PER_UNIT |= dict.fromkeys(("μm", "um", "micron", "microns", "micrometer", "micrometre"), 1.0)


class TiffError(ValueError):
    """A TIFF that cannot be read as an image: one line that begins with the path of the file."""


@dataclass(frozen=True, eq=False)
class TiffImage:
    """An image and what its file says about it.

    Attributes
    ----------
    data : numpy.ndarray
        Pixel values in the type of the file; its axes are those that `axes` names.
    axes : str
        One letter an axis, out of T, Z, C, Y and X; Y and X come last.
    pixel_size_um : tuple of float or None
        Distance between pixels in µm along the spatial axes present, in the order z, y, x; None
        where the file does not tell.
    name : str
        Name of the file, without its folder.
    """

    data: NDArray[Any]
    axes: str
    pixel_size_um: tuple[float | None, ...]
    name: str


def read_tiff(
    path: str | os.PathLike[str], *, axes: str | None = None, allow_nan: bool = False
) -> TiffImage:
    """Read the one image of a TIFF file, or refuse it.

    Axes and pixel size come from the description that ImageJ or OME leaves in the file. Other
    files tell a resolution for print, such as 72 dpi, which is ignored. A stack that ImageJ saved
    without slice spacing has an unknown z here, although ImageJ shows 1.

    Channels that ImageJ stored as colours, and the parts of a multi-file OME-TIFF, come back as one
    image. Where 0 is white the values are inverted, so that larger is brighter; not so in a file of
    ImageJ, which writes masks like this and means their foreground to be 255.

    Parameters
    ----------
    path : path-like
        The file.
    axes : str, optional
        One letter out of T, Z, C, Y, X for each axis **as stored**, for a file that does not name
        them (``"ZYX"``). It says also that the numbers are wanted as they stand: colours as
        channels (``"YXC"``), indices of a palette, rows of a turned picture, 0 as white.
    allow_nan : bool
        Accept NaN and infinite values, for the caller to mask or replace.

    Returns
    -------
    TiffImage
        The data in the type of the file, with axes, pixel size in µm and name.

    Raises
    ------
    TiffError
        If the file is missing, damaged, cut, empty, a photograph, complex, of unknown axes, holds
        more than one image, or values that are not finite.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stack = np.zeros((5, 32, 32), np.uint16)
    ...     write_tiff(f"{folder}/stack.tif", stack, axes="ZYX", pixel_size_um=(0.3, 0.1, 0.1))
    ...     image = read_tiff(f"{folder}/stack.tif")
    >>> image.axes, image.data.shape, image.data.dtype.name, image.pixel_size_um
    ('ZYX', (5, 32, 32), 'uint16', (0.3, 0.1, 0.1))
    """
    path = Path(path)
    with _refusing(path):
        _check_directories(path)
        with _opened(path) as (tif, ome):
            imagej = tif.imagej_metadata or {}
            series = _only_series(tif)
            _check_pixels_are_there(series)
            _check_values_are_intensities(series, as_they_stand=axes is not None)
            letters, shape = _stored_axes(series, imagej, ome, axes)
            data = series.asarray().reshape(shape)
            if axes is None and not tif.is_imagej:
                data = _bright_is_large(data, series.keyframe)
            size = _imagej_pixel_size(imagej, tif) if ome is None else _ome_pixel_size(ome)
        if not allow_nan:
            _check_finite(data)
    data, letters = _planes_last(data, letters)
    sizes = tuple(size.get(axis) for axis in "ZYX" if axis in letters)
    return TiffImage(data=data, axes=letters, pixel_size_um=sizes, name=path.name)


def read_pair(
    raw: str | os.PathLike[str], truth: str | os.PathLike[str], *, axes: str | None = None
) -> tuple[TiffImage, TiffImage]:
    """Read a raw image and its truth, and refuse two that do not lie on the same pixels.

    Parameters
    ----------
    raw, truth : path-like
        The two files.
    axes : str, optional
        As for :func:`read_tiff`, for both files.

    Returns
    -------
    tuple of TiffImage
        The raw image and its truth, of the same shape and axes.

    Raises
    ------
    TiffError
        If a file cannot be read, or the shapes or axes differ.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    pair = read_tiff(raw, axes=axes), read_tiff(truth, axes=axes)
    expected, came = (f"{image.axes} {image.data.shape}" for image in pair)
    if expected != came:
        raise TiffError(
            f"{truth}: Expected axes and shape of the raw image {raw}, {expected}, got {came}. "
            "Check that the two belong together, or crop both to the same field."
        )
    return pair


def write_tiff(
    path: str | os.PathLike[str],
    data: ArrayLike,
    *,
    axes: str,
    pixel_size_um: float | Sequence[float | None] | None = None,
) -> None:
    """Write an image that :func:`read_tiff` returns unchanged: all of it, or nothing.

    ImageJ's own TIFF is written where it can hold the image: uint8, uint16 or float32, axes in the
    order TZCYX, pixel sizes all known or all unknown, at least 2 pixels wide, less than 4 GB.
    Everything else, such as labels in int32, becomes an OME-TIFF, which Fiji opens through
    Bio-Formats.

    The bytes go to a file beside `path` that takes its place once it is complete. Whoever kills the
    run finds the old image or the new one there, and at worst a hidden ``.tmp`` file to delete.

    Parameters
    ----------
    path : path-like
        The file to write, ending in .tif or .tiff.
    data : array-like
        Image whose axes `axes` names; bool, int8 to int32, uint8 to uint32, float32 or float64.
    axes : str
        One letter an axis, out of T, Z, C, Y and X; the last two are YX.
    pixel_size_um : float or sequence of float or None, optional
        Distance between pixels in µm along the spatial axes present, in the order z, y, x, with
        None where it is unknown; one number where all are equal.

    Raises
    ------
    ValueError
        If name, axes or pixel sizes do not fit.
    TypeError
        If the data type has no place in a TIFF that other programs read.
    OSError
        If the folder is missing, or cannot be written to.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    path, data = Path(path), np.asarray(data)
    _check_writable(path, data, axes)
    size = _size_of_each_axis(axes, pixel_size_um)
    n_known = sum(um is not None for um in size.values())
    is_imagej = (
        data.dtype.name in _IMAGEJ_TYPES
        and axes == "".join(axis for axis in _AXES if axis in axes)
        and n_known in (0, len(size))
        and data.shape[-1] > 1  # tifffile takes a last axis of length 1 for samples
        and data.nbytes < 2**32 - 2**25  # leaves room for the page directories
    )
    with _replacing(path) as file:
        if is_imagej:
            _write_imagej(file, data, axes, size)
        else:
            _write_ome(file, data, axes, size)


# ---- refusing in one line


def _damaged(what: str) -> TiffError:
    return TiffError(
        f"Expected an intact TIFF, got a damaged or incomplete one ({what}). "
        "Copy it again from its source, or open it in Fiji and save what is left as a new file."
    )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever fails into a TiffError that names the file, and what tifffile logs, too."""
    errors, this_thread = [], threading.get_ident()

    def hold_back(record: logging.LogRecord) -> bool:
        if record.thread == this_thread and record.levelno >= logging.ERROR:
            errors.append(record.getMessage())
        return record.thread != this_thread

    logger = logging.getLogger("tifffile")
    logger.addFilter(hold_back)
    try:
        yield
        if errors:
            raise _damaged(errors[0])
    except TiffError as error:
        raise TiffError(_one_line(path, str(error))) from None
    except Exception as error:  # decoders meet broken files with every exception there is
        raise TiffError(_one_line(path, _reason(error))) from error
    finally:
        logger.removeFilter(hold_back)


def _one_line(path: Path, reason: str) -> str:
    return " ".join(f"{path}: {reason}".splitlines())


def _reason(error: Exception) -> str:
    match error:
        case OSError():
            return (
                f"Expected a file that can be opened, got {error.strerror or error!r}. "
                "Check its name, and that you may read it."
            )
        case MemoryError():
            return (
                "Expected an image that fits into memory, got one that does not. "
                "Crop it in Fiji, or give the run more memory."
            )
    return (
        f"Expected a TIFF that can be decoded, got '{type(error).__name__}: {error}'. "
        "If Fiji opens the file, save it again from there; else copy it again from its source."
    )


# ---- is all of the file there?


def _check_directories(path: Path) -> None:
    """Refuse a file whose chain of page directories is cut, runs in a circle, or leaves the file.

    tifffile follows such a chain as far as it goes: a stack would come back with fewer slices.
    """
    if path.exists() and not path.is_file():
        raise TiffError("Expected a file, got a folder or a device. Name one TIFF file.")
    with path.open("rb") as file:
        head = file.read(16)
        byte_order = {b"II": "<", b"MM": ">"}.get(head[:2], "<")
        version = struct.unpack_from(f"{byte_order}H", head, 2)[0] if len(head) == 16 else 0
        if head[:2] not in (b"II", b"MM") or version not in (42, 43):
            raise TiffError(
                f"Expected a TIFF file, got one of {path.stat().st_size} bytes that begins with "
                f"{head[:8]!r}. Open it in Fiji and save it with File > Save As > Tiff."
            )
        is_big = version == 43
        (offset,) = struct.unpack_from(byte_order + "IQ"[is_big], head, 8 if is_big else 4)
        visited: set[int] = set()
        while offset:
            if offset in visited:
                raise _damaged(f"its page directories run in a circle at byte {offset}")
            visited.add(offset)
            file.seek(offset)
            offset = _next_directory(file, byte_order, is_big=is_big)


def _next_directory(file: BinaryIO, byte_order: str, *, is_big: bool) -> int:
    """Read one page directory, and return where the next one is."""
    count, entry, pointer = (
        struct.Struct(byte_order + text)
        for text in (("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I"))
    )
    n_file_bytes, start = os.fstat(file.fileno()).st_size, file.tell()
    head = file.read(count.size)
    n_tags = count.unpack(head)[0] if len(head) == count.size else 0
    if not n_tags or start + count.size + n_tags * entry.size + pointer.size > n_file_bytes:
        raise _damaged(f"the page directory at byte {start} is not within its {n_file_bytes} bytes")
    for tag, tag_type, n_values, value in entry.iter_unpack(file.read(n_tags * entry.size)):
        n_bytes = n_values * _BYTES_OF_TAG_TYPE.get(tag_type, 0)
        if n_bytes > len(value) and pointer.unpack(value)[0] + n_bytes > n_file_bytes:
            raise _damaged(f"tag {tag} is not within its {n_file_bytes} bytes")
    return int(pointer.unpack(file.read(pointer.size))[0])


def _check_pixels_are_there(series: tifffile.TiffPageSeries) -> None:
    """Refuse missing or cut pixels, and sizes that no such file can hold, before decoding.

    tifffile fills a missing plane, strip or tile with zeros.
    """
    files = {}
    for page in series:
        if page is None or page.keyframe is None:
            raise _damaged(f"a plane of the shape {series.shape} is missing")
        files[page.parent.filename] = n_file_bytes = page.parent.filehandle.size
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        n_segments = math.prod(page.keyframe.chunked)
        if len(segments) < n_segments:
            raise _damaged(f"it lists {len(segments)} of {n_segments} strips or tiles")
        if not all(start and n and start + n <= n_file_bytes for start, n in segments):
            raise _damaged(f"pixels are not within its {n_file_bytes} bytes")
        n_bits = math.prod(page.keyframe.shaped) * int(np.max(page.keyframe.bitspersample))
        if page.keyframe.compression == 1 and 8 * sum(n for _, n in segments) < n_bits:
            raise _damaged(f"it lists too few bytes for the shape {page.shape}")
    tile = math.prod(series.keyframe.chunks) * series.dtype.itemsize
    declared, held = max(series.nbytes, tile), sum(files.values())
    if declared > max(_ALWAYS_UNFOLDED, _LARGEST_UNFOLDING * held):
        raise _damaged(f"it declares {declared} bytes of pixels in a file of {held}")


# ---- which image is it?


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, ElementTree.Element | None]]:
    """Open the file with its OME description, which another file of the same set may hold."""
    with ExitStack() as stack:
        tif = stack.enter_context(tifffile.TiffFile(path))
        ome = _ome_description(tif)
        pointer = None if ome is None else ome.find("{*}BinaryOnly")
        if pointer is not None:
            master = _part(path, pointer.attrib["MetadataFile"])
            if master.suffix.lower() in (".tif", ".tiff"):
                _check_directories(master)
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
                _check_directories(_part(path, name))
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


def _only_series(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
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
        raise _damaged("its pages are not those that its ImageJ or OME description tells of")
    if not first.shape or 0 in first.shape:
        raise TiffError(f"Expected pixels, got the shape {first.shape}. Export the image again.")
    return first


# ---- what do its numbers mean?


def _check_values_are_intensities(series: tifffile.TiffPageSeries, *, as_they_stand: bool) -> None:
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


def _stored_axes(
    series: tifffile.TiffPageSeries,
    imagej: Mapping[str, Any],
    ome: ElementTree.Element | None,
    named: str | None,
) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape as stored, without the axes of length 1 that nobody asked for."""
    # write_tiff leaves a note, because both formats declare every axis, present or not.
    description = "" if ome is None else ome.findtext("{*}Image/{*}Description", "")
    noted = imagej.get(_NOTE) or description.partition(f"{_NOTE}=")[2]
    asked = {"Y", "X"} | set(_AXES) & set(series.axes if series.kind == "shaped" else str(noted))
    stored = zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True)
    kept = [(axis, n) for axis, n in stored if n > 1 or axis in asked]
    letters, shape = "".join(axis for axis, _ in kept), tuple(n for _, n in kept)
    # ImageJ stores three channels of 16 bits like an RGB photograph, but counts them as channels.
    if "S" in letters and imagej.get("channels") == shape[letters.index("S")]:
        letters = letters.replace("S", "C")
    if "S" in letters and named is None:
        raise TiffError(
            f"Expected one intensity a pixel, got the colour samples of a picture, {letters} "
            f"{shape}. Save its channels as separate pages (in Fiji: Image > Color > Split "
            f"Channels), or pass axes={letters.translate(_GUESS)!r} to take colours as channels."
        )
    letters = named or letters
    if not _are_axes(letters, len(shape)):
        raise TiffError(
            f"Expected a letter out of {_AXES} for each axis, Y and X among them, got {letters!r} "
            f"for the shape {shape}. Name them as stored, such as axes={'TCZYX'[-len(shape) :]!r}."
        )
    return letters, shape


def _are_axes(letters: str, ndim: int) -> bool:
    different = set(letters)
    return len(letters) == len(different) == ndim and {"Y", "X"} <= different <= set(_AXES)


def _bright_is_large(data: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return data
    if data.dtype.kind not in "bu":
        raise TiffError(
            f"Expected 0 to be black, got 0 as white in {data.dtype}, which has no black. "
            "Invert it where it was made, or pass axes='YX' to take its numbers as stored."
        )
    return ~data if data.dtype == bool else data.dtype.type(2**page.bitspersample - 1) - data


def _check_finite(data: NDArray[Any]) -> None:
    if data.dtype.kind != "f":
        return
    finite = np.isfinite(data)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(finite.argmin(), data.shape))
        raise TiffError(
            f"Expected finite values, got {data.size - np.count_nonzero(finite)} of {data.size} "
            f"NaN or infinite, the first at {first}. Pass allow_nan=True and mask or replace them."
        )


def _planes_last(data: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    ordered = "".join(axis for axis in letters if axis not in "YX") + "YX"
    data = data.transpose([letters.index(axis) for axis in ordered])
    return np.ascontiguousarray(data), ordered


# ---- how large is a pixel?


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


# ---- writing


def _check_writable(path: Path, data: NDArray[Any], axes: str) -> None:
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"Expected a name ending in .tif or .tiff, got {path.name!r}. Rename it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder, got {path.parent}. Create it first.")
    if data.dtype.name not in _OME_TYPES:
        raise TypeError(
            f"Expected one of {', '.join(_OME_TYPES)}, got {data.dtype}. "
            "Convert it, for example labels with data.astype(numpy.int32)."
        )
    if not _are_axes(axes, data.ndim) or not axes.endswith("YX") or 0 in data.shape:
        raise ValueError(
            f"Expected pixels, and letters out of {_AXES} for the axes, YX last, got {axes!r} for "
            f"the shape {data.shape}. Move axes with numpy.moveaxis."
        )


def _size_of_each_axis(
    axes: str, pixel_size_um: float | Sequence[float | None] | None
) -> dict[str, float | None]:
    spatial = [axis for axis in "ZYX" if axis in axes]
    if isinstance(pixel_size_um, (Sequence, np.ndarray)):
        sizes = [None if um is None else float(um) for um in pixel_size_um]
    else:
        sizes = [None if pixel_size_um is None else float(pixel_size_um)] * len(spatial)
    # Beyond these bounds the length is in another unit, and the fractions of ImageJ lose digits.
    if len(sizes) != len(spatial) or not all(um is None or 1e-5 <= um <= 1e5 for um in sizes):
        raise ValueError(
            f"Expected {len(spatial)} sizes for {''.join(spatial)}, each from 1e-5 to 1e5 µm or "
            f"None, got {pixel_size_um}. Give them in micrometres, in the order z, y, x."
        )
    return dict(zip(spatial, sizes, strict=True))


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when it is written and on the disk."""
    path = path.resolve()  # a link goes on pointing to the image
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _write_imagej(
    file: BinaryIO, data: NDArray[Any], axes: str, size: Mapping[str, float | None]
) -> None:
    metadata: dict[str, Any] = {"axes": axes, _NOTE: axes}
    resolution = None
    if size["Y"] and size["X"]:
        resolution = (1 / size["X"], 1 / size["Y"])
        metadata |= {"unit": "\\u00B5m", "spacing": size.get("Z") or 1}  # so ImageJ spells µm
    tifffile.imwrite(
        file, data, imagej=True, photometric="minisblack", resolution=resolution, metadata=metadata
    )


def _write_ome(
    file: BinaryIO, data: NDArray[Any], axes: str, size: Mapping[str, float | None]
) -> None:
    metadata: dict[str, Any] = {"axes": axes, "Description": f"{_NOTE}={axes}"}
    for axis, um in size.items():
        if um is not None:
            metadata |= {f"PhysicalSize{axis}": um, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(file, data, ome=True, photometric="minisblack", metadata=metadata)
