"""Everything classical that segments, each method at its best.

A network is judged by the best of these. So the list is the same for all, and nobody hands in a
shorter one; a method that is missing belongs here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from aimicro import checks
from aimicro.segment._objects import Labels, without_small
from aimicro.segment.search import Parameter, search
from aimicro.segment.spots import log_discs, log_pieces, log_spots
from aimicro.segment.task import SegmentationTask
from aimicro.segment.threshold import foreground, local_threshold, otsu, redraw
from aimicro.segment.watershed import (
    watershed_by_both,
    watershed_by_distance,
    watershed_by_intensity,
)

Settings = Mapping[str, float]

# Lengths are for objects of radius 1, and grow with those of the task; the noise does not.
_SIGMA = Parameter("sigma", (0.5, 1, 2), 1, "px")
_FACTOR = Parameter("factor", (0.4, 0.55, 0.75, 1.0), 0.75)
_LOW_FACTOR = Parameter("factor", (0.3, 0.45, 0.65, 0.9), 0.45)
_WINDOW = Parameter("window", (0.7, 1.4, 2.8), 1.4, "px", dimension=1)
_RATIO = Parameter("ratio", (0.8, 1.0, 1.25), 1.0)
_MIN_AREA = Parameter("min_area", (0.05, 0.12, 0.3), 0.12, "px", dimension=-1)
_SMOOTHING = Parameter("smoothing", (0.06, 0.12, 0.24), 0.12, "px", dimension=1)
_DEPTH = Parameter("depth", (0.02, 0.04, 0.08, 0.16), 0.04, "px", dimension=1)
_FALL = Parameter("depth", (0.05, 0.1, 0.2, 0.4), 0.1)
_WEIGHT = Parameter("weight", (0.15, 0.4, 1), 0.4, "px", dimension=1)
_LEVEL = Parameter("level", (0.25, 0.35, 0.5, 0.7), 0.35)
_RADIUS = Parameter("radius", (0.4, 0.7, 1.1), 0.7, "px", dimension=1)
_ANSWER = Parameter("threshold", (0.02, 0.05, 0.12, 0.3), 0.05)
_WIDTH = Parameter("radius", (0.15, 0.25, 0.4), 0.25, "px", dimension=1)
_PIECES = Parameter("level", (0.15, 0.3, 0.5, 0.7), 0.3)
_SIZE = Parameter("size", (0.8, 1.0, 1.2, 1.5), 1.0, "px", dimension=1)


@dataclass(frozen=True)
class Method:
    """A classical method as `best_classical` tunes it.

    Attributes
    ----------
    recipe : callable
        Takes an image, the size of its pixels, and a value for each parameter by name.
    parameters : tuple of Parameter
        What is tuned, for objects of radius 1, that which matters most first.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.
    """

    recipe: Callable[[npt.ArrayLike, Sequence[float], Settings], Labels]
    parameters: tuple[Parameter, ...]


def _some(settings: Settings, *names: str) -> dict[str, Any]:
    """Those settings that one step of a recipe takes."""
    return {name: settings[name] for name in names}


def _otsu(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """One threshold for the whole image."""
    return otsu(image, spacing=pixel, **_some(settings, "sigma", "factor", "min_area"))


def _local(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """A threshold that follows the light around."""
    names = ("window", "ratio", "sigma", "factor", "min_area")
    return local_threshold(image, spacing=pixel, **_some(settings, *names))


def _spots(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """Centres by the Laplacian of Gaussian, grown by a watershed."""
    names = ("radius", "threshold", "factor", "sigma")
    return log_spots(image, spacing=pixel, **_some(settings, *names))


def _pieces(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """Pieces of the sharpened image, grown by a watershed."""
    names = ("radius", "level", "factor", "sigma", "min_area")
    return log_pieces(image, spacing=pixel, **_some(settings, *names))


def _discs(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """Centres by the Laplacian of Gaussian, and a disc of one size around each."""
    return log_discs(image, spacing=pixel, **_some(settings, "radius", "size", "threshold"))


def _by_distance(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """What textbooks do: Otsu's threshold, and a watershed of distances."""
    mask = foreground(image, spacing=pixel, **_some(settings, "sigma", "factor"))
    labels = watershed_by_distance(mask, spacing=pixel, **_some(settings, "smoothing", "depth"))
    return without_small(labels, settings["min_area"], pixel)


