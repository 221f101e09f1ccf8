"""Pre-train a U-Net on invented nuclei for longer than a page can wait, and keep the weights.

Usage: pretrain_nuclei.py   About ten minutes on one core.

It sees drawn images only, and is chosen by and scored on others that were drawn alike: no real
image, and none of the twins that stand in for them. Weights and card go to
src/aimicro/data/long_trainings.
"""

import tempfile
from pathlib import Path

import numpy as np
import tifffile
import torch
from long_training import train_and_keep

from aimicro.predict import predict
from aimicro.segment import SegmentationTask, unet
from aimicro.simulate import invented_nuclei

NAME = "invented_nuclei"
SEEDS = {"train": range(800), "val": range(10_000, 10_040), "test": range(20_000, 20_060)}
CONFIG = {
    "training_data_dir": {"raw": "train/raw", "gt": "train/gt"},
    "validation_data_dir": {"raw": "val/raw", "gt": "val/gt"},
    "task": "segment",
    "method": "unet",
    "borders": 2,
    "num_channels": 8,
    "depth": 3,
    "input_shape": [96, 96],
    "batch_size": 4,
    "epochs": 30,
    "steps_per_epoch": 200,
    "initial_learning_rate": 0.003,
    "learning_rate_schedule": "cosine",
    "seed": 0,
}


def draw(folder: Path) -> None:
    """Write pairs of images and labels to train and to choose by."""
    for part in ("train", "val"):
        for kind in ("raw", "gt"):
            (folder / part / kind).mkdir(parents=True)
        for seed in SEEDS[part]:
            image, labels = invented_nuclei(rng=seed)
            tifffile.imwrite(folder / part / "raw" / f"{seed}.tif", image)
            tifffile.imwrite(folder / part / "gt" / f"{seed}.tif", labels.astype(np.uint16))


def score(network: torch.nn.Module) -> float:
    """Return the mean of AP50, AP75 and AP90 on inventions that nothing has seen."""
    pairs = [invented_nuclei(rng=seed) for seed in SEEDS["test"]]
    images, truths = zip(*pairs, strict=True)
    task = SegmentationTask(name="invented nuclei", images=images, truths=truths)
    said = [predict(network, image) for image in images]
    return task.score([unet.segment(s, threshold=0.3, seed_threshold=0.9) for s in said])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name))
        train_and_keep(
            NAME,
            Path(name),
            simulate="python scripts/pretrain_nuclei.py",
            config=CONFIG,
            measure="mean_ap",
            score=score,
        )
