import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_softmax, softmax

from aimicro.metrics import (
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
    risk_coverage,
    uncertainty,
)

CHANCES = st.floats(0, 1)
stacks = arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=CHANCES)
few = settings(max_examples=40, deadline=None)


def said_and_so(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Decisions whose probability is exactly what it says."""
    rng = np.random.default_rng(seed)
    probability = rng.random(n)
    return rng.random(n) < probability, probability


# ---- reliability


def test_a_calibrated_model_has_an_error_that_falls_with_the_root_of_the_number() -> None:
    """In each of B bins chance leaves a gap of about sqrt(2/pi) sqrt(p(1-p) B/n)."""
    p = np.random.default_rng(0).random(10**5)
    factor = math.sqrt(2 / math.pi) * np.mean(np.sqrt(p * (1 - p))) * math.sqrt(10)
    for n in (10**3, 10**5):
        errors = [expected_calibration_error(*said_and_so(n, seed)) for seed in range(40)]
        assert np.mean(errors) == pytest.approx(factor / math.sqrt(n), rel=0.1)


def test_one_confidence_has_the_gap_to_the_share_that_is_so() -> None:
    truth = np.zeros((10, 20), bool)
    truth[:3] = True  # 30 %
    diagram = reliability(truth, np.full((10, 20), 0.83), bins=5)
    assert diagram.ece == pytest.approx(0.53)
    assert diagram.mce == pytest.approx(0.53)
    assert diagram.counts.tolist() == [0, 0, 0, 0, 200]
    assert diagram.observed[4] == pytest.approx(0.3)
    assert np.isnan(diagram.confidence[:4]).all()


@pytest.mark.parametrize("bins", [1, 3, 10, 15])
def test_bins_are_those_of_a_loop(bins: int) -> None:
    truth, said = said_and_so(500)
    said = said**2  # too small
    said[:4] = 0, 1, 1 / 3, 0.1  # on edges
    diagram, gaps = reliability(truth, said, bins=bins), []
    for b in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[b : b + 2]
        inside = (said >= low) & ((said < high) | (b == bins - 1))
        assert diagram.counts[b] == inside.sum()
        assert diagram.confidence[b] == pytest.approx(said[inside].mean())
        gaps.append((inside.mean(), abs(said[inside].mean() - truth[inside].mean())))
    assert diagram.ece == pytest.approx(sum(share * gap for share, gap in gaps))
    assert diagram.mce == pytest.approx(max(gap for _, gap in gaps))
    assert np.array_equal(diagram.edges, np.linspace(0, 1, bins + 1))


def test_any_shape_and_any_type_of_truth_is_the_same_question() -> None:
    truth, said = said_and_so(240)
    expected = expected_calibration_error(truth, said)
    for kind in (np.uint8, np.int64, bool):
        for shape in ((240,), (12, 20), (3, 8, 10)):
            got = expected_calibration_error(truth.astype(kind).reshape(shape), said.reshape(shape))
            assert got == expected


def test_brier_score_is_calibration_plus_refinement() -> None:
    """Murphy's partition, exact where all decisions in a bin have one probability."""
    rng = np.random.default_rng(0)
    said = rng.choice([0.05, 0.35, 0.75], 900)
    truth = rng.random(900) < said**0.5
    diagram = reliability(truth, said)
    used = diagram.counts > 0
    share = diagram.counts[used] / 900
    observed, confidence = diagram.observed[used], diagram.confidence[used]
    calibration = share @ (confidence - observed) ** 2
    refinement = share @ (observed * (1 - observed))
    assert brier_score(truth, said) == pytest.approx(calibration + refinement)
    assert brier_score(truth, np.full(900, 0.5)) == 0.25
    assert brier_score(truth, truth.astype(float)) == 0


# ---- temperature


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.7])
def test_temperature_of_a_model_that_exaggerates_by_a_known_factor(temperature: float) -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (200, 500))
    truth = rng.random((200, 500)) < expit(honest)
    logits = temperature * honest
    found = fit_temperature(truth, logits)
    assert found == pytest.approx(temperature, rel=0.02)
    assert expected_calibration_error(truth, expit(logits / found)) < 0.005


def test_temperature_of_one_bin_is_that_of_the_share() -> None:
    """All logits are z and a share q is so: the probability must become q."""
    truth = np.arange(10) < 8
    assert fit_temperature(truth, np.full(10, 3.0)) == pytest.approx(3 / math.log(0.8 / 0.2))


