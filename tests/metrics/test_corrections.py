"""The mistakes that were made are those that are counted, and correcting them leaves the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aimicro.metrics import Corrections, corrections, match
from aimicro.simulate import mistakes

SQUARES = np.kron(np.arange(1, 13).reshape(3, 4), np.pad(np.ones((10, 10)), 3)).astype(np.int32)


def counts(found: Corrections) -> tuple[int, int, int, int, int]:
    return found.added, found.removed, found.redrawn, found.joins, found.cuts


def test_nothing_is_to_be_done_where_nothing_is_wrong():
    found = corrections(SQUARES, SQUARES * 3)
    assert counts(found) == (0, 0, 0, 0, 0)
    assert found.total == found.clicks() == 0
    assert np.array_equal(found.labels, SQUARES)
    assert found.labels.dtype == np.int32


def test_from_nothing_every_object_is_added():
    found = corrections(SQUARES, np.zeros_like(SQUARES))
    assert counts(found) == (12, 0, 0, 0, 0)
    assert found.clicks(outline=5) == 60
    assert np.array_equal(found.labels, SQUARES)


def test_without_truth_every_object_is_removed():
    found = corrections(np.zeros_like(SQUARES), SQUARES)
    assert counts(found) == (0, 12, 0, 0, 0)
    assert found.clicks() == 12
    assert not found.labels.any()


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1])
def test_each_split_is_a_join(fraction):
    split = mistakes.split(SQUARES, fraction=fraction, rng=1)
    found = corrections(SQUARES, split)
    assert counts(found) == (0, 0, 0, round(12 * fraction), 0)
    assert np.array_equal(found.labels, SQUARES)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1])
def test_each_merge_is_a_cut(fraction):
    merged = mistakes.merge(SQUARES, fraction=fraction, rng=1)
    gone = 12 - len(np.unique(merged[merged > 0]))
    found = corrections(SQUARES, merged)
    assert gone > 0
    assert counts(found) == (0, 0, 0, 0, gone)
    assert match(SQUARES, found.labels, threshold=0.7).tp == 12


def test_a_bad_outline_is_redrawn_and_a_good_one_kept():
    smaller = mistakes.grow(SQUARES, -1)  # squares of 8 within squares of 10: IoU 0.64
    assert counts(corrections(SQUARES, smaller, threshold=0.65)) == (0, 0, 12, 0, 0)
    kept = corrections(SQUARES, smaller, threshold=0.64)
    assert kept.total == 0
    assert np.array_equal(kept.labels, smaller)


def test_what_hardly_overlaps_is_removed_and_added():
    away = mistakes.shift(SQUARES[:16, :16], (0, 8))  # 20 pixels of 130 in common
    found = corrections(SQUARES[:16, :16], away)
    assert counts(found) == (1, 1, 0, 0, 0)


def test_a_swallower_is_cut_even_if_it_is_a_piece_too():
    truth = [[1, 1, 1, 1, 1, 1, 1, 2, 3]]
    found = corrections(truth, [[5, 5, 5, 6, 6, 6, 6, 6, 6]])
    assert counts(found) == (0, 0, 0, 1, 2)
    assert found.labels.tolist() == truth


def test_clicks_are_corners_ends_and_removals():
    found = Corrections(2, 3, 1, 4, 5, np.zeros((1, 1), np.int32))
    assert found.total == 15
    assert found.clicks(outline=10, line=2) == 3 * 10 + 9 * 2 + 3


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.int32, (6, 9), elements=st.integers(0, 5)),
    arrays(np.uint16, (6, 9), elements=st.integers(0, 5)),
    st.sampled_from([0.5, 0.7, 1.0]),
)
def test_after_the_corrections_nothing_is_missed_or_invented(truth, prediction, threshold):
    found = corrections(truth, prediction, threshold=threshold)
    left = match(truth, found.labels, threshold=threshold)
    assert left.fn == left.fp == 0
    assert found.added + found.redrawn <= len(np.unique(truth[truth > 0]))


def test_a_volume_is_corrected_too():
    volume = np.stack([SQUARES] * 3)
    found = corrections(volume, mistakes.split(volume, fraction=0.5, rng=0))
    assert counts(found) == (0, 0, 0, 6, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prediction": SQUARES[:-1]}, "of one shape"),
        ({"threshold": 0.4}, "Below one half"),
        ({"prediction": SQUARES / 2}, "prediction"),
    ],
)
def test_bad_input_is_refused(wrong, message):
    good = {"truth": SQUARES, "prediction": SQUARES}
    with pytest.raises((TypeError, ValueError), match=message):
        corrections(**good | wrong)


@pytest.mark.parametrize("wrong", [{"outline": 0}, {"line": 1.5}])
def test_clicks_are_whole(wrong):
    with pytest.raises((TypeError, ValueError), match="number of clicks"):
        corrections(SQUARES, SQUARES).clicks(**wrong)
