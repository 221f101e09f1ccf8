"""Outlines of single cells, each as the depth of every pixel below the cell's surface."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]


class Shape(NamedTuple):
    """A cell on its own canvas, before it has a place."""

    depth: Depth
    """Distance to the outline in µm: positive inside, negative outside."""
    middle: NDArray[np.int_]
    """Pixel of the canvas that is put on the chosen pixel of the field."""


def shape_of(
    kind: str,
    radius_um: float,
    spacing: NDArray[np.float64],
    extent: NDArray[np.float64],
    rng: np.random.Generator,
) -> Shape:
    """Draw a random cell; on average it is about as large as a disc or ball of this radius."""
    length, side, outline = KINDS[kind]
    radius_um = radius_um * float(np.clip(rng.normal(1, 0.12), 0.7, 1.3))
    # In a flat stack cells lie flat too, as filaments do.
    direction = rng.normal(size=len(spacing)) * extent / extent.max()
    direction /= np.linalg.norm(direction)

    # Depth changes evenly: draw it at every few pixels, cut it out, and fill the others in.
    stride = np.maximum(np.rint(radius_um / 8 / spacing), 1).astype(int)
    reach = radius_um * np.minimum(length * np.abs(direction) + side, length)
    half = np.ceil(np.minimum(reach, extent) / (stride * spacing)).astype(int)
    axes = [np.arange(-h, h + 1) * step for h, step in zip(half, stride * spacing, strict=True)]
    depth = outline(np.ix_(*(a.astype(np.float32) for a in axes)), radius_um, direction, rng)
    for axis in range(depth.ndim):
        others = tuple(a for a in range(depth.ndim) if a != axis)
        used = np.flatnonzero((depth > 0).any(axis=others))
        first, last = max(used[0] - 2, 0), min(used[-1] + 2, 2 * half[axis])
        coarse = np.arange(first, last + 1)
        fine = np.arange(first * stride[axis], last * stride[axis] + 1)
        weights = np.maximum(1 - np.abs(fine[:, None] / stride[axis] - coarse), 0)
        part = np.take(depth, coarse, axis=axis)
        depth = np.moveaxis(np.tensordot(weights.astype(np.float32), part, axes=(1, axis)), 0, axis)
        half[axis] = half[axis] * stride[axis] - fine[0]
    return Shape(np.ascontiguousarray(depth), half)


def _round(
    position: tuple[Depth, ...],
    radius_um: float,
    direction: NDArray[np.float64],
    rng: np.random.Generator,
) -> Depth:
    """Return an ellipse or ellipsoid with a slightly wavy outline."""
    ndim = len(position)
    half_axes = radius_um * rng.uniform(0.85, 1.15, size=ndim)
    rotation = np.linalg.qr(np.column_stack([direction, rng.normal(size=(ndim, ndim - 1))])).Q
    turned = [_along(position, axis) for axis in (rotation / half_axes).T]
    distance = np.sqrt(sum(x * x for x in turned))
    outline = np.ones_like(distance)
    for wave in rng.normal(scale=2, size=(3, ndim)):
        phase = rng.uniform(0, 2 * np.pi)
        cosine = _along(tuple(turned), wave) / np.maximum(distance, np.float32(1e-6))
        outline += np.float32(0.04) * np.cos(cosine + np.float32(phase))
    return np.float32(radius_um) * (outline - distance)


def _rod(
    position: tuple[Depth, ...],
    radius_um: float,
    direction: NDArray[np.float64],
    rng: np.random.Generator,
) -> Depth:
    """Return a bent rod with round ends, three to five times as long as wide."""
    aspect = rng.uniform(3, 5)
    if len(position) == 2:  # as large as a disc or ball of the radius
        width = radius_um * np.sqrt(np.pi / (np.pi + 4 * (aspect - 1)))
    else:
        width = radius_um * (4 / (4 + 6 * (aspect - 1))) ** (1 / 3)
    half = (aspect - 1) * width
    return _tube(position, direction, (-half, half), (width, width), rng.uniform(-0.5, 0.5), rng)


def _spindle(
    position: tuple[Depth, ...],
    radius_um: float,
    direction: NDArray[np.float64],
    rng: np.random.Generator,
) -> Depth:
    """Return a bent cell, widest near its middle, that runs out into two tips."""
    ndim = len(position)
    tilt = rng.normal(scale=0.2, size=ndim)
    depth = _round(position, 0.62 * radius_um, direction, rng)
    for sign, length in zip((1, -1), radius_um * rng.uniform(2.2, 3.4, size=2), strict=True):
        bend = rng.normal(scale=0.25)
        widths = (0.62 * radius_um, 0.04 * radius_um)
        tip = _tube(position, sign * direction + tilt, (0, length), widths, bend, rng)
        depth = _merge(depth, tip, 0.6 * radius_um)
    return depth


def _irregular(
    position: tuple[Depth, ...],
    radius_um: float,
    direction: NDArray[np.float64],
    rng: np.random.Generator,
) -> Depth:
    """Return a body with lobes and tapering protrusions."""
    ndim = len(position)
    depth = _round(position, 0.7 * radius_um, direction, rng)
    for arm in range(int(rng.integers(3, 6))):
        towards = direction if arm == 0 else -direction if arm == 1 else rng.normal(size=ndim)
        towards = towards + rng.normal(scale=0.3, size=ndim)
        length = radius_um * rng.uniform(0.9, 2.0)
        widths = radius_um * rng.uniform([0.45, 0.06], [0.65, 0.25])
        bend = rng.normal(scale=0.4)
        arm_depth = _tube(position, towards, (0, length), (widths[0], widths[1]), bend, rng)
        depth = _merge(depth, arm_depth, 0.5 * radius_um)
    return depth


Outline = Callable[
    [tuple[Depth, ...], float, NDArray[np.float64], np.random.Generator], NDArray[np.float32]
]
KINDS: dict[str, tuple[float, float, Outline]] = {
    "round": (1.4, 1.4, _round),
    "elongated": (2.7, 1.2, _rod),
    "spindle": (3.5, 1.9, _spindle),
    "irregular": (2.4, 2.4, _irregular),
}
"""For each kind how far it reaches along and across itself, in radii, and how it is drawn."""


def _along(position: tuple[Depth, ...], vector: NDArray[np.float64]) -> Depth:
    """Return the scalar product of every position with one vector."""
    terms = [np.float32(v) * x for v, x in zip(vector, position, strict=True)]
    total: Depth = sum(terms[1:], terms[0])
    return total


def _tube(
    position: tuple[Depth, ...],
    direction: NDArray[np.float64],
    ends: tuple[float, float],
    widths: tuple[float, float],
    bend: float,
    rng: np.random.Generator,
) -> Depth:
    """Return the depth in a tube with round ends along a parabola through the origin.

    Its half width changes evenly from one end to the other, and its slope at the far end is
    `bend`.
    """
    ndim = len(position)
    frame = np.linalg.qr(np.column_stack([direction, rng.normal(size=(ndim, ndim - 1))])).Q
    frame[:, 0] *= np.sign(frame[:, 0] @ direction)
    along, *sideways = (_along(position, axis) for axis in frame.T)
    curvature = np.float32(bend / ends[1])
    sideways[0] = sideways[0] - curvature / 2 * along**2
    squared = sideways[0] ** 2 / (1 + (curvature * along) ** 2)
    if ndim == 3:
        squared += sideways[1] ** 2
    on_line = np.clip(along, np.float32(ends[0]), np.float32(ends[1]))
    distance = np.sqrt(squared + (along - on_line) ** 2)
    taper = np.float32((widths[1] - widths[0]) / (ends[1] - ends[0]))
    depth: Depth = np.float32(widths[0]) + taper * (on_line - np.float32(ends[0])) - distance
    return depth


def _merge(one: Depth, two: Depth, blend_um: float) -> Depth:
    """Unite two shapes with a smooth fillet where they meet."""
    near = np.maximum(np.float32(blend_um) - np.abs(one - two), 0)
    merged: Depth = np.maximum(one, two) + near * near / np.float32(4 * blend_um)
    return merged
