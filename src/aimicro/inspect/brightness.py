"""How an image fills the numbers that it is stored in."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.io import parts

_FEWEST = 10  # pixels at the top that are no accident
_BAND = 0.01  # of the range, below the top: what a fading histogram is judged by
_PILED = 2  # times as many pixels at the top as at a level of the band


class Saturation(NamedTuple):
    """Pixels that would be brighter if the detector could tell.

    Attributes
    ----------
    level : float
        The value at which they stop.
    fraction : float
        Of all pixels.
    """

    level: float
    fraction: float


class Levels(NamedTuple):
    """Which of the numbers that a type can hold an image uses.

    Attributes
    ----------
    lowest, highest : float
        Of all pixels.
    step : int
        What all differences of whole numbers can be divided by; 0 for floating-point numbers and
        constant images.
    """

    lowest: float
    highest: float
    step: int


def saturation(image: npt.ArrayLike) -> Saturation | None:
    """Find pixels that pile up at the top of the histogram.

    Towards its brightest pixels the histogram of an image fades. Where a detector, or a conversion
    to fewer bits, cuts it, all that lies above is counted at the last level. So neither the type of
    the numbers nor the bits of the camera need to be known. Of few photons, whose histogram fades
    within a level or two, it cannot be told.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities, no mask and no labels.

    Returns
    -------
    Saturation or None
        None where fewer than 10 pixels have the highest value, or not twice as many as have, on
        average, a level in the highest percent of the range below it.

    Raises
    ------
    TypeError, ValueError
        If `image` is none.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(200, (64, 64))
    >>> saturation(image)
    >>> saturation(np.minimum(image, 220))
    Saturation(level=220.0, fraction=0.08349609375)
    """
    pixels = checks.image("image", image)
    top, low, second, n_top = pixels.max(), pixels.min(), pixels.min(), 0
    for part in parts(pixels):
        below = part[part < top]
        n_top += part.size - below.size
        second = max(second, below.max(initial=low))
    if n_top < _FEWEST or n_top == pixels.size:
        return None
    least = min(float(second), float(top) - _BAND * (float(top) - float(low)))
    n_band, values = 0, np.zeros(0, pixels.dtype)
    for part in parts(pixels):
        band = part[(part >= least) & (part < top)]
        n_band += band.size
        # More of them than this prove it, and would fill the memory.
        if n_top * values.size <= _PILED * pixels.size:
            values = np.union1d(values, band)
    if n_top * values.size <= _PILED * n_band:
        return None
    return Saturation(float(top), n_top / pixels.size)


def levels(image: npt.ArrayLike) -> Levels:
    """Measure which numbers an image uses.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Of any real type.

    Returns
    -------
    Levels
        A step of 16 in 16 bits tells of a camera of 12 bits, whose values stand in the upper ones.

    Raises
    ------
    TypeError, ValueError
        If `image` is none.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> levels(np.array([[0, 16], [48, 4080]], np.uint16))
    Levels(lowest=0.0, highest=4080.0, step=16)
    """
    pixels = checks.image("image", image)
    step = 0
    if pixels.dtype.kind in "iu":
        lowest = pixels.min()
        for part in parts(pixels):
            step = math.gcd(step, int(np.gcd.reduce(part - lowest)))
            if step == 1:
                break
    return Levels(float(pixels.min()), float(pixels.max()), step)
