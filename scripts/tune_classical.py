"""Find the best parameters of every classical method on a test set of the book, and record them.

Usage: tune_classical.py [TASK ...]   Takes minutes a task; without names it does all.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from aimicro.benchmarks.tasks import TASKS, restoration_task
from aimicro.restore import best_classical

RECORDS = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "benchmarks" / "records"


def record(name: str) -> None:
    """Tune on one test set, print the ranking, and write the record."""
    task = replace(restoration_task(name), record={})
    ranking = best_classical(task)
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
