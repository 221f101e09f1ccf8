"""How well random wavefronts explain the test volumes of the aberration tutorial, recorded.

Usage: weigh_wavefronts.py   Takes minutes: each volume is deconvolved with each of the PSFs.
"""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aimicro.benchmarks.tasks import unweighed_aberrations
from aimicro.restore import likely_psf, log_likelihood, richardson_lucy

RECORD = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "wavefronts.json"
ITERATIONS = 30  # with 8 the likeliest wavefronts are too weak
TOLERANCES = (100, 200, 400, 800, 1600, 3200, 6400)


def main() -> None:
    """Weigh, choose the tolerance that suits the truth best, and write the record."""
    task, psfs = unweighed_aberrations()
    known = {"noise": task.noise, "background": task.background}
    fits = [
        [log_likelihood(image, psf, iterations=ITERATIONS, **known) for psf in psfs]
        for image in tqdm(task.images, unit="volume")
    ]
    scores = {}
    for tolerance in TOLERANCES:
        likely = [likely_psf(psfs, logs, tolerance=tolerance) for logs in fits]
        found = [
            richardson_lucy(image, psf, iterations=33, accelerated=True, **known)
            for image, psf in zip(task.images, likely, strict=True)
        ]
        scores[tolerance] = task.score([task.imaged(estimate) for estimate in found])
        print(f"tolerance {tolerance:5}: {scores[tolerance]:.2f} dB")
    record = {
        "tolerance": max(scores, key=scores.__getitem__),
        "iterations": ITERATIONS,
        "log_likelihoods": [np.round(np.subtract(logs, max(logs)), 1).tolist() for logs in fits],
    }
    RECORD.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
