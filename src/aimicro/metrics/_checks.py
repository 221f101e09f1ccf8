"""What a segmentation score asks of its images, so that a mistake gets a name, not a number."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Mask: TypeAlias = npt.NDArray[np.bool_]
Labels: TypeAlias = npt.NDArray[np.integer]
Image = TypeVar("Image", bound=npt.NDArray[np.generic])


def masks(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Mask, Mask]:
    """Two masks of one shape as booleans, or a clear error."""
    return _of_one_shape(_mask("truth", truth), _mask("prediction", prediction))


def labels(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Labels, Labels]:
    """Two label images of one shape, of any integer type, or a clear error."""
    return _of_one_shape(_labels("truth", truth), _labels("prediction", prediction))


def spacing_of(spacing: float | Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Lengths of a pixel along each axis, 1 without a spacing, or a clear error."""
    if spacing is None:
        return (1.0,) * ndim
    lengths = tuple(spacing) if isinstance(spacing, Sequence | np.ndarray) else (spacing,) * ndim
    if len(lengths) != ndim:
        raise ValueError(
            f"Expected a spacing of {ndim} lengths for images with {ndim} axes, got {len(lengths)} "
            f"({spacing}). Give one length an axis, in the order of the axes ([z,] y, x)."
        )
    if not all(isinstance(x, Real) and 0 < x < math.inf for x in lengths):
        raise ValueError(
            f"Expected finite lengths above 0 as spacing, got {spacing}. Give the size of a pixel "
            "along each axis, for example (0.3, 0.1, 0.1) in µm."
        )
    return tuple(float(x) for x in lengths)


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
            f"Expected thresholds above 0 and up to 1, got {bad[0]:g}. An overlap is a part of 1: "
            "write 0.5 for one half."
        )
    return values


def _mask(name: str, values: npt.ArrayLike) -> Mask:
    array = _image(name, values)
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


def _labels(name: str, values: npt.ArrayLike) -> Labels:
    array = _image(name, values)
    if array.dtype.kind == "b":
        raise TypeError(
            f"Expected {name} with a number for each object, got a mask of true and false. "
            "Number its objects first: skimage.measure.label(mask)."
        )
    if array.dtype.kind == "f":
        raise TypeError(
            f"Expected {name} with whole numbers as labels, got {array.dtype}. If they are labels, "
            "convert them with astype(np.int32); probabilities need a segmentation first."
        )
    if array.dtype.kind == "i" and array.min() < 0:
        raise ValueError(
            f"Expected {name} with labels from 0 (background) up, got {array.min()}. "
            "Set pixels to be left out to 0 in both images."
        )
    return array


def _image(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"Expected {name} as an image of numbers, got {array.dtype}.")
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(
            f"Expected {name} of shape (Y, X) or (Z, Y, X) with pixels in it, "
            f"got {array.shape}. Compare one image or one volume at a time."
        )
    return array


def _of_one_shape(truth: Image, prediction: Image) -> tuple[Image, Image]:
    if truth.shape != prediction.shape:
        raise ValueError(
            f"Expected truth and prediction of one shape, got {truth.shape} and "
            f"{prediction.shape}. Crop or resample one of them."
        )
    return truth, prediction
