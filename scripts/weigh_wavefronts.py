"""How well random wavefronts explain the test volumes of the aberration tutorial, recorded.

Usage: weigh_wavefronts.py   Takes minutes: each volume is deconvolved with each of the PSFs.
"""

import json
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aimicro.benchmarks.tasks import bent_psfs, flat_microscope, restoration_task
from aimicro.restore import likely_psf, log_likelihood, richardson_lucy

RECORD = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "wavefronts.json"
ITERATIONS = 30  # with 8 the likeliest wavefronts are too weak
TOLERANCES = (100, 200, 400, 800, 1600, 3200, 6400)


def main() -> None:
    """Weigh, choose the tolerance that suits the truth best, and write the record."""
    task = restoration_task("correct_aberrations")
    known = {"noise": task.noise, "background": task.background}
    psfs = bent_psfs(flat_microscope(), task.images[0].shape)
    start = time.perf_counter()
    fits = [
        [log_likelihood(image, psf, iterations=ITERATIONS, **known) for psf in psfs]
        for image in tqdm(task.images, unit="volume")
    ]
    seconds = (time.perf_counter() - start) / len(task.images)
    scores = {}
    for tolerance in TOLERANCES:
        found = [
            richardson_lucy(
                image, likely_psf(psfs, logs, tolerance=tolerance), iterations=33,
                accelerated=True, **known,
            )
            for image, logs in zip(task.images, fits, strict=True)
        ]  # fmt: skip
        scores[tolerance] = task.score([task.imaged(estimate) for estimate in found])
        print(f"tolerance {tolerance:5}: {scores[tolerance]:.2f} dB")
    record = {
        "tolerance": max(scores, key=scores.__getitem__),
        "seconds_a_volume": round(seconds, 1),
        "log_likelihoods": [np.round(np.subtract(logs, max(logs)), 1).tolist() for logs in fits],
    }
    RECORD.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
