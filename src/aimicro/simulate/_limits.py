"""What a simulator takes on: pixel sizes of light microscopes, and what fits into memory."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro import checks

SMALLEST_UM, LARGEST_UM, FARTHEST_UM = 0.001, 10.0, 100.0
"""Pixels of a light microscope, and its planes; what is beyond was meant in another unit."""

MEMORY_LIMIT_GB = 6.0
"""What one call of a simulator may need, at most."""


def voxel(
    name: str, size_um: float | Sequence[float] | NDArray[np.float64], ndim: int
) -> tuple[float, ...]:
    """Return one plausible size of a pixel or voxel in µm for each axis."""
    sizes: tuple[float, ...] = checks.per_axis(
        name,
        size_um,
        ndim,
        unit="µm",
        hint="Give the camera's pixel divided by the magnification, in the order of the shape.",
    )
    for axis, size in enumerate(sizes, start=3 - ndim):
        checks.number(
            name,
            size,
            low=SMALLEST_UM,
            high=LARGEST_UM if axis else FARTHEST_UM,  # planes may lie farther apart
            unit="µm",
            hint="Divide nanometres by 1000.",
        )
    return sizes


def pixel(name: str, size_um: float) -> float:
    """Return the plausible side of a square pixel in µm."""
    if isinstance(size_um, Sequence | np.ndarray):
        raise TypeError(f"Expected {name} as one number, got {size_um!r}. Pixels are square here.")
    return voxel(name, size_um, 2)[0]


def wavelength(name: str, value_um: float) -> float:
    """Return the wavelength of light in µm."""
    hint = "Divide nanometres by 1000."
    return checks.number(name, value_um, low=0.1, high=10, unit="µm", hint=hint)


def voxels(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a 2D or 3D image as whole numbers."""
    given = np.asarray(shape, dtype=object).ravel()  # a single number is no shape, but no crash
    sides = tuple(checks.whole("each side of the shape", side, low=0) for side in given)
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise ValueError(
            f"Expected a shape (Z, Y, X) or (Y, X) of at least one voxel each, got {sides}. "
            f"Take one channel and one time point at a time."
        )
    return sides


def memory(what: str, numbers: float | np.number[Any], bytes_each: float = 8) -> None:
    """Refuse work that would need more memory than the limit, before it begins."""
    needed = float(numbers) * bytes_each / 1e9
    if not math.isfinite(needed) or needed > MEMORY_LIMIT_GB:
        raise ValueError(
            f"Expected {what} within {MEMORY_LIMIT_GB:g} GB of memory, got an estimate of "
            f"{needed:.3g} GB. Take a smaller shape, and look whether sizes are in micrometres."
        )


def warn_above(limit_um: float, expected: str, got_um: float) -> None:
    """Warn of aliasing, in the name of whoever called the public function."""
    if got_um > limit_um * (1 + 1e-9):  # at the limit, whatever its last digit, is fine
        warnings.warn(
            f"Expected {expected} = {limit_um:.4f} µm (Nyquist), got {got_um} µm. "
            f"Finer detail will alias: take smaller steps or a lower NA.",
            UserWarning,
            stacklevel=4,
        )
