"""Trainings in tests run on the CPU, where they repeat bit for bit, unless they need a GPU."""

import pytest
import torch

from aimicro.train import devices


@pytest.fixture(autouse=True)
def on_the_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(devices, "best_device", lambda: torch.device("cpu"))
    elif not torch.cuda.is_available():
        pytest.skip("needs a GPU")
