"""Differences between neighbouring voxels, of which total variation is the sum."""

from collections.abc import Sequence

import numpy as np

from aimicro import checks
from aimicro.restore.anscombe import Image


def steps_of(voxel_size_um: float | Sequence[float], ndim: int) -> list[np.float32]:
    """Distance between neighbours along each axis, in units of the smallest."""
    sizes = checks.per_axis("voxel_size_um", voxel_size_um, ndim, unit="µm")
    return [np.float32(size / min(sizes)) for size in sizes]


def gradient(f: Image, steps: Sequence[np.float32]) -> list[Image]:
    """Slope towards the next voxel along each axis; 0 at the last."""
    slopes = []
    for axis, step in enumerate(steps):
        slope = np.zeros_like(f)
        values, inner = np.moveaxis(f, axis, 0), np.moveaxis(slope, axis, 0)[:-1]
        np.subtract(values[1:], values[:-1], out=inner)
        if step != 1:
            inner /= step
        slopes.append(slope)
    return slopes


def divergence(slopes: Sequence[Image], steps: Sequence[np.float32]) -> Image:
    """Minus the transpose of `gradient`; takes slopes that are 0 at the last voxel."""
    total = np.zeros_like(slopes[0])
    for axis, (slope, step) in enumerate(zip(slopes, steps, strict=True)):
        flow = slope / step if step != 1 else slope
        total += flow
        np.moveaxis(total, axis, 0)[1:] -= np.moveaxis(flow, axis, 0)[:-1]
    return total


def length(slopes: Sequence[Image], least: np.float32) -> Image:
    """How steep it is at each voxel, but never quite level."""
    squares = np.full_like(slopes[0], least**2)
    for slope in slopes:
        squares += slope * slope
    return np.sqrt(squares, out=squares)


def curvature(f: Image, steps: Sequence[np.float32], least: np.float32) -> Image:
    r"""How fast total variation falls where a voxel gets brighter: div(∇f/|∇f|)."""
    slopes = gradient(f, steps)
    steepness = length(slopes, least)
    for slope in slopes:
        slope /= steepness
    return divergence(slopes, steps)


def steepest(steps: Sequence[np.float32]) -> float:
    """How much larger the Laplacian of an image can be than the image."""
    return float(sum(4 / step**2 for step in steps))
