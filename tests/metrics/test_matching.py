import itertools
import json
import math
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.io import imread
from skimage.measure import label
from skimage.segmentation import expand_labels

from aimicro.io import zeros_on_disk
from aimicro.metrics import (
    Matching,
    aggregated_jaccard,
    average_precision,
    match,
    panoptic_quality,
    splits_and_merges,
)

Image = npt.NDArray[np.integer]
Case = tuple[Image, Image]

RECORDED = Path(__file__).parent / "recorded" / "matching.json"
THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
COCO = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
FIELDS = {  # ours, by the name that StarDist has for it
    "tp": "tp",
    "fp": "fp",
    "fn": "fn",
    "n_true": "n_truth",
    "n_pred": "n_prediction",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "average_precision",
    "f1": "f1",
    "mean_true_score": "mean_true_score",
    "mean_matched_score": "mean_matched_score",
    "panoptic_quality": "panoptic_quality",
}


# ---- label images


def nuclei(folder: Path, index: int) -> Image:
    """One field of real nuclei; its components under 25 pixels are debris."""
    path = sorted((folder / "bbbc039_nuclei" / "masks_png").glob("*.png"))[index]
    found = label(imread(path)[..., 0])
    found[np.bincount(found.ravel())[found] < 25] = 0
    return found


def eroded(labels: Image) -> Image:
    same = ndimage.minimum_filter(labels, 5) == ndimage.maximum_filter(labels, 5)
    return np.where(same, labels, 0)


def halved(labels: Image) -> Image:
    """Left and right half of each object under names of their own."""
    columns = np.broadcast_to(np.arange(labels.shape[1]), labels.shape)
    areas = np.maximum(np.bincount(labels.ravel()), 1)
    middles = np.bincount(labels.ravel(), weights=columns.ravel()) / areas
    right = (labels > 0) & (columns > middles[labels])
    return np.where(right, labels + 500, labels)


def cells_in_3d() -> Image:
    """Cells without any background between them."""
    seeds = np.zeros((12, 32, 32), np.uint16)
    places = np.random.default_rng(3).choice(seeds.size, 40, replace=False)
    seeds.flat[places] = np.arange(1, 41)
    return expand_labels(seeds, 99)


def row(*runs: tuple[int, int]) -> Image:
    """One row of pixels from (label, length)."""
    return np.repeat([name for name, _ in runs], [n for _, n in runs])[np.newaxis]


