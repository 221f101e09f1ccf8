"""Find the best parameters of every classical method on a test set of the book, and record them.

Usage: tune_classical.py [TASK ...]   Takes minutes a task; without names it does all.

Where volumes are to be deconvolved, a search over all of them would take hours. There the
parameters are those that suit the truth of the first test volume best, its middle in the plane; the
scores are those of all volumes.
"""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from aimicro.benchmarks.tasks import TASKS, restoration_task
from aimicro.restore import Ranking, Recorded, RestorationTask, best_classical

RECORDS = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "records"
MIDDLE = 64  # voxels along y and x


def ranked(task: RestorationTask) -> Ranking:
    """All methods on all images, with parameters that were searched on all or on the first."""
    if task.only_noise:
        return best_classical(task)
    psfs = {name: psf[0] if isinstance(psf, list) else psf for name, psf in task.psfs.items()}
    part = replace(task, images=middle(task.images), truths=middle(task.truths), psfs=psfs)
    found = best_classical(part)
    record = {name: Recorded(m.parameters, m.psnr, 0.0) for name, m in found.items()}
    with warnings.catch_warnings():  # on other images the scores are others
        warnings.simplefilter("ignore")
        return best_classical(replace(task, record=record))


def middle(volumes):
    """The middle of the first volume."""
    _, *sides = volumes[0].shape
    starts = [(side - min(side, MIDDLE)) // 2 for side in sides]
    return [volumes[0][(slice(None), *(slice(at, at + MIDDLE) for at in starts))]]


def record(name: str) -> None:
    """Tune on one test set, print the ranking, and write the record."""
    task = replace(restoration_task(name), record={})
    ranking = ranked(task)
    methods = {}
    print(f"{task.name}, as measured {task.measured:.2f} dB")
    for method in ranking.values():
        chosen = ", ".join(f"{key} {value:.4g}" for key, value in method.parameters.items())
        print(f"  {method.name:45} {method.psnr:6.2f} dB  {method.seconds:6.1f} s  {chosen}")
        methods[method.name] = {
            "parameters": {key: float(f"{value:.4g}") for key, value in method.parameters.items()},
            "psnr": round(method.psnr, 3),
            "seconds": round(method.seconds, 2),
        }
    found = {"task": task.name, "measured": round(task.measured, 3), "methods": methods}
    (RECORDS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    RECORDS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or TASKS:
        record(name)
