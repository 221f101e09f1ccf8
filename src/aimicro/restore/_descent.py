"""Least squares without negative light, by the fast descent of Beck and Teboulle."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from aimicro.restore._fourier import Blur
from aimicro.restore.anscombe import Image


def descent(
    blur: Blur,
    data: Image,
    slope: Callable[[Image], Image],
    nearest: Callable[[Image], Image],
    pace: float,
) -> Iterator[Image]:
    """Go down the slope and to the nearest image that is allowed, ever farther ahead."""
    mean = np.float32(max(float(data.mean(dtype=float)), 0))
    estimate = ahead = np.full(blur.shape, mean)
    t = 1.0
    while True:
        last, estimate = estimate, nearest(ahead - np.float32(pace) * slope(ahead))
        t, last_t = (1 + math.sqrt(1 + 4 * t**2)) / 2, t
        ahead = estimate + np.float32((last_t - 1) / t) * (estimate - last)
        yield estimate[blur.field].copy()
