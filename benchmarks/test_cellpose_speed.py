"""Are Cellpose's targets, Euler steps and masks fast for 1,000 objects? Run by `make bench`.

They are compared with the published program where it is installed, on one thread. It is no part of
the project's environment; scripts/published_cellpose.py tells what to install.

Times are of the processor, so neighbours on the machine do not count; ratios are of one run.
"""

import runpy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from aimicro.segment import cellpose

PUBLISHED = Path(__file__).resolve().parents[1] / "scripts" / "published_cellpose.py"


def seconds(run: Callable[[], object], *, rounds: int = 2) -> float:
    """Shortest time on the processor, after one run to warm up."""
    run()
    took = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return min(took)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """1,024 ellipses in (1024, 1024), some of which touch."""
    random, (y, x) = np.random.default_rng(0), np.mgrid[-16:16, -16:16]
    labels = np.zeros((1024, 1024), np.int32)
    for n in range(1024):
        (a, b), turn = random.uniform((12, 8), (16, 12)), random.uniform(0, np.pi)
        along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
        mask = (along / a) ** 2 + (across / b) ** 2 < 1
        labels[n // 32 * 32 :, n % 32 * 32 :][:32, :32][mask] = n + 1
    return labels


@pytest.fixture(scope="module")
def output(labels: np.ndarray) -> np.ndarray:
    """A network's: flows with errors, and a logit."""
    flows = cellpose.targets(labels)
    flows[:2] += np.random.default_rng(1).normal(0, 0.75, flows[:2].shape)
    flows[2] = 6 * flows[2] - 3
    return flows


def test_targets_euler_steps_and_masks(labels: np.ndarray, output: np.ndarray) -> None:
    """In less than 1 s, 2 s and 3 s."""
    inside = output[2] > 0
    field, start = output[:2] * inside / 5, np.argwhere(inside).T
    target = seconds(lambda: cellpose.targets(labels))
    euler = seconds(lambda: cellpose.follow(field, start))
    masks = seconds(lambda: cellpose.segment(output))
    print(
        f"\n1,024 objects: targets {target:.2f} s, Euler {euler:.2f} s, all to masks {masks:.2f} s"
    )
    assert cellpose.segment(output).max() == 1024
    assert (target < 1, euler < 2, masks < 3) == (True, True, True)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # theirs
def test_against_the_published_program(labels: np.ndarray, output: np.ndarray) -> None:
    """At least twice as fast."""
    pytest.importorskip("cellpose", reason="see the top of this file")
    theirs = runpy.run_path(str(PUBLISHED))["dynamics"]
    inside = output[2] > 0
    field, start = output[:2] * inside / 5, np.argwhere(inside).T
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ratios = {
            "targets": seconds(lambda: theirs.masks_to_flows_gpu(labels))
            / seconds(lambda: cellpose.targets(labels)),
            "Euler steps": seconds(lambda: theirs.follow_flows(field, tuple(start)))
            / seconds(lambda: cellpose.follow(field, start)),
            "masks": seconds(lambda: theirs.compute_masks(output[:2], output[2], min_size=15))
            / seconds(lambda: cellpose.segment(output)),
        }
    finally:
        torch.set_num_threads(threads)
    print("\n" + ", ".join(f"{name} {ratio:.1f}" for name, ratio in ratios.items()) + " times")
    assert min(ratios.values()) >= 2
