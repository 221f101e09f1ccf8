"""The table of empty images in the docstring of the package, held against every score."""

import math
import re
from fractions import Fraction
from inspect import signature

import numpy as np
import pytest

from aimicro import metrics

SHAPE = (6, 7)
N = math.prod(SHAPE)
EMPTY = np.zeros(SHAPE, np.int32)
SOME = EMPTY.copy()
SOME[1:4, 2:5] = 1
TN = N - np.count_nonzero(SOME)
CASES = {
    "both empty": (EMPTY, EMPTY),
    "truth empty": (EMPTY, SOME),
    "prediction empty": (SOME, EMPTY),
}
OTHERWISE = {  # arguments without a default
    "f_beta": {"beta": 2},
    "surface_dice": {"tolerance": 1},
    "boundary_iou": {"width": 2},
    "average_precision": {"thresholds": [0.5, 0.9]},
}
OF_A_MATCH = [
    "precision",
    "recall",
    "f1",
    "average_precision",
    "mean_matched_score",
    "mean_true_score",
    "panoptic_quality",
]
ELSEWHERE = {"score_tracking", "score_points"}  # of films: they tell it themselves
WORDS = {"infinite": math.inf, "TN / N": TN / N, "TN / 2N": TN / (2 * N)}


def table():
    """Rows as (names, values)."""
    lines = metrics.__doc__.splitlines()
    head, top, end = (k for k, line in enumerate(lines) if line.startswith("==="))
    assert re.split(r"  +", lines[head + 1].strip())[1:] == list(CASES)
    for line in lines[top + 1 : end]:
        cell, *values = re.split(r"  +", line.strip())
        yield (
            re.findall(r"`(\w+)`", cell),
            [WORDS[v] if v in WORDS else float(Fraction(v)) for v in values],
        )


ROWS = [(name, values) for names, values in table() for name in names]


def scores(name, truth, prediction, **options):
    """All numbers that a function of the package gives."""
    options |= OTHERWISE.get(name, {})
    if not hasattr(metrics, name):
        return [getattr(metrics.confusion(truth > 0, prediction > 0), name)(**options)]
    score = getattr(metrics, name)
    if name == "average_precision":
        return np.ravel(score([truth], [prediction], **options)).tolist()
    result = score(truth, prediction, **options)
    return [getattr(result, of) for of in OF_A_MATCH] if name == "match" else [result]


@pytest.mark.parametrize(("name", "values"), ROWS)
def test_a_score_of_empty_images_is_what_the_table_says(name, values):
    for (truth, prediction), value in zip(CASES.values(), values, strict=True):
        assert set(scores(name, truth, prediction)) == {value}


@pytest.mark.parametrize(("name", "values"), ROWS)
def test_the_argument_replaces_the_value_where_both_are_empty_and_no_other(name, values):
    results = [scores(name, *images, empty=math.nan) for images in CASES.values()]
    assert np.isnan(results[0]).all()
    assert [set(result) for result in results[1:]] == [{value} for value in values[1:]]
    assert set(scores(name, EMPTY, EMPTY, empty=0.25)) == {0.25}


@pytest.mark.parametrize("name", [name for name, _ in ROWS])
def test_equal_images_are_perfect(name):
    perfect = 0 if name in ("hausdorff", "average_surface_distance") else 1
    assert set(scores(name, SOME, SOME)) == {perfect}


def test_every_function_and_method_with_the_argument_is_in_the_table():
    functions = {name: getattr(metrics, name) for name in metrics.__all__ if name[0].islower()}
    methods = {n: f for n, f in vars(metrics.Confusion).items() if n[0] != "_" and callable(f)}
    with_argument = {
        name for name, f in (methods | functions).items() if "empty" in signature(f).parameters
    }
    assert with_argument == {name for name, _ in ROWS} | ELSEWHERE


def test_methods_and_functions_of_one_name_agree():
    for name in ("iou", "dice"):
        for truth, prediction in CASES.values():
            method = getattr(metrics.confusion(truth > 0, prediction > 0), name)
            assert method() == getattr(metrics, name)(truth > 0, prediction > 0)
