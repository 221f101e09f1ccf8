import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aimicro.models import UNet
from aimicro.train import ArrayPatches, Checkpoint, fit, load_model

IMAGES = list(np.random.default_rng(0).random((4, 32, 32)))


class Double:
    """Patches of one process whose batches are those of two processes together."""

    def __init__(self, patches: ArrayPatches) -> None:
        self._patches = patches

    def __getattr__(self, name: str) -> object:
        return getattr(self._patches, name)

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        pairs = (self._patches.batch(2 * step), self._patches.batch(2 * step + 1))
        return tuple(np.concatenate(arrays) for arrays in zip(*pairs, strict=True))


def train(folder: Path, *, double: bool = False, steps: int = 6) -> dict[str, object]:
    """What a script for torchrun does; the first process writes what comes out."""
    torch.manual_seed(0)
    network = UNet(channels=4, depth=1)
    patches = ArrayPatches(IMAGES[:3], [image**2 for image in IMAGES[:3]], patch_size=(16, 16))
    patches.batch_size = 2
    seen = []
    history = fit(
        network,
        Double(patches) if double else patches,  # type: ignore[arg-type]
        steps=steps,
        validation=ArrayPatches(IMAGES[3:], [IMAGES[3] ** 2], patch_size=(16, 16)),
        validation_batches=3,
        validate_every=3,
        metrics={"bias": lambda x, t: float((x - t).mean())},
        learning_rate=1e-3,
        device="cpu",
        precision="float32",
        checkpoint=Checkpoint(folder / "checkpoint.safetensors", resume=True),
        after_validation=lambda _, history: seen.append(history.step[-1]),
    )
    weights = [float(tensor.double().sum()) for tensor in network.state_dict().values()]
    return {"history": vars(history), "weights": weights, "seen": seen}


def two_processes(folder: Path) -> list[dict[str, object]]:
    command = ["torch.distributed.run", "--nproc-per-node=2", "--standalone", __file__, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.long
def test_two_processes_train_as_one_with_twice_the_batch(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    one = train(tmp_path / "one", double=True)
    first, second = two_processes(tmp_path)
    np.testing.assert_allclose(first["weights"], one["weights"], rtol=1e-4, atol=1e-5)
    for name in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(first["history"][name], one["history"][name], rtol=1e-4)
    np.testing.assert_allclose(
        first["history"]["metrics"]["bias"], one["history"]["metrics"]["bias"], atol=1e-5
    )
    assert first["history"] == second["history"]
    assert first["weights"] == second["weights"]
    assert (first["seen"], second["seen"]) == ([3, 6], [])
    stored = load_model(tmp_path / "checkpoint.safetensors").state_dict().values()
    assert [float(tensor.double().sum()) for tensor in stored] == first["weights"]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    result = train(folder)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(result))
