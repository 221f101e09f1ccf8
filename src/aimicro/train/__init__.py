"""Training: patches, losses, the loop, and weights on disk."""

from aimicro.train.checkpoint import CheckpointError, best_weights, load_model, save_model
from aimicro.train.fit import History, fit
from aimicro.train.losses import LOSSES, METRICS
from aimicro.train.patches import Normalisation, PairedPatches, percentile_normalisation
from aimicro.train.stacks import StackPatches

__all__ = [
    "LOSSES",
    "METRICS",
    "CheckpointError",
    "History",
    "Normalisation",
    "PairedPatches",
    "StackPatches",
    "best_weights",
    "fit",
    "load_model",
    "percentile_normalisation",
    "save_model",
]
