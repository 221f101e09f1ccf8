"""One training that is longer than a page can wait: run it, score it once, keep weights and card.

What train_long.py and pretrain_nuclei.py share.
"""

import json
import platform
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import torch

import aimicro
from aimicro.train import best_weights, load_model, save_model

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "aimicro" / "data" / "long_trainings"


def train_and_keep(
    task: str,
    folder: Path,
    *,
    simulate: str,
    config: dict[str, Any],
    measure: str,
    score: Callable[[torch.nn.Module], float],
) -> None:
    """Train in a folder that holds the pairs, and put weights and card among the package's data.

    `simulate` is the command that drew the pairs, `measure` the card's name for what `score` tells
    of the chosen weights.
    """
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    start = time.perf_counter()
    subprocess.run(shlex.split("aimicro train -c config.json -o model"), cwd=folder, check=True)
    seconds = time.perf_counter() - start
    found = best_weights(folder / "model")
    WEIGHTS.mkdir(exist_ok=True)
    kept = WEIGHTS / f"{task}.safetensors"
    # With half of the digits a reader fetches half of the bytes; scored is what is fetched.
    save_model(kept, load_model(found).half(), seed=config["seed"])
    reached = score(load_model(kept))
    print(f"{task}: {measure} {reached:.3f} after {seconds / 60:.0f} minutes")
    card = {
        "task": task,
        "simulate": simulate,
        "config": config,
        "seconds": round(seconds),
        "machine": f"{torch.get_num_threads()} core(s), {platform.machine()}, "
        f"torch {torch.__version__}",
        "validation_loss": float(found.stem.rpartition("_")[2]),
        measure: round(reached, 3),
        "version": aimicro.__version__,
        "n_bytes": kept.stat().st_size,
        "sha256": pooch.file_hash(str(kept)),
    }
    (WEIGHTS / f"{task}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
