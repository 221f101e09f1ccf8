"""Which object of one label image lies on which of the other, and the best pairs among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from aimicro import checks
from aimicro.metrics._checks import unread_labels

Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Scores: TypeAlias = npt.NDArray[np.float64]
Score: TypeAlias = Literal["iou", "iot", "iop"]

# Steps of 0.05 add up to 0.7000000000000002, and an overlap of 7 pixels in 10 must reach that.
# Areas up to a hundred million pixels give scores that miss such a decimal by more, or not at all.
_ROUNDING = 1e-10
_PART = 2**20  # pixels that are counted at a time


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """Areas of all objects, and one row for every pair that shares a pixel; without background.

    Attributes
    ----------
    truth_ids, prediction_ids : ndarray
        The id of each object, rising.
    truth_areas, prediction_areas : ndarray of int
        Pixels of each object.
    truths, predictions : ndarray of int
        For every pair, where its objects stand in the two lists of ids; sorted.
    shared : ndarray of int
        For every pair, the pixels that lie in both.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.
    """

    truth_ids: Integers
    prediction_ids: Integers
    truth_areas: Integers
    prediction_areas: Integers
    truths: Integers
    predictions: Integers
    shared: Integers

    def scores(self, score: Score = "iou") -> Scores:
        """Overlap of every pair, as a fraction.

        Parameters
        ----------
        score : {"iou", "iot", "iop"}
            What the shared pixels are divided by: those of both objects, of the truth, or of the
            prediction.

        Returns
        -------
        ndarray of float64
            One for each pair.

        Raises
        ------
        ValueError
            If `score` is none of them.
        """
        truth, prediction = self.truth_areas[self.truths], self.prediction_areas[self.predictions]
        divisors = {"iou": truth + prediction - self.shared, "iot": truth, "iop": prediction}
        return self.shared / divisors[checks.one_of("score", score, divisors)]


def overlap_table(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> OverlapTable:
    """Count the pixels that each two objects share, in one walk through both images.

    They are read part by part: of images that are mapped from files, memory holds as much as there
    are objects, and no more for more pixels.

    Parameters
    ----------
    truth : array_like of integers, (Y, X) or (Z, Y, X)
        Id of the object that each pixel belongs to; 0 is background.
    prediction : array_like of integers, same shape
        The same, as predicted.

    Returns
    -------
    OverlapTable
        Ids and areas of all objects, and the pairs that overlap.

    Raises
    ------
    TypeError, ValueError
        If an image is not made of integers from 0 up, or the shapes differ.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    Examples
    --------
    >>> table = overlap_table([[1, 1, 1, 0, 2]], [[0, 7, 7, 7, 0]])
    >>> table.truth_ids, table.prediction_ids, table.shared
    (array([1, 2]), array([7]), array([2]))
    """
    found = [_runs(*parts) for parts in _parts(*unread_labels(truth, prediction))]
    counted = found[0] if len(found) == 1 else _merged(found)
    truth_ids, prediction_ids, truths, predictions, shared = counted

    # Background is the first label, if there is any.
    t0, p0 = (int(ids[0] == 0) for ids in (truth_ids, prediction_ids))
    objects = (truths >= t0) & (predictions >= p0)
    return OverlapTable(
        truth_ids=truth_ids[t0:],
        prediction_ids=prediction_ids[p0:],
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

    Parameters
    ----------
    table : OverlapTable
        The pairs.
    scores : ndarray of float64
        The overlap of each, from `OverlapTable.scores`.
    thresholds : ndarray of float64
        From which overlap a pair counts.

    Yields
    ------
    ndarray of int
        For each threshold, where the matches stand in the table.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.
    """
    for threshold in thresholds:
        reach = scores >= threshold - _ROUNDING
        one_each = not (_repeated(table.truths[reach]) or _repeated(table.predictions[reach]))
        yield np.flatnonzero(reach) if one_each else _assign(table, scores, reach)


def _parts(truth: Integers, prediction: Integers) -> Iterator[tuple[Integers, Integers]]:
    """Both images as flat parts, each to be used before the next one is asked for."""
    with np.nditer(
        [truth, prediction],
        ["external_loop", "buffered"],
        op_dtypes=[image.dtype.newbyteorder("=") for image in (truth, prediction)],
        order="C",
        casting="equiv",
        buffersize=_PART,
    ) as iterator:
        yield from iterator


def _runs(t: Integers, p: Integers) -> tuple[Integers, ...]:
    """Count a part as `_counted` does.

    A label image is made of runs along x: to count them, not pixels, is many times less work.
    """
    starts = np.flatnonzero((t[1:] != t[:-1]) | (p[1:] != p[:-1])) + 1
    starts = np.concatenate(([0], starts))
    t_ids, p_ids = checks.from_zero("truth", t[starts]), checks.from_zero("prediction", p[starts])
    return _counted(t_ids, p_ids, np.diff(starts, append=t.size))


def _merged(parts: Sequence[tuple[Integers, ...]]) -> tuple[Integers, ...]:
    """Count all parts as one."""
    pairs = ((t[i], p[j], shared) for t, p, i, j, shared in parts)
    return _counted(*map(np.concatenate, zip(*pairs, strict=True)))


def _counted(t: Integers, p: Integers, lengths: Integers) -> tuple[Integers, ...]:
    """Ids of both images, which two of them meet, by their places, and in how many pixels."""
    truth_ids, truths = _numbered(t)
    prediction_ids, predictions = _numbered(p)
    codes, places = _numbered(truths * len(prediction_ids) + predictions)
    truths, predictions = np.divmod(codes, len(prediction_ids))
    return truth_ids, prediction_ids, truths, predictions, _totals(places, lengths)


def _numbered(values: Integers) -> tuple[Integers, npt.NDArray[np.intp]]:
    """Sorted different values, and for each value where it stands among them."""
    top = int(values.max())
    if top < 4 * len(values):  # a table of all numbers up to there is short, and needs no sorting
        numbers = values.astype(np.intp)
        found = np.bincount(numbers) > 0
        return np.flatnonzero(found), (np.cumsum(found) - 1).take(numbers)
    ids = np.unique(values)
    places = np.searchsorted(ids, values)
    return (ids.astype(np.int64) if top <= np.iinfo(np.int64).max else ids), places


def _totals(places: Integers, values: Integers) -> Integers:
    """Sum of the values at each place."""
    return np.bincount(places, weights=values).astype(np.int64)


def _repeated(objects: Integers) -> bool:
    """Whether an object occurs more than once."""
    return bool(len(objects) and np.bincount(objects).max() > 1)


def _assign(table: OverlapTable, scores: Scores, reach: npt.NDArray[np.bool_]) -> Integers:
    """Of all pairs, those that an optimal assignment takes and that reach the threshold."""
    n_truths, n_predictions = len(table.truth_ids), len(table.prediction_ids)
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
