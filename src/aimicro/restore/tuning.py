"""The search for the best strength of a classical method, on images whose truth is known."""

import itertools
import math
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from aimicro import checks
from aimicro.restore.anscombe import Image

Strength = float | tuple[float, ...]


@dataclass(frozen=True)
class Parameter:
    """One number that says how strongly a method works.

    Attributes
    ----------
    name : str
        What the field calls it.
    unit : str
        Its unit: pixels, standard deviations of the noise, or none.
    bounds : tuple of float
        Between which values the best is looked for, in that unit.
    discrete : bool
        Whether it is a whole number.
    ratio : float
        Between neighbours of the coarse grid that is tried first, at most.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> Parameter("radius", "px", (1, 4), discrete=True).grid()
    [1.0, 2.0, 3.0, 4.0]
    """

    name: str
    unit: str
    bounds: tuple[float, float]
    discrete: bool = False
    ratio: float = 2.5

    def grid(self) -> list[float]:
        """Values to try first: every whole one, or equal ratios."""
        low, high = self.bounds
        if self.discrete:
            return [float(value) for value in range(int(low), int(high) + 1)]
        steps = math.ceil(math.log(high / low) / math.log(self.ratio))
        return [float(value) for value in np.geomspace(low, high, steps + 1)]

    def __str__(self) -> str:
        """Name and unit, for a table."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Tuned:
    """A classical method at the strength that suits known truths best.

    Attributes
    ----------
    method : str
        Name of the method.
    parameters : tuple of Parameter
        What makes up its strength, by names and units.
    strength : float or tuple of float
        The best strength, in the unit of the method; a tuple where it has several parameters. For
        a denoiser, 0 where none was best.
    psnr : float
        Decibels at that strength, the mean over the images.
    image : ndarray of float32, or tuple of them
        Restored at that strength: one image, or a tuple of as many as came in.
    tried : tuple of (strength, psnr)
        Everything that was tried, in the order of strength.
    at_bound : bool
        Whether the best value of a parameter is the first or last that was allowed, so that one
        beyond could be better. A denoiser has no such doubt at the weak end, because 0 is tried
        too; nor has the number of iterations.

    Notes
    -----
    Used in chapter 6, *Denoising* and *Deconvolution*, and appendix A.
    """

    method: str
    parameters: tuple[Parameter, ...]
    strength: Strength
    psnr: float
    image: Image | tuple[Image, ...]
    tried: tuple[tuple[Strength, float], ...]
    at_bound: bool

    @property
    def settings(self) -> dict[str, float]:
        """The best value of each parameter, by its name with its unit."""
        values = np.atleast_1d(self.strength).tolist()
        return {str(one): value for one, value in zip(self.parameters, values, strict=True)}


class Search:
    """Strengths tried one after another, and the images that came closest to their truths.

    Parameters
    ----------
    restore : callable
        Takes the value of each parameter and restores all images with them.
    score : callable
        Takes the restored images and tells how close they are to their truths.
    *parameters : Parameter
        What is tuned.
    """

    def __init__(
        self,
        restore: Callable[..., tuple[Image, ...]],
        score: Callable[[tuple[Image, ...]], float],
        *parameters: Parameter,
    ) -> None:
        self._restore, self._score, self._parameters = restore, score, parameters
        self._tried: dict[tuple[float, ...], float] = {}
        self._images: tuple[Image, ...] = ()

    def at(self, *strength: float) -> float:
        """Try one strength."""
        images = self._restore(*strength)
        score = self._score(images)
        if score > max(self._tried.values(), default=-math.inf):
            self._images = images
        self._tried[strength] = score
        return score

    def run(self, past_peak_db: float = math.inf) -> None:
        """Search: the best first parameter for each value of the others, then the others.

        Parameters
        ----------
        past_peak_db : float
            How far below its peak the score falls before the first parameter rises no more.
        """
        lines = [
            self._along_first(fixed, past_peak_db)
            for fixed in itertools.product(*(one.grid() for one in self._parameters[1:]))
        ]
        best = max(lines, key=self._tried.__getitem__)
        if len(self._parameters) > 1:  # the best of one moves that of the other
            for axis in (*range(1, len(self._parameters)), 0):
                best = self._around(best, axis)

    def _along_first(self, fixed: tuple[float, ...], past_peak_db: float) -> tuple[float, ...]:
        """The best value of the first parameter beside these: on its grid, then between."""
        best, peak = (math.nan, *fixed), -math.inf
        for value in self._parameters[0].grid():
            score = self.at(value, *fixed)
            if score > peak:
                best, peak = (value, *fixed), score
            elif score < peak - past_peak_db:
                break
        return self._around(best, 0)

    def _around(self, best: tuple[float, ...], axis: int) -> tuple[float, ...]:
        """The best so far, or a better one up to a step of the grid beside it along an axis."""
        if self._parameters[axis].discrete:
            return best
        grid = np.log(self._parameters[axis].grid())
        step, middle = grid[1] - grid[0], math.log(best[axis])

        def loss(log_value: float) -> float:
            strengths.append((*best[:axis], math.exp(log_value), *best[axis + 1 :]))
            return -min(self.at(*strengths[-1]), 1e3)  # a perfect score is infinite: no slope

        strengths = [best]
        minimize_scalar(
            loss,
            bounds=(max(middle - step, grid[0]), min(middle + step, grid[-1])),
            method="bounded",
            options={"xatol": 0.05},  # 5 % of the strength: 0.01 dB where the peak is sharpest
        )
        return max(strengths, key=self._tried.__getitem__)

    def result(self, method: str, *, many: bool, low_end: bool = False) -> Tuned:
        """The best of all; with `low_end`, a better one could lie below the bounds, too."""
        best = max(self._tried, key=self._tried.__getitem__)
        ends = [p.bounds if low_end else p.bounds[1:] for p in self._parameters]
        return Tuned(
            method=method,
            parameters=self._parameters,
            strength=_one_or_several(best),
            psnr=self._tried[best],
            image=self._images if many else self._images[0],
            tried=tuple((_one_or_several(s), self._tried[s]) for s in sorted(self._tried)),
            at_bound=any(value in end for value, end in zip(best, ends, strict=True)),
        )


def _one_or_several(values: tuple[float, ...]) -> Strength:
    return values if len(values) > 1 else values[0]


class Tunings(dict[Any, Tuned]):
    """Several methods, each at its best strength, by the name of the method.

    Where they were tried with several noise models, the keys are pairs ``(method, noise)``.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.
    """

    @property
    def best(self) -> Tuned:
        """The one with the highest score."""
        return max(self.values(), key=lambda tuned: tuned.psnr)

    def scores(self) -> dict[str, Any]:
        """Decibels for `aimicro.show.scoreboard`: of each method, or of each with each noise."""
        scores: dict[str, Any] = {}
        for key, tuned in self.items():
            row = tuned.method.replace("_", " ")
            if isinstance(key, tuple):
                scores.setdefault(row, {})[key[1]] = tuned.psnr
            else:
                scores[row] = tuned.psnr
        return scores


def in_parallel(
    jobs: Mapping[Any, Callable[[], Tuned]], workers: int, alone: Collection[Any] = ()
) -> Tunings:
    """Do jobs in threads, but those `alone` one after another beside them.

    Threads that wait for Python's lock all the time are slower together than one by one.
    """
    with threads(workers) as pool:
        beside = {key: pool.submit(job) for key, job in jobs.items() if key not in alone}
        done = {key: jobs[key]() for key in alone}
        return Tunings((key, done[key] if key in done else beside[key].result()) for key in jobs)


def threads(workers: int) -> ThreadPoolExecutor:
    """So many threads, or a clear error."""
    checks.whole("workers", workers, low=1, hint="Give the number of cores to use.")
    return ThreadPoolExecutor(max_workers=workers)
