"""Training: patches, losses, the loop, and weights on disk."""

from aimicro.train.checkpoint import CheckpointError, load_model, save_model
from aimicro.train.fit import History, fit
from aimicro.train.losses import LOSSES
from aimicro.train.patches import Normalisation, PairedPatches

__all__ = [
    "LOSSES",
    "CheckpointError",
    "History",
    "Normalisation",
    "PairedPatches",
    "fit",
    "load_model",
    "save_model",
]
