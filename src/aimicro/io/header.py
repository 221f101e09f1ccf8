"""What a TIFF file tells before its pixels are read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from aimicro.io.integrity import TiffError, check_directories, refusing
from aimicro.io.meaning import (
    check_values_are_intensities,
    long_axes,
    only_series,
    opened,
    parts_of_set,
    pixel_size,
    stored_axes,
)


@dataclass(frozen=True)
class Header:
    """Axes, shape, type and pixel size of an image.

    Attributes
    ----------
    axes : str
        YX or ZYX, with channels CYX or CZYX; time comes first.
    shape : tuple of int
        Length of each axis, in pixels.
    dtype : numpy.dtype
        Type of the pixels.
    nbytes : int
        Bytes of all pixels together.
    pixel_size_um : tuple of float or None
        Distance between pixels along [Z,] Y and X, in µm; None where the file does not tell.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nbytes: int
    pixel_size_um: tuple[float | None, ...]


@dataclass(frozen=True)
class Region:
    """Where the pixels of an uncompressed file lie, to be mapped into memory.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    dtype : numpy.dtype
        Type of the pixels, in the byte order of the file.
    offset : int
        Bytes before the first pixel.
    shape : tuple of int
        Of the image, as stored.
    order : tuple of int
        Which of the stored axes each axis of the image is.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    order: tuple[int, ...]

    def open(self) -> NDArray[Any]:
        """Map the pixels into memory, from where they are read when they are used."""
        stored = np.memmap(self.path, self.dtype, mode="r", offset=self.offset, shape=self.shape)
        return stored.transpose(self.order)


def read_header(
    path: str | os.PathLike[str], *, channels: bool = False, times: bool = False
) -> Header:
    """Read axes and shape of an image, without its pixels.

    Parameters
    ----------
    path : path-like
        TIFF file. Pages that do not say what they are count as slices.
    channels : bool
        Whether it may have several channels; they come first in axes and shape.
    times : bool
        Whether it may have several time points; they come before channels.

    Returns
    -------
    Header
        Axes, shape, type and sizes.

    Raises
    ------
    TiffError
        As for `read_tiff`, and for time points and channels that are not asked for.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    path = Path(path)
    with refusing(path):
        check_directories(path)
        with opened(path) as (tif, ome):
            series = only_series(tif, frames=True)
            stored = long_axes(series)
            letters, sizes = "".join(axis for axis, _ in stored), tuple(n for _, n in stored)
            more = "T" * times + "C" * channels
            spatial = "".join(axis for axis in letters if axis not in more)
            colours = more and "S" in spatial  # of which stored_axes says more
            if not colours and "".join(sorted(spatial)) not in ("XY", "XYZ", "IXY", "QXY"):
                raise TiffError(
                    "Expected one channel and one time point, an image YX or a stack ZYX, got "
                    f"{letters} {sizes}. Save each channel and time point as a file of its own; "
                    "where they are slices, say so in Fiji: Image > Properties."
                )
            check_values_are_intensities(series, as_they_stand=False)
            imagej = tif.imagej_metadata or {}
            axes, shape = stored_axes(series, imagej, ome, None, "Z")
            size = dict(zip(axes, shape, strict=True))
            kept = "".join(axis for axis in f"{more}ZYX" if axis in size)
            um = pixel_size(imagej, ome, tif)
            return Header(
                kept,
                tuple(size[axis] for axis in kept),
                series.dtype,
                series.nbytes,
                tuple(um[axis] for axis in kept if axis not in more),
            )


def read_parts(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return all files of the image that a file is a part of: of a multi-file OME-TIFF several.

    Parameters
    ----------
    path : path-like
        TIFF file.

    Returns
    -------
    tuple of pathlib.Path
        The file itself and those of its set, sorted by name.

    Raises
    ------
    TiffError
        If the file is damaged, or a part is missing.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    path = Path(path)
    with refusing(path):
        check_directories(path)
        with opened(path) as (tif, ome):
            master = path.with_name(Path(tif.filehandle.path).name)
            return tuple(sorted({path, master, *parts_of_set(path, ome)}))


def region_of(path: str | os.PathLike[str], image: NDArray[Any]) -> Region | None:
    """Find where the pixels lie in a file, if they lie there just as in an image that was read.

    Parameters
    ----------
    path : path-like
        TIFF file.
    image : ndarray
        What `read_tiff` returned for it; its axes may have been moved.

    Returns
    -------
    Region or None
        The place; None where the pixels are compressed, scattered or in another order.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        if series.dataoffset is None:
            return None
        dtype = series.dtype.newbyteorder(tif.byteorder)
        stored = sorted(range(image.ndim), key=lambda axis: -image.strides[axis])
        shape = tuple(image.shape[axis] for axis in stored)
        order = tuple(stored.index(axis) for axis in range(image.ndim))
        region = Region(Path(path), dtype, series.dataoffset, shape, order)
    try:
        planes = zip(region.open(), image, strict=True)
        return region if all(np.array_equal(*pair) for pair in planes) else None
    except ValueError:  # the file ends before: parts of the image lie in other files
        return None
