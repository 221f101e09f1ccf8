"""A fixed piece of work, timed beside the notebooks: so that a slow day is told from slow code.

It takes about a second on a quiet core of the machine for which the budget of the notebooks was
set. Seconds of a notebook divided by those of this work mean the same on every machine, roughly.
"""

import time

import numpy as np


def reference_seconds() -> float:
    """Return the seconds that the work takes: products of matrices, transforms, plain Python."""
    image = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    start = time.perf_counter()
    for _ in range(34):
        image = image @ image
        image /= image.max()
    for _ in range(17):
        np.fft.irfft2(np.fft.rfft2(image))
    total = 0
    for number in range(5_200_000):
        total += number % 7
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"{reference_seconds():.2f} s")
