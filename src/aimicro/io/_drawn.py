"""Shapes as a person drew them, before they are labels; and bytes that are not too many."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST_FILE = 2**28  # bytes: 16 million corners
FARTHEST = 2**24  # pixels: beyond it, ImageJ's coordinates are no whole numbers any more


class Drawn(NamedTuple):
    """One shape of a file."""

    name: str
    polygons: list[list[NDArray[np.float64]]]
    """Rings of corners y, x; in each polygon, rings inside of others are holes."""
    slice: int | None = None
    """Number of the plane in a stack, from 0; None where the file does not say."""
    time: int | None = None
    kind: str | None = None
    """Name of its class."""


def ring(name: str, corners: Any) -> NDArray[np.float64]:
    """Corners x, y of a file as y, x, or a clear error."""
    try:
        array = np.asarray(corners, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1] < 2 or len(array) < 3:
        raise ValueError(
            f"Expected {name} as an outline of three corners x, y or more, got "
            f"{_shown(corners)}. Draw it again."
        )
    if not (np.abs(array) <= FARTHEST).all():  # nor where it is no number
        raise ValueError(
            f"Expected the corners of {name} within {FARTHEST} pixels, got some far from any "
            "image, or no numbers. Draw it again."
        )
    return array[:, 1::-1]


def read_bytes(path: Path) -> bytes:
    """Return all of a file, or refuse a huge one."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(
            f"Expected annotations of at most {LARGEST_FILE >> 20} MiB, got {size >> 20}. "
            "Share them out among several files."
        )
    return path.read_bytes()


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
