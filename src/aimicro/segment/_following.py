"""Points that drift along flows, step by step, until they settle."""

import itertools
import math

import numpy as np
import numpy.typing as npt

from aimicro.segment.windows import Window

Points = npt.NDArray[np.float32]
_Settled = npt.NDArray[np.bool_]

_AT_ONCE = 2**13  # points: all that a step needs fits a cache
_STEPS = 10  # between two looks at which points have settled; even, see `drift`


def drift(
    flows: npt.NDArray[np.float32], points: Points, steps: int, window: Window | None = None
) -> Points:
    """Ends of points (D, N) after Euler steps along flows (D, [Z,] Y, X).

    Flows of a window are read where they are in the whole image.

    A step depends on the place alone. So a point that two steps bring back to where it was will be
    there after any even number of steps, and needs no more of them.
    """
    walk = _Walk(flows, window)
    here = walk.places(points)
    ends, moving = here.copy(), np.arange(points.shape[1])
    while steps and len(moving):
        some = steps % _STEPS or _STEPS
        steps -= some
        starts = range(0, len(moving), _AT_ONCE)
        parts = [walk(here[:, start : start + _AT_ONCE], some) for start in starts]
        here = np.concatenate([part for part, _ in parts], axis=1)
        settled = np.concatenate([part for _, part in parts])
        ends[:, moving[settled]] = here[:, settled]
        here, moving = here.compress(~settled, axis=1), moving[~settled]
    ends[:, moving] = here
    return walk.points(ends)


class _Walk:
    """Steps along flows, in a frame of its own: places where flows are read, once padded.

    The published program reads the flow of point p at p * side / (side - 1) - 1/2, up to half a
    pixel off: for its interpolation, the grid ends at the outer edges of the border pixels.
    """

    def __init__(self, flows: npt.NDArray[np.float32], window: Window | None) -> None:
        shape = flows.shape[1:]
        window = window or Window(tuple(slice(0, side) for side in shape), shape)
        sides, whole, start = (
            np.array(pixels, np.float32)[:, np.newaxis]
            for pixels in (shape, window.image_shape, [side.start for side in window.box])
        )
        self.stretch = whole / np.maximum(whole - 1, 1)
        self.shift = np.float32(0.5) + start / np.maximum(whole - 1, 1)
        self.low, self.high = self.places(0 * sides), self.places(sides - 1)
        around = [(0, 0), *[(1, 1)] * len(shape)]  # where nothing flows
        padded = np.pad(flows * self.stretch.reshape(-1, *[1] * len(shape)), around)
        self.sides = padded.shape[1:]
        self.flows = padded.reshape(len(shape), -1)
        strides = [math.prod(self.sides[axis + 1 :]) for axis in range(len(shape))]
        corners = itertools.product((0, 1), repeat=len(shape))
        self.corners = [int(np.dot(corner, strides)) for corner in corners]

    def places(self, points: Points) -> Points:
        """Where the flow of points is read."""
        return np.asarray(points * self.stretch + self.shift, np.float32)

    def points(self, places: Points) -> Points:
        """Undo `places`."""
        return np.asarray((places - self.shift) / self.stretch, np.float32)

    def __call__(self, places: Points, steps: int) -> tuple[Points, _Settled]:
        """Places after some steps, and whether the last two led nowhere."""
        before = last = places
        for _ in range(steps):
            before, last = last, places
            places = np.clip(places + self.interpolate(places), self.low, self.high)
        return places, (places == before).all(axis=0)

    def interpolate(self, places: Points) -> Points:
        """Flow (D, N) at places between the pixels, linear along each axis."""
        pixels = np.floor(places)
        fractions = places - pixels
        index = np.zeros(places.shape[1], np.int64)
        for side, axis in zip(self.sides, pixels.astype(np.int32), strict=True):
            index *= side
            index += axis
        result = np.empty_like(places)
        for flow, out in zip(self.flows, result, strict=True):
            # No index is too large: to clip is merely faster than to check.
            values = [flow[corner:].take(index, mode="clip") for corner in self.corners]
            for t in fractions[::-1]:  # along x, then along y, …
                pairs = zip(values[::2], values[1::2], strict=True)
                values = [first + t * (second - first) for first, second in pairs]
            out[:] = values[0]
        return result
