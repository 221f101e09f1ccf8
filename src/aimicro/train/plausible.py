"""What images tell of mistakes: pixels far beyond all others, and labels taken for intensities.

Used in chapter 6, *Denoising*, and in appendix A.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.io import pieces, strips
from aimicro.train.scaling import mean_and_deviation

FAR = 1e4  # times the range of all other pixels
_FEW = 3.0  # standard deviations, beyond which at most 11 % of any pixels are (Chebyshev)


def usual_range(image: NDArray[Any]) -> tuple[float, float] | None:
    """Lowest and highest of the usual pixels, where a few lie far beyond them.

    Parameters
    ----------
    image : ndarray
        Finite pixels of any real type; read part by part.

    Returns
    -------
    tuple of float or None
        None where no pixel is further from the others than 10,000 times their range, as those of
        sensors never are: then all are usual.

    Notes
    -----
    Such pixels mark missing data or a dead line of a sensor. A single one of 1e9 among photons
    spoils mean, standard deviation and every loss.

    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(100, (64, 64)).astype(float)
    >>> usual_range(image)
    >>> image[3, 4] = 1e9
    >>> usual_range(image)
    (63.0, 143.0)
    """
    found = None
    while narrower := _narrower(image, found):  # 1e15 would hide 1e9
        found = narrower
    return found


def _narrower(
    image: NDArray[Any], bounds: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Lowest and highest of the usual pixels within bounds, where a few lie far beyond them."""
    start, end = bounds or (-np.inf, np.inf)
    mean, deviation = mean_and_deviation(_within(image, start, end))
    low, high, below, above = np.inf, -np.inf, -np.inf, np.inf
    for part in _within(image, start, end):
        away = np.subtract(part, mean, dtype=np.float64) / (deviation or 1.0)
        usual = part[np.abs(away) <= _FEW]
        low, high = min(low, _lowest(usual)), max(high, _highest(usual))
        below, above = (
            max(below, _highest(part[away < -_FEW])),
            min(above, _lowest(part[away > _FEW])),
        )
    gap, span = min(low - below, above - high), high - low
    return (low, high) if 0 < FAR * span <= gap < np.inf else None


def _within(image: NDArray[Any], low: float, high: float) -> Iterator[NDArray[Any]]:
    for part in pieces(image):
        inside = part[(part >= low) & (part <= high)]
        if inside.size:
            yield inside


def _lowest(pixels: NDArray[Any]) -> float:
    return float(pixels.min()) if pixels.size else np.inf


def _highest(pixels: NDArray[Any]) -> float:
    return float(pixels.max()) if pixels.size else -np.inf


def looks_like_labels(image: NDArray[Any]) -> bool:
    """Whether whole numbers are ids of objects, rather than intensities.

    Parameters
    ----------
    image : ndarray
        `(Y, X)` or with more axes before.

    Returns
    -------
    bool
        True for whole numbers where inside the objects nearly all neighbours are the same, and
        where their numbers mostly change by more than one: a smooth image has every grey level in
        between. Also where there are only two values.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> looks_like_labels(np.kron([[0, 3], [7, 0]], np.ones((16, 16), int)))
    True
    >>> looks_like_labels(np.random.default_rng(0).poisson(3, (64, 64)))
    False
    """
    if image.dtype.kind not in "iu" or image.ndim < 2:
        return False
    same = inside = changes = above_1 = jumps = 0
    values: set[int] = set()
    for _, _, own, pixels in strips(image, around=1):
        rows, down = pixels[own], pixels[own.start : own.stop + 1]
        for here, there in ((rows[:, 1:], rows[:, :-1]), (down[1:], down[:-1])):
            equal, objects = here == there, (here > 0) & (there > 0)
            inside += int(np.count_nonzero(objects))
            same += int(np.count_nonzero(equal & objects))
            changes += int(np.count_nonzero(~equal))
            high, low = np.maximum(here, there), np.minimum(here, there)
            # From 0 to 1 tells nothing: of two cells, one begins like that.
            above_1 += int(np.count_nonzero(~equal & (high > 1)))
            # High minus low, since other differences of unsigned numbers wrap around.
            jumps += int(np.count_nonzero(high - low > 1))
        if len(values) <= 2:
            values |= set(np.unique(rows).tolist())
    # Where higher numbers are rare, they are two photons among many single ones.
    apart = jumps > above_1 / 2 and above_1 > changes / 5
    return changes > 0 and same > 0.8 * inside and (apart or len(values) == 2)
