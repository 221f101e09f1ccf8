"""Classical restoration: what a network has to beat."""

from aimicro.restore.anscombe import Noise, anscombe, inverse_anscombe
from aimicro.restore.deconvolve import (
    DECONVOLUTIONS,
    best_deconvolved,
    richardson_lucy,
    wiener,
)
from aimicro.restore.denoise import best_tuned, denoise
from aimicro.restore.methods import METHODS, Method
from aimicro.restore.tuning import Tuned

__all__ = [
    "DECONVOLUTIONS",
    "METHODS",
    "Method",
    "Noise",
    "Tuned",
    "anscombe",
    "best_deconvolved",
    "best_tuned",
    "denoise",
    "inverse_anscombe",
    "richardson_lucy",
    "wiener",
]
