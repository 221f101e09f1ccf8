"""Classical restoration: what a network has to beat."""

from aimicro.restore.anscombe import anscombe, inverse_anscombe
from aimicro.restore.deconvolve import DECONVOLUTIONS, best_deconvolved, deconvolve_all
from aimicro.restore.denoise import best_tuned, denoise, tune_all
from aimicro.restore.inverse import wiener
from aimicro.restore.let import SelfTuned, pure_let, sure_let
from aimicro.restore.lucy import richardson_lucy
from aimicro.restore.methods import METHODS, Method
from aimicro.restore.tuning import Parameter, Tuned, Tunings
from aimicro.simulate import Noise

__all__ = [
    "DECONVOLUTIONS",
    "METHODS",
    "Method",
    "Noise",
    "Parameter",
    "SelfTuned",
    "Tuned",
    "Tunings",
    "anscombe",
    "best_deconvolved",
    "best_tuned",
    "deconvolve_all",
    "denoise",
    "inverse_anscombe",
    "pure_let",
    "richardson_lucy",
    "sure_let",
    "tune_all",
    "wiener",
]
