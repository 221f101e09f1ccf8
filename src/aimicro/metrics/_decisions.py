"""Checks of decisions and their probabilities: arrays of any shape, an entry for each."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


def decisions(truth: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Truth of 0 and 1 and its probability, of one shape, or a clear error."""
    t, p = np.asarray(truth), probabilities(probability)
    if t.dtype.kind not in "biu":
        raise TypeError(
            f"Expected truth as true and false, got {t.dtype}. If it is a probability, the other "
            "argument is the truth: it comes first."
        )
    check_shapes("truth", t, "probability", p)
    if t.min() < 0 or t.max() > 1:
        raise ValueError(
            f"Expected truth of 0 and 1, got {t.min()} to {t.max()}. Of labels take labels > 0."
        )
    return t.astype(np.float64), p


def classes(truth: npt.ArrayLike, logits: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], Floats]:
    """Class numbers, and logits with the classes first, or a clear error."""
    t, z = np.asarray(truth), finite("logits", logits)
    if t.dtype.kind not in "biu":
        raise TypeError(
            f"Expected truth as true and false or as class numbers, got {t.dtype}. Convert it, "
            "for example with astype(int)."
        )
    if z.shape == t.shape:
        z = np.stack([np.zeros_like(z), z])  # a sigmoid is the softmax of 0 and the logit
    if z.shape[1:] != t.shape:
        raise ValueError(
            f"Expected logits of the shape of truth, {t.shape}, or with the classes before it, got "
            f"{z.shape}. Move the class axis to the front with np.moveaxis."
        )
    if t.min() < 0 or t.max() >= len(z):
        raise ValueError(
            f"Expected truth with classes from 0 to {len(z) - 1}, got {t.min()} to {t.max()}. "
            "Give a logit for each class, along the first axis."
        )
    return t.astype(np.intp), z


def probabilities(values: npt.ArrayLike, name: str = "probability") -> Floats:
    """Finite numbers from 0 to 1, or a clear error."""
    p = finite(name, values)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"Expected {name} from 0 to 1, got {p.min():g} to {p.max():g}. Logits become "
            "probabilities with scipy.special.expit, percentages with / 100."
        )
    return p


def finite(name: str, values: npt.ArrayLike) -> Floats:
    """Finite numbers of any shape, one a decision, or a clear error."""
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"Expected {name} of real numbers, got {array.dtype}.")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"Expected {name} of one or more decisions, got shape {array.shape}. Pass an array "
            "with an entry for each."
        )
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(
            f"Expected finite {name}, got {bad} NaN or infinite values of {array.size}. "
            "Leave these decisions out."
        )
    return array.astype(np.float64)


def check_shapes(name: str, first: npt.NDArray[Any], other: str, second: npt.NDArray[Any]) -> None:
    """A clear error unless both have an entry for each decision."""
    if first.shape != second.shape:
        raise ValueError(
            f"Expected {name} and {other} of one shape, got {first.shape} and {second.shape}. "
            "Give both for the same decisions."
        )
