"""Is the matching of chapter 10 fast at all thresholds? Run by `make bench`.

It is compared with what everybody writes first, and with StarDist and Cellpose where they are
installed. They are no part of the project's environment; this adds just what their scores need:

    pip install --no-deps stardist csbdeep cellpose six opencv-python-headless fastremap fill-voids
    pip install numba

Times are of the processor, so neighbours on the machine do not count; ratios are of one run.
"""

import time
from collections.abc import Callable
from importlib import resources

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from skimage.io import imread
from skimage.measure import label

from aimicro.data import fetch
from aimicro.metrics import average_precision, match, overlap_table
from aimicro.simulate.mistakes import grow

THRESHOLDS = np.linspace(0.5, 0.95, 10)
Fields = tuple[list[np.ndarray], list[np.ndarray]]


def seconds(run: Callable[[], object], *, rounds: int = 5) -> float:
    """Shortest time on the processor, after one run to warm up."""
    run()
    took = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return min(took)


@pytest.fixture(scope="module")
def fields() -> Fields:
    """Eight fields of real nuclei, and the same drawn too small and moved."""
    registry = resources.files("aimicro.data").joinpath("registry.tsv").read_text(encoding="utf-8")
    names = [line.split("\t")[0] for line in registry.splitlines()]
    names = [name for name in names if name.startswith("bbbc039_nuclei/masks_png")]
    truths = [label(imread(fetch(name))[..., 0]).astype(np.int32) for name in names]
    return truths, [np.roll(grow(truth, -1), (3, 2), (0, 1)) for truth in truths]


def plain(truths: list[np.ndarray], predictions: list[np.ndarray]) -> np.ndarray:
    """One table of IoU an image, filled object by object, and one assignment a threshold."""
    tp = np.zeros((len(truths), len(THRESHOLDS)))
    union = np.zeros_like(tp)
    for i, (truth, prediction) in enumerate(zip(truths, predictions, strict=True)):
        true_ids, ids = (np.unique(image[image > 0]) for image in (truth, prediction))
        iou = np.zeros((len(true_ids), len(ids)))
        areas = np.bincount(prediction.ravel())[ids]
        for row, one in enumerate(true_ids):
            mask = truth == one
            shared = np.bincount(prediction[mask], minlength=ids[-1] + 1)[ids]
            iou[row] = shared / (mask.sum() + areas - shared)
        for j, threshold in enumerate(THRESHOLDS):
            pairs = linear_sum_assignment(iou >= threshold, maximize=True)
            tp[i, j] = (iou[pairs] >= threshold).sum()
        union[i] = len(true_ids) + len(ids) - tp[i]
    return tp.sum(axis=0) / union.sum(axis=0)


def ours(fields: Fields) -> tuple[np.ndarray, float]:
    """Values and seconds."""
    values = average_precision(*fields, thresholds=THRESHOLDS)
    return values, seconds(lambda: average_precision(*fields, thresholds=THRESHOLDS))


def test_all_thresholds_against_a_plain_matching(fields: Fields) -> None:
    """At least 10 times as fast."""
    values, took = ours(fields)
    ratio = seconds(lambda: plain(*fields), rounds=2) / took
    print(f"\nAP at 10 thresholds of 8 fields: {1e3 * took:.1f} ms, {ratio:.0f} times a plain loop")
    np.testing.assert_allclose(values, plain(*fields), rtol=1e-12)
    assert ratio >= 10


def test_all_thresholds_against_stardist(fields: Fields) -> None:
    """At least 10 times as fast as one call for each threshold."""
    stardist = pytest.importorskip("stardist.matching", reason="see the top of this file")

    def theirs(thresholds: tuple[float, ...]) -> list[float]:
        found = stardist.matching_dataset(*fields, thresh=thresholds, show_progress=False)
        return [one.accuracy for one in found]

    values, took = ours(fields)
    np.testing.assert_allclose(values, theirs(tuple(THRESHOLDS)), atol=1e-6)
    each = seconds(lambda: [theirs((t,)) for t in THRESHOLDS], rounds=2) / took
    at_once = seconds(lambda: theirs(tuple(THRESHOLDS)), rounds=3) / took
    print(
        f"\n{each:.0f} times StarDist threshold by threshold, {at_once:.1f} times all in one call"
    )
    assert each >= 10


def test_all_thresholds_against_cellpose(fields: Fields) -> None:
    """At least 3 times as fast."""
    cellpose = pytest.importorskip("cellpose.metrics", reason="see the top of this file")

    def theirs() -> np.ndarray:
        return cellpose.average_precision(*fields, threshold=THRESHOLDS)[0]

    each = average_precision(*fields, thresholds=THRESHOLDS, pool=False)
    np.testing.assert_allclose(each, theirs(), atol=1e-6)
    ratio = seconds(theirs, rounds=3) / ours(fields)[1]
    print(f"\n{ratio:.1f} times Cellpose")
    assert ratio >= 3


def test_a_large_image() -> None:
    """2,000 objects on (2080, 2784) pixels in less than 0.1 s."""
    y, x = np.ogrid[:2080, :2784]
    tiles = (y // 52) * 50 + x * 50 // 2784 + 1
    middle = ((y % 52) - 26) ** 2 + ((x % 55.68) - 28) ** 2
    truth = np.where(middle < 24**2, tiles, 0).astype(np.int32)
    prediction = np.roll(truth, (3, 4), (0, 1))
    table = seconds(lambda: overlap_table(truth, prediction))
    whole = seconds(lambda: match(truth, prediction, threshold=0.3))
    n = len(np.unique(truth)) - 1
    print(f"\n{n} objects: table in {1e3 * table:.0f} ms, whole match in {1e3 * whole:.0f} ms")
    assert n == 2000
    assert table < 0.1


def test_a_tissue_without_gaps() -> None:
    """3,000 cells, each of which meets several others, at a threshold where they compete: 0.5 s.

    A table of all cells against all would hold nine million scores here, and 400 million in an
    image of 20,000 cells.
    """
    random, pixels = np.random.default_rng(0), np.stack(np.mgrid[:775, :775], axis=-1)

    def cells() -> np.ndarray:
        nearest = cKDTree(random.uniform(0, 775, (3000, 2))).query(pixels)[1]
        return nearest.astype(np.int32) + 1

    truth, prediction = cells(), cells()
    took = seconds(lambda: match(truth, prediction, threshold=0.1), rounds=3)
    print(f"\ntissue of 3,000 cells: {1e3 * took:.0f} ms")
    assert took < 0.5
