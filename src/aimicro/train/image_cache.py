"""Images and volumes in TIFF files: their shape, all of their pixels, or a window of them.

Used in appendix A, *Denoising*.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from aimicro.io import TiffImage, read_tiff
from aimicro.io.integrity import TiffError, check_directories, refusing
from aimicro.io.meaning import check_values_are_intensities, only_series, opened, stored_axes

Pixels = NDArray[Any]


class Header(NamedTuple):
    """What a file tells before its pixels are read."""

    shape: tuple[int, ...]
    nbytes: int


class Region(NamedTuple):
    """Where the pixels of an uncompressed file lie, to be mapped into memory."""

    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]

    def open(self, path: Path) -> Pixels:
        """Map the pixels into memory, from where they are read when they are used."""
        return np.memmap(path, self.dtype, mode="r", offset=self.offset, shape=self.shape)


def read_header(path: Path) -> Header:
    """Shape `(Y, X)` or `(Z, Y, X)` and bytes of an image, as `read_stack` will return it."""
    with refusing(path):
        check_directories(path)
        with opened(path) as (tif, ome):
            series = only_series(tif)
            letters, sizes = _long_axes(series)
            if "".join(sorted(letters)) not in ("XY", "XYZ", "IXY", "QXY"):
                raise TiffError(
                    "Expected one channel and one time point, an image YX or a stack ZYX, got "
                    f"{letters} {sizes}. Save each channel and time point as a file of its own; "
                    "where they are slices, say so in Fiji: Image > Properties."
                )
            check_values_are_intensities(series, as_they_stand=False)
            axes, shape = stored_axes(series, tif.imagej_metadata or {}, ome, None, "Z")
            size = dict(zip(axes, shape, strict=True))
            return Header(tuple(size[axis] for axis in "ZYX" if axis in size), series.nbytes)


def _long_axes(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Y, X, and what else is longer than 1, as stored."""
    stored = zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True)
    kept = [(axis, n) for axis, n in stored if n > 1 or axis in "YX"]
    return "".join(axis for axis, _ in kept), tuple(n for _, n in kept)


def read_stack(path: Path) -> TiffImage:
    """Read an image of one channel and one time point.

    Parameters
    ----------
    path : Path
        TIFF file. Pages that do not say what they are count as slices, as published.

    Returns
    -------
    TiffImage
        With axes YX or ZYX, in the type of the file.

    Raises
    ------
    TiffError
        As for `aimicro.io.read_tiff`; for channels, time points, NaN and infinite pixels.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    header = read_header(path)
    image = read_tiff(path, pages="Z", allow_nan=True)
    data = image.data.reshape(header.shape)  # without a channel or time of length 1
    bad = data.size - np.count_nonzero(np.isfinite(data)) if data.dtype.kind == "f" else 0
    if bad:
        raise TiffError(
            f"{path}: Expected finite pixels, got {bad} of {data.size} NaN or infinite. Replace "
            "them or leave the image out."
        )
    return TiffImage(data, "ZYX"[-data.ndim :], image.pixel_size_um, image.name)


class ImageCache:
    """Windows of images: from memory, from mapped files, or from the files read last.

    Parameters
    ----------
    headers : dict
        Of all files.
    limit_bytes : float
        What may be held in memory. If that is less than all of them, the windows of uncompressed
        files are read from disk, and of compressed ones the last are held, at least one.
    """

    def __init__(self, headers: dict[Path, Header], limit_bytes: float) -> None:
        self.headers, self.limit_bytes = headers, limit_bytes
        self.in_memory = sum(header.nbytes for header in headers.values()) <= limit_bytes
        self._regions: dict[Path, Region] = {}
        self._held: OrderedDict[Path, Pixels] = OrderedDict()

    def whole(self, path: Path) -> Pixels:
        """Read an image, and find out how its windows are got at later."""
        image = self._image(path)
        if not self.in_memory and (region := region_of(path, image)):
            self._regions[path] = region
            del self._held[path]
        return image

    def window(self, path: Path, window: tuple[slice, ...]) -> Pixels:
        """Part of an image."""
        if path in self._regions:
            # Mapped anew each time: a map takes microseconds, and open files are limited.
            return np.array(self._regions[path].open(path)[window])
        return self._image(path)[window]

    @property
    def n_compressed(self) -> int:
        """Files that must be read whole for each window that is not in memory."""
        return 0 if self.in_memory else len(self.headers) - len(self._regions)

    def _image(self, path: Path) -> Pixels:
        if path not in self._held:
            limit = self.limit_bytes - self.headers[path].nbytes
            while self._held and sum(image.nbytes for image in self._held.values()) > limit:
                self._held.popitem(last=False)
            self._held[path] = read_stack(path).data
        self._held.move_to_end(path)
        return self._held[path]


def region_of(path: Path, image: Pixels) -> Region | None:
    """Where the pixels lie, if they lie in the file just as in `image`."""
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        if series.dataoffset is None:
            return None
        dtype = series.dtype.newbyteorder(tif.byteorder)
        region = Region(dtype, series.dataoffset, image.shape)
    try:
        planes = zip(region.open(path), image, strict=True)
        return region if all(np.array_equal(*plane) for plane in planes) else None
    except ValueError:  # the file ends before: parts of the image lie in other files
        return None