def _by_intensity(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """Otsu's threshold, and a watershed of the light."""
    mask = foreground(image, spacing=pixel, **_some(settings, "sigma", "factor"))
    steps = _some(settings, "smoothing", "depth")
    labels = watershed_by_intensity(image, mask, spacing=pixel, **steps)
    return without_small(labels, settings["min_area"], pixel)


def _redrawn(image: npt.ArrayLike, pixel: Sequence[float], settings: Settings) -> Labels:
    """All at once: a generous local mask, cut by distance and light, each object redrawn."""
    steps = _some(settings, "sigma", "factor", "window", "ratio")
    mask = foreground(image, spacing=pixel, **steps)
    cuts = _some(settings, "smoothing", "depth", "weight")
    labels = watershed_by_both(image, mask, spacing=pixel, **cuts)
    labels = redraw(labels, image, spacing=pixel, **_some(settings, "level", "sigma"))
    return without_small(labels, settings["min_area"], pixel)


_CUT = (_SMOOTHING, _SIGMA, _MIN_AREA)

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "watershed by both, redrawn": Method(
            _redrawn, (_LEVEL, _RATIO, _WINDOW, _LOW_FACTOR, _WEIGHT, _DEPTH, *_CUT)
        ),
        "watershed by distance": Method(_by_distance, (_FACTOR, _DEPTH, *_CUT)),
        "watershed by intensity": Method(_by_intensity, (_FACTOR, _FALL, *_CUT)),
        "LoG pieces": Method(_pieces, (_MIN_AREA, _PIECES, _WIDTH, _LOW_FACTOR, _SIGMA)),
        "LoG spots": Method(_spots, (_RADIUS, _FACTOR, _ANSWER, _SIGMA)),
        "LoG discs": Method(_discs, (_RADIUS, _SIZE, _ANSWER)),
        "local threshold": Method(_local, (_RATIO, _WINDOW, _LOW_FACTOR, _SIGMA, _MIN_AREA)),
        "Otsu": Method(_otsu, (_FACTOR, _SIGMA, _MIN_AREA)),
    }
)


@dataclass(frozen=True)
class TunedMethod:
    """A classical method at its best on a segmentation task.

    Attributes
    ----------
    name : str
        What it is called in `METHODS`.
    parameters : mapping from str to float
        The best parameters, by name; lengths in pixels (of the finest axis).
    score : float
        Mean average precision on the task.
    seconds : float
        Time of one run on all images with these parameters.
    labels : tuple of ndarray of int32
        The objects found in the images of the task.
    pixel : tuple of float
        Size of a pixel along each axis, the smallest being 1.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.
    """

    name: str
    parameters: Settings
    score: float
    seconds: float
    labels: tuple[Labels, ...] = field(repr=False)
    pixel: tuple[float, ...] = field(repr=False)

    def apply(self, images: Sequence[npt.ArrayLike]) -> tuple[Labels, ...]:
        """Segment other images with these parameters: those that the tuning has not seen."""
        recipe = METHODS[self.name].recipe
        return tuple(recipe(image, self.pixel, self.parameters) for image in images)


class Ranking(dict[str, TunedMethod]):
    """All classical methods, by name, the best first.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.
    """

    @property
    def best(self) -> TunedMethod:
        """The one with the highest score."""
        return next(iter(self.values()))

    def scores(self, others: Mapping[str, float] | None = None) -> dict[str, float]:
        """Score of each and of others, the best first: rows for `aimicro.show.scoreboard`."""
        scores = {name: method.score for name, method in self.items()} | dict(others or {})
        return dict(sorted(scores.items(), key=lambda item: -item[1]))


def best_classical(task: SegmentationTask, *, workers: int = 2) -> Ranking:
    """Every classical method on a segmentation task, each tuned on the truth.

    A grid along each parameter is searched on every other image, and then its neighbourhood on all
    of them. Lengths on the grid are fractions of the radius of the true objects.

    Parameters
    ----------
    task : SegmentationTask
        Images and truths. Give it the images that a network is trained on, and judge both on
        others: `TunedMethod.apply`.
    workers : int
        How many methods are tuned at the same time.

    Returns
    -------
    Ranking
        A dictionary of all methods, the best first: its `best`, and its `scores` as rows for
        `aimicro.show.scoreboard`. Where the truth has no object at all, the best finds none.

    Raises
    ------
    TypeError, ValueError
        If `workers` is no whole number of 1 or more.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:20, :36]
    >>> mask = (y - 10) ** 2 + (np.abs(x - 18) - 7) ** 2 < 64
    >>> truth = mask * np.where(x < 18, 1, 2)
    >>> task = SegmentationTask(name="two discs", images=[100.0 * mask], truths=[truth])
    >>> ranking = best_classical(task)
    >>> ranking["watershed by distance"].score > ranking["Otsu"].score
    True
    """
    checks.whole("workers", workers, low=1, hint="Give the number of cores to use.")
    with ThreadPoolExecutor(max_workers=workers) as pool:  # the longest first
        tuned = list(pool.map(lambda name: _tuned(task, name), METHODS))
    return Ranking((one.name, one) for one in sorted(tuned, key=lambda one: -one.score))


def _tuned(task: SegmentationTask, name: str) -> TunedMethod:
    """One method after a search of its best parameters."""
    method, pixel = METHODS[name], task.pixel
    half = replace(task, images=task.images[::2], truths=task.truths[::2])

    def labels(of: SegmentationTask, settings: Settings) -> tuple[Labels, ...]:
        return tuple(method.recipe(image, pixel, settings) for image in of.images)

    best = search(
        lambda settings: task.score(labels(task, settings)),
        [one.of(task.radius, len(pixel)) for one in method.parameters],
        quick=lambda settings: half.score(labels(half, settings)),
    )
    start = time.perf_counter()
    found = labels(task, best)
    seconds = time.perf_counter() - start
    return TunedMethod(name, best, task.score(found), seconds, found, pixel)
