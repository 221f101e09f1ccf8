"""A fixed piece of work: one number that says how fast a computer is.

It takes about a second on a quiet core of the machine for which the budget of the notebooks was
set. Seconds of a notebook divided by those of this work mean the same on every machine, roughly:
so a slow day is told from slow code, and a room of laptops from the machine of the book.
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits


def reference_seconds() -> float:
    """Time the work, on one core: products of matrices, transforms, plain Python.

    Returns
    -------
    float
        The seconds that it took.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> 0 < reference_seconds()
    True
    """
    image = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    with threadpool_limits(1):
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