def real_cases(folder: Path) -> dict[str, Case]:
    fields = [nuclei(folder, i) for i in range(8)]
    renumbered = np.random.default_rng(0).permutation(2000)[: fields[5].max() + 1]
    renumbered[0] = 0
    return {
        "rolled": (fields[0], np.roll(fields[0], (4, 3), (0, 1))),
        "rolled onto neighbours": (fields[7], np.roll(fields[7], 13, 1)),
        "eroded": (fields[2], eroded(fields[2])),
        "merged": (fields[3], (expand_labels(fields[3], 9) + 1) // 2),
        "halved": (fields[4], halved(fields[4])),
        "renumbered": (fields[5], renumbered[expand_labels(fields[5], 4)]),
        "another field": (fields[6], fields[1]),
    }


def made_cases() -> dict[str, Case]:
    one, none, cells = row((1, 10), (0, 2)), row((0, 12)), cells_in_3d()
    return {
        "two halves": (one, row((1, 5), (2, 5), (0, 2))),
        "seven of ten": (row((1, 10), (0, 2), (2, 4)), row((1, 7), (0, 5), (2, 4))),
        "a chain": (
            row((1, 10), (2, 10), (3, 10), (0, 5)),
            row((0, 4), (1, 10), (2, 10), (3, 10), (0, 1)),
        ),
        # Three small overlaps here, or two large ones: the number of pairs goes first.
        "a long chain": (
            row((1, 10), (2, 10), (3, 10)),
            row((1, 1), (2, 10), (3, 10), (0, 9)),
        ),
        "not consecutive": (
            row((7, 10), (90, 8), (0, 2)),
            row((0, 1), (300, 9), (0, 2), (2, 6), (0, 2)),
        ),
        "empty truth": (none, one),
        "empty prediction": (one, none),
        "in 3D": (cells, np.roll(cells, (1, 3, 2), (0, 1, 2))),
    }


# ---- against StarDist and Cellpose


@pytest.fixture(scope="module")
def recorded() -> dict:
    """What scripts/record_matching.py got from the two packages."""
    return json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def fields_of_nuclei(shared_data: Path) -> dict[str, Case]:
    return real_cases(shared_data)


@pytest.fixture(scope="module")
def all_cases(fields_of_nuclei: dict[str, Case]) -> dict[str, Case]:
    return fields_of_nuclei | made_cases()


def fields(found: Matching) -> list[float]:
    return [getattr(found, ours) for ours in FIELDS.values()]


@pytest.mark.parametrize("score", ["iou", "iot", "iop"])
def test_all_fields_are_those_of_stardist(
    recorded: dict, all_cases: dict[str, Case], score: str
) -> None:
    assert recorded["fields"] == list(FIELDS)
    assert recorded["stardist"].keys() == all_cases.keys()
    for name, pair in all_cases.items():
        ours = [fields(match(*pair, threshold=t, score=score)) for t in recorded["thresholds"]]
        np.testing.assert_allclose(
            ours, recorded["stardist"][name][score], rtol=0, atol=2e-7, err_msg=name
        )


def test_a_data_set_is_that_of_stardist(recorded: dict, fields_of_nuclei: dict[str, Case]) -> None:
    pairs = list(fields_of_nuclei.values())
    pooled = [Matching.pool(match(*p, threshold=t) for p in pairs) for t in THRESHOLDS]
    ours = [fields(found) for found in pooled]
    np.testing.assert_allclose(ours, recorded["stardist pooled"], rtol=0, atol=2e-7)

    truths, predictions = zip(*pairs, strict=True)
    one = average_precision(truths, predictions, thresholds=THRESHOLDS)
    each = average_precision(truths, predictions, thresholds=THRESHOLDS, pool=False)
    np.testing.assert_allclose(one, [found.average_precision for found in pooled], rtol=1e-15)
    np.testing.assert_allclose(
        each.mean(axis=0), recorded["stardist accuracy by image"], rtol=0, atol=1e-12
    )
    assert np.abs(one - each.mean(axis=0)).max() > 0.01  # so it matters which


def test_average_precision_is_that_of_cellpose(recorded: dict, all_cases: dict[str, Case]) -> None:
    for name, theirs in recorded["cellpose"].items():
        ours = average_precision(*all_cases[name], thresholds=recorded["cellpose thresholds"])
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7, err_msg=name)
    assert len(recorded["cellpose"]) > 10


def test_an_image_without_background(recorded: dict, all_cases: dict[str, Case]) -> None:
    """Cellpose 4 takes the first object of such an image for background, and loses count."""
    everywhere = row((1, 6), (2, 6))
    assert "in 3D" not in recorded["cellpose"]
    assert match(everywhere, everywhere).n_truth == 2
    assert (all_cases["in 3D"][0] > 0).all()
    assert match(*all_cases["in 3D"]).n_truth == 40


def test_aggregated_jaccard_is_that_of_cellpose_where_objects_meet_one_partner(
    recorded: dict, all_cases: dict[str, Case]
) -> None:
    for name, theirs in recorded["cellpose aji"].items():
        assert aggregated_jaccard(*all_cases[name]) == pytest.approx(theirs, abs=1e-12), name


# ---- against the definition, written down once more, slowly


def overlaps(truth: Image, prediction: Image) -> tuple[list[int], list[int], dict]:
    """Labels of both, and for every two objects (shared, true, predicted) pixels."""
    t, p = truth.ravel().tolist(), prediction.ravel().tolist()
    ts, ps = sorted(set(t) - {0}), sorted(set(p) - {0})
    pairs = list(zip(t, p, strict=True))
    areas = {(i, j): (pairs.count((i, j)), t.count(i), p.count(j)) for i in ts for j in ps}
    return ts, ps, areas


def exact(score: str, shared: int, truth: int, prediction: int) -> Fraction:
    whole = {"iou": truth + prediction - shared, "iot": truth, "iop": prediction}
    return Fraction(shared, whole[score])


def best_by_trying_all(truth: Image, prediction: Image, score: str, t: Fraction) -> tuple:
    """The largest (matches, sum of all scores), and the sums of matched scores that it allows."""
    ts, ps, areas = overlaps(truth, prediction)
    scores = {pair: exact(score, *area) for pair, area in areas.items()}
    ps = ps + [None] * len(ts)  # so that a truth may stay alone
    tried = {}
    for partners in set(itertools.permutations(ps, len(ts))):
        found = [scores[i, j] for i, j in zip(ts, partners, strict=True) if j is not None]
        matched = [s for s in found if s >= t]
        tried.setdefault((len(matched), sum(found)), set()).add(sum(matched))
    best = max(tried)
    return best[0], tried[best]


