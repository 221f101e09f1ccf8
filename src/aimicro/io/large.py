"""Images larger than memory: kept in files, and gone through part by part.

A private part of :mod:`aimicro.io`, :mod:`aimicro.inspect`, :mod:`aimicro.train` and
:mod:`aimicro.predict`.
"""

import errno
import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

LARGE = 2**24  # voxels, 64 x 512 x 512; what is not larger is quickest in memory
_PART = 2**18  # voxels that are computed with at a time
_PIECE = 2**14  # pixels that fit into a processor's cache


class NoRoomError(OSError):
    """A disk that is full, or a folder that nothing may be written to: one line."""


def is_large(shape: Sequence[int]) -> bool:
    """Whether an image of this shape is better kept in a file.

    Parameters
    ----------
    shape : sequence of int
        Of the image.

    Returns
    -------
    bool
        True for more than 64 x 512 x 512 voxels.
    """
    return math.prod(shape) > LARGE


def zeros_on_disk(shape: Sequence[int], dtype: DTypeLike, folder: Path) -> NDArray[Any]:
    """Return an array of zeros in a temporary file, which is gone when the array is.

    The file has no name, or is one that Windows deletes with its last user. So neither an error nor
    Ctrl-C nor a killed run leaves it behind.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    dtype : dtype_like
        Type of its numbers.
    folder : pathlib.Path
        Where the file is to lie.

    Returns
    -------
    ndarray of dtype
        A memory map that can be written to.

    Raises
    ------
    NoRoomError
        If the disk is too full for it, or nothing may be written there.
    """
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _fill(file, n_bytes)
            return np.memmap(file, dtype, mode="r+", shape=tuple(shape))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "Make room for them, or choose" if full else "Choose"
        raise NoRoomError(
            f"{folder}: Expected room for {n_bytes / 1e6:.3g} MB that are needed for a while, got: "
            f"{error.strerror or error}. {advice} another place for the output."
        ) from error


def _fill(file: BinaryIO, n_bytes: int) -> None:
    """Write zeros: where the disk fills up under a file with holes, the process is killed."""
    block = bytes(min(n_bytes, _PART))
    for start in range(0, n_bytes, _PART):
        file.write(block[: n_bytes - start])
    file.flush()


def converted(
    image: NDArray[Any],
    dtype: DTypeLike,
    folder: Path,
    *,
    change: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
) -> NDArray[Any]:
    """Copy an image into another type; a large one into a temporary file, as of `zeros_on_disk`.

    Parameters
    ----------
    image : ndarray
        Pixels of any real type; read part by part.
    dtype : dtype_like
        Type of the copy.
    folder : pathlib.Path
        Where the file is to lie.
    change : callable, optional
        Makes of some pixels what is to stand there instead, as many.

    Returns
    -------
    ndarray of dtype
        The copy, of the shape of `image`.

    Raises
    ------
    NoRoomError
        As for `zeros_on_disk`.
    """
    large = is_large(image.shape)
    copy = zeros_on_disk(image.shape, dtype, folder) if large else np.empty(image.shape, dtype)
    flat, start = copy.reshape(-1), 0
    for part in parts(image):
        flat[start : start + part.size] = change(part)
        start += part.size
    return copy


def parts(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Go through all pixels in the order of their axes, a flat part at a time.

    A part is to be used before the next one is asked for.

    Parameters
    ----------
    image : ndarray
        Of any shape, in memory or on disk.

    Yields
    ------
    ndarray
        One-dimensional, at most 2**18 pixels of the type of `image`.
    """
    with np.nditer(
        image,
        ["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[image.dtype.newbyteorder("=")],
        order="C",
        casting="equiv",
        buffersize=_PART,
    ) as iterator:
        yield from iterator


def pieces(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Go through all pixels, so few at a time that computing with them in float64 is cheap.

    Parameters
    ----------
    image : ndarray
        Of any shape, in memory or on disk.

    Yields
    ------
    ndarray
        One-dimensional, at most 2**14 pixels, as of `parts`.
    """
    for part in parts(image):
        for start in range(0, part.size, _PIECE):
            yield part[start : start + _PIECE]


class Strip(NamedTuple):
    """Some rows of a plane, with those around them.

    Attributes
    ----------
    plane : tuple of int
        Index of the plane.
    first : int
        Row of the image that is the first of its own.
    own : slice
        Where in `pixels` its own rows are, which are in no other strip.
    pixels : ndarray, (Y, X)
        Its own rows, and those around that the image has.
    """

    plane: tuple[int, ...]
    first: int
    own: slice
    pixels: NDArray[Any]


def strips(image: NDArray[Any], *, around: int = 0) -> Iterator[Strip]:
    """Go through an image plane by plane, some rows at a time, for what looks at neighbours.

    Parameters
    ----------
    image : ndarray, (Y, X) or with more axes before
        In memory or on disk.
    around : int
        Rows that are seen above and below.

    Yields
    ------
    Strip
        As many rows as have 2**18 pixels, at least one.

    Examples
    --------
    >>> image = np.arange(6).reshape(2, 3)
    >>> [(strip.plane, strip.first, strip.pixels[strip.own].tolist()) for strip in strips(image)]
    [((), 0, [[0, 1, 2], [3, 4, 5]])]
    """
    *before, height, width = image.shape
    step = max(1, _PART // max(width, 1))
    for plane in np.ndindex(*before):
        for first in range(0, height, step):
            start, stop = max(0, first - around), min(height, first + step)
            own = slice(first - start, stop - start)
            yield Strip(plane, first, own, image[plane][start : stop + around])


def digest(image: NDArray[Any]) -> str:
    """Compute a number for the shape and all pixels of an image, as whatever it is stored.

    Parameters
    ----------
    image : ndarray
        Pixels of any real type; read part by part.

    Returns
    -------
    str
        The same for the same values, also where one image is a copy in float32; another one for
        other pixels, and where the image is turned or cropped.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> image = np.arange(6).reshape(2, 3)
    >>> digest(image) == digest(image.astype(np.float32)) != digest(image.T)
    True
    """
    pixels = hashlib.blake2b(digest_size=16)
    pixels.update(f"{image.shape}".encode())
    for part in pieces(image):
        pixels.update(np.ascontiguousarray(part, np.float64).data)
    return pixels.hexdigest()
