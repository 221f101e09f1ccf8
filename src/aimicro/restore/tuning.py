"""The search for the best strength of a classical method, on images whose truth is known."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from aimicro.metrics.restoration import affine_fit, psnr
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
    """

    method: str
    strength: float
    psnr: float
    image: Image | tuple[Image, ...]
    tried: tuple[tuple[float, float], ...]
    at_bound: bool


def scorer(
    images: Sequence[npt.ArrayLike],
    truths: Sequence[npt.ArrayLike],
    *,
    data_range: float,
    affine: bool,
) -> Callable[[Sequence[Image]], float]:
    """Mean PSNR of restored images, or an error if there are not as many truths as images."""
    if len(images) != len(truths) or not images:
        raise ValueError(
            f"Expected one truth for each image, got {len(images)} images and {len(truths)} "
            "truths. Pass two arrays, or two lists of one length."
        )

    def score(restored: Sequence[Image]) -> float:
        pairs = zip(truths, restored, strict=True)
        fitted = ((t, affine_fit(t, r).image if affine else r) for t, r in pairs)
        return float(np.mean([psnr(t, r, data_range=data_range) for t, r in fitted]))

    return score


def best_strength(
    method: str,
    restore: Callable[[float], tuple[Image, ...]],
    score: Callable[[Sequence[Image]], float],
    *,
    grid: Sequence[float],
    first: Sequence[float] = (),
    discrete: bool = False,
    past_peak_db: float = math.inf,
    many: bool,
) -> Tuned:
    """Try `first` what lies before a grid, then the grid, then search around the best of it.

    The grid ends early where the score has fallen by `past_peak_db`.
    """
    tried: dict[float, float] = {}
    kept: tuple[Image, ...] = ()

    def scored(strength: float) -> float:
        nonlocal kept
        restored = restore(strength)
        value = score(restored)
        if not tried or value > max(tried.values()):
            kept = restored
        tried[strength] = value
        return value

    for strength in first:
        scored(strength)
    for strength in grid:
        if scored(strength) < max(tried.values()) - past_peak_db:
            break
    best = int(np.argmax([tried[strength] for strength in grid if strength in tried]))
    if not discrete:
        around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        minimize_scalar(
            lambda log_strength: -scored(math.exp(log_strength)),
            bounds=np.log(around),
            method="bounded",
            options={"xatol": 0.05},  # 5 % of the strength: 0.01 dB where the peak is sharpest
        )
    strength = max(tried, key=lambda key: tried[key])
    return Tuned(
        method=method,
        strength=strength,
        psnr=tried[strength],
        image=kept if many else kept[0],
        tried=tuple(sorted(tried.items())),
        at_bound=strength == grid[-1] or (strength == grid[0] and not first),
    )


def several(images: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Sequence[npt.ArrayLike]:
    """A list of images, also of one."""
    return images if isinstance(images, list | tuple) else [np.asarray(images)]
