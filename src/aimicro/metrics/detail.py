"""Fine detail, counted: two lines that are two, and lines that are not there.

Used in chapter 6, *Super-resolution*.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimicro import checks

_ALIKE = 0.5  # of the higher peak: what is lower is noise, or another, fainter thing
_WAYS = ((0, 1), (1, 0), (1, 1), (1, -1))  # along a row, a column and both diagonals


def valley(profile: npt.ArrayLike) -> float:
    r"""Depth of the valley between the two highest peaks of a profile.

    .. math:: 1 - \frac{\text{lowest value between them}}{\text{the lower of the two peaks}}

    Parameters
    ----------
    profile : array_like, (N,)
        Intensities across two lines, without their background.

    Returns
    -------
    float
        0 where there is one peak, and 1 where it is dark between two. Rayleigh called two spots
        resolved from 0.26 on.

    Raises
    ------
    TypeError
        If the profile is not made of real numbers.
    ValueError
        If it has other than one axis, fewer than three values, or one that is not finite.

    Notes
    -----
    A peak is higher than its neighbours, or begins a plateau that is. One with less than half of
    the height of the other does not count. Noise makes peaks, too: average along the lines first,
    and look only around the place where the two should be.

    Used in chapter 6, *Super-resolution*.

    Examples
    --------
    >>> valley([0, 4, 3, 5, 0])
    0.25
    >>> valley([0, 4, 4, 5, 0])
    0.0
    """
    values = np.asarray(profile)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"Expected a profile of real numbers, got {values.dtype}.")
    if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all():
        raise ValueError(
            f"Expected a profile (N,) of at least three finite values, got shape {values.shape}. "
            "Average an image along the lines."
        )
    values = values.astype(float)
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    peaks = np.flatnonzero((values > padded[:-2]) & (values >= padded[2:]))
    highest = np.sort(peaks[np.argsort(-values[peaks], kind="stable")][:2])
    if len(highest) < 2 or values.max() <= 0 or values[highest].min() < _ALIKE * values.max():
        return 0.0
    lowest = values[highest[0] : highest[1]].min()
    return float(np.clip(1 - lowest / values[highest].min(), 0, 1))


class Strayed(NamedTuple):
    """How much of the fine detail is wrong.

    Attributes
    ----------
    invented : float
        Fraction of the crests of the estimate, from 0 to 1, that are far from any of the truth.
    missed : float
        Fraction of the crests of the truth that are far from any of the estimate.

    Notes
    -----
    Used in chapter 6, *Super-resolution*.
    """

    invented: float
    missed: float


def crests(image: npt.ArrayLike, *, floor: float) -> npt.NDArray[np.bool_]:
    """Where an image has a line or a spot: pixels that are highest across it.

    Parameters
    ----------
    image : array_like, (Y, X)
        Any image.
    floor : float
        Pixels below it are background.

    Returns
    -------
    ndarray of bool, (Y, X)
        Pixels from the floor up that are higher than one neighbour and no lower than the opposite
        one, along a row, a column or a diagonal.

    Raises
    ------
    TypeError
        If the image is not made of real numbers.
    ValueError
        If it has other than two axes, or a pixel that is not finite.

    Notes
    -----
    Used in chapter 6, *Super-resolution*.

    Examples
    --------
    >>> crests([[0, 5, 0, 0], [0, 6, 0, 1], [0, 5, 0, 0]], floor=2).astype(int)
    array([[0, 1, 0, 0],
           [0, 1, 0, 0],
           [0, 1, 0, 0]])
    """
    pixels = checks.image("image", image, hint="Give one plane at a time.")
    if pixels.ndim != 2:
        raise ValueError(
            f"Expected an image (Y, X), got shape {pixels.shape}. Give one plane at a time."
        )
    padded = np.pad(pixels.astype(float), 1, constant_values=-np.inf)
    height, width = pixels.shape

    def beside(dy: int, dx: int) -> npt.NDArray[np.float64]:
        """Return the image, moved by a step."""
        neighbour: npt.NDArray[np.float64] = padded[1 + dy :, 1 + dx :][:height, :width]
        return neighbour

    highest = [(pixels > beside(-dy, -dx)) & (pixels >= beside(dy, dx)) for dy, dx in _WAYS]
    found: npt.NDArray[np.bool_] = np.any(highest, axis=0) & (pixels >= floor)
    return found


def strayed(
    estimate: npt.ArrayLike, truth: npt.ArrayLike, *, floor: float, reach_px: float
) -> Strayed:
    """Count lines and spots that were invented, and those that were missed.

    Parameters
    ----------
    estimate, truth : array_like, (Y, X)
        A restored image and its truth, in the same unit.
    floor : float
        Below it there is no line: a part of the brightness of a typical line.
    reach_px : float
        How far, in pixels, a crest may lie from one of the other image.

    Returns
    -------
    Strayed
        Fractions of the crests; 0 of no crests.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If the shapes differ, the reach is negative, or an image is none.

    Notes
    -----
    A crest may be matched by a crest from half of the floor up, so that a line is not invented
    because it is a little too bright.

    Used in chapter 6, *Super-resolution*.

    Examples
    --------
    >>> truth, estimate = np.zeros((2, 9, 9))
    >>> truth[:, 2] = estimate[:, 3] = estimate[:, 8] = 1
    >>> strayed(estimate, truth, floor=0.5, reach_px=1)
    Strayed(invented=0.5, missed=0.0)
    """
    reach = checks.number("reach_px", reach_px, low=0)
    if np.shape(estimate) != np.shape(truth):
        raise ValueError(
            f"Expected estimate and truth of one shape, got {np.shape(estimate)} and "
            f"{np.shape(truth)}. Crop or register them first."
        )

    def far(image: npt.ArrayLike, other: npt.ArrayLike) -> float:
        """Return the fraction of an image's crests that lie far from those of another."""
        asked = crests(image, floor=floor)
        around = ndimage.distance_transform_edt(~np.pad(crests(other, floor=floor / 2), 1))
        none = not crests(other, floor=floor / 2).any()
        away = np.full(asked.shape, True) if none else around[1:-1, 1:-1] > reach
        return float(away[asked].mean()) if asked.any() else 0.0

    return Strayed(invented=far(estimate, truth), missed=far(truth, estimate))
