"""Which wavefronts explain the volumes of the aberration tutorial, recorded.

Usage: weigh_wavefronts.py   Takes half an hour: each volume is deconvolved with each of the PSFs
through random wavefronts, and then, from the likeliest on, with some hundred more.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from aimicro.benchmarks.tasks import (
    Image,
    PsfThrough,
    unsearched_stronger_aberrations,
    unweighed_aberrations,
)
from aimicro.restore import (
    RestorationTask,
    likeliest_parameters,
    likely_psf,
    log_likelihood,
    richardson_lucy,
)

RECORD = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "wavefronts.json"
ITERATIONS = 30  # with 8 the likeliest wavefronts are too weak
STEP_RAD = 0.15
TOLERANCES = (100, 200, 400, 800, 1600, 3200, 6400)


def main() -> None:
    """Weigh, choose the tolerance that suits the truth best, search on, and write the record."""
    task, wavefronts, psfs, psf_through = unweighed_aberrations()
    fits = weighed(task, psfs)
    scores = {}
    for tolerance in TOLERANCES:
        likely = [likely_psf(psfs, logs, tolerance=tolerance) for logs in fits]
        found = [
            richardson_lucy(image, psf, iterations=33, accelerated=True, **known(task))
            for image, psf in zip(task.images, likely, strict=True)
        ]
        scores[tolerance] = task.score([task.imaged(estimate) for estimate in found])
        print(f"tolerance {tolerance:5}: {scores[tolerance]:.2f} dB")
    stronger, _ = unsearched_stronger_aberrations()
    record = {
        "tolerance": max(scores, key=scores.__getitem__),
        "iterations": ITERATIONS,
        "log_likelihoods": [np.round(np.subtract(logs, max(logs)), 1).tolist() for logs in fits],
        "searched": searched(task, fits, wavefronts, psf_through),
        "stronger": searched(stronger, weighed(stronger, psfs), wavefronts, psf_through),
    }
    RECORD.write_text(json.dumps(record) + "\n", encoding="utf-8")


def known(task: RestorationTask) -> dict[str, Any]:
    """What is told of the camera."""
    return {"noise": task.noise, "background": task.background}


def weighed(task: RestorationTask, psfs: Sequence[Image]) -> list[list[float]]:
    """How likely each image is with each PSF."""
    return [
        [log_likelihood(image, psf, iterations=ITERATIONS, **known(task)) for psf in psfs]
        for image in tqdm(task.images, unit="volume")
    ]


def searched(
    task: RestorationTask,
    fits: Sequence[Sequence[float]],
    wavefronts: Sequence[Mapping[int | str, float]],
    psf_through: PsfThrough,
) -> list[dict[int | str, float]]:
    """Where a search ends that begins at the likeliest wavefront of each image."""
    modes = list(wavefronts[0])
    found = [
        likeliest_parameters(
            image,
            lambda strengths: psf_through(dict(zip(modes, strengths, strict=True))),
            list(wavefronts[int(np.argmax(logs))].values()),
            step=STEP_RAD,
            iterations=ITERATIONS,
            **known(task),
        )
        for image, logs in zip(tqdm(task.images, unit="volume"), fits, strict=True)
    ]
    return [dict(zip(modes, each.round(4).tolist(), strict=True)) for each in found]


if __name__ == "__main__":
    main()
