"""Classical restoration: what a network has to beat."""

from aimicro.restore.denoise import (
    METHODS,
    Method,
    Noise,
    Tuned,
    anscombe,
    best_tuned,
    denoise,
    inverse_anscombe,
)

__all__ = [
    "METHODS",
    "Method",
    "Noise",
    "Tuned",
    "anscombe",
    "best_tuned",
    "denoise",
    "inverse_anscombe",
]