DTYPES = ["uint8", "int8", "uint16", "int16", ">u2", "int32", "uint32", "int64", "uint64"]
NAMES = [0, 3, 70000, 2**31 + 5, 2**63 + 9]  # 0, small, and beyond int16, int32 and int64


@st.composite
def small_pairs(draw: st.DrawFn, n: int = 4) -> Case:
    """Two label images with up to n objects each; of runs, so that overlaps are large."""
    shape = draw(st.sampled_from([(1, 14), (3, 5), (2, 2, 4)]))
    both = arrays(np.uint64, shape, elements=st.integers(0, n), fill=st.nothing())
    names = np.array(NAMES, np.uint64)
    return names[np.sort(draw(both), axis=-1)], names[draw(both)]


@settings(max_examples=80, deadline=None)
@given(
    pair=small_pairs(),
    score=st.sampled_from(["iou", "iot", "iop"]),
    tenths=st.integers(1, 10),
)
def test_no_other_choice_of_partners_is_better(pair: Case, score: str, tenths: int) -> None:
    truth, prediction = pair
    found = match(truth, prediction, threshold=tenths / 10, score=score)
    ts, ps, areas = overlaps(truth, prediction)

    matched = found.pairs.truth.tolist(), found.pairs.prediction.tolist()
    assert sorted(matched[0] + found.missed.tolist()) == ts
    assert sorted(matched[1] + found.invented.tolist()) == ps
    scores = [exact(score, *areas[pair]) for pair in zip(*matched, strict=True)]
    assert found.pairs.score.tolist() == pytest.approx([float(s) for s in scores])
    assert all(s >= Fraction(tenths, 10) for s in scores)
    assert (found.n_truth, found.n_prediction) == (len(ts), len(ps))

    tp, sums = best_by_trying_all(truth, prediction, score, Fraction(tenths, 10))
    assert found.tp == tp
    assert any(sum(scores) == s for s in sums)


@settings(max_examples=40, deadline=None)
@given(pair=small_pairs())
def test_aggregated_jaccard_follows_its_definition(pair: Case) -> None:
    ts, ps, areas = overlaps(*pair)
    size = {j: (pair[1] == np.uint64(j)).sum() for j in ps}
    shared, union, used = 0, 0, set()
    for i in ts:
        j = max(ps, key=lambda j: (exact("iou", *areas[i, j]), -j), default=None)
        if j is None or areas[i, j][0] == 0:
            union += (pair[0] == np.uint64(i)).sum()
            continue
        both, t, p = areas[i, j]
        shared, union, used = shared + both, union + t + p - both, used | {j}
    union += sum(size[j] for j in ps if j not in used)
    expected = shared / union if union else 1.0
    assert aggregated_jaccard(*pair) == pytest.approx(expected, abs=1e-15)


@settings(max_examples=40, deadline=None)
@given(pair=small_pairs(), tenths=st.integers(5, 9))
def test_splits_and_merges_follow_their_definition(pair: Case, tenths: int) -> None:
    ts, ps, areas = overlaps(*pair)
    fraction = Fraction(tenths, 10)
    pieces = {i: [j for j in ps if exact("iop", *areas[i, j]) > fraction] for i in ts}
    parts = {j: [i for i in ts if exact("iot", *areas[i, j]) > fraction] for j in ps}
    split = [i for i in ts if len(pieces[i]) > 1]
    merged = [j for j in ps if len(parts[j]) > 1]

    found = splits_and_merges(*pair, fraction=tenths / 10)
    assert found.split.tolist() == split
    assert found.merged.tolist() == merged
    assert found.pieces.tolist() == sorted(j for i in split for j in pieces[i])
    assert found.parts.tolist() == sorted(i for j in merged for i in parts[j])
    assert found.joins == sum(len(pieces[i]) - 1 for i in split)
    assert found.cuts == sum(len(parts[j]) - 1 for j in merged)


def test_exactly_half_is_not_more_than_half() -> None:
    pair = row((1, 4), (2, 4)), row((1, 2), (2, 4), (3, 2))
    assert [len(labels) for labels in splits_and_merges(*pair)] == [0, 0, 0, 0]


# ---- properties


@settings(max_examples=40, deadline=None)
@given(pair=small_pairs(), tenths=st.integers(1, 10))
def test_truth_and_prediction_swapped(pair: Case, tenths: int) -> None:
    one, other = match(*pair, threshold=tenths / 10), match(*pair[::-1], threshold=tenths / 10)
    assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)
    assert one.panoptic_quality == pytest.approx(one.f1 * one.mean_matched_score)
    assert panoptic_quality(*pair, threshold=tenths / 10) == one.panoptic_quality


