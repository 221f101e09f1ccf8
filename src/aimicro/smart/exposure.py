"""How long to expose: count the photons of a dim snap, and ask for as many as are wanted."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from aimicro import checks

_SIDE = 7  # pixels: a neighbourhood smaller than a cell, and still of 48 neighbours


def brightness(image: ArrayLike, *, background: float) -> float:
    r"""Tell how bright the bright things of an image are, however dim it is.

    .. math:: \hat{s} = \frac{\langle s_i \, s_j \rangle}{\langle s_i \rangle}, \qquad
              s_i = I_i - b,

    where *j* runs over the neighbours of pixel *i* in a square of 7 x 7. Neighbours share the
    light of a cell, but not the noise: so noise, of photons and camera, does not enter on average,
    and no threshold is needed that would fail in dim light.

    Parameters
    ----------
    image : array_like, (Y, X)
        Photons; negative values of a dark camera image are left as they are.
    background : float
        Photons in a pixel without a cell, as an empty dish shows them.

    Returns
    -------
    float
        Photons above background in a pixel of a cell; the mean over cells, weighted by their
        light. 0 if the image has no light above the background.

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or the background is no number.
    ValueError
        If the image is not 2D, is smaller than 7 x 7, or has a NaN or an infinity.

    Notes
    -----
    Used in chapter 7, *Adaptive acquisition*.

    Examples
    --------
    >>> image = np.zeros((64, 64))
    >>> image[20:50, 10:40] = 5
    >>> noisy = np.random.default_rng(0).poisson(image + 1)
    >>> round(brightness(noisy, background=1), 1), round(brightness(image, background=0), 1)
    (4.4, 4.4)
    """
    values = checks.intensities("image", image, ndim=2)
    if min(values.shape) < _SIDE:
        raise ValueError(
            f"Expected an image of at least {_SIDE} x {_SIDE} pixels, got {values.shape}. "
            "Pass the whole snap."
        )
    signal = values - checks.number("background", background)
    everyone = ndimage.uniform_filter(signal, _SIDE) * _SIDE**2
    neighbours = (everyone - signal) / (_SIDE**2 - 1)
    total = float(signal.mean())
    return max(float((signal * neighbours).mean()) / total, 0.0) if total > 0 else 0.0


def wanted_exposure(
    image: ArrayLike,
    *,
    exposure_ms: float,
    wanted_photons: float,
    background: float,
    limits_ms: tuple[float, float],
) -> float:
    """Tell which exposure would give cells as many photons as are wanted.

    Parameters
    ----------
    image : array_like, (Y, X)
        A snap in photons.
    exposure_ms : float
        How long the snap was exposed.
    wanted_photons : float
        Photons above background in a pixel of a cell.
    background : float
        Photons of the snap in a pixel without a cell.
    limits_ms : (float, float)
        Shortest and longest exposure; the longest comes if nothing was seen.

    Returns
    -------
    float
        Exposure in ms.

    Raises
    ------
    TypeError, ValueError
        As for `brightness`; if a number is out of range.

    Notes
    -----
    It assumes that light grows with exposure time: no saturation, no bleaching in between.

    Used in chapter 7, *Adaptive acquisition*.

    Examples
    --------
    >>> image = np.full((16, 16), 3.0)
    >>> wanted_exposure(
    ...     image, exposure_ms=10, wanted_photons=8, background=1, limits_ms=(1, 500)
    ... )
    40.0
    """
    checks.number("exposure_ms", exposure_ms, above=0, unit="ms")
    checks.number("wanted_photons", wanted_photons, above=0)
    shortest, longest = limits_ms
    checks.number("the shortest of limits_ms", shortest, above=0, unit="ms")
    checks.number("the longest of limits_ms", longest, low=shortest, unit="ms")
    seen = brightness(image, background=background)
    return float(np.clip(exposure_ms * wanted_photons / max(seen, 1e-12), shortest, longest))
