"""TIFF images with their axes, pixel size and data type, read and written without surprises.

A TIFF may be a microscope's stack, a photograph, a fax, or the first half of a copy that broke off.
Readers in common use guess, fill what is missing with zeros, and go on; an analysis then runs on
numbers that nobody measured. :func:`read_tiff` returns what was recorded, or says in one line what
it expected, what came, and what to do.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import ArrayLike, DTypeLike, NDArray

from aimicro.io.files import replacing
from aimicro.io.integrity import TiffError, check_directories, check_pixels_are_there, refusing
from aimicro.io.large import is_large, zeros_on_disk
from aimicro.io.meaning import (
    AXES,
    NOTE,
    Series,
    are_axes,
    bright_is_large,
    check_finite,
    check_values_are_intensities,
    only_series,
    opened,
    pixel_size,
    planes_last,
    stored_axes,
)

__all__ = ["Planes", "TiffError", "TiffImage", "read_pair", "read_tiff", "write_tiff"]

_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_OME_TYPES = (*_IMAGEJ_TYPES, "bool", "int8", "int16", "int32", "uint32", "float64")
_CLASSIC_BYTES = 2**32 - 2**25  # a TIFF with offsets of 32 bits, with room for page directories


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


@dataclass(frozen=True, eq=False)
class Planes:
    """An image that is made while it is written, so that it is never in memory as a whole.

    Attributes
    ----------
    shape : tuple of int
        Of the whole image; its last two axes are Y and X.
    dtype : numpy.dtype
        Data type of every plane.
    planes : iterator of numpy.ndarray
        The planes (Y, X), the last of the other axes running fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    planes: Iterator[NDArray[Any]]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all planes together."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_tiff(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    pages: str | None = None,
    allow_nan: bool = False,
    scratch: str | os.PathLike[str] | None = None,
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
    pages : str, optional
        What the pages of a stack are that does not say so, such as ``"Z"``, also where the file
        calls each an image of its own. A stack that names its axes keeps them.
    allow_nan : bool
        Accept NaN and infinite values, for the caller to mask or replace.
    scratch : path-like, optional
        Folder for a temporary file. With it, an image of more than 2**24 pixels is not held in
        memory, but mapped from where it lies: in its own file, in the byte order of that file and
        not to be changed, or if it is compressed, decoded in the temporary one, which is gone when
        the array is.

    Returns
    -------
    TiffImage
        The data in the type of the file, with axes, pixel size in µm and name.

    Raises
    ------
    TiffError
        If the file is missing, damaged, cut, empty, a photograph, complex, of unknown axes, holds
        more than one image, or values that are not finite.
    OSError
        If `scratch` has no room for the temporary file.

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
    with refusing(path):
        check_directories(path)
        with opened(path) as (tif, ome):
            imagej = tif.imagej_metadata or {}
            series = only_series(tif, frames=pages is not None or axes is not None)
            check_pixels_are_there(series)
            check_values_are_intensities(series, as_they_stand=axes is not None)
            letters, shape = stored_axes(series, imagej, ome, axes, pages)
            data = _pixels(series, scratch).reshape(shape)
            if axes is None and not tif.is_imagej:
                data = bright_is_large(data, series.keyframe)
            size = pixel_size(imagej, ome, tif)
        if not allow_nan:
            check_finite(data)
    data, letters = planes_last(data, letters)
    if scratch is None or not is_large(data.shape):
        data = np.ascontiguousarray(data)
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
    data: ArrayLike | Planes,
    *,
    axes: str,
    pixel_size_um: float | Sequence[float | None] | None = None,
    channels: Sequence[str] | None = None,
    ome: bool = False,
) -> None:
    """Write an image that :func:`read_tiff` returns unchanged: all of it, or nothing.

    ImageJ's own TIFF is written where it can hold the image: uint8, uint16 or float32, axes in the
    order TZCYX, pixel sizes along y and x both known or no size at all, at least 2 pixels wide,
    less than 4 GB. Everything else, such as labels in int32, becomes an OME-TIFF, which Fiji opens
    through Bio-Formats.

    The bytes go to a file beside `path` that takes its place once it is complete. Whoever kills the
    run finds the old image or the new one there, and at worst a hidden ``.tmp`` file to delete.

    Parameters
    ----------
    path : path-like
        The file to write, ending in .tif or .tiff.
    data : array-like or Planes
        Image whose axes `axes` names; bool, int8 to int32, uint8 to uint32, float32 or float64.
    axes : str
        One letter an axis, out of T, Z, C, Y and X; the last two are YX.
    pixel_size_um : float or sequence of float or None, optional
        Distance between pixels in µm along the spatial axes present, in the order z, y, x, with
        None where it is unknown; one number where all are equal.
    channels : sequence of str, optional
        A name for each channel, which Fiji shows.
    ome : bool
        Write an OME-TIFF also where ImageJ's own would do.

    Raises
    ------
    ValueError
        If name, axes, pixel sizes or channels do not fit.
    TypeError
        If the data type has no place in a TIFF that other programs read.
    OSError
        If the folder is missing, or cannot be written to.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    path, data = Path(path), data if isinstance(data, Planes) else np.asarray(data)
    check_writable(path, data.shape, data.dtype, axes=axes, pixel_size_um=pixel_size_um)
    size = _size_of_each_axis(axes, pixel_size_um)
    names = _name_of_each_channel(axes, data.shape, channels)
    is_imagej = (
        not ome
        and data.dtype.name in _IMAGEJ_TYPES
        and axes == "".join(axis for axis in AXES if axis in axes)
        and (None not in (size["Y"], size["X"]) or not any(size.values()))
        and data.shape[-1] > 1  # tifffile takes a last axis of length 1 for samples
        and data.nbytes < _CLASSIC_BYTES
    )
    with replacing(path) as file:
        if is_imagej:
            _write_imagej(file, data, axes, size, names)
        else:
            _write_ome(file, data, axes, size, names)


def check_writable(
    path: str | os.PathLike[str],
    shape: Sequence[int],
    dtype: DTypeLike,
    *,
    axes: str,
    pixel_size_um: float | Sequence[float | None] | None = None,
) -> None:
    """Refuse what `write_tiff` would refuse, before the work that makes the image.

    Parameters
    ----------
    path : path-like
        The file to write.
    shape : sequence of int
        Of the image.
    dtype : dtype
        Of its pixels.
    axes : str
        One letter an axis, as for `write_tiff`.
    pixel_size_um : float or sequence of float or None, optional
        As for `write_tiff`.

    Raises
    ------
    ValueError
        If name, axes or pixel sizes do not fit.
    TypeError
        If the data type has no place in a TIFF that other programs read.
    FileNotFoundError
        If the folder is missing.
    PermissionError
        If it cannot be written to.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    path, dtype = Path(path), np.dtype(dtype)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"Expected a name ending in .tif or .tiff, got {path.name!r}. Rename it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder, got {path.parent}. Create it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"Expected a folder that may be written to, got {path.parent}. Choose another, or "
            "change its permissions."
        )
    if dtype.name not in _OME_TYPES:
        raise TypeError(
            f"Expected one of {', '.join(_OME_TYPES)}, got {dtype}. "
            "Convert it, for example labels with data.astype(numpy.int32)."
        )
    if not are_axes(axes, len(shape)) or not axes.endswith("YX") or 0 in shape:
        raise ValueError(
            f"Expected pixels, and letters out of {AXES} for the axes, YX last, got {axes!r} for "
            f"the shape {tuple(shape)}. Move axes with numpy.moveaxis."
        )
    _size_of_each_axis(axes, pixel_size_um)


