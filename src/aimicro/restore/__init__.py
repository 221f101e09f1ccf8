"""Classical restoration: what a network has to beat."""

from aimicro.restore.anscombe import anscombe, inverse_anscombe
from aimicro.restore.bm3d import bm3d
from aimicro.restore.bm4d import bm4d
from aimicro.restore.centring import centred_psf
from aimicro.restore.classical import (
    DECONVOLVERS,
    Classical,
    Ranking,
    apply_classical,
    best_classical,
)
from aimicro.restore.correlated import bm3d_correlated
from aimicro.restore.deconvolve import best_deconvolved
from aimicro.restore.denoise import best_tuned, denoise, tune_all
from aimicro.restore.fista import REGULARISERS, fista
from aimicro.restore.inverse import inverse_filter, wiener
from aimicro.restore.let import SelfTuned, pure_let, sure_let
from aimicro.restore.lines import richardson_lucy_lines
from aimicro.restore.lucy import log_likelihood, richardson_lucy
from aimicro.restore.methods import METHODS, Method
from aimicro.restore.phase_retrieval import Retrieved, misfit, modal_search, retrieve_wavefront
from aimicro.restore.task import Recorded, RestorationTask
from aimicro.restore.tikhonov import tikhonov, tikhonov_miller
from aimicro.restore.tuning import Parameter, Tuned, Tunings
from aimicro.restore.unknown_psf import likeliest_parameters, likely_psf
from aimicro.simulate import Noise

__all__ = [
    "DECONVOLVERS",
    "METHODS",
    "REGULARISERS",
    "Classical",
    "Method",
    "Noise",
    "Parameter",
    "Ranking",
    "Recorded",
    "RestorationTask",
    "Retrieved",
    "SelfTuned",
    "Tuned",
    "Tunings",
    "anscombe",
    "apply_classical",
    "best_classical",
    "best_deconvolved",
    "best_tuned",
    "bm3d",
    "bm3d_correlated",
    "bm4d",
    "centred_psf",
    "denoise",
    "fista",
    "inverse_anscombe",
    "inverse_filter",
    "likeliest_parameters",
    "likely_psf",
    "log_likelihood",
    "misfit",
    "modal_search",
    "pure_let",
    "retrieve_wavefront",
    "richardson_lucy",
    "richardson_lucy_lines",
    "sure_let",
    "tikhonov",
    "tikhonov_miller",
    "tune_all",
    "wiener",
]
