"""Finding a wavefront without a network: by likelihood from a bead, or by trying with a mirror."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from aimicro import checks
from aimicro.simulate.diversity import PhaseDiversity


class Retrieved(NamedTuple):
    """A wavefront, and how well it explains the images.

    Attributes
    ----------
    strengths : numpy.ndarray
        Of the modes, in radians RMS.
    misfit : float
        Deviance per pixel: about 1 where the model is right and pixels are bright, less where
        they are nearly empty.
    iterations : int
        Steps that were taken from the best start.
    """

    strengths: NDArray[np.float64]
    misfit: float
    iterations: int


def misfit(images: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    r"""Compute how badly expected photons explain counted ones: the deviance per pixel.

    .. math:: \frac{2}{N} \sum_{\mathbf x} \mu - g + g \ln \frac{g}{\mu}

    Parameters
    ----------
    images, expected : array_like, (..., planes, Y, X)
        Photons counted, and expected, above 0.

    Returns
    -------
    numpy.ndarray
        float64, ``(...)``.

    Raises
    ------
    ValueError
        If the shapes differ, a counted number is negative, or an expected one not above 0.

    Notes
    -----
    Used in chapter 6, *Measuring and correcting a wavefront*.

    Examples
    --------
    >>> float(misfit([[[4.0]]], [[[4.0]]]))
    0.0
    """
    counted, light = np.asarray(images, float), np.asarray(expected, float)
    if counted.shape != light.shape or counted.ndim < 3:
        raise ValueError(
            f"Expected two arrays (..., planes, Y, X) of one shape, got {counted.shape} and "
            f"{light.shape}. Give the photons that were counted, and those that are expected."
        )
    if not (counted.min() >= 0 and light.min() > 0):
        raise ValueError(
            f"Expected counted photons from 0 up and expected ones above 0, got values from "
            f"{counted.min():g} and from {light.min():g}. Subtract the offset of the camera; add a "
            "background."
        )
    deviance = 2 * (light - counted + xlogy(counted, counted / light))
    return np.asarray(deviance.mean(axis=(-3, -2, -1)))


def retrieve_wavefront(
    images: ArrayLike,
    bead: PhaseDiversity,
    *,
    background: float,
    starts: ArrayLike | None = None,
    spread_rad: float | None = None,
    iterations: int = 30,
) -> Retrieved:
    r"""Fit the strengths of modes to images of a bead, by likelihood.

    The counted photons :math:`g` are most likely for the strengths that make
    :math:`\sum \mu - g \ln \mu` least, with :math:`\mu = s\,h(\mathbf a) + b`: phase
    retrieval [1]_ with few unknowns. Each step solves for the change of all strengths at once,
    with the Fisher information
    :math:`\sum \nabla\mu \nabla\mu^T / \mu` as curvature, and is damped, as Levenberg and
    Marquardt do, until the likelihood grows. The light :math:`s` is fitted along.

    Parameters
    ----------
    images : array_like, (planes, Y, X)
        Photons counted.
    bead : PhaseDiversity
        How images come from strengths.
    background : float
        Photons per pixel that do not come from the bead, above 0.
    starts : array_like, (S, M), optional
        Strengths to begin with; the most likely end is kept. By default a flat wavefront alone.
    spread_rad : float, optional
        What is known beforehand: strengths scatter around 0 with this standard deviation. By
        default nothing is.
    iterations : int
        Steps from each start at most.

    Returns
    -------
    Retrieved
        Strengths, misfit and steps.

    Raises
    ------
    ValueError
        If the images do not have the planes and the size of the bead, a start not as many
        strengths as it has modes, or a number is out of range.

    Notes
    -----
    Used in chapter 6, *Measuring and correcting a wavefront*.

    References
    ----------
    .. [1] B. M. Hanser, M. G. L. Gustafsson, D. A. Agard, J. W. Sedat, "Phase-retrieved pupil
       functions in wide-field fluorescence microscopy", J. Microsc. 216, 32 (2004).
       https://doi.org/10.1111/j.0022-2720.2004.01393.x
    """
    counted = checks.image("images", images, low=0).astype(float)
    size = (len(bead.defocus_um), bead.side, bead.side)
    if counted.shape != size:
        raise ValueError(f"Expected images of shape {size}, got {counted.shape}. Crop them.")
    checks.number("background", background, above=0, hint="An empty pixel explains no photon.")
    prior = 0.0 if spread_rad is None else 1 / checks.number("spread_rad", spread_rad, above=0) ** 2
    iterations = checks.whole("iterations", iterations, low=1, hint="Start with 30.")
    modes = len(bead.modes)
    first = np.zeros((1, modes)) if starts is None else np.atleast_2d(np.asarray(starts, float))
    if first.ndim != 2 or first.shape[1] != modes or not len(first):
        raise ValueError(
            f"Expected starts (S, {modes}), one strength for each mode, got shape {first.shape}. "
            "Leave them out to begin flat."
        )
    ends = [_climb(counted, bead, background, prior, start, iterations) for start in first]
    return min(ends, key=lambda end: end[0])[1]


def _climb(
    counted: NDArray[np.float64],
    bead: PhaseDiversity,
    background: float,
    prior: float,
    start: NDArray[np.float64],
    iterations: int,
) -> tuple[float, Retrieved]:
    """From one start to where no step makes the images more likely."""
    log_light = np.log(max(counted.sum() - background * counted.size, 1) / len(counted) / 0.9)
    x = np.append(start, log_light)
    weights = np.append(np.full(len(start), prior), 0.0)

    def look(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        shape, slopes = bead.derivatives(x[:-1])
        light = np.exp(x[-1]) * shape + background
        change = np.exp(x[-1]) * np.concatenate([slopes, shape[None]]).reshape(len(x), -1)
        cost = float((light - xlogy(counted, light)).sum() + (weights * x**2).sum() / 2)
        return cost, light, change

    cost, light, change = look(x)
    damping, steps = 1e-2, 0
    for _ in range(iterations):
        steps += 1
        push = change @ (counted / light - 1).ravel() - weights * x
        curvature = (change / light.ravel()) @ change.T + np.diag(weights)
        damped = curvature + damping * np.diag(np.diag(curvature))
        move = np.linalg.solve(damped, push)
        there = look(x + move)
        if there[0] < cost:
            gained = cost - there[0]
            x, damping = x + move, damping / 5
            cost, light, change = there
            if gained < 1e-3:
                break
        elif damping > 1e6:
            break
        else:
            damping *= 5
    return cost, Retrieved(x[:-1], float(misfit(counted, light)), steps)


def modal_search(
    measure: Callable[[NDArray[np.float64]], float],
    modes: int,
    *,
    bias_rad: float,
    curvature: float | None = None,
    rounds: int = 1,
) -> NDArray[np.float64]:
    r"""Find a correction mode by mode, from trials with a mirror, without any model of the optics.

    A measure of sharpness :math:`m` is taken to fall off as a Gaussian, :math:`\ln m` as a
    parabola, with the strength of a mode. From trials at :math:`-b`, 0 and :math:`b` follows where
    its top is, as in model-based sensorless adaptive optics [1]_:

    .. math:: a = \frac{\ln m_+ - \ln m_-}{4 k b}, \qquad
              k = \frac{2 \ln m_0 - \ln m_+ - \ln m_-}{2 b^2}.

    Whoever has measured the curvature :math:`k` beforehand needs but two trials, and divides by
    no difference of noisy numbers.

    Parameters
    ----------
    measure : callable
        Takes a command for the mirror, ``(M,)`` in radians RMS, records an image and returns its
        sharpness, above 0. It is called three times for each mode and round, or twice with a
        given curvature.
    modes : int
        How many.
    bias_rad : float
        :math:`b` in radians RMS.
    curvature : float, optional
        :math:`k` in 1 / radians²; by default that of each mode, from its three trials.
    rounds : int
        How often to go through all modes.

    Returns
    -------
    numpy.ndarray
        Command for the mirror, ``(M,)`` in radians RMS.

    Raises
    ------
    ValueError
        For a number out of range.

    Notes
    -----
    No step is longer than the bias. Where three trials have no top, it goes to the better side.

    Used in chapter 6, *Measuring and correcting a wavefront*.

    References
    ----------
    .. [1] J. Antonello et al., "Optimization-based wavefront sensorless adaptive optics for
       multiphoton microscopy", J. Opt. Soc. Am. A 31, 1337 (2014).
       https://doi.org/10.1364/JOSAA.31.001337

    Examples
    --------
    >>> modal_search(lambda c: np.exp(-((c - 0.3) ** 2).sum()), 2, bias_rad=0.5).round(3).tolist()
    [0.3, 0.3]
    """
    n = checks.whole("modes", modes, low=1)
    bias = checks.number("bias_rad", bias_rad, above=0)
    if curvature is not None:
        checks.number("curvature", curvature, above=0, hint="Measure it on a sharp bead.")
    command = np.zeros(n)
    for mode in np.tile(np.arange(n), checks.whole("rounds", rounds, low=1)):
        step = bias * (np.arange(n) == mode)

        def log_sharpness(trial: NDArray[np.float64]) -> float:
            return float(np.log(max(measure(trial), 1e-12)))

        low, high = log_sharpness(command - step), log_sharpness(command + step)
        bend = curvature
        if bend is None:
            middle = log_sharpness(command)
            bend = (2 * middle - low - high) / (2 * bias**2)
        top = (high - low) / (4 * bend * bias) if bend > 0 else bias * np.sign(high - low)
        command[mode] += np.clip(top, -bias, bias)
    return command
