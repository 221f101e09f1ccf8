"""Simulators, networks, training, metrics and figures of the book *AI in Microscopy*."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Give `aimicro.benchmark`, which needs more of the package than most who import it."""
    if name == "benchmark":
        from aimicro.benchmarks import benchmark

        return benchmark
    raise AttributeError(f"module 'aimicro' has no attribute {name!r}")
