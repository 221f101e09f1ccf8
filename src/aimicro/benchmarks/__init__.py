"""The simulated test sets of the book, and how any method fares on them."""

from aimicro.benchmarks.benchmark import Benchmark, benchmark
from aimicro.benchmarks.tasks import (
    STRENGTHS_RAD,
    TASKS,
    lines_in_volumes,
    restoration_task,
    stronger_aberrations,
)

__all__ = [
    "STRENGTHS_RAD",
    "TASKS",
    "Benchmark",
    "benchmark",
    "lines_in_volumes",
    "restoration_task",
    "stronger_aberrations",
]
