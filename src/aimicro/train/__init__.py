"""Training: patches, losses, the loop, and weights on disk."""

from aimicro.train.adversarial import adversarial
from aimicro.train.arrays import ArrayPatches
from aimicro.train.checkpoint import CheckpointError, best_weights, load_model, save_model
from aimicro.train.diffusing import diffusion
from aimicro.train.files import FilePatches
from aimicro.train.fit import fit
from aimicro.train.history import History
from aimicro.train.isotropic import (
    LateralPairs,
    axial_kernel,
    lateral_pairs,
    side_contrast,
    stretched,
)
from aimicro.train.losses import LOSSES, METRICS
from aimicro.train.mask_losses import cross_entropy, focal, tversky
from aimicro.train.objectives import OBJECTIVES, Objective, supervised, variational
from aimicro.train.patches import Patches
from aimicro.train.perceptual import perceptual
from aimicro.train.prompting import prompted
from aimicro.train.resuming import Checkpoint
from aimicro.train.scaling import Linear, Percentile, Scaling
from aimicro.train.self_supervised import blind_spot, j_invariant
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
    "LateralPairs",
    "Linear",
    "Objective",
    "Patches",
    "Percentile",
    "Scaling",
    "adversarial",
    "axial_kernel",
    "best_weights",
    "blind_spot",
    "cross_entropy",
    "diffusion",
    "fit",
    "focal",
    "j_invariant",
    "lateral_pairs",
    "load_model",
    "perceptual",
    "prompted",
    "save_model",
    "side_contrast",
    "stretched",
    "structure",
    "supervised",
    "tversky",
    "variational",
]