# ---- reading


def _pixels(series: Series, scratch: str | os.PathLike[str] | None) -> NDArray[Any]:
    """Read or map the pixels, of which 0 may still be white."""
    if scratch is None or not is_large(series.shape):
        return series.asarray()
    page = series.keyframe
    is_white = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE  # cannot be inverted in its file
    if series.dataoffset is not None and page.is_memmappable and not is_white:
        return series.asarray(out="memmap")
    return series.asarray(out=zeros_on_disk(series.shape, series.dtype, Path(scratch)))


# ---- writing


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


def _name_of_each_channel(
    axes: str, shape: tuple[int, ...], channels: Sequence[str] | None
) -> list[str]:
    if channels is None:
        return []
    n_channels = shape[axes.index("C")] if "C" in axes else 0
    if len(channels) != n_channels:
        raise ValueError(
            f"Expected a name for each of {n_channels} channels, got {list(channels)}. "
            "Give one for each position along C, or none."
        )
    return list(channels)


def _write_imagej(
    file: BinaryIO,
    data: NDArray[Any] | Planes,
    axes: str,
    size: Mapping[str, float | None],
    channels: Sequence[str],
) -> None:
    metadata: dict[str, Any] = {"axes": axes, NOTE: axes}
    resolution = None
    if size["Y"] and size["X"]:
        resolution = (1 / size["X"], 1 / size["Y"])
        metadata["unit"] = "\\u00B5m"  # so ImageJ spells µm
        if spacing := size.get("Z", 1):  # where there is none, ImageJ shows 1
            metadata["spacing"] = spacing
    if channels:  # ImageJ names planes, of which the channel runs fastest
        n_planes = math.prod(data.shape[:-2])
        metadata["Labels"] = list(channels) * (n_planes // len(channels))
    _write(file, data, imagej=True, resolution=resolution, metadata=metadata)


def _write_ome(
    file: BinaryIO,
    data: NDArray[Any] | Planes,
    axes: str,
    size: Mapping[str, float | None],
    channels: Sequence[str],
) -> None:
    metadata: dict[str, Any] = {"axes": axes, "Description": f"{NOTE}={axes}"}
    for axis, um in size.items():
        if um is not None:
            metadata |= {f"PhysicalSize{axis}": um, f"PhysicalSize{axis}Unit": "µm"}
    if channels:
        metadata["Channel"] = {"Name": list(channels)}
    # Said here, for of planes that are still to come tifffile does not know how many there are.
    _write(file, data, ome=True, bigtiff=data.nbytes >= _CLASSIC_BYTES, metadata=metadata)


def _write(file: BinaryIO, data: NDArray[Any] | Planes, **options: Any) -> None:
    pixels = data.planes if isinstance(data, Planes) else data
    tifffile.imwrite(
        file, pixels, shape=data.shape, dtype=data.dtype, photometric="minisblack", **options
    )
