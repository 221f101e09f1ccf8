"""Training: patches, losses, the loop, and weights on disk."""

from aimicro.train.arrays import ArrayPatches
from aimicro.train.checkpoint import CheckpointError, best_weights, load_model, save_model
from aimicro.train.files import FilePatches
from aimicro.train.fit import History, fit
from aimicro.train.losses import LOSSES, METRICS
from aimicro.train.patches import Patches
from aimicro.train.scaling import Linear, Percentile, Scaling
from aimicro.train.windows import structure

__all__ = [
    "LOSSES",
    "METRICS",
    "ArrayPatches",
    "CheckpointError",
    "FilePatches",
    "History",
    "Linear",
    "Patches",
    "Percentile",
    "Scaling",
    "best_weights",
    "fit",
    "load_model",
    "save_model",
    "structure",
]
