"""Pre-train a U-Net on invented nuclei for longer than a page can wait, and keep the weights.

Usage: pretrain_nuclei.py   About ten minutes on one core.

It sees drawn images only, and is chosen by and scored on others that were drawn alike: no real
image, and none of the twins that stand in for them. Weights and card go to
src/aimicro/data/long_trainings.
"""

import json
import platform
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pooch
import tifffile
import torch

import aimicro
from aimicro.predict import predict
from aimicro.segment import SegmentationTask, unet
from aimicro.simulate import invented_nuclei
from aimicro.train import best_weights, load_model

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "data" / "long_trainings"
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


def main() -> None:
    """Draw, train, choose, score, and write weights and card."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        start = time.perf_counter()
        run = shlex.split("aimicro train -c config.json -o model")
        subprocess.run(run, cwd=folder, check=True)
        seconds = time.perf_counter() - start
        found = best_weights(folder / "model")
        reached = score(load_model(found))
        content = found.read_bytes()
    print(f"{reached:.3f} after {seconds / 60:.0f} minutes")
    kept = WEIGHTS / f"{NAME}.safetensors"
    kept.write_bytes(content)
    card = {
        "task": NAME,
        "simulate": "python scripts/pretrain_nuclei.py",
        "config": CONFIG,
        "seconds": round(seconds),
        "machine": f"{torch.get_num_threads()} core(s), {platform.machine()}, "
        f"torch {torch.__version__}",
        "validation_loss": float(found.stem.rpartition("_")[2]),
        "mean_ap": round(reached, 3),
        "version": aimicro.__version__,
        "n_bytes": len(content),
        "sha256": pooch.file_hash(str(kept)),
    }
    (WEIGHTS / f"{NAME}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