def test_temperature_of_classes_is_the_best_of_a_scan() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (3, 20, 30))
    truth = np.where(rng.random((20, 30)) < 0.7, logits.argmax(0), rng.integers(3, size=(20, 30)))
    found = fit_temperature(truth, logits)

    def surprise(temperature: float) -> float:
        logs = log_softmax(logits / temperature, axis=0)
        return -float(np.take_along_axis(logs, truth[None], 0).mean())

    scan = np.geomspace(0.2, 50, 2000)
    assert found == pytest.approx(scan[np.argmin([surprise(t) for t in scan])], rel=0.003)
    assert surprise(found) < surprise(1)
    decided = softmax(logits / found, axis=0).argmax(0)
    assert np.array_equal(decided, logits.argmax(0))


def test_two_classes_are_one_logit() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (2, 400))
    truth = rng.integers(2, size=400) | (logits[1] > logits[0])
    assert fit_temperature(truth, logits) == pytest.approx(
        fit_temperature(truth, logits[1] - logits[0])
    )


@given(
    arrays(np.int64, (3, 12), elements=st.integers(-8, 8)),
    arrays(np.int64, 12, elements=st.integers(0, 2)),
)
@few
def test_temperature_changes_no_decision_and_surprises_less(
    logits: np.ndarray, truth: np.ndarray
) -> None:
    right = np.take_along_axis(logits, truth[None], 0)[0]
    # Better than chance, and not always right: else there is no best temperature.
    assume((logits.max(0) > right).any() and right.mean() > logits.mean() + 0.1)
    found = fit_temperature(truth, logits)
    assert np.array_equal((logits / found).argmax(0), logits.argmax(0))
    before, after = (
        -np.take_along_axis(log_softmax(logits / t, axis=0), truth[None], 0).mean()
        for t in (1, found)
    )
    assert 0 < after <= before + 1e-12


# ---- uncertainty


def bits(p: float) -> float:
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


@given(stacks)
@few
def test_entropy_is_disagreement_plus_doubt_of_each(stack: np.ndarray) -> None:
    doubt = uncertainty(stack)
    np.testing.assert_allclose(
        doubt.entropy, doubt.mutual_information + doubt.expected_entropy, atol=1e-12
    )
    np.testing.assert_allclose(doubt.entropy, [bits(p) for p in stack.mean(0)], atol=1e-12)
    np.testing.assert_allclose(
        doubt.expected_entropy, [np.mean([bits(p) for p in c]) for c in stack.T], atol=1e-12
    )
    assert ((doubt.mutual_information >= 0) & (doubt.mutual_information <= 1)).all()


@given(stacks)
@few
def test_uncertainty_knows_no_order_and_no_sides(stack: np.ndarray) -> None:
    doubt = uncertainty(stack)
    for other in (uncertainty(stack[::-1]), uncertainty(1 - stack)):
        for name in ("entropy", "expected_entropy", "mutual_information"):
            np.testing.assert_allclose(getattr(other, name), getattr(doubt, name), atol=1e-9)


def test_members_that_agree_share_no_information() -> None:
    doubt = uncertainty(np.full((4, 3, 5), 0.3))
    np.testing.assert_allclose(doubt.mutual_information, 0, atol=1e-15)
    np.testing.assert_allclose(doubt.entropy, bits(0.3))
    assert doubt.mean.shape == (3, 5)


# ---- risk and coverage


def test_risk_is_the_mean_error_of_the_surest() -> None:
    rng = np.random.default_rng(0)
    error, doubt = rng.random((2, 6, 7))
    curve = risk_coverage(error, doubt)
    order = np.argsort(doubt.ravel())
    for k in range(1, 43):
        kept = error.ravel()[order[:k]]
        assert curve.coverage[k - 1] == pytest.approx(k / 42)
        assert curve.risk[k - 1] == pytest.approx(kept.mean())
        assert curve.caught[k - 1] == pytest.approx(1 - kept.sum() / error.sum())
    assert curve.area == pytest.approx(curve.risk.mean())


def test_perfect_and_useless_doubt() -> None:
    """Of errors of a share r the best curve is 0 until coverage 1 - r, then 1 - (1-r)/c."""
    n, r = 10_000, 0.2
    error = np.arange(n) < r * n
    best = risk_coverage(error, error).area
    assert best == pytest.approx(r + (1 - r) * math.log(1 - r), abs=1e-3)
    assert risk_coverage(error, np.zeros(n)).area == pytest.approx(r)
    assert risk_coverage(error, ~error).area == pytest.approx(r - r * math.log(r), abs=1e-3)


@given(arrays(np.float64, 20, elements=st.floats(0, 1)), st.lists(st.integers(0, 4), min_size=20))
@few
def test_ties_and_order_do_not_matter(error: np.ndarray, levels: list[int]) -> None:
    doubt = np.array(levels[:20])
    curve, turned = risk_coverage(error, doubt), risk_coverage(error[::-1], doubt[::-1])
    np.testing.assert_allclose(curve.risk, turned.risk, atol=1e-12)
    np.testing.assert_allclose(curve.risk, risk_coverage(error, np.exp(doubt)).risk, atol=1e-12)
    assert curve.risk[-1] == pytest.approx(error.mean())
    assert curve.area >= risk_coverage(error, error).area - 1e-12


