"""The simulated test sets on which the book compares methods, with all that may be known of them.

Each is drawn here as the notebook of its name draws it: the same pairs as ``aimicro simulate`` with
the same seed. The notebook asserts that.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.restore import Noise, Recorded, RestorationTask, likely_psf
from aimicro.simulate import (
    Camera,
    Microscope,
    Pair,
    airy_psf,
    blur,
    filaments,
    random_wavefront,
    simulate_pair,
)

Image = NDArray[np.float32]
PsfThrough = Callable[[Mapping[int | str, float]], Image]

# How likely each test image is with each of the wavefronts, and what a search from there finds:
# scripts/weigh_wavefronts.py.
_FITS = resources.files("aimicro.benchmarks") / "wavefronts.json"

# What a formula makes of volumes that is told of lines: scripts/tell_lines.py.
_LINES = resources.files("aimicro.benchmarks") / "lines.json"

STRENGTHS_RAD = (0, 0.5, 0.75, 1, 1.5, 2)  # of the wavefronts in `stronger_aberrations`

_SEED = 0
_TEST = 2  # `aimicro simulate` draws pair k of its test folder with the seeds (seed, 2, k)
_BENT: Mapping[str, Any] = {
    "photons": 200,
    "shape": (24, 64, 64),
    "voxel_size_um": (0.3, 0.115, 0.115),
}
_WAVEFRONTS = 144  # drawn to tell their kind: its mean, and which of them explain an image


def denoise() -> RestorationTask:
    """Filaments in 2D at 12 photons, in photons. Chapter 6, *Denoising*."""
    pixel_um = 0.065
    psf = airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=pixel_um)
    camera = Camera()
    per_electron = 1 / camera.quantum_efficiency
    images, truths = [], []
    for k in range(4):
        sharp = filaments((192, 192), pixel_size_um=pixel_um, n=8, rng=60000 + k)
        field = blur(sharp, psf)[32:-32, 32:-32]
        truths.append(12 * field / field.max() + 1)
        images.append(camera.photons(camera.expose(truths[-1], rng=61000 + k)))
    return RestorationTask(
        name="filaments at 12 photons",
        images=images,
        truths=truths,
        noise=Noise(gain=per_electron, read_noise=camera.read_noise_e * per_electron),
        data_range=12,
        psfs={"the PSF": psf},
        background=1,
        goal=lambda estimate: _mirrored_blur(estimate, psf),
        record=_record("denoise"),
    )


def denoise_volumes() -> RestorationTask:
    """Filaments in confocal volumes at 10 photons. Appendix A, *Denoising*."""
    pairs = _pairs("denoise", n=2)
    microscope = _microscope(pairs[0])
    return _task(
        "denoise_volumes",
        "filaments in volumes at 10 photons",
        pairs,
        psfs={"the PSF": microscope.psf(image_shape=pairs[0].raw.shape)},
        goal=microscope.expected,
    )


def lines_in_volumes() -> Recorded:
    """What :func:`aimicro.restore.richardson_lucy_lines` makes of the volumes "denoise_volumes".

    Returns
    -------
    Recorded
        Its parameters, the decibels that it reaches, and the seconds that it took.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    found = json.loads(_LINES.read_text(encoding="utf-8"))
    return Recorded(found["parameters"], found["psnr"], found["seconds"])


def deconvolve() -> RestorationTask:
    """Vesicles in widefield volumes at 20 photons. Appendix A, *Deconvolution*."""
    order = {"structure": "vesicles", "photons": 20, "voxel_size_um": (0.3, 0.1, 0.1)}
    pairs = _pairs("deconvolve", n=3, **order)
    psf = _microscope(pairs[0]).psf(image_shape=pairs[0].raw.shape)
    return _task(
        "deconvolve", "vesicles at 20 photons", pairs, only_noise=False, psfs={"the PSF": psf}
    )


def correct_aberrations() -> RestorationTask:
    """Filaments through unknown wavefronts. Appendix A, *Aberration correction*."""
    task, _, kind, psf_through = unweighed_aberrations()
    fits = _fits()
    likely = [
        likely_psf(kind, logs, tolerance=fits["tolerance"]) for logs in fits["log_likelihoods"]
    ]
    searched = [psf_through(wavefront) for wavefront in fits["searched"]]
    return replace(task, psfs={**task.psfs, "likely PSF": likely, "searched PSF": searched})


class Unweighed(NamedTuple):
    """The task without what takes minutes to find, and what it is found with.

    Attributes
    ----------
    task : RestorationTask
        With the PSFs that ask no image.
    wavefronts : list of dict
        Of the kind that made the images, but others.
    kind : list of ndarray
        The PSFs through them.
    psf_through : callable
        Takes a wavefront and gives the PSF.
    """

    task: RestorationTask
    wavefronts: list[dict[int | str, float]]
    kind: list[Image]
    psf_through: PsfThrough


def unweighed_aberrations() -> Unweighed:
    """The same without what takes minutes to find, and what it is found with."""
    pairs = _pairs("deaberrate", n=6, **_BENT)
    flat, psf_through = _flat(pairs[0])
    # What training shows the network, other wavefronts of the same kind, is told here, too.
    wavefronts = [random_wavefront(rng) for rng in np.random.default_rng(_SEED).spawn(_WAVEFRONTS)]
    kind = [psf_through(wavefront) for wavefront in wavefronts]
    task = _task(
        "correct_aberrations",
        "filaments through wavefronts of 0.5 to 1 rad",
        pairs,
        only_noise=False,
        psfs={"flat wavefront": psf_through({}), "mean PSF": np.mean(kind, axis=0)},
        goal=flat.expected,
    )
    return Unweighed(task, wavefronts, kind, psf_through)


