"""Is `fit` fast? Against the loop that everybody writes first, in the same run on the same machine.

Run by `make bench`. Each number is a ratio, so that a slower machine gives the same one.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from aimicro.models import UNet
from aimicro.train import ArrayPatches, fit
from aimicro.train.fit import best_device, native_bfloat16

STEPS = 25
ROUNDS = 5
IMAGES = np.random.default_rng(0).random((32, 128, 128))


def patches() -> ArrayPatches:
    return ArrayPatches(list(IMAGES), list(IMAGES), patch_size=(64, 64), batch_size=16)


def network(channels: int) -> UNet:
    torch.manual_seed(0)
    return UNet(channels=channels, depth=3).to(best_device())


def plain_loop(model: UNet, training: ArrayPatches) -> None:
    """float32, contiguous memory: what a tutorial shows."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(STEPS):
        raw, truth = (torch.from_numpy(array).to(best_device()) for array in training.batch(step))
        loss = torch.nn.functional.mse_loss(model(raw), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@pytest.mark.parametrize("channels", [16, 32])
def test_fit_against_a_plain_loop(benchmark: BenchmarkFixture, channels: int) -> None:
    """At least twice as fast where bfloat16 is native, and nowhere slower."""
    ours, theirs, training = network(channels), network(channels), patches()
    plain_loop(theirs, training)
    fit(ours, training, steps=STEPS)
    plain = []

    def one_round_of_each() -> None:
        # In turn, so that both meet the same neighbours on the machine.
        plain.append(seconds(lambda: plain_loop(theirs, training)))

    benchmark.pedantic(
        lambda: fit(ours, training, steps=STEPS), setup=one_round_of_each, rounds=ROUNDS
    )
    ratio = float(np.median(plain) / benchmark.stats["median"])
    benchmark.extra_info["times a plain loop"] = ratio
    print(f"\nfit, U-Net of {channels} channels: {ratio:.2f} times the steps of a plain loop")
    # 5 % is what the medians of equal loops differ by from run to run.
    assert ratio >= (2 if native_bfloat16(best_device()) else 0.95)


def test_share_of_the_data_pipeline(benchmark: BenchmarkFixture) -> None:
    """Cutting and turning patches takes less than a tenth of a step."""
    training = patches()
    model = network(16)
    fit(model, training, steps=STEPS)
    step = np.median([seconds(lambda: fit(model, training, steps=STEPS)) for _ in range(3)]) / STEPS
    benchmark.pedantic(lambda: [training.batch(step) for step in range(STEPS)], rounds=ROUNDS)
    share = float(benchmark.stats["median"] / STEPS / step)
    benchmark.extra_info["share of a step"] = share
    print(f"\ndata pipeline: {share:.1%} of a training step")
    assert share < 0.1