def test_without_errors_everything_is_caught() -> None:
    curve = risk_coverage([0, 0, 0], [1, 2, 3])
    assert curve.area == 0
    assert curve.caught.tolist() == [1, 1, 1]


# ---- bad input


@pytest.mark.parametrize(
    ("truth", "said", "error", "message"),
    [
        ([0.0, 1.0], [0.1, 0.9], TypeError, "truth as true and false, got float64.*comes first"),
        ([0, 2], [0.1, 0.9], ValueError, "truth of 0 and 1, got 0 to 2.*labels > 0"),
        ([0, -1], [0.1, 0.9], ValueError, "truth of 0 and 1, got -1 to 0"),
        ([0, 1], [0.1, 1.2], ValueError, "from 0 to 1, got 0.1 to 1.2.*expit"),
        ([0, 1], [-3.0, 0.4], ValueError, "from 0 to 1, got -3 to 0.4"),
        ([0, 1], [0.1, math.nan], ValueError, "finite probability, got 1 NaN or infinite.* of 2"),
        ([0, 1], [0.1, 0.2, 0.3], ValueError, r"of one shape, got \(2,\) and \(3,\)"),
        ([[0, 1]], [0.1, 0.2], ValueError, r"of one shape, got \(1, 2\) and \(2,\)"),
        ([], [], ValueError, r"one or more decisions, got shape \(0,\)"),
        (True, 0.5, ValueError, r"one or more decisions, got shape \(\)"),
        ([0, 1], [0.1j, 0.2], TypeError, "probability of real numbers, got complex128"),
        (["a", "b"], [0.1, 0.2], TypeError, "truth as true and false, got <U1"),
    ],
)
def test_decisions_that_are_none_are_refused(truth, said, error, message) -> None:
    for function in (reliability, expected_calibration_error, brier_score):
        with pytest.raises(error, match=message):
            function(truth, said)


@pytest.mark.parametrize("bins", [0, -1, 2.5])
def test_bins_must_be_counted(bins: float) -> None:
    with pytest.raises((TypeError, ValueError), match=f"bins .*of 1 or more, got {bins}"):
        reliability([0, 1], [0.1, 0.9], bins=bins)


@pytest.mark.parametrize(
    ("truth", "logits", "error", "message"),
    [
        ([0, 1], [-2.0, 2.0], ValueError, "at least one wrong decision, got none in 2"),
        ([0, 1, 1], [2.0, -2.0, 0.1], ValueError, "higher where they should be, got -0.65"),
        ([0, 1], [math.inf, 2.0], ValueError, "finite logits, got 1 NaN or infinite"),
        ([0.5, 1], [1.0, 2.0], TypeError, "class numbers, got float64"),
        ([0, 2], [1.0, 2.0], ValueError, "classes from 0 to 1, got 0 to 2"),
        ([0, 1, 1], [1.0, 2.0], ValueError, r"shape of truth, \(3,\), or .* got \(2,\)"),
        ([0, 1, 1], np.zeros((3, 4)), ValueError, r"got \(3, 4\).*moveaxis"),
    ],
)
def test_temperatures_that_cannot_be_found(truth, logits, error, message) -> None:
    with pytest.raises(error, match=message):
        fit_temperature(truth, logits)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (np.full((1, 4), 0.5), r"two or more predictions \(M, …\), got shape \(1, 4\)"),
        (np.full(4, 0.5), r"got shape \(4,\)"),
        (np.full((2, 4), 1.5), "probabilities from 0 to 1, got 1.5 to 1.5"),
        (np.full((2, 4), math.nan), "finite probabilities, got 8 NaN"),
    ],
)
def test_stacks_that_are_none_are_refused(stack: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        uncertainty(stack)


@pytest.mark.parametrize(
    ("error", "doubt", "message"),
    [
        ([1, 0], [1, 2, 3], r"error and uncertainty of one shape, got \(2,\) and \(3,\)"),
        ([-1, 0], [1, 2], "errors from 0 up, got -1.*absolute"),
        ([1, 0], [1, math.nan], "finite uncertainty, got 1 NaN or infinite"),
        ([], [], r"one or more decisions, got shape \(0,\)"),
    ],
)
def test_curves_without_a_meaning_are_refused(error, doubt, message) -> None:
    with pytest.raises(ValueError, match=message):
        risk_coverage(error, doubt)
