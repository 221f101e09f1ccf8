"""The search for the best strength of a classical method, on images whose truth is known."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from aimicro import checks
from aimicro.restore.anscombe import Image


@dataclass(frozen=True)
class Tuned:
    """A classical method at the strength that suits known truths best.

    Attributes
    ----------
    method : str
        Name of the method.
    strength : float
        The best strength, in the unit of the method; for a denoiser, 0 where none was best.
    psnr : float
        Decibels at that strength, the mean over the images.
    image : ndarray of float32, or tuple of them
        Restored at that strength: one image, or a tuple of as many as came in.
    tried : tuple of (strength, psnr)
        Everything that was tried, in the order of strength.
    at_bound : bool
        Whether the best strength is the first or last that was allowed, so that one beyond could
        be better. A denoiser has no such doubt at the weak end, because 0 is tried too; nor has
        the number of iterations.

    Notes
    -----
    Used in chapter 6, *Denoising* and *Deconvolution*, and appendix A.
    """

    method: str
    strength: float
    psnr: float
    image: Image | tuple[Image, ...]
    tried: tuple[tuple[float, float], ...]
    at_bound: bool


class Search:
    """Strengths tried one after another, and the images that came closest to their truths.

    Parameters
    ----------
    restore : callable
        Takes a strength and restores all images with it.
    score : callable
        Takes the restored images and tells how close they are to their truths.
    """

    def __init__(
        self,
        restore: Callable[[float], tuple[Image, ...]],
        score: Callable[[tuple[Image, ...]], float],
    ) -> None:
        self._restore, self._score = restore, score
        self.tried: dict[float, float] = {}
        self.images: tuple[Image, ...] = ()

    @property
    def strength(self) -> float:
        """The best so far."""
        return max(self.tried, key=self.tried.__getitem__)

    def at(self, strength: float) -> float:
        """Try one strength."""
        images = self._restore(strength)
        score = self._score(images)
        if not self.tried or score > self.tried[self.strength]:
            self.images = images
        self.tried[strength] = score
        return score

    def along(self, grid: Iterable[float], past_peak_db: float = math.inf) -> None:
        """Try a grid until the score has fallen so far below its peak."""
        for strength in grid:
            if self.at(strength) < self.tried[self.strength] - past_peak_db:
                break

    def around(self, grid: Sequence[float]) -> None:
        """Search between the neighbours of the best of a grid that was tried."""
        best = grid.index(max((s for s in grid if s in self.tried), key=self.tried.__getitem__))
        neighbours = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        minimize_scalar(
            lambda log_strength: -self.at(math.exp(log_strength)),
            bounds=np.log(neighbours),
            method="bounded",
            options={"xatol": 0.05},  # 5 % of the strength: 0.01 dB where the peak is sharpest
        )

    def result(self, method: str, *, bounds: Sequence[float], many: bool) -> Tuned:
        """The best of all; `bounds` are the strengths beyond which a better one could lie."""
        return Tuned(
            method=method,
            strength=self.strength,
            psnr=self.tried[self.strength],
            image=self.images if many else self.images[0],
            tried=tuple(sorted(self.tried.items())),
            at_bound=self.strength in bounds,
        )


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
    checks.whole("workers", workers, low=1, hint="Give the number of cores to use.")
    with ThreadPoolExecutor(max_workers=workers) as pool:
        threads = {key: pool.submit(job) for key, job in jobs.items() if key not in alone}
        done = {key: jobs[key]() for key in alone}
        return Tunings((key, done[key] if key in done else threads[key].result()) for key in jobs)
