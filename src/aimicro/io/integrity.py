"""Is it a TIFF, and is all of it there? Whatever goes wrong is told in one line.

A private part of :mod:`aimicro.io`. tifffile logs damage that it meets, fills what is missing with
zeros, and goes on; here such a file is refused.
"""

import logging
import math
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aimicro.io.large import NoRoomError

_BYTES_OF_TAG_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BYTES_OF_TAG_TYPE |= {13: 4, 16: 8, 17: 8, 18: 8}
# Pixels may unfold to 256 MiB, or to 2000 times their file (Deflate reaches 1032 times,
# on an empty image). Beyond both, the file declares what it cannot hold.
_ALWAYS_UNFOLDED = 2**28
_LARGEST_UNFOLDING = 2000


class TiffError(ValueError):
    """A TIFF that cannot be read as an image: one line that begins with the path of the file.

    Parameters
    ----------
    message : str
        What was expected, what came, and what to do.
    in_python : str
        What else a caller can do, and the command line cannot.

    Attributes
    ----------
    plain : str
        The line without the advice for callers.
    """

    __module__ = "aimicro.io"  # so that a traceback names it as users import it

    def __init__(self, message: str, in_python: str = "") -> None:
        super().__init__(f"{message} {in_python}".rstrip())
        self.plain, self.in_python = message, in_python


# ---- refusing in one line


def damaged(what: str) -> TiffError:
    """Return the error for a file that was a good one before it was cut, copied or changed."""
    return TiffError(
        f"Expected an intact TIFF, got a damaged or incomplete one ({what}). "
        "Copy it again from its source, or open it in Fiji and save what is left as a new file."
    )


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn whatever fails into a TiffError that names the file, and what tifffile logs, too."""
    errors, this_thread = [], threading.get_ident()

    def hold_back(record: logging.LogRecord) -> bool:
        """Note what tifffile says of this file instead of logging it."""
        if record.thread == this_thread and record.levelno >= logging.ERROR:
            errors.append(record.getMessage())
        return record.thread != this_thread

    logger = logging.getLogger("tifffile")
    logger.addFilter(hold_back)
    try:
        yield
        if errors:
            raise damaged(errors[0])
    except NoRoomError:
        raise  # not a fault of this file
    except TiffError as error:
        raise TiffError(_one_line(path, error.plain), error.in_python) from None
    except Exception as error:  # decoders meet broken files with every exception there is
        raise TiffError(_one_line(path, _reason(error))) from error
    finally:
        logger.removeFilter(hold_back)


def _one_line(path: Path, reason: str) -> str:
    # A name that is no UTF-8 could not be printed.
    shown = str(path).encode(errors="backslashreplace").decode()
    return " ".join(f"{shown}: {reason}".splitlines())


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


def check_directories(path: Path) -> None:
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
                raise damaged(f"its page directories run in a circle at byte {offset}")
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
        raise damaged(f"the page directory at byte {start} is not within its {n_file_bytes} bytes")
    for tag, tag_type, n_values, value in entry.iter_unpack(file.read(n_tags * entry.size)):
        n_bytes = n_values * _BYTES_OF_TAG_TYPE.get(tag_type, 0)
        if n_bytes > len(value) and pointer.unpack(value)[0] + n_bytes > n_file_bytes:
            raise damaged(f"tag {tag} is not within its {n_file_bytes} bytes")
    return int(pointer.unpack(file.read(pointer.size))[0])


def check_pixels_are_there(series: Any) -> None:
    """Refuse missing or cut pixels, and sizes that no such file can hold, before decoding.

    tifffile fills a missing plane, strip or tile with zeros.
    """
    files = {}
    for page in series:
        if page is None or page.keyframe is None:
            raise damaged(f"a plane of the shape {series.shape} is missing")
        files[page.parent.filename] = n_file_bytes = page.parent.filehandle.size
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        n_segments = math.prod(page.keyframe.chunked)
        if len(segments) < n_segments:
            raise damaged(f"it lists {len(segments)} of {n_segments} strips or tiles")
        if not all(start and n and start + n <= n_file_bytes for start, n in segments):
            raise damaged(f"pixels are not within its {n_file_bytes} bytes")
        n_bits = math.prod(page.keyframe.shaped) * int(np.max(page.keyframe.bitspersample))
        if page.keyframe.compression == 1 and 8 * sum(n for _, n in segments) < n_bits:
            raise damaged(f"it lists too few bytes for the shape {page.shape}")
    tile = math.prod(series.keyframe.chunks) * series.dtype.itemsize
    declared, held = max(series.nbytes, tile), sum(files.values())
    if declared > max(_ALWAYS_UNFOLDED, _LARGEST_UNFOLDING * held):
        raise damaged(f"it declares {declared} bytes of pixels in a file of {held}")
