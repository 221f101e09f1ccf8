"""The simulated test sets of the book, and how any method fares on them."""

from aimicro.benchmarks.benchmark import Benchmark, benchmark
from aimicro.benchmarks.tasks import TASKS, restoration_task

__all__ = ["TASKS", "Benchmark", "benchmark", "restoration_task"]
