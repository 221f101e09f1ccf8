"""Patches that are simulated for each step."""

import numpy as np
import pytest
import torch
from torch import nn

from aimicro.train import SimulatedPatches, fit


def draw(n, rng):
    means = rng.random((n, 1, 1, 1))
    return means + 0.1 * rng.normal(size=(n, 1, 8, 8)), means


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.scale * x.mean(dim=(2, 3), keepdim=True)


def test_a_batch_is_a_function_of_seed_and_step():
    patches = SimulatedPatches(draw, patch_size=(8, 8), batch_size=4, seed=1)
    again = SimulatedPatches(draw, patch_size=(8, 8), batch_size=4, seed=1)
    other = SimulatedPatches(draw, patch_size=(8, 8), batch_size=4, seed=2)
    np.testing.assert_array_equal(patches.batch(3)[0], again.batch(3)[0])
    assert not np.array_equal(patches.batch(3)[0], patches.batch(4)[0])
    assert not np.array_equal(patches.batch(3)[0], other.batch(3)[0])
    assert patches.settings()["draw"] == "draw"


def test_a_network_learns_from_them():
    network = Mean()
    history = fit(
        network,
        SimulatedPatches(draw, patch_size=(8, 8), batch_size=16),
        validation=SimulatedPatches(draw, patch_size=(8, 8), batch_size=64, seed=9),
        steps=100,
        learning_rate=0.05,
        device="cpu",
    )
    assert history.validation_loss[-1] < 0.01
    assert float(network.scale.detach()) == pytest.approx(1, abs=0.1)


def test_what_is_drawn_in_another_shape_is_refused():
    with pytest.raises(ValueError, match="draw"):
        SimulatedPatches(draw, patch_size=(9, 9), batch_size=4).batch(0)
    with pytest.raises(ValueError, match="batch_size"):
        SimulatedPatches(draw, patch_size=(8, 8), batch_size=0)
