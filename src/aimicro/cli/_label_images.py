"""Label images as the truth of a segmentation training: what is none is refused in clear words.

A private part of :mod:`aimicro.cli.train` and :mod:`aimicro.cli.segment`.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as components

from aimicro import checks
from aimicro.io import boxes_of, converted, parts, read_header, read_tiff

_NEITHER = "Save one number for each pixel: neither colours nor a channel for each object."


def read_labels(
    path: Path, shape: tuple[int, ...], *, raw: Path, scratch: Path | None = None
) -> NDArray[np.integer[Any]]:
    """Read the labels of an image; whole numbers that are stored as float32 are labels, too.

    Parameters
    ----------
    path
        TIFF file.
    shape
        `([Z,] Y, X)` of the image that they belong to.
    raw
        File of that image, for messages.
    scratch
        Folder for what a large image needs for a while, by default that of the system.
    """
    folder = scratch or Path(tempfile.gettempdir())
    try:
        found = read_header(path).shape
    except ValueError as error:
        raise ValueError(f"{getattr(error, 'plain', error)} {_NEITHER}") from error
    if found != shape:
        one_hot = found[1:] == shape and len(found) == len(shape) + 1
        todo = _NEITHER if one_hot else "Check that the two belong together."
        raise ValueError(
            f"{path}: Expected labels of the shape of {raw}, {shape}, got {found}. {todo}"
        )
    data = read_tiff(path, pages="Z", scratch=folder).data.reshape(shape)
    if data.dtype.kind == "f" and all(
        checks.whole_as_integers(part).dtype.kind != "f" for part in parts(data)
    ):
        data = converted(data, np.int32, folder)
    try:
        return checks.labels("labels", data.view(np.uint8) if data.dtype == bool else data)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def check_labels(pairs: Sequence[tuple[Path, Path]], *, masks: bool) -> None:
    """Refuse label images from which nothing, or nothing about single objects, can be learned.

    Parameters
    ----------
    pairs
        Raw images and their labels.
    masks
        Whether masks will do, in which all objects have one number.
    """
    several, in_pieces, empty = False, None, True
    for raw, path in pairs:
        labels = read_labels(path, read_header(raw).shape, raw=raw)
        ids = boxes_of(labels).ids
        empty &= ids.size == 0
        several |= ids.size > 1
        if ids.size == 1 and in_pieces is None and (n_pieces := components(labels > 0)[1]) > 1:
            in_pieces = path, n_pieces
    if empty:
        raise ValueError(
            f"Expected objects in the label images, got none in all {len(pairs)}, the first is "
            f"{pairs[0][1]}. Check how they were saved: every object needs a number above 0."
        )
    if in_pieces and not several and not masks:
        raise ValueError(
            f"{in_pieces[0]}: Expected a number for each object, got one for all {in_pieces[1]} "
            "pieces, as in a mask. Number them, for example with MorphoLibJ's Connected Components "
            'Labeling in Fiji, or learn masks: "method": "unet" with "borders": 0.'
        )


def typical_radius(pairs: Sequence[tuple[Path, Path]]) -> float:
    """Radius in pixels of the disc that is as large as the median object of all label images."""
    sizes: list[int] = []
    for raw, path in pairs:
        labels = read_labels(path, read_header(raw).shape, raw=raw)
        sizes.extend(boxes_of(labels).sizes)
    return round(math.sqrt(float(np.median(sizes)) / math.pi), 2)
