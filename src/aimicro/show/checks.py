"""What the figures accept, with errors that say what to do next."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks

T = TypeVar("T")
MOST_IMAGES = 26  # one letter each


def checked_text(text: str, name: str) -> str:
    """Return `text` if it is a string that says something."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"Expected {name} to be a text, got {text!r}. Say what is shown.")
    return text


def checked_number(values: Sequence[T], count: int, name: str) -> Sequence[T]:
    """Return `values` if there is one for each image."""
    if isinstance(values, str) or len(values) != count:
        got = repr(values) if isinstance(values, str) else len(values)
        raise ValueError(f"Expected {name} for each image ({count}), got {got}. Pass a list.")
    return values


def checked_notes(notes: Sequence[str] | None, count: int) -> Sequence[str]:
    """Return a line for each image; empty ones where no notes are given."""
    if notes is None:
        return [""] * count
    for note in checked_number(notes, count, "notes"):
        if not isinstance(note, str):
            raise TypeError(
                f"Expected notes to be texts, got {note!r}. Write the unit: f'{{value:.1f}} dB'."
            )
    return notes


def checked_columns(columns: int | None, count: int) -> int:
    """Return the number of panels in a row; by default at most four, in even rows."""
    if columns is None:
        return count if count <= 4 else min(4, (count + 1) // 2)
    return checks.whole("columns", columns, low=1, hint="Leave it out for even rows.")


def checked_images(images: Sequence[ArrayLike]) -> list[NDArray[Any]]:
    """Return the images as arrays that can be drawn."""
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(
            f"Expected 1 to {MOST_IMAGES} images, got {len(images)}. Pass a list of 2-D arrays."
        )
    hint = "Take one slice or a projection."
    return [
        checks.image(f"images[{k}]", image, ndim=2, hint=hint) for k, image in enumerate(images)
    ]


def checked_labels(labels: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return `labels` if they are whole numbers that fit an image."""
    found = checks.labels("labels", labels, ndim=2)
    if found.shape != shape:
        raise ValueError(f"Expected labels of shape {shape}, got {found.shape}. Crop both alike.")
    return found.astype(np.int64)


def checked_zoom(zoom: tuple[slice, slice], images: Sequence[NDArray[Any]]) -> tuple[slice, slice]:
    """Return the slices of a detail with their ends written out, if all images have that part."""
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise ValueError(
            f"Expected images of one shape for a shared zoom, got {shapes}. Crop them first."
        )
    parts = [
        range(*part.indices(n))
        for part, n in zip(zoom, shapes[0], strict=False)
        if isinstance(part, slice)
    ]
    if len(zoom) != 2 or len(parts) != 2 or any(not part or part.step != 1 for part in parts):
        raise ValueError(
            f"Expected zoom to be rows and columns inside {shapes[0]}, got {zoom}. "
            "Pass slices such as numpy.s_[40:104, 60:124]."
        )
    rows, columns = (slice(part.start, part.stop) for part in parts)
    return rows, columns


def checked_spacing(pixel_size_um: float | tuple[float, float] | None) -> tuple[float, float]:
    """Return the pixel size in (y, x) order; (1, 1) where it is not known."""
    if pixel_size_um is None:
        return 1.0, 1.0
    y, x = checks.per_axis("pixel_size_um", pixel_size_um, 2, unit="µm")
    return y, x