@pytest.mark.parametrize("score", ["iou", "iot", "iop"])
def test_a_result_equal_to_its_truth_is_perfect(score: str) -> None:
    cells = cells_in_3d()
    found = match(cells, cells, threshold=1, score=score)
    assert fields(found) == [40, 0, 0, 40, 40] + 7 * [1]
    assert aggregated_jaccard(cells, cells) == 1


def test_all_thresholds_at_once_are_each_alone(all_cases: dict[str, Case]) -> None:
    for pair in all_cases.values():
        alone = [match(*pair, threshold=t).average_precision for t in THRESHOLDS]
        assert average_precision(*pair, thresholds=THRESHOLDS).tolist() == alone
    with_one = average_precision(*pair, thresholds=[0.5])
    assert with_one.shape == (1,)
    assert with_one.dtype == np.float64


def test_a_single_threshold_gives_a_number_and_a_list_an_array() -> None:
    pair = row((1, 10)), row((1, 7), (0, 3))
    for threshold in (0.5, np.float64(0.5), np.array(0.5)):
        assert type(average_precision(*pair, thresholds=threshold)) is float
    each = average_precision([pair[0]] * 2, [pair[1]] * 2, thresholds=0.8, pool=False)
    assert each.tolist() == [0, 0]


def test_a_threshold_summed_up_in_steps_is_the_one_meant() -> None:
    """Steps of 0.05 give 0.7000000000000002 for the threshold of an overlap of 7 in 10."""
    steps = np.arange(0.5, 1, 0.05)
    assert steps[4] > 0.7
    pair = row((1, 10)), row((1, 7), (0, 3))
    assert average_precision(*pair, thresholds=steps).tolist() == 5 * [1] + 5 * [0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_integer_type_and_any_order_of_pixels(dtype: str) -> None:
    truth = cells_in_3d()
    moved = np.roll(truth, 2, 2)
    expected = fields(match(truth, moved))
    typed = truth.astype(dtype), np.asfortranarray(moved.astype(dtype))
    assert fields(match(*typed)) == expected
    assert fields(match(truth[:, ::-1], typed[1][:, ::-1])) == expected
    assert fields(match(truth.reshape(12, -1), moved.reshape(12, -1))) == expected


def test_labels_come_back_as_they_were() -> None:
    truth = np.array(NAMES, np.uint64)[row((3, 4), (0, 1), (4, 4))]
    found = match(truth, row((0, 5), (2**31, 4)))
    assert found.pairs.truth.tolist() == [2**63 + 9]
    assert found.pairs.prediction.tolist() == [2**31]
    assert found.missed.tolist() == [2**31 + 5]
    assert found.invented.tolist() == []


def test_images_are_left_as_they_were(all_cases: dict[str, Case]) -> None:
    truth, prediction = (image.copy() for image in all_cases["rolled"])
    for image in (truth, prediction):
        image.flags.writeable = False
    match(truth, prediction, threshold=0.1)
    aggregated_jaccard(truth, prediction)
    splits_and_merges(truth, prediction)


def test_splits_and_merges_of_real_nuclei(all_cases: dict[str, Case]) -> None:
    truth, halves = all_cases["halved"]
    n = len(np.unique(truth)) - 1
    found = splits_and_merges(truth, halves)
    assert (len(found.split), len(found.pieces), found.joins, found.cuts) == (n, 2 * n, n, 0)
    found = splits_and_merges(halves, truth)
    assert (len(found.merged), len(found.parts), found.joins, found.cuts) == (n, 2 * n, 0, n)


# ---- empty images and data sets


def test_empty_images() -> None:
    none, one = row((0, 8)), row((1, 5), (0, 3))
    for pair in ((none, one), (one, none)):
        assert fields(match(*pair))[5:] == 7 * [0]
        assert aggregated_jaccard(*pair) == panoptic_quality(*pair) == 0
    assert fields(match(none, none)) == 5 * [0] + 7 * [1]
    assert aggregated_jaccard(none, none) == panoptic_quality(none, none) == 1
    assert np.isnan(fields(match(none, none, empty=math.nan))[5:]).all()
    assert math.isnan(aggregated_jaccard(none, none, empty=math.nan))
    assert math.isnan(panoptic_quality(none, none, empty=math.nan))
    each = average_precision(
        [none, one, one], [none, one, none], thresholds=[0.5, 1], pool=False, empty=math.nan
    )
    np.testing.assert_equal(each, [[math.nan] * 2, [1, 1], [0, 0]])
    pooled = average_precision([none, one], [none, none], thresholds=0.5, empty=math.nan)
    assert pooled == 0
    assert len(splits_and_merges(none, one).split) == 0


def test_a_data_set_pooled_by_hand() -> None:
    """Ten objects found and none of two: 10 / 12 if pooled, half by image."""
    many = row(*((i, 2) for i in range(1, 11)))
    few = row((1, 10), (2, 10))
    pairs = [(many, many), (few, np.zeros_like(few))]
    truths, predictions = zip(*pairs, strict=True)
    assert average_precision(truths, predictions, thresholds=0.5) == 10 / 12
    each = average_precision(truths, predictions, thresholds=0.5, pool=False)
    assert each.tolist() == [1, 0]
    pooled = Matching.pool(match(*pair) for pair in pairs)
    assert (pooled.tp, pooled.fp, pooled.fn) == (10, 0, 2)
    assert repr(pooled) == "Matching(threshold=0.5, score='iou', tp=10, fp=0, fn=2)"


# ---- bad input


GOOD = row((1, 4), (0, 4))


@pytest.mark.parametrize("metric", [match, panoptic_quality, aggregated_jaccard, splits_and_merges])
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (GOOD[:, 1:], ValueError, r"one shape, got \(1, 8\) and \(1, 7\)"),
        (GOOD / 2, TypeError, "got float64"),
        (GOOD > 0, TypeError, "a mask of true and false"),
        (-GOOD, ValueError, r"from 0 \(background\) up, got -1"),
        (GOOD[0], ValueError, r"got \(8,\)"),
    ],
)
def test_bad_images(metric, bad: npt.NDArray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        metric(GOOD, bad)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, math.nan, 50])
def test_bad_thresholds(threshold: float) -> None:
    with pytest.raises(ValueError, match="Expected thresholds above 0 and up to 1"):
        match(GOOD, GOOD, threshold=threshold)
    with pytest.raises(ValueError, match="Expected thresholds above 0 and up to 1"):
        average_precision(GOOD, GOOD, thresholds=[0.5, threshold])


