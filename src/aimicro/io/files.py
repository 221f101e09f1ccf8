"""Files that are either the old one or the new one, whatever happens in between."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when it is written and on the disk.

    Parameters
    ----------
    path : pathlib.Path
        What to replace or to create. After an error it is as it was.

    Yields
    ------
    file
        Open for writing in binary.
    """
    path = path.resolve()  # a link goes on pointing to the file
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