def stronger_aberrations() -> RestorationTask:
    """One field of filaments through ever stronger wavefronts, one for each of `STRENGTHS_RAD`.

    Returns
    -------
    RestorationTask
        Its PSFs are what a search of some minutes found for each image, ``"searched PSF"``.

    Notes
    -----
    Used in appendix A, *Aberration correction*.

    Examples
    --------
    >>> task = stronger_aberrations()
    >>> len(task.images) == len(STRENGTHS_RAD)
    True
    """
    task, psf_through = unsearched_stronger_aberrations()
    return replace(task, psfs={"searched PSF": [psf_through(w) for w in _fits()["stronger"]]})


def unsearched_stronger_aberrations() -> tuple[RestorationTask, PsfThrough]:
    """The same without what takes minutes to find, and what it is found with."""
    *_, second = _pairs("deaberrate", n=2, **_BENT)
    flat, psf_through = _flat(second)
    bent = _microscope(second).aberrations
    strength = math.hypot(*bent.values())
    specimen = filaments(_BENT["shape"], pixel_size_um=_BENT["voxel_size_um"], rng=99)
    ideal = flat.image(specimen, photons=1, rng=0).noise_free

    def through(rms: float) -> Pair:
        """The field, in the light of the other volumes."""
        wavefront = {mode: amount * rms / strength for mode, amount in bent.items()}
        imaged = replace(flat, aberrations=wavefront).image(
            specimen, photons=_BENT["photons"] / ideal.max(), rng=5
        )
        return replace(second, raw=imaged.measured, truth=ideal)

    task = _task(
        "stronger_aberrations",
        "filaments through wavefronts of 0 to 2 rad",
        [through(rms) for rms in STRENGTHS_RAD],
        only_noise=False,
        goal=flat.expected,
    )
    return task, psf_through


def enhance_resolution() -> RestorationTask:
    """Filaments, from a confocal to a STED microscope. Appendix A, *Resolution enhancement*."""
    pairs = _pairs("enhance", n=2, photons=30)
    confocal = _microscope(pairs[0])
    return _task(
        "enhance_resolution",
        "confocal to STED at 30 photons",
        pairs,
        only_noise=False,
        psfs={"the confocal PSF": confocal.psf(image_shape=pairs[0].raw.shape)},
        goal=replace(confocal, modality="sted", saturation=4.0).expected,
    )


TASKS: Mapping[str, Callable[[], RestorationTask]] = MappingProxyType(
    {
        task.__name__: task
        for task in (denoise, denoise_volumes, deconvolve, correct_aberrations, enhance_resolution)
    }
)


def restoration_task(name: str) -> RestorationTask:
    """Draw one of the book's test sets.

    Parameters
    ----------
    name : {"denoise", "denoise_volumes", "deconvolve", "correct_aberrations", "enhance_resolution"}
        Which one.

    Returns
    -------
    RestorationTask
        Images, truths, and all that is known, with the record of the classical methods.

    Raises
    ------
    ValueError
        If there is none of this name.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.
    """
    return TASKS[checks.one_of("task", name, TASKS)]()


def _pairs(task: str, n: int, **order: Any) -> list[Pair]:
    """The first test pairs of ``aimicro simulate``."""
    return [
        simulate_pair(task, rng=np.random.default_rng([_SEED, _TEST, k]), **order) for k in range(n)
    ]


def _flat(pair: Pair) -> tuple[Microscope, PsfThrough]:
    """The microscope of a pair without its wavefront, and its PSF through any other one."""
    flat = replace(_microscope(pair), aberrations={})

    def psf_through(wavefront: Mapping[int | str, float]) -> Image:
        """In a window that holds all of it."""
        return replace(flat, aberrations=wavefront).psf(image_shape=pair.raw.shape)

    return flat, psf_through


def _fits() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FITS.read_text(encoding="utf-8"))
    return found


def _microscope(pair: Pair) -> Microscope:
    return Microscope.from_record(pair.parameters["microscope"])


def _task(name: str, title: str, pairs: Sequence[Pair], **known: Any) -> RestorationTask:
    """A task whose truths are scaled as ``aimicro apply -g`` scales them."""
    camera = _microscope(pairs[0]).camera
    return RestorationTask(
        name=title,
        images=[pair.raw for pair in pairs],
        truths=[_to_unit(pair.truth) for pair in pairs],
        noise=camera.noise,
        background=camera.gain_counts_per_e * camera.dark_charge_e,
        data_range=1,
        affine=True,
        voxel_size_um=pairs[0].voxel_size_um,
        record=_record(name),
        **known,
    )


def _to_unit(truth: Image) -> Image:
    low, high = np.percentile(truth, [2, 99.9])
    return np.asarray((truth - low) / (high - low), np.float32)


def _mirrored_blur(estimate: Image, psf: Image) -> Image:
    """An estimate, imaged as if it went on beyond the border: filaments do."""
    margin = 32
    beyond = np.pad(estimate, margin, mode="symmetric")
    return blur(beyond, psf)[margin:-margin, margin:-margin]


def _record(name: str) -> dict[str, Recorded]:
    """What ``scripts/tune_classical.py`` has found, or nothing."""
    file = resources.files("aimicro.benchmarks").joinpath(f"records/{name}.json")
    if not file.is_file():
        return {}
    methods = json.loads(file.read_text(encoding="utf-8"))["methods"]
    return {method: Recorded(**found) for method, found in methods.items()}