def test_other_bad_arguments() -> None:
    with pytest.raises(ValueError, match="Expected one threshold, got 2"):
        match(GOOD, GOOD, threshold=[0.5, 0.75])
    with pytest.raises(ValueError, match="score as one of iou, iot, iop, got 'dice'"):
        match(GOOD, GOOD, score="dice")
    with pytest.raises(ValueError, match=r"fraction from 0\.5 to below 1, got 0\.3"):
        splits_and_merges(GOOD, GOOD, fraction=0.3)
    with pytest.raises(TypeError, match="truth as one image, got a list of 2"):
        match([GOOD, GOOD], [GOOD, GOOD])
    with pytest.raises(ValueError, match="got 2 truths and 1 predictions"):
        average_precision([GOOD, GOOD], [GOOD], thresholds=0.5)
    with pytest.raises(ValueError, match="at least one, got 0 truths"):
        average_precision([], [], thresholds=0.5)
    with pytest.raises(TypeError, match="got ndarray and list"):
        average_precision(GOOD, [GOOD], thresholds=0.5)
    with pytest.raises(ValueError, match="got none"):
        Matching.pool([])
    with pytest.raises(ValueError, match=r"\(0.5, 'iou', '1.0'\), \(0.7, 'iou', '1.0'\)"):
        Matching.pool([match(GOOD, GOOD), match(GOOD, GOOD, threshold=0.7)])


@pytest.mark.parametrize("dtype", [np.uint16, ">u2", np.int64])
def test_images_in_files_are_counted_part_by_part(
    dtype: npt.DTypeLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    first, second = (label(rng.random((7, 40, 30)) > 0.8, connectivity=3) for _ in range(2))
    whole = match(first, second, threshold=0.1)
    mapped = zeros_on_disk(first.shape[::-1], dtype, tmp_path)
    mapped[...] = first.T
    monkeypatch.setattr(import_module("aimicro.metrics.overlap_table"), "_PART", 50)
    found = match(mapped.T, second.astype(dtype), threshold=0.1)
    assert whole.tp > 0
    for ours, theirs in zip(found.pairs, whole.pairs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(found.missed, whole.missed)
    np.testing.assert_array_equal(found.invented, whole.invented)
