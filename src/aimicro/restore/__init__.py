"""Classical restoration: what a network has to beat."""

from aimicro.restore.anscombe import Noise, anscombe, inverse_anscombe
from aimicro.restore.denoise import Tuned, best_tuned, denoise
from aimicro.restore.methods import METHODS, Method

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
