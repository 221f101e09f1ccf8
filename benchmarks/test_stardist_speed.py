"""Are StarDist's targets and suppression of chapter 9 fast? Run by `make bench`.

They are compared with the published program where it is installed. It is no part of the project's
environment; this adds just what its geometry needs:

    pip install --no-deps stardist csbdeep six
    pip install numba

Times are of the processor, so neighbours on the machine do not count; ratios are of one run, on as
many threads as each of them wants: the published program counts those of all.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest

from aimicro.segment import stardist


def seconds(run: Callable[[], object], *, rounds: int = 3) -> float:
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
    """1,024 turned ellipses on (1024, 1024), some of which touch."""
    rng = np.random.default_rng(0)
    cells = np.zeros((32, 32, 32, 32), np.int32)  # row, column, y, x
    y, x = np.mgrid[-16:16, -16:16] + 0.5
    for number, place in enumerate(np.ndindex(32, 32), start=1):
        angle, (long, short) = rng.uniform(0, np.pi), rng.uniform(9, 15, 2)
        along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        cells[place][(along / long) ** 2 + (across / short) ** 2 <= 1] = number
    return np.ascontiguousarray(cells.swapaxes(1, 2).reshape(1024, 1024))


@pytest.fixture(scope="module")
def output(labels: np.ndarray) -> np.ndarray:
    """Targets with errors, so that no two pixels are equally probable."""
    rng = np.random.default_rng(1)
    target = stardist.targets(labels)
    target[0] += rng.uniform(-0.02, 0.02, labels.shape) * (labels > 0)
    target[0] = target[0].clip(0) / target[0].max()
    return target * rng.uniform(0.95, 1.05, target.shape).astype(np.float32).clip(None, 1)


def test_targets(labels: np.ndarray) -> None:
    """1,024 objects in less than a second."""
    took = seconds(lambda: stardist.targets(labels))
    print(f"\ntargets of {labels.max()} objects: {took:.2f} s")
    assert took < 1


def test_suppression(labels: np.ndarray, output: np.ndarray) -> None:
    """All pixels above 0.5, in less than half a second."""
    took = seconds(lambda: stardist.polygons(output, logits=False))
    count, kept = (output[0] > 0.5).sum(), len(stardist.polygons(output, logits=False))
    print(f"\nsuppression of {count} polygons, {kept} kept: {took:.2f} s")
    assert took < 0.5


def test_targets_against_the_published_program(labels: np.ndarray) -> None:
    """At least twice as fast."""
    geometry = pytest.importorskip("stardist.geometry", reason="see the top of this file")
    utils = pytest.importorskip("stardist.utils", reason="see the top of this file")

    def theirs() -> tuple[np.ndarray, np.ndarray]:
        return utils.edt_prob(labels), geometry.star_dist(labels, 32)

    probability, distances = theirs()
    target = stardist.targets(labels)
    np.testing.assert_allclose(target[0], probability, rtol=1e-6)
    np.testing.assert_allclose(target[1:], np.moveaxis(distances, -1, 0), rtol=2e-6)
    ratio = seconds(theirs) / seconds(lambda: stardist.targets(labels))
    print(f"\ntargets: {ratio:.1f} times StarDist")
    assert ratio >= 2


def test_suppression_against_the_published_program(output: np.ndarray) -> None:
    """At least twice as fast, and the same objects."""
    nms = pytest.importorskip("stardist.nms", reason="see the top of this file")
    distances = np.ascontiguousarray(np.moveaxis(output[1:], 0, -1))

    def theirs() -> np.ndarray:
        kept = nms.non_maximum_suppression(
            distances, output[0], b=None, nms_thresh=0.4, prob_thresh=0.5
        )
        return kept[0]

    ours = stardist.polygons(output, logits=False)
    assert {tuple(point) for point in ours.points} == {tuple(point) for point in theirs()}
    ratio = seconds(theirs) / seconds(lambda: stardist.polygons(output, logits=False))
    print(f"\nsuppression: {ratio:.1f} times StarDist")
    assert ratio >= 2
