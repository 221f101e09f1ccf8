"""What a formula that is told of lines makes of the volumes of the denoising tutorial, recorded.

Usage: tell_lines.py   Takes some minutes: each volume is explained by rods in 52 directions.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aimicro.benchmarks import restoration_task
from aimicro.restore import RestorationTask, richardson_lucy_lines

RECORD = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "lines.json"
# Chosen on the two volumes on which the network of the tutorial chooses its weights.
SETTINGS = {"length_px": 4, "refits": 8}


def main() -> None:
    """Ask for both volumes, and for a corner of the first, which a test does again."""
    task = restoration_task("denoise_volumes")
    start = time.perf_counter()
    psnr = asked(task)
    seconds = time.perf_counter() - start
    record = {
        "parameters": SETTINGS,
        "psnr": round(psnr, 3),
        "seconds": round(seconds),
        "psnr of a corner": round(asked(corner_of(task)), 3),
    }
    print(record)
    RECORD.write_text(json.dumps(record) + "\n", encoding="utf-8")


def corner_of(task: RestorationTask) -> RestorationTask:
    """The task with a corner of the first volume alone."""
    corner = np.s_[:, :48, :48]
    return replace(task, images=[task.images[0][corner]], truths=[task.truths[0][corner]])


def asked(task: RestorationTask) -> float:
    """How near the images of the rods come to the truth, in decibels."""
    found = [
        richardson_lucy_lines(
            image,
            task.psfs["the PSF"],
            noise=task.noise,
            background=task.background,
            voxel_size_um=task.voxel_size_um,
            **SETTINGS,
        )
        for image in tqdm(task.images, unit="volume")
    ]
    return task.score(found)


if __name__ == "__main__":
    main()
