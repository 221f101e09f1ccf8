"""Everything classical that applies to a restoration task, each method at its best.

A network is judged by the best of these. So the list is the same for all, and nobody hands in a
shorter one; a method that is missing belongs here.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice, repeat
from types import MappingProxyType
from typing import Any

import numpy as np

from aimicro.restore.anscombe import Image, anscombe, inverse_anscombe
from aimicro.restore.denoise import denoise, tune_all
from aimicro.restore.fista import fista_estimates
from aimicro.restore.inverse import inverse_filter, wiener
from aimicro.restore.kernel import for_each
from aimicro.restore.let import pure_let, sure_let
from aimicro.restore.lucy import richardson_lucy_estimates
from aimicro.restore.methods import METHODS
from aimicro.restore.task import RestorationTask
from aimicro.restore.tikhonov import tikhonov, tikhonov_miller_estimates
from aimicro.restore.tuning import Parameter, Search, threads
from aimicro.simulate import Noise

# Iterations at which an estimate is scored: all of the first, then each a fifth later.
_LOOKS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 48, 58, 70, 84, 100)
_ITERATIONS = "iterations"
_ANSCOMBE = ", Anscombe"
_TITLES = {
    "gaussian": "Gaussian",
    "wavelet": "wavelets",
    "total_variation": "total variation",
    "nonlocal_means": "non-local means",
}
_GAIN_DB = 0.02  # between looks; with less, an estimate has come about as close as it will
_RECORDED_SECONDS = 3.0  # for all methods that run; the scores of the others are read
_SAME_DB = 0.3  # images drawn on another machine may differ by a photon here and there

Estimates = Callable[[Image, Image, RestorationTask, float], Iterator[Image]]


@dataclass(frozen=True)
class Deconvolver:
    """A deconvolution as `best_classical` tunes it.

    Attributes
    ----------
    estimates : callable
        Takes an image, a PSF, the task and a weight; yields the estimate after each iteration.
    weight : Parameter, optional
        What is tuned beside the iterations.
    iterative : bool
        Whether the iterations are counted and tuned; a filter gives one estimate.

    Notes
    -----
    Used in chapter 6, *Deconvolution*, and appendix A.
    """

    estimates: Estimates
    weight: Parameter | None = None
    iterative: bool = True


def _told(task: RestorationTask, *further: str) -> dict[str, Any]:
    """What a method is told of camera and stray light, and what else of the task it asks for."""
    return {name: getattr(task, name) for name in ("noise", "background", *further)}


def _lucy(image: Image, psf: Image, task: RestorationTask, weight: float) -> Iterator[Image]:
    """Richardson-Lucy, told of the camera; the weight is that of total variation."""
    return richardson_lucy_estimates(
        image, psf, total_variation=weight, accelerated=True, **_told(task, "voxel_size_um")
    )


def _miller(image: Image, psf: Image, task: RestorationTask, weight: float) -> Iterator[Image]:
    """Tikhonov-Miller."""
    return tikhonov_miller_estimates(image, psf, smoothness=weight, **_told(task, "voxel_size_um"))


def _fista(regulariser: str) -> Estimates:
    """FISTA; the weight counts in photons, whatever the gain of the camera."""

    def estimates(
        image: Image, psf: Image, task: RestorationTask, weight: float
    ) -> Iterator[Image]:
        photons = weight * task.noise.gain
        return fista_estimates(
            image, psf, regulariser=regulariser, weight=photons, **_told(task, "voxel_size_um")
        )

    return estimates


def _filter(function: Callable[..., Image], weight_name: str, *further: str) -> Estimates:
    """A filter that divides the blur out once."""

    def estimates(
        image: Image, psf: Image, task: RestorationTask, weight: float
    ) -> Iterator[Image]:
        return repeat(function(image, psf, **{weight_name: weight}, **_told(task, *further)))

    return estimates


def _sure_let(image: Image, noise: Noise) -> Image:
    """SURE-LET where the noise is the same everywhere."""
    camera = asdict(noise)
    return inverse_anscombe(sure_let(anscombe(image, **camera), sigma=1).image, **camera)


def _pure_let(image: Image, noise: Noise) -> Image:
    """PURE-LET, on the counts themselves."""
    return pure_let(image, noise=noise).image


DECONVOLVERS: Mapping[str, Deconvolver] = MappingProxyType(
    {
        "Richardson-Lucy": Deconvolver(lambda image, psf, task, _: _lucy(image, psf, task, 0.0)),
        "Richardson-Lucy with total variation": Deconvolver(
            _lucy, Parameter("total variation", "", (1e-3, 0.1))
        ),
        "Tikhonov-Miller": Deconvolver(_miller, Parameter("smoothness", "", (1e-5, 1.0), ratio=7)),
        "FISTA with total variation": Deconvolver(
            _fista("tv"), Parameter("weight", "photons", (3e-3, 3.0), ratio=4)
        ),
        "FISTA with few bright voxels": Deconvolver(
            _fista("l1"), Parameter("weight", "photons", (3e-3, 3.0), ratio=4)
        ),
        "Wiener": Deconvolver(
            _filter(wiener, "noise_to_signal"),
            Parameter("noise to signal", "", (1e-6, 10.0), ratio=11),
            iterative=False,
        ),
        "Tikhonov": Deconvolver(
            _filter(tikhonov, "smoothness", "voxel_size_um"),
            Parameter("smoothness", "", (1e-6, 10.0), ratio=11),
            iterative=False,
        ),
        "inverse filter": Deconvolver(
            _filter(inverse_filter, "cut_off"),
            Parameter("cut-off", "", (1e-3, 1.0), ratio=4),
            iterative=False,
        ),
    }
)

# What finds its own strength, without a truth: SURE-LET needs noise that is the same everywhere.
SELF_TUNED: Mapping[str, Callable[[Image, Noise], Image]] = MappingProxyType(
    {f"SURE-LET{_ANSCOMBE}": _sure_let, "PURE-LET": _pure_let}
)


@dataclass(frozen=True)
class Classical:
    """A classical method at its best on a task.

    Attributes
    ----------
    name : str
        What it is called, with what it was told: "BM3D, Anscombe".
    parameters : mapping from str to float
        The best parameters.
    psnr : float
        Decibels, the mean over the images.
    seconds : float
        Time of one run on all images with these parameters.
    images : tuple of ndarray of float32
        The results, as like the truths as the method makes them; empty where the score was read
        from the record of the task.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.
    """

    name: str
    parameters: Mapping[str, float]
    psnr: float
    seconds: float
    images: tuple[Image, ...] = field(repr=False)


class Ranking(dict[str, Classical]):
    """All classical methods that apply to a task, by name, the best first.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.
    """

    @property
    def best(self) -> Classical:
        """The one with the highest score of those that ran."""
        return next(method for method in self.values() if method.images)

    def scores(self, others: Mapping[str, float] | None = None) -> dict[str, float]:
        """Decibels of each and of others, the best first: rows for `aimicro.show.scoreboard`."""
        scores = {name: method.psnr for name, method in self.items()} | dict(others or {})
        return dict(sorted(scores.items(), key=lambda item: -item[1]))


def best_classical(task: RestorationTask, *, workers: int = 2) -> Ranking:
    """All classical methods that apply to a task, each tuned on the truth.

    This is more than fair to them: at the microscope there is no truth to tune on. What beats the
    best of them does not owe that to a weak opponent.

    - Every denoiser of `METHODS`, on the images as they are and between `anscombe` and
      `inverse_anscombe`. Where images and truths differ by more than noise, only the Gaussian:
      no denoiser sharpens.
    - Every deconvolution of `DECONVOLVERS` with every PSF that the task names. Where the truth is
      an image, the estimate of the specimen is imaged again, as `RestorationTask.goal` tells.

    Parameters
    ----------
    task : RestorationTask
        Images, truths, and what is known. If it has a record of an earlier search, nothing is
        tuned: the best method runs with the parameters of the record, then all others that fit
        into 3 s by its times, and the scores of the rest are read from it.
    workers : int
        How many denoisers are tuned, and how many images are deconvolved, at the same time.

    Returns
    -------
    Ranking
        A dictionary of all methods, the best first: its `best`, and its `scores` as rows for
        `aimicro.show.scoreboard`.

    Raises
    ------
    TypeError, ValueError
        As for the methods.

    Warns
    -----
    UserWarning
        If the best method of the record does not reach its recorded score: the images are others.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro.simulate import Noise
    >>> truth = np.full((32, 32), 50.0)
    >>> noisy = np.random.default_rng(1).poisson(truth)
    >>> task = RestorationTask(
    ...     name="even light", images=[noisy], truths=[truth], noise=Noise(), data_range=50
    ... )
    >>> ranking = best_classical(task)
    >>> ranking.best.psnr > task.measured + 10
    True
    """
    ranking = _from_record(task, workers) if task.record else _tuned(task, workers)
    return Ranking(sorted(ranking.items(), key=lambda item: -item[1].psnr))


def apply_classical(task: RestorationTask, tuned: Classical, *, workers: int = 2) -> Classical:
    """Run a method on other images than those it was tuned on, with its parameters as they are.

    Parameters
    ----------
    task : RestorationTask
        The other images. The truths only score.
    tuned : Classical
        From the ranking of `best_classical`.
    workers : int
        How many images are deconvolved at the same time.

    Returns
    -------
    Classical
        The same method and parameters, with the score and the results of these images.

    Raises
    ------
    ValueError
        If the method does not apply to this task: a deconvolution where no PSF is told, or told by
        another name.

    Notes
    -----
    Used in chapter 6, *Deep deconvolution*.
    """
    applies = {*SELF_TUNED, *_denoisers(task), *_deconvolutions(task)}
    if tuned.name not in applies:
        raise ValueError(
            f"Expected a method that applies to {task.name}: {', '.join(sorted(applies))}, got "
            f"{tuned.name}. Tell the task the same of its images as the one it was tuned on."
        )
    return _run(task, tuned.name, tuned.parameters, workers)


def _tuned(task: RestorationTask, workers: int) -> dict[str, Classical]:
    """Each method after a search of its best parameters."""
    tunings = tune_all(
        list(task.images),
        list(task.truths),
        _applicable(task),
        data_range=task.data_range,
        noises={"": None, _ANSCOMBE: task.noise},
        affine=task.affine,
        workers=workers,
    )
    found = {name: tunings[key].settings for name, key in _denoisers(task).items()}
    found |= {name: {} for name in SELF_TUNED if task.only_noise}
    found |= {name: _best_parameters(task, name, workers) for name in _deconvolutions(task)}
    return {name: _run(task, name, parameters, workers) for name, parameters in found.items()}


def _from_record(task: RestorationTask, workers: int) -> dict[str, Classical]:
    """Each method with recorded parameters, or only its score where time does not suffice."""
    found: dict[str, Classical] = {}
    left = _RECORDED_SECONDS
    for name, known in sorted(task.record.items(), key=lambda item: -item[1].psnr):
        if known.seconds <= left or not found:
            left -= known.seconds
            found[name] = _run(task, name, known.parameters, workers)
        else:
            found[name] = Classical(name, known.parameters, known.psnr, known.seconds, ())
    best = next(iter(found.values()))
    if abs(best.psnr - task.record[best.name].psnr) > _SAME_DB:
        warnings.warn(
            f"Expected {task.record[best.name].psnr:.2f} dB for {best.name} as recorded, got "
            f"{best.psnr:.2f}: these are other images. Leave the record out to tune anew.",
            UserWarning,
            stacklevel=3,
        )
    return found


def _run(
    task: RestorationTask, name: str, parameters: Mapping[str, float], workers: int
) -> Classical:
    """One method with given parameters on all images."""
    start = time.perf_counter()
    restored = _restorer(task, name, workers)(parameters)
    seconds = time.perf_counter() - start
    return Classical(name, dict(parameters), task.score(restored), seconds, restored)


def _restorer(
    task: RestorationTask, name: str, workers: int
) -> Callable[[Mapping[str, float]], tuple[Image, ...]]:
    """What restores all images of a task with the method of this name, given its parameters."""
    if name in SELF_TUNED:
        return lambda _: tuple(SELF_TUNED[name](image, task.noise) for image in task.images)
    if name in _denoisers(task):
        chosen, way = _denoisers(task)[name]
        noise = task.noise if way == _ANSCOMBE else None
        return lambda parameters: tuple(
            denoise(image, chosen, tuple(parameters.values()), noise=noise) for image in task.images
        )
    method, psfs = _deconvolutions(task)[name]

    def deconvolved(parameters: Mapping[str, float]) -> tuple[Image, ...]:
        """The last of so many estimates, imaged again."""
        weight = parameters[str(method.weight)] if method.weight else 0.0
        count = int(parameters.get(_ITERATIONS, 1))
        pairs = zip(task.images, psfs, strict=True)
        runs = [method.estimates(*pair, task, weight) for pair in pairs]
        with threads(workers) as pool:
            return tuple(map(task.imaged, pool.map(_later, runs, repeat(count))))

    return deconvolved


def _applicable(task: RestorationTask) -> Sequence[str]:
    """Denoisers that make sense: where there is more than noise to undo, none of them sharpens."""
    return tuple(METHODS) if task.only_noise else ("gaussian",)


def _denoisers(task: RestorationTask) -> dict[str, tuple[str, str]]:
    """Each denoiser that applies, without and with `anscombe`, by the name that the field uses."""
    titles = _TITLES | {"block_matching": "BM3D" if task.images[0].ndim == 2 else "BM4D"}
    return {
        f"{titles.get(method, method)}{way}": (method, way)
        for method in _applicable(task)
        for way in ("", _ANSCOMBE)
    }


def _deconvolutions(task: RestorationTask) -> dict[str, tuple[Deconvolver, list[Image]]]:
    """Each deconvolution with each choice of PSFs, by name; where there is one, it has none."""
    return {
        f"{name}, {told}" if len(task.psfs) > 1 else name: (method, for_each(psf, len(task.images)))
        for name, method in DECONVOLVERS.items()
        for told, psf in task.psfs.items()
    }


def _best_parameters(task: RestorationTask, name: str, workers: int) -> dict[str, float]:
    """The weight and the number of iterations that come closest to the truth."""
    method, psfs = _deconvolutions(task)[name]
    best_counts: dict[float, int] = {}

    def restored(weight: float) -> tuple[Image, ...]:
        """The best of the estimates with one weight, looked at as they come."""
        pairs = zip(task.images, psfs, strict=True)
        runs = [method.estimates(*pair, task, weight) for pair in pairs]
        best: tuple[float, tuple[Image, ...]] = (-np.inf, ())
        last = 0
        with threads(workers) as pool:
            for count in _LOOKS if method.iterative else _LOOKS[:1]:
                images = tuple(map(task.imaged, pool.map(_later, runs, repeat(count - last))))
                last, score = count, task.score(images)
                gain = score - best[0]
                if gain > 0:
                    best, best_counts[weight] = (score, images), count
                if gain < _GAIN_DB:
                    break
        return best[1]

    if method.weight is None:
        restored(0.0)
        found = {}
    else:
        search = Search(restored, task.score, method.weight)
        search.run()
        found = search.result(name, many=True).settings
    weight = next(iter(found.values()), 0.0)
    return found | ({_ITERATIONS: best_counts[weight]} if method.iterative else {})


def _later(run: Iterator[Image], iterations: int) -> Image:
    """The estimate after so many further iterations."""
    return next(islice(run, iterations - 1, None))
