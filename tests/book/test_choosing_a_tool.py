"""What chapter 8 computes in its text, computed again."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

CHAPTER = Path(__file__).resolve().parents[2] / "book" / "chapter08_choosing_a_tool.md"
TEXT = CHAPTER.read_text(encoding="utf-8")


def needed(s: float, e: float, d: float) -> float:
    """Return the sample size of a group by the formula of the page."""
    return 16 * (s**2 + e**2) / d**2


def found(s: float, e: float, d: float, n: int) -> float:
    """Return the share of simulated experiments in which a t-test finds the difference."""
    rng = np.random.default_rng(0)
    shape = (4000, n)
    control, treated = (
        rng.normal(mean, s, shape) + rng.normal(0, e, shape) for mean in (100.0, 100.0 + d)
    )
    return float(np.mean(stats.ttest_ind(control, treated, axis=1).pvalue < 0.05))


def test_the_sixteen_of_the_formula_is_four_out_of_five():
    z = stats.norm.ppf([0.975, 0.8])
    assert 2 * z.sum() ** 2 == pytest.approx(16, rel=0.03)


@pytest.mark.parametrize("e", [0, 15, 30])
def test_the_formula_finds_the_difference_four_times_out_of_five(e: float):
    assert found(30, e, 10, round(needed(30, e, 10))) == pytest.approx(0.8, abs=0.03)


def test_less_than_the_formula_says_finds_it_less_often():
    assert found(30, 30, 10, round(needed(30, 0, 10))) < 0.6


def test_the_table_follows_from_the_formula():
    errors, factors = (
        [float(cell) for cell in re.search(rf"^\| {head}[^|]*\|(.*)\|$", TEXT, re.M)[1].split("|")]
        for head in ("Error of the outline", "Times as many values")
    )
    assert factors == pytest.approx([needed(1, e, 1) / needed(1, 0, 1) for e in errors], abs=0.005)


def test_the_prediction_follows_from_the_formula():
    assert (needed(30, 15, 10), needed(30, 0, 10)) == (180, 144)
    assert "= 180$" in TEXT
    assert "= 144$" in TEXT
    assert "what 36 more" in TEXT


def test_the_screen_has_as_many_fields_as_it_says():
    assert f"{4 * 384 * 9:,} fields" in TEXT
