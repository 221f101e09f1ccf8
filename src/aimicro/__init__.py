"""Simulators, networks, training, metrics and figures of the book *AI in Microscopy*."""

__version__ = "0.1.0"
