"""Which object of one label image lies on which of the other, and the best pairs among them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from aimicro.metrics._checks import labels

Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Scores: TypeAlias = npt.NDArray[np.float64]
Score: TypeAlias = Literal["iou", "iot", "iop"]

# Steps of 0.05 add up to 0.7000000000000002, and an overlap of 7 pixels in 10 must reach that.
# Areas up to a hundred million pixels give scores that miss such a decimal by more, or not at all.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """Areas of all objects, and one row for every pair that shares a pixel; without background.

    Attributes
    ----------
    truth_labels, prediction_labels : ndarray
        The label of each object, rising.
    truth_areas, prediction_areas : ndarray of int
        Pixels of each object.
    truths, predictions : ndarray of int
        For every pair, where its objects stand in the two lists of labels; sorted.
    shared : ndarray of int
        For every pair, the pixels that lie in both.
    """

    truth_labels: Integers
    prediction_labels: Integers
    truth_areas: Integers
    prediction_areas: Integers
    truths: Integers
    predictions: Integers
    shared: Integers

    def scores(self, score: Score = "iou") -> Scores:
        """Overlap of every pair, as a part of 1."""
        truth, prediction = self.truth_areas[self.truths], self.prediction_areas[self.predictions]
        if score == "iou":
            return self.shared / (truth + prediction - self.shared)
        if score == "iot":
            return self.shared / truth
        if score == "iop":
            return self.shared / prediction
        raise ValueError(
            f"Expected score 'iou', 'iot' or 'iop', got {score!r}. Choose the area to divide the "
            "shared one by: that of both, of the truth, or of the prediction."
        )


def overlap_table(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> OverlapTable:
    """Count the pixels that each two objects share, in one walk through both images."""
    t, p = (image.ravel() for image in labels(truth, prediction))
    # A label image is made of runs along x: to count them, not pixels, is many times less work.
    starts = np.flatnonzero((t[1:] != t[:-1]) | (p[1:] != p[:-1])) + 1
    starts = np.concatenate(([0], starts))
    lengths = np.diff(starts, append=t.size)
    truth_labels, truths = _numbered(t[starts])
    prediction_labels, predictions = _numbered(p[starts])
    codes, places = _numbered(truths * len(prediction_labels) + predictions)
    truths, predictions = np.divmod(codes, len(prediction_labels))
    shared = _totals(places, lengths)

    # Background is the first label, if there is any.
    t0, p0 = (int(names[0] == 0) for names in (truth_labels, prediction_labels))
    objects = (truths >= t0) & (predictions >= p0)
    return OverlapTable(
        truth_labels=truth_labels[t0:],
        prediction_labels=prediction_labels[p0:],
        truth_areas=_totals(truths, shared)[t0:],
        prediction_areas=_totals(predictions, shared)[p0:],
        truths=truths[objects] - t0,
        predictions=predictions[objects] - p0,
        shared=shared[objects],
    )


def best_pairs(table: OverlapTable, scores: Scores, thresholds: Scores) -> Iterator[Integers]:
    """For each threshold, which pairs of the table are matches: one partner for every object.

    As many pairs as possible reach the threshold; among such choices the sum of all scores is the
    largest, where pairs below the threshold count, too. StarDist has the same rule.
    """
    for threshold in thresholds:
        reach = scores >= threshold - _ROUNDING
        one_each = not (_repeated(table.truths[reach]) or _repeated(table.predictions[reach]))
        yield np.flatnonzero(reach) if one_each else _assign(table, scores, reach)


def _numbered(values: Integers) -> tuple[Integers, npt.NDArray[np.intp]]:
    """Sorted different values, and for each value where it stands among them."""
    top = int(values.max())
    if top < 4 * len(values):  # a table of all numbers up to there is short, and needs no sorting
        numbers = values.astype(np.intp)
        found = np.bincount(numbers) > 0
        return np.flatnonzero(found), (np.cumsum(found) - 1).take(numbers)
    names = np.unique(values)
    places = np.searchsorted(names, values)
    return (names.astype(np.int64) if top <= np.iinfo(np.int64).max else names), places


def _totals(places: Integers, values: Integers) -> Integers:
    """Sum of the values at each place."""
    return np.bincount(places, weights=values).astype(np.int64)


def _repeated(objects: Integers) -> bool:
    """Whether an object occurs more than once."""
    return bool(len(objects) and np.bincount(objects).max() > 1)


def _assign(table: OverlapTable, scores: Scores, reach: npt.NDArray[np.bool_]) -> Integers:
    """Of all pairs, those that an optimal assignment takes and that reach the threshold."""
    n_truths, n_predictions = len(table.truth_labels), len(table.prediction_labels)
    # All scores together weigh no more than half a pair, so the number of pairs goes first. Each
    # truth can also stay alone, at 1: a weight of 0 would be no link at all.
    gain = 1 + reach + scores / (2 * min(n_truths, n_predictions))
    alone = np.arange(n_truths)
    rows = np.concatenate((table.truths, alone))
    columns = np.concatenate((table.predictions, n_predictions + alone))
    links = csr_matrix(
        (np.concatenate((gain, np.ones(n_truths))), (rows, columns)),
        shape=(n_truths, n_predictions + n_truths),
    )
    _, partners = min_weight_full_bipartite_matching(links, maximize=True)
    return np.flatnonzero(reach & (partners[table.truths] == table.predictions))
