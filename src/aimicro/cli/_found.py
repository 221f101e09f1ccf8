"""Labels that ``aimicro segment`` has found in an image, also in one larger than memory.

A private part of :mod:`aimicro.cli.segment`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro.cli._methods import Labels
from aimicro.cli._network_output import not_written
from aimicro.io import TiffImage, converted, write_tiff, zeros_on_disk
from aimicro.segment import WindowObjects, measure


class Part(NamedTuple):
    """Where some objects lie, and their ids, from the first to the last."""

    box: tuple[slice, ...]
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Found:
    """Labels of an image, and the image; of a large one, the parts in which objects are whole."""

    labels: Labels
    image: TiffImage
    pixel_size_um: tuple[float, ...] | None
    parts: Sequence[Part] = field(default=())

    def measured(
        self, unit: tuple[float, ...], each: Callable[[float], object]
    ) -> dict[str, NDArray[Any]]:
        """Measure all objects, part by part; `each` is told of every fraction that is done."""
        whole = Part(tuple(slice(0, n) for n in self.labels.shape), 1, 2**31 - 1)
        parts, tables = self.parts or [whole], []
        for part in parts:
            tables.append(self._measured_in(part, unit))
            each(1 / len(parts))
        return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

    def _measured_in(self, part: Part, unit: tuple[float, ...]) -> dict[str, NDArray[Any]]:
        near = self.labels[part.box]
        own = np.where((near >= part.first) & (near <= part.last), near, 0)
        table = measure(own, self.image.data[part.box], pixel_size_um=unit)
        # A whole object touches the end of a window only where the image ends.
        for axis, side, um in zip("zyx"[-len(unit) :], part.box, unit, strict=True):
            table[f"centroid_{axis}_um"] = table[f"centroid_{axis}_um"] + side.start * um
        return table


def on_disk(
    objects: Iterable[WindowObjects],
    shape: tuple[int, ...],
    scratch: Path,
    each: Callable[[float], object],
) -> tuple[Labels, list[Part]]:
    """Labels in a file, painted window by window, and the parts of which they came."""
    labels: Labels = zeros_on_disk(shape, np.int32, scratch)
    parts, n_found = [], 0
    for found in objects:
        last = max(n_found, int(found.labels.max()))
        if last > n_found:
            target = labels[found.window.box]
            # Should two windows disagree about a pixel, the first one is right.
            np.copyto(target, found.labels, where=(found.labels > 0) & (target == 0))
            parts.append(Part(found.window.box, n_found + 1, last))
            n_found = last
        each(math.prod(side.stop - side.start for side in found.core) / math.prod(shape))
    # Where there is nothing, a pixel has all columns of a table.
    return labels, parts or [Part((slice(0, 1),) * len(shape), 1, 1)]


def write_labels(path: Path, found: Found) -> None:
    """Write the label image, in 16 bits if they hold the ids."""
    kind = np.uint16 if found.labels.max(initial=0) < 2**16 else np.uint32
    size = found.pixel_size_um or found.image.pixel_size_um
    try:
        labels = _as_kind(found, kind, path.resolve().parent)
        write_tiff(path, labels, axes=found.image.axes, pixel_size_um=size)
    except OSError as error:
        raise not_written(path, found.labels.size * np.dtype(kind).itemsize, error) from error


def _as_kind(found: Found, kind: type, scratch: Path) -> NDArray[Any]:
    """The labels in another type."""
    if np.dtype(kind).itemsize == found.labels.itemsize:
        return found.labels.view(kind)
    return converted(found.labels, kind, scratch)
