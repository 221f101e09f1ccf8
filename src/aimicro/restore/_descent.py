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


def steady_descent(
    blur: Blur,
    data: Image,
    nearest: Callable[[Image], Image],
    roughness: Callable[[Image], float],
) -> Iterator[Image]:
    """The same for half the squared error and a roughness, but their sum never grows.

    A step that would raise it is not taken, only looked at: the next one starts in its direction.
    """
    mean = np.float32(max(float(data.mean(dtype=float)), 0))
    estimate = ahead = np.full(blur.shape, mean)
    seen = seen_ahead = blur.seen(estimate)

    def cost(f: Image, seen: Image) -> float:
        """What is to become small."""
        return 0.5 * float(np.sum(np.square(seen - data), dtype=float)) + roughness(f)

    least, t = cost(estimate, seen), 1.0
    while True:
        tried = nearest(ahead - blur.back(seen_ahead - data))
        seen_tried = blur.seen(tried)
        price = cost(tried, seen_tried)
        last, last_seen = estimate, seen
        if price <= least:
            estimate, seen, least = tried, seen_tried, price
        t, last_t = (1 + math.sqrt(1 + 4 * t**2)) / 2, t
        to_tried, on = np.float32(last_t / t), np.float32((last_t - 1) / t)
        # What is seen of a sum is the sum of what is seen: no further transforms.
        ahead = estimate + to_tried * (tried - estimate) + on * (estimate - last)
        seen_ahead = seen + to_tried * (seen_tried - seen) + on * (seen - last_seen)
        yield estimate[blur.field].copy()
