"""Scores of counted pixels: against definitions, published values, and cases known by heart."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.io import imread
from skimage.morphology import skeletonize

from aimicro.metrics import Confusion, centreline_dice, confusion, dice, iou, per_class


def counted(name, **options):
    """A score of two masks, which the counts of their pixels give."""
    return lambda truth, prediction: getattr(confusion(truth, prediction), name)(**options)


def f_beta(truth, prediction, beta):
    return confusion(truth, prediction).f_beta(beta=beta)


precision, recall, specificity = map(counted, ("precision", "recall", "specificity"))
balanced_accuracy = counted("balanced_accuracy")
matthews_correlation, cohens_kappa = counted("matthews_correlation"), counted("cohens_kappa")

SCORES = [
    iou,
    dice,
    counted("f_beta", beta=2),
    precision,
    recall,
    specificity,
    balanced_accuracy,
    matthews_correlation,
    cohens_kappa,
    centreline_dice,
]
modest = settings(max_examples=40, deadline=None)
pairs = arrays(bool, st.sampled_from([(2, 6, 9), (2, 3, 4, 5)]))


def of_counts(tp, fp, fn, tn):
    """Masks of one row with such counts."""
    truth = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])[None]
    return truth, np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])[None]


# ---- definitions and other programs


@modest
@given(pairs)
def test_all_scores_are_their_definitions(pair):
    truth, prediction = pair
    pair[:, *(0,) * truth.ndim], pair[:, *(-1,) * truth.ndim] = True, False
    t, p = truth.ravel().astype(float), prediction.ravel().astype(float)
    right, found = p[t == 1].mean(), t[p == 1].mean()
    assert recall(truth, prediction) == pytest.approx(right)
    assert precision(truth, prediction) == pytest.approx(found)
    assert specificity(truth, prediction) == pytest.approx(1 - p[t == 0].mean())
    assert balanced_accuracy(truth, prediction) == pytest.approx((right + 1 - p[t == 0].mean()) / 2)
    assert iou(truth, prediction) == pytest.approx((t * p).sum() / np.maximum(t, p).sum())
    assert dice(truth, prediction) == pytest.approx(2 * (t * p).sum() / (t.sum() + p.sum()))
    for beta in (0.5, 1, 2):
        assert f_beta(truth, prediction, beta=beta) == pytest.approx(
            (1 + beta**2) * found * right / (beta**2 * found + right)
        )
    assert matthews_correlation(truth, prediction) == pytest.approx(np.corrcoef(t, p)[0, 1])
    agreed = (t == p).mean()
    chance = t.mean() * p.mean() + (1 - t.mean()) * (1 - p.mean())
    assert cohens_kappa(truth, prediction) == pytest.approx((agreed - chance) / (1 - chance))


def test_agrees_with_the_values_that_metrics_reloaded_prints():
    # Its own tests hold these to two to four digits.
    many = of_counts(1499, 0, 500, 1)
    assert matthews_correlation(*many) == pytest.approx(0.0386, abs=1e-4)
    assert cohens_kappa(*many) == pytest.approx(0.003, abs=5e-4)
    assert balanced_accuracy(*many) == pytest.approx(0.87, abs=0.01)
    assert recall(*of_counts(40, 1, 30, 0)) == pytest.approx(0.57, abs=0.005)
    assert precision(*of_counts(45, 10, 5, 40)) == pytest.approx(0.82, abs=0.005)
    assert precision(*of_counts(81, 2, 9, 8)) == pytest.approx(0.98, abs=0.005)
    cross = of_counts(25, 8, 0, 88)
    assert dice(*cross) == f_beta(*cross, beta=1) == pytest.approx(0.862, abs=5e-4)
    assert iou(*cross) == pytest.approx(0.76, abs=0.005)


def test_centreline_dice_agrees_with_the_values_that_metrics_reloaded_prints():
    hook = np.zeros((14, 14), bool)
    hook[1:4, 1], hook[3, 1:4] = True, True
    shorter, shortest = hook.copy(), hook.copy()
    shorter[1, 1] = shortest[1:3, 1] = False
    assert centreline_dice(hook, shorter) == pytest.approx(0.86, abs=0.01)
    assert centreline_dice(hook, shortest) == pytest.approx(0.67, abs=0.01)


def test_centreline_dice_is_its_definition_on_real_masks(shared_data):
    path = sorted((shared_data / "bbbc039_nuclei" / "masks_png").glob("*.png"))[0]
    truth = imread(path)[..., 0] > 0
    for prediction in (np.roll(truth, 4, axis=0), ndimage.binary_dilation(truth, iterations=3)):
        lines, found = skeletonize(truth), skeletonize(prediction)
        sensitivity = prediction[lines].mean()
        right = truth[found].mean()
        assert centreline_dice(truth, prediction) == pytest.approx(
            2 * sensitivity * right / (sensitivity + right), rel=1e-12
        )


# ---- cases known by heart


def test_counts_of_a_small_case():
    truth = [[1, 1, 1, 0], [1, 1, 0, 0]]
    prediction = [[0, 1, 1, 1], [0, 1, 0, 0]]
    assert confusion(truth, prediction) == Confusion(tp=3, fp=1, fn=2, tn=2)
    assert iou(truth, prediction) == 3 / 6
    assert dice(truth, prediction) == 6 / 9
    assert precision(truth, prediction) == 3 / 4
    assert recall(truth, prediction) == 3 / 5
    assert specificity(truth, prediction) == 2 / 3
    assert f_beta(truth, prediction, beta=2) == 15 / (15 + 1 + 8)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_the_type_of_a_mask_does_not_matter(dtype):
    truth, prediction = (np.array(mask, dtype) for mask in of_counts(200, 100, 90, 300))
    assert confusion(truth, prediction) == Confusion(200, 100, 90, 300)


def test_counts_of_a_billion_pixels_do_not_overflow():
    many = Confusion(tp=2 * 10**9, fp=10**9, fn=10**9, tn=2 * 10**9)
    small = Confusion(tp=2, fp=1, fn=1, tn=2)
    assert many.matthews_correlation() == pytest.approx(small.matthews_correlation(), rel=1e-12)
    assert many.cohens_kappa() == pytest.approx(small.cohens_kappa(), rel=1e-12)
    assert all(type(count) is int for count in vars(confusion([[1, 0]], [[1, 1]])).values())


def test_a_guess_has_no_correlation_and_its_opposite_a_negative_one():
    truth, guess = of_counts(25, 25, 25, 25)
    assert matthews_correlation(truth, guess) == cohens_kappa(truth, guess) == 0
    assert balanced_accuracy(truth, guess) == 0.5
    assert matthews_correlation(truth, 1 - truth) == -1
    assert cohens_kappa(truth, 1 - truth) == -1


def test_masks_without_background_are_perfect_or_have_no_specificity():
    full = np.ones((3, 3), bool)
    holed = full.copy()
    holed[1, 1] = False
    for score in SCORES:
        assert score(full, full) == 1
    assert specificity(full, holed) == matthews_correlation(full, holed) == 0
    assert specificity(holed, full) == 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_gap_costs_centreline_dice_more_than_a_thick_line(ndim):
    truth = np.zeros((15, 15, 60)[-ndim:], bool)
    truth[..., 7, 5:55] = ndim == 2
    truth[(7,) * (ndim - 1)][5:55] = True
    thick = ndimage.binary_dilation(truth, iterations=2)
    gap = truth.copy()
    gap[..., 20:30] = False
    assert dice(truth, thick) < 0.4 < dice(truth, gap)
    assert centreline_dice(truth, thick) > 0.95
    assert centreline_dice(truth, gap) == pytest.approx(2 * 0.8 / 1.8)


def test_a_speck_that_is_thinned_away_is_its_own_centreline():
    speck = np.zeros((6, 6, 6), bool)
    speck[2:4, 2:4, 2:4] = True
    assert not skeletonize(speck).any()
    assert centreline_dice(speck, speck) == 1
    assert centreline_dice(speck, np.roll(speck, 2, axis=0)) == 0
    assert centreline_dice(speck, np.roll(speck, 1, axis=0)) == 0.5


# ---- properties


@modest
@given(pairs)
def test_which_scores_care_for_the_order(pair):
    truth, prediction = pair
    for score in (iou, dice, matthews_correlation, cohens_kappa, centreline_dice):
        assert score(truth, prediction) == pytest.approx(score(prediction, truth))
    if truth.any() and prediction.any():
        assert precision(truth, prediction) == recall(prediction, truth)


@modest
@given(pairs)
def test_dice_and_iou_rank_alike_and_pooling_is_scoring_the_whole(pair):
    truth, prediction = pair
    one, other = iou(truth, prediction), dice(truth, prediction)
    assert one == pytest.approx(other / (2 - other))
    parts = [confusion(truth[k : k + 1], prediction[k : k + 1]) for k in range(len(truth))]
    assert sum(parts, Confusion()) == confusion(truth, prediction)


# ---- classes


def test_each_class_is_scored_as_a_mask():
    truth = np.array([[1, 1, 1, 2, 0, 0], [1, 1, 1, 2, 0, 7]])
    prediction = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 2, 2, 0]])
    assert per_class(truth, prediction, dice) == {1: 1.0, 2: 0.5, 7: 0.0}
    assert per_class(truth, prediction, dice, classes=[0, 1]) == {0: 4 / 7, 1: 1.0}
    assert per_class(truth, prediction, dice, classes=[5]) == {5: 1.0}
    left_out = per_class(truth, prediction, partial(dice, empty=math.nan), classes=[1, 2, 5])
    assert np.nanmean(list(left_out.values())) == 0.75
    counts = per_class(truth, prediction, confusion)
    micro = sum(counts.values(), Confusion())
    assert micro.dice() == 2 * 7 / (9 + 8)
    assert per_class(truth * 0, prediction * 0, dice) == {}


# ---- bad input


@pytest.mark.parametrize("score", [*SCORES, confusion])
def test_bad_masks_are_named(score):
    good = np.eye(4, dtype=bool)
    with pytest.raises(ValueError, match=r"one shape, got \(4, 4\) and \(3, 3\)"):
        score(good, good[:3, :3])
    with pytest.raises(TypeError, match="prediction as a mask of true and false, got float64"):
        score(good, good * 0.3)
    with pytest.raises(ValueError, match="truth as a mask of 0 and 1, got 0 to 9"):
        score(good * 9, good)
    with pytest.raises(ValueError, match=r"\(Y, X\) or \(Z, Y, X\)"):
        score(good[0], good[0])
    with pytest.raises(TypeError, match="truth as one image, got a list of 2"):
        score([good, good], [good, good])


@pytest.mark.parametrize("beta", [0, -1, math.nan, math.inf])
def test_a_bad_beta_is_named(beta):
    with pytest.raises(ValueError, match="Expected beta above 0, got"):
        f_beta([[1]], [[1]], beta=beta)


def test_bad_classes_are_named():
    good = np.array([[0, 1, 2]])
    with pytest.raises(TypeError, match="truth as labels, a number for each object"):
        per_class(good > 0, good, dice)
    with pytest.raises(TypeError, match="prediction as labels, whole numbers, got float64"):
        per_class(good, good * 1.0, dice)
    with pytest.raises(ValueError, match="labels from 0"):
        per_class(good, good - 1, dice)
