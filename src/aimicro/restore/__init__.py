"""Classical restoration: what a network has to beat."""

from aimicro.restore.anscombe import anscombe, inverse_anscombe
from aimicro.restore.bm3d import bm3d
from aimicro.restore.bm4d import bm4d
from aimicro.restore.deconvolve import DECONVOLUTIONS, best_deconvolved, deconvolve_all
from aimicro.restore.denoise import best_tuned, denoise, tune_all
from aimicro.restore.inverse import wiener
from aimicro.restore.lucy import richardson_lucy
from aimicro.restore.methods import METHODS, Method
from aimicro.restore.tuning import Tuned, Tunings
from aimicro.simulate import Noise

__all__ = [
    "DECONVOLUTIONS",
    "METHODS",
    "Method",
    "Noise",
    "Tuned",
    "Tunings",
    "anscombe",
    "best_deconvolved",
    "best_tuned",
    "bm3d",
    "bm4d",
    "deconvolve_all",
    "denoise",
    "inverse_anscombe",
    "richardson_lucy",
    "tune_all",
    "wiener",
]
