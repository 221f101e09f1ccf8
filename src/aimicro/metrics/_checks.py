"""Checks of segmentation scores: two images of one shape, and thresholds of an overlap."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from aimicro import checks

Mask: TypeAlias = npt.NDArray[np.bool_]
Labels: TypeAlias = npt.NDArray[np.integer]
Image = TypeVar("Image", bound=npt.NDArray[np.generic])

_ONE = "Compare one image or one volume at a time."


def masks(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Mask, Mask]:
    """Two masks of one shape as booleans, or a clear error."""
    return of_one_shape("prediction", _mask("truth", truth), _mask("prediction", prediction))


def labels(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Labels, Labels]:
    """Two label images of one shape, of any integer type, or a clear error."""
    t, p = unread_labels(truth, prediction)
    return checks.from_zero("truth", t), checks.from_zero("prediction", p)


def unread_labels(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Labels, Labels]:
    """The same, but no pixel was looked at yet; negative ids are still to be refused."""
    t = checks.labels("truth", truth, unread=True)
    return of_one_shape("prediction", t, checks.labels("prediction", prediction, unread=True))


def of_one_shape(name: str, truth: Image, other: Image) -> tuple[Image, Image]:
    """Both images, or a clear error if their shapes differ."""
    if truth.shape != other.shape:
        raise ValueError(
            f"Expected truth and {name} of one shape, got {truth.shape} and {other.shape}. "
            "Crop or resample one of them."
        )
    return truth, other


def lengths_of(spacing: float | Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Lengths of a pixel along each axis, 1 without a spacing, or a clear error."""
    if spacing is None:
        return (1.0,) * ndim
    hint = "Give the size of a pixel along each axis, for example (0.3, 0.1, 0.1) in µm."
    return checks.per_axis("spacing", spacing, ndim, hint=hint)


def thresholds_of(thresholds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Thresholds above 0 and up to 1 as an array, or a clear error."""
    values = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if values.ndim != 1 or values.size == 0:
        raise ValueError(
            f"Expected one threshold or a list of them, got shape {values.shape}. "
            "Give for example 0.5, or [0.5, 0.75, 0.9]."
        )
    bad = values[~((values > 0) & (values <= 1))]
    if bad.size:
        raise ValueError(
            f"Expected thresholds above 0 and up to 1, got {bad[0]:g}. An overlap is a fraction: "
            "write 0.5 for one half."
        )
    return values


def _mask(name: str, values: npt.ArrayLike) -> Mask:
    """One mask as booleans, or a clear error."""
    array = checks.image(name, values, finite=False, hint=_ONE)
    if array.dtype.kind == "f":
        raise TypeError(
            f"Expected {name} as a mask of true and false, got {array.dtype}. "
            "Cut probabilities first, for example probability > 0.5."
        )
    if array.dtype.kind != "b" and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"Expected {name} as a mask of 0 and 1, got {array.min()} to {array.max()}. "
            "Compare all objects at once with labels > 0, or one of them with labels == 3."
        )
    return array.astype(bool, copy=False)
