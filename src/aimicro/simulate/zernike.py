"""Zernike polynomials: the alphabet in which aberrations are written."""

import difflib
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import eval_jacobi

from aimicro import checks

NAMES: dict[str, tuple[int, int]] = {
    "piston": (0, 0),
    "vertical tilt": (1, -1),
    "horizontal tilt": (1, 1),
    "oblique astigmatism": (2, -2),
    "defocus": (2, 0),
    "vertical astigmatism": (2, 2),
    "vertical trefoil": (3, -3),
    "vertical coma": (3, -1),
    "horizontal coma": (3, 1),
    "oblique trefoil": (3, 3),
    "oblique quadrafoil": (4, -4),
    "oblique secondary astigmatism": (4, -2),
    "primary spherical": (4, 0),
    "vertical secondary astigmatism": (4, 2),
    "vertical quadrafoil": (4, 4),
    "secondary vertical coma": (5, -1),
    "secondary horizontal coma": (5, 1),
    "secondary spherical": (6, 0),
}
"""Modes with a name of their own, as ``(n, m)``: `m` above 0 is a cosine, below 0 a sine."""


def noll_to_nm(j: int) -> tuple[int, int]:
    """Turn Noll's index into a radial order and an angular frequency.

    Parameters
    ----------
    j : int
        Noll's index [1]_, from 1 (piston) up. Even indices are cosines, odd ones sines.

    Returns
    -------
    (int, int)
        ``(n, m)``, with `m` above 0 for a cosine and below 0 for a sine.

    Raises
    ------
    ValueError
        If `j` is no whole number from 1 up.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    References
    ----------
    .. [1] R. J. Noll, "Zernike polynomials and atmospheric turbulence", J. Opt. Soc. Am. 66,
       207 (1976). https://doi.org/10.1364/JOSA.66.000207

    Examples
    --------
    >>> [noll_to_nm(j) for j in (1, 2, 3, 4, 5, 6)]
    [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2)]
    """
    j = checks.whole("the Noll index", j, low=1, hint="Noll counts from 1, OSA from 0.")
    n = _order(j - 1)
    place = j - 1 - n * (n + 1) // 2  # among the n + 1 modes of this order, which |m| sorts
    m = 2 * (place // 2) + 1 if n % 2 else 2 * ((place + 1) // 2)
    return n, m if j % 2 == 0 else -m


def osa_to_nm(j: int) -> tuple[int, int]:
    """Turn the index of OSA and ANSI into a radial order and an angular frequency.

    Parameters
    ----------
    j : int
        Index of the standard ANSI Z80.28, from 0 (piston) up. Within an order it grows with `m`.

    Returns
    -------
    (int, int)
        ``(n, m)``, with `m` above 0 for a cosine and below 0 for a sine.

    Raises
    ------
    ValueError
        If `j` is no whole number from 0 up.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> [osa_to_nm(j) for j in range(6)]
    [(0, 0), (1, -1), (1, 1), (2, -2), (2, 0), (2, 2)]
    """
    j = checks.whole("the OSA index", j, low=0, hint="Noll counts from 1, OSA from 0.")
    n = _order(j)
    return n, 2 * j - n * (n + 2)


def nm_to_noll(n: int, m: int) -> int:
    """Turn a radial order and an angular frequency into Noll's index.

    Parameters
    ----------
    n, m : int
        Radial order from 0 up; angular frequency from -n to n in steps of 2.

    Returns
    -------
    int
        Noll's index, from 1 up.

    Raises
    ------
    ValueError
        If no polynomial has this order and frequency.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> nm_to_noll(4, 0)
    11
    """
    n, m = _checked_nm(n, m)
    before = n * (n + 1) // 2  # modes of the orders below
    if m == 0:
        return before + 1
    first = before + abs(m)  # of the two neighbours with this |m|: the even one is the cosine
    return first + (first % 2 == (m > 0))


def nm_to_osa(n: int, m: int) -> int:
    """Turn a radial order and an angular frequency into the index of OSA and ANSI.

    Parameters
    ----------
    n, m : int
        Radial order from 0 up; angular frequency from -n to n in steps of 2.

    Returns
    -------
    int
        Index, from 0 up.

    Raises
    ------
    ValueError
        If no polynomial has this order and frequency.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> nm_to_osa(4, 0)
    12
    """
    n, m = _checked_nm(n, m)
    return (n * (n + 2) + m) // 2


def noll_to_osa(j: int) -> int:
    """Turn Noll's index, from 1 up, into that of OSA and ANSI, from 0 up.

    Used in chapter 6, *Image formation*. A wrong index is a ValueError.

    Examples
    --------
    >>> [noll_to_osa(j) for j in (1, 2, 3, 4, 11)]
    [0, 2, 1, 4, 12]
    """
    return nm_to_osa(*noll_to_nm(j))


def osa_to_noll(j: int) -> int:
    """Turn the index of OSA and ANSI, from 0 up, into Noll's, from 1 up.

    Used in chapter 6, *Image formation*. A wrong index is a ValueError.

    Examples
    --------
    >>> [osa_to_noll(j) for j in (0, 1, 2, 4, 12)]
    [1, 3, 2, 4, 11]
    """
    return nm_to_noll(*osa_to_nm(j))


def zernike(
    j: int, rho: ArrayLike, theta: ArrayLike, *, index: str = "noll"
) -> NDArray[np.float64]:
    r"""Evaluate a Zernike polynomial, scaled to an RMS of 1 over the unit disc.

    .. math:: Z_n^m(\rho, \theta) = \sqrt{n + 1}\; R_n^{|m|}(\rho) \cdot
              \begin{cases} \sqrt 2 \cos m\theta & m > 0 \\ 1 & m = 0 \\
              \sqrt 2 \sin |m|\theta & m < 0 \end{cases}

    The polynomials are orthonormal: the mean over the disc of the product of two is 1 if they
    are the same, else 0 [1]_. The radial part is a Jacobi polynomial [2]_, which SciPy computes by
    recurrence. So no factorial overflows, and high orders keep their digits.

    Parameters
    ----------
    j : int
        Index of the mode.
    rho : array_like
        Radius, 1 at the edge of the pupil. Values above 1 are evaluated too: mask them yourself.
    theta : array_like
        Angle in radians from x towards y, which grows with the row. Broadcast with `rho`.
    index : {"noll", "osa"}
        Whose index `j` is.

    Returns
    -------
    numpy.ndarray
        float64 values, of the shape that `rho` and `theta` broadcast to.

    Raises
    ------
    ValueError
        If there is no such index.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    References
    ----------
    .. [1] R. J. Noll, "Zernike polynomials and atmospheric turbulence", J. Opt. Soc. Am. 66,
       207 (1976). https://doi.org/10.1364/JOSA.66.000207
    .. [2] M. Born, E. Wolf, "Principles of Optics", 7th edition (1999), appendix VII.
       https://doi.org/10.1017/CBO9781139644181

    Examples
    --------
    >>> zernike(4, [0, 1], 0).round(3)  # defocus, √3 (2ρ² - 1)
    array([-1.732,  1.732])
    """
    checks.one_of("index", index, _TO_NM)
    return _polynomial(*_to_nm(j, index), np.asarray(rho, float), np.asarray(theta, float))


def wavefront(
    modes: Mapping[int | str, float], rho: ArrayLike, theta: ArrayLike, *, index: str = "noll"
) -> NDArray[np.float64]:
    r"""Add up Zernike modes to a wavefront.

    .. math:: \varphi(\rho, \theta) = \sum_j a_j Z_j(\rho, \theta), \qquad
              \sigma^2 = \sum_{j \ne \text{piston}} a_j^2

    Parameters
    ----------
    modes : mapping of int or str to float
        Coefficient :math:`a_j` in radians RMS of each mode, by its index or by a name out of
        :data:`NAMES`. None at all is a flat wavefront.
    rho, theta : array_like
        Radius, 1 at the edge of the pupil, and angle in radians, as for :func:`zernike`.
    index : {"noll", "osa"}
        Whose indices the whole numbers are. It says nothing about names.

    Returns
    -------
    numpy.ndarray
        float64 phase in radians, of the shape that `rho` and `theta` broadcast to.

    Raises
    ------
    ValueError
        If a mode is unknown, or a coefficient is not finite.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> wavefront({"primary spherical": 0.5, 4: -0.1}, [0, 1], 0).round(3)
    array([1.291, 0.945])
    """
    checks.one_of("index", index, _TO_NM)
    rho, theta = np.broadcast_arrays(np.asarray(rho, float), np.asarray(theta, float))
    phase = np.zeros(rho.shape)
    for mode, coefficient in modes.items():
        n, m = _to_nm(mode, index)
        hint = "Give radians RMS, or leave the mode out."
        checks.number(f"the coefficient of mode {mode!r}", coefficient, hint=hint)
        phase += coefficient * _polynomial(n, m, rho, theta)
    return phase


def _polynomial(
    n: int, m: int, rho: NDArray[np.float64], theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Z of order `n` and frequency `m`."""
    folds, steps = abs(m), (n - abs(m)) // 2
    radial = (-1) ** steps * rho**folds * eval_jacobi(steps, folds, 0, 1 - 2 * rho**2)
    angular = np.cos(m * theta) if m >= 0 else np.sin(folds * theta)
    return np.asarray(np.sqrt((n + 1) * (1 if m == 0 else 2)) * radial * angular)


def _order(before: int) -> int:
    """Radial order of the mode that so many modes come before: n(n + 1)/2 of lower order."""
    return (math.isqrt(8 * before + 1) - 1) // 2


_TO_NM = {"noll": noll_to_nm, "osa": osa_to_nm}


def _to_nm(mode: int | str, index: str) -> tuple[int, int]:
    """Order and frequency of a mode, given by index or name."""
    if isinstance(mode, str):
        if mode in NAMES:  # before the search for a similar name, which takes longer than a phase
            return NAMES[mode]
        near = difflib.get_close_matches(mode, NAMES, n=1, cutoff=0)[0]
        hint = f"Did you mean {near}?"
        return NAMES[checks.one_of("the name of a Zernike mode", mode, NAMES, hint=hint)]
    return _TO_NM[index](mode)


def _checked_nm(n: int, m: int) -> tuple[int, int]:
    """Order and frequency, if there is such a polynomial."""
    hint = "Of order 4 there are m = -4, -2, 0, 2, 4."
    n = checks.whole("the order n", n, low=0, hint=hint)
    m = checks.whole("the frequency m", m, low=-n, high=n, hint=hint)
    if (n - m) % 2:
        raise ValueError(
            f"Expected a frequency m from -n to n in steps of 2, got n = {n}, m = {m}. {hint}"
        )
    return n, m
