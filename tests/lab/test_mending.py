"""A person who knows the truth arrives at it, by tools alone."""

import numpy as np
import pytest

from aimicro.lab import LabellingLab, mend
from aimicro.metrics import corrections, match
from aimicro.simulate import cells, mistakes

_, TRUTH = cells((160, 160), radius_um=4, touching=0.6, rng=0)
SPOILT = {
    "all merged": mistakes.merge(TRUTH, fraction=1, rng=1),
    "merged": mistakes.merge(TRUTH, fraction=0.3, rng=1),
    "split": mistakes.split(TRUTH, fraction=1, rng=1),
    "missed": mistakes.miss(TRUTH, fraction=0.5, rng=1),
    "grown": mistakes.grow(TRUTH, -3),
    "nothing": np.zeros_like(TRUTH),
}


def lab_on(prediction: np.ndarray) -> LabellingLab:
    return LabellingLab([TRUTH], lambda image: prediction, lambda *seen: None)


@pytest.mark.parametrize("kind", SPOILT)
def test_in_the_end_every_truth_is_matched_and_nothing_else_is_there(kind: str):
    lab = lab_on(SPOILT[kind])
    mend(lab, TRUTH, threshold=0.7)
    found = match(TRUTH, lab.labels, threshold=0.7)
    assert found.fp == found.fn == 0
    assert lab.effort.undone == 0


def test_nothing_is_done_where_nothing_is_wrong():
    lab = lab_on(TRUTH)
    mend(lab, TRUTH)
    assert lab.effort.total == 0


def test_from_nothing_every_object_is_drawn_as_it_is():
    lab = lab_on(SPOILT["nothing"])
    mend(lab, TRUTH)
    assert lab.effort.total == lab.effort.added == len(np.unique(TRUTH)) - 1
    assert (lab.labels > 0).sum() == (TRUTH > 0).sum()


@pytest.mark.parametrize(("kind", "tool"), [("merged", "cut"), ("split", "joined")])
def test_the_tool_for_the_mistake_is_taken(kind: str, tool: str):
    lab = lab_on(SPOILT[kind])
    mend(lab, TRUTH)
    counted = corrections(TRUTH, SPOILT[kind])
    assert getattr(lab.effort, tool) >= 0.7 * counted.total
    assert lab.effort.total <= 2 * counted.total


@pytest.mark.parametrize(("options", "message"), [({"threshold": 0.4}, "threshold"), ({}, "shape")])
def test_what_cannot_be_mended_is_refused_before_anything_is_done(options, message: str):
    lab = lab_on(TRUTH)
    with pytest.raises(ValueError, match=message):
        mend(lab, TRUTH if options else TRUTH[1:], **options)
    assert lab.effort.total == 0
