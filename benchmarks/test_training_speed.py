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
from aimicro.train.devices import best_device, native_bfloat16

STEPS = 25
ROUNDS = 5
IMAGES = np.random.default_rng(0).random((32, 128, 128))


def patches() -> ArrayPatches:
    return ArrayPatches(list(IMAGES), list(IMAGES), patch_size=(64, 64), batch_size=16)


def network(channels: int) -> UNet:
    torch.manual_seed(0)
    return UNet(channels=channels, depth=3).to(best_device())


def plain_loop(model: UNet, training: ArrayPatches, *, tuned: bool = False) -> None:
    """float32, contiguous memory: what a tutorial shows. Tuned: as an expert changes it."""
    device = best_device()
    layout = torch.channels_last if tuned else torch.contiguous_format
    short = tuned and native_bfloat16(device)
    model.to(memory_format=layout).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(STEPS):
        raw, truth = (torch.from_numpy(array).to(device) for array in training.batch(step))
        with torch.autocast(device.type, torch.bfloat16, enabled=short):
            prediction = model(raw.to(memory_format=layout))
        loss = torch.nn.functional.mse_loss(prediction.float(), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@pytest.mark.parametrize("channels", [16, 32])
def test_fit_against_loops_without_it(benchmark: BenchmarkFixture, channels: int) -> None:
    """At least twice as fast as the plain loop where bfloat16 is native, and nowhere slower.

    The tuned loop does no more than train: what `fit` does beside that must cost next to nothing.
    """
    training = patches()
    ours, plain, tuned = (network(channels) for _ in range(3))
    loops: dict[str, Callable[[], object]] = {
        "plain": lambda: plain_loop(plain, training),
        "tuned": lambda: plain_loop(tuned, training, tuned=True),
    }
    times: dict[str, list[float]] = {name: [] for name in loops}
    for run in (*loops.values(), lambda: fit(ours, training, steps=STEPS)):
        run()

    def one_round_of_each() -> None:
        # In turn, so that all meet the same neighbours on the machine.
        for name, loop in loops.items():
            times[name].append(seconds(loop))

    benchmark.pedantic(
        lambda: fit(ours, training, steps=STEPS), setup=one_round_of_each, rounds=ROUNDS
    )
    print()
    ratios = {name: float(np.median(t) / benchmark.stats["median"]) for name, t in times.items()}
    for name, ratio in ratios.items():
        benchmark.extra_info[f"times a {name} loop"] = ratio
        print(f"fit, U-Net of {channels} channels: {ratio:.2f} times the steps of a {name} loop")
    # 5 % is what the medians of equal loops differ by from run to run.
    assert ratios["plain"] >= (2 if native_bfloat16(best_device()) else 0.95)
    # 25 steps are few: fit also looks at the images, and keeps the best weights.
    assert ratios["tuned"] >= 0.9


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
