"""The simulated test sets on which the book compares methods, with all that may be known of them.

Each is drawn here as the notebook of its name draws it: the same pairs as ``aimicro simulate`` with
the same seed. The notebook asserts that.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from types import MappingProxyType
from typing import Any

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

# How likely each test image is with each of the wavefronts: scripts/weigh_wavefronts.py.
_FITS = resources.files("aimicro.benchmarks") / "wavefronts.json"

_SEED = 0
_TEST = 2  # `aimicro simulate` draws pair k of its test folder with the seeds (seed, 2, k)
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
    task, kind = unweighed_aberrations()
    fits = json.loads(_FITS.read_text(encoding="utf-8"))
    likely = [
        likely_psf(kind, logs, tolerance=fits["tolerance"]) for logs in fits["log_likelihoods"]
    ]
    return replace(task, psfs={**task.psfs, "likely PSF": likely})


def unweighed_aberrations() -> tuple[RestorationTask, list[Image]]:
    """The same without what takes minutes to find, and the PSFs that are to be weighed for it."""
    order = {"photons": 200, "shape": (24, 64, 64), "voxel_size_um": (0.3, 0.115, 0.115)}
    pairs = _pairs("deaberrate", n=6, **order)
    flat = replace(_microscope(pairs[0]), aberrations={})
    shape = pairs[0].raw.shape
    # What training shows the network, other wavefronts of the same kind, is told here, too.
    wavefronts = map(random_wavefront, np.random.default_rng(_SEED).spawn(_WAVEFRONTS))
    kind = [replace(flat, aberrations=bent).psf(image_shape=shape) for bent in wavefronts]
    task = _task(
        "correct_aberrations",
        "filaments through wavefronts of 0.5 to 1 rad",
        pairs,
        only_noise=False,
        psfs={"flat wavefront": flat.psf(image_shape=shape), "mean PSF": np.mean(kind, axis=0)},
        goal=flat.expected,
    )
    return task, kind


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
