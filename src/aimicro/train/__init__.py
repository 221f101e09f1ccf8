"""Training: patches, losses, the loop, and weights on disk."""

from aimicro.train.adversarial import adversarial
from aimicro.train.arrays import ArrayPatches
from aimicro.train.blurred_again import blurred_again
from aimicro.train.checkpoint import CheckpointError, best_weights, load_model, save_model
from aimicro.train.contrasting import contrastive
from aimicro.train.diffusing import diffusion
from aimicro.train.files import FilePatches
from aimicro.train.fit import fit
from aimicro.train.history import History
from aimicro.train.losses import LOSSES, METRICS
from aimicro.train.mask_losses import cross_entropy, focal, tversky
from aimicro.train.objectives import OBJECTIVES, Objective, next_token, supervised, variational
from aimicro.train.patches import Patches
from aimicro.train.perceptual import perceptual
from aimicro.train.prompting import prompted
from aimicro.train.resuming import Checkpoint
from aimicro.train.scaling import Linear, Percentile, Scaling
from aimicro.train.self_supervised import blind_spot, j_invariant
from aimicro.train.simulated import SimulatedPatches
from aimicro.train.windows import structure

__all__ = [
    "LOSSES",
    "METRICS",
    "OBJECTIVES",
    "ArrayPatches",
    "Checkpoint",
    "CheckpointError",
    "FilePatches",
    "History",
    "Linear",
    "Objective",
    "Patches",
    "Percentile",
    "Scaling",
    "SimulatedPatches",
    "adversarial",
    "best_weights",
    "blind_spot",
    "blurred_again",
    "contrastive",
    "cross_entropy",
    "diffusion",
    "fit",
    "focal",
    "j_invariant",
    "load_model",
    "next_token",
    "perceptual",
    "prompted",
    "save_model",
    "structure",
    "supervised",
    "tversky",
    "variational",
]
