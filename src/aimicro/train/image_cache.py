"""Images and volumes in TIFF files: their shape, all of their pixels, or a window of them.

Used in appendix A, *Denoising*.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.io import (
    Header,
    Region,
    TiffError,
    TiffImage,
    parts,
    read_header,
    read_tiff,
    region_of,
)

Pixels = NDArray[Any]


def read_stack(path: Path, *, channels: bool = False, scratch: Path | None = None) -> TiffImage:
    """Read an image of one time point.

    Parameters
    ----------
    path : Path
        TIFF file. Pages that do not say what they are count as slices, as published.
    channels : bool
        Whether it may have several channels.
    scratch : Path, optional
        As for `aimicro.io.read_tiff`: with it, a large image stays on disk.

    Returns
    -------
    TiffImage
        With axes YX or ZYX, or CYX or CZYX, in the type of the file.

    Raises
    ------
    TiffError
        As for `aimicro.io.read_tiff`; for time points, NaN and infinite pixels, and for channels
        that are not asked for.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    header = read_header(path, channels=channels)
    image = read_tiff(path, pages="Z", allow_nan=True, scratch=scratch)
    size = dict(zip(image.axes, image.data.shape, strict=True))
    kept = [axis for axis in image.axes if axis in header.axes]  # no time of length 1
    data = image.data.reshape([size[axis] for axis in kept])
    data = data.transpose([kept.index(axis) for axis in header.axes])
    bad = 0
    if data.dtype.kind == "f":
        bad = sum(int(np.count_nonzero(~np.isfinite(part))) for part in parts(data))
    if bad:
        raise TiffError(
            f"{path}: Expected finite pixels, got {bad} of {data.size} NaN or infinite. Replace "
            "them or leave the image out."
        )
    return TiffImage(data, header.axes, image.pixel_size_um, image.name)


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
            return np.array(self._regions[path].open()[window])
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
            has_channels = self.headers[path].axes.startswith("C")
            self._held[path] = read_stack(path, channels=has_channels).data
        self._held.move_to_end(path)
        return self._held[path]
