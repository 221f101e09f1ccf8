"""Which predicted object is which true one, and the scores that come of it.

Two objects overlap by the *intersection over union* (IoU) of their pixels. Every true object gets
one predicted partner at most and the other way round; a pair with an overlap of at least the
threshold is a true positive (TP). Predictions left over are false positives (FP), truths left over
false negatives (FN).

Id 0 is background. Ids need not be consecutive, and any integer type does. The truth is
always the first argument: a swap would swap precision and recall without any error.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro.metrics._checks import thresholds_of
from aimicro.metrics.overlap_table import Integers, Score, Scores, best_pairs, overlap_table


class Pairs(NamedTuple):
    """Objects that were matched: the i-th entries belong together.

    Attributes
    ----------
    truth, prediction : ndarray of int, (n,)
        Ids in the two images; those of the truth rise.
    score : ndarray of float64, (n,)
        Overlap of the two.
    """

    truth: Integers
    prediction: Integers
    score: Scores


@dataclass(frozen=True, eq=False, repr=False)
class Matching:
    r"""Predicted objects matched with true ones at one threshold.

    .. math::
        \mathrm{precision} = \frac{TP}{TP + FP} \quad
        \mathrm{recall} = \frac{TP}{TP + FN} \quad
        F_1 = \frac{2\,TP}{2\,TP + FP + FN} \quad
        \mathrm{AP} = \frac{TP}{TP + FP + FN} \quad
        \mathrm{PQ} = \frac{\sum s}{TP + FP/2 + FN/2}

    with *s* the overlaps of the matched pairs. A score that would be 0/0 is `empty` where there is
    no object at all, and 0 otherwise.

    Attributes
    ----------
    threshold : float
        Overlap from which a pair counts.
    score : {"iou", "iot", "iop"}
        Which overlap that was.
    pairs : Pairs
        Ids and overlap of the matched objects.
    missed : ndarray of int, (fn,)
        Ids of truths without a partner.
    invented : ndarray of int, (fp,)
        Ids of predictions without a partner.
    empty : float
        Value of a score where neither image has an object.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.
    """

    threshold: float
    score: Score
    pairs: Pairs
    missed: Integers
    invented: Integers
    empty: float = 1.0

    @classmethod
    def pool(cls, matchings: Iterable["Matching"]) -> "Matching":
        """One matching of a whole data set: all objects count alike, in whichever image they are.

        Parameters
        ----------
        matchings : iterable of Matching
            One for each image, of one threshold and one kind of overlap.

        Returns
        -------
        Matching
            With the pairs of all images, in their order; so an id can occur more than once.

        Raises
        ------
        ValueError
            If there is none, or they differ in threshold, score or `empty`.

        Examples
        --------
        >>> crowded, sparse = [[1, 2, 3, 4]], [[9, 0, 0, 0]]
        >>> images = [(crowded, crowded), (sparse, [[0, 0, 0, 1]])]
        >>> found = [match(truth, prediction) for truth, prediction in images]
        >>> [one.f1 for one in found], Matching.pool(found).f1
        ([1.0, 0.0], 0.8)
        """
        matchings = list(matchings)
        rules = {(m.threshold, m.score, str(m.empty)) for m in matchings}
        if len(rules) != 1:
            raise ValueError(
                "Expected matchings of one threshold, score and value for empty images, got "
                f"{sorted(rules) or 'none'}. Match all images in the same way, then pool them."
            )
        first = matchings[0]
        return cls(
            threshold=first.threshold,
            score=first.score,
            pairs=Pairs(*map(np.concatenate, zip(*(m.pairs for m in matchings), strict=True))),
            missed=np.concatenate([m.missed for m in matchings]),
            invented=np.concatenate([m.invented for m in matchings]),
            empty=first.empty,
        )

    @property
    def tp(self) -> int:
        """True positives: matched pairs."""
        return len(self.pairs.score)

    @property
    def fp(self) -> int:
        """False positives: predictions without a partner."""
        return len(self.invented)

    @property
    def fn(self) -> int:
        """False negatives: truths without a partner."""
        return len(self.missed)

    @property
    def n_truth(self) -> int:
        """Objects in the truth."""
        return self.tp + self.fn

    @property
    def n_prediction(self) -> int:
        """Objects in the prediction."""
        return self.tp + self.fp

    @property
    def precision(self) -> float:
        """Fraction of the predictions that are right: TP / (TP + FP)."""
        return self._divide(self.tp, self.n_prediction)

    @property
    def recall(self) -> float:
        """Fraction of the truths that were found: TP / (TP + FN)."""
        return self._divide(self.tp, self.n_truth)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
        return self._divide(2 * self.tp, self.n_truth + self.n_prediction)

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN), see `average_precision` for its name."""
        return self._divide(self.tp, self.tp + self.fp + self.fn)

    @property
    def mean_matched_score(self) -> float:
        """Mean overlap of the matched pairs: how well what was found is drawn."""
        return self._divide(self._sum, self.tp)

    @property
    def mean_true_score(self) -> float:
        """Sum of the matched overlaps over the number of truths: a missed one counts as 0."""
        return self._divide(self._sum, self.n_truth)

    @property
    def panoptic_quality(self) -> float:
        """Sum of the matched overlaps / (TP + FP/2 + FN/2): F1 times the mean matched score."""
        return self._divide(self._sum, (self.n_truth + self.n_prediction) / 2)

    @property
    def _sum(self) -> float:
        """Sum of the matched overlaps."""
        return math.fsum(self.pairs.score)

    def _divide(self, some: float, whole: float) -> float:
        """Divide; nothing over nothing is `empty` where there is no object, and 0 elsewhere."""
        if self.n_truth == self.n_prediction == 0:
            return self.empty
        return some / whole if whole else 0.0

    def __repr__(self) -> str:
        return (
            f"Matching(threshold={self.threshold:g}, score={self.score!r}, "
            f"tp={self.tp}, fp={self.fp}, fn={self.fn})"
        )


def match(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    score: Score = "iou",
    empty: float = 1.0,
) -> Matching:
    """Match predicted objects with true ones, each with one partner at most.

    As many pairs as possible reach the threshold. Where that leaves a choice, the sum of all
    overlaps is the largest, those of pairs below the threshold included (as in StarDist). Above an
    IoU of one half there is never a choice: no two objects can both fill most of a third.

    Parameters
    ----------
    truth : array_like of integers, (Y, X) or (Z, Y, X)
        Id of the object that each pixel belongs to; 0 is background.
    prediction : array_like of integers, same shape
        The same, as predicted. Its ids need not agree with those of `truth` in any way.
    threshold : float
        Overlap from which a pair counts, above 0 and up to 1.
    score : {"iou", "iot", "iop"}
        What the shared pixels are divided by: those of both objects (intersection over union),
        of the true one, or of the predicted one.
    empty : float
        Value of every score where neither image has an object; ``math.nan`` leaves such images
        out of a later ``numpy.nanmean``.

    Returns
    -------
    Matching
        Pairs, counts, and all scores that follow from them.

    Raises
    ------
    TypeError
        If an image is not made of integers.
    ValueError
        If the shapes differ, an id is negative, `threshold` is no fraction, or `score` unknown.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    References
    ----------
    .. [1] U. Schmidt, M. Weigert, C. Broaddus and G. Myers, "Cell detection with star-convex
       polygons", MICCAI 2018. https://doi.org/10.1007/978-3-030-00934-2_30

    Examples
    --------
    >>> truth = [[1, 1, 1, 0, 2, 2]]
    >>> found = match(truth, [[0, 7, 7, 0, 0, 8]], threshold=0.6)
    >>> found
    Matching(threshold=0.6, score='iou', tp=1, fp=1, fn=1)
    >>> found.pairs.prediction, found.missed
    (array([7]), array([2]))
    """
    thresholds = thresholds_of(threshold)
    if len(thresholds) != 1:
        raise ValueError(
            f"Expected one threshold, got {len(thresholds)}. Call match once for each, or "
            "average_precision for all of them."
        )
    table = overlap_table(truth, prediction)
    scores = table.scores(score)
    (taken,) = best_pairs(table, scores, thresholds)
    truths, predictions = table.truths[taken], table.predictions[taken]
    return Matching(
        threshold=float(thresholds[0]),
        score=score,
        pairs=Pairs(table.truth_ids[truths], table.prediction_ids[predictions], scores[taken]),
        missed=np.delete(table.truth_ids, truths),
        invented=np.delete(table.prediction_ids, predictions),
        empty=empty,
    )


def average_precision(
    truths: npt.ArrayLike | Sequence[npt.ArrayLike],
    predictions: npt.ArrayLike | Sequence[npt.ArrayLike],
    *,
    thresholds: npt.ArrayLike,
    pool: bool = True,
    empty: float = 1.0,
) -> float | Scores:
    r"""Average precision over thresholds of one image or of a data set.

    .. math:: \mathrm{AP}(t) = \frac{TP(t)}{TP(t) + FP(t) + FN(t)}

    This is what papers on cells and nuclei, Cellpose, and the 2018 Data Science Bowl call average
    precision, and what StarDist calls accuracy. It is *not* the area under a precision-recall
    curve, which has the same name in the rest of computer vision.

    Parameters
    ----------
    truths : ndarray of integers, (Y, X) or (Z, Y, X), or list of them
        One label image or many, which may differ in shape. Make a list of a stack of fields:
        an array with three axes is one volume.
    predictions : ndarray of integers, or list of them
        One for each truth, of its shape.
    thresholds : float or sequence of float
        Values of IoU from which a pair counts, above 0 and up to 1, for example
        ``numpy.arange(0.5, 1, 0.05)``. All come from one walk through the pixels.
    pool : bool
        Add up TP, FP and FN over all images first, so that every object weighs the same. If
        False, each image gets a row of its own: their mean lets every image weigh the same.
    empty : float
        Value where neither image (with `pool`: no image) has an object.

    Returns
    -------
    float, or ndarray of float64
        Of shape (thresholds,), or without `pool` (images, thresholds). One threshold that is a
        number and no list gives a number, or without `pool` one for each image.

    Raises
    ------
    TypeError, ValueError
        As for `match`; and if the lists have no image, or are of different length.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    References
    ----------
    .. [1] J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data
       Science Bowl", Nature Methods 16, 2019. https://doi.org/10.1038/s41592-019-0612-7
    .. [2] C. Stringer et al., "Cellpose: a generalist algorithm for cellular segmentation",
       Nature Methods 18, 2021. https://doi.org/10.1038/s41592-020-01018-x

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1, 0, 2, 2]])
    >>> average_precision(truth, truth % 2, thresholds=[0.5, 0.9])
    array([0.5, 0.5])
    >>> average_precision(truth, np.array([[0, 1, 1, 1, 0, 2, 2]]), thresholds=[0.5, 0.9])
    array([1.        , 0.33333333])
    >>> average_precision(truth, truth % 2, thresholds=0.5)
    0.5
    """
    levels = thresholds_of(thresholds)
    counts = [_counts(*pair, levels) for pair in _paired(truths, predictions)]
    tp, objects = (np.array(count, dtype=np.float64) for count in zip(*counts, strict=True))
    if pool:
        tp, objects = tp.sum(axis=0), objects.sum(axis=0)
    either = objects[..., np.newaxis] - tp
    result: Scores = np.full(tp.shape, float(empty))
    np.divide(tp, either, out=result, where=either > 0)
    if np.ndim(thresholds):
        return result
    return float(result[0]) if pool else result[:, 0]


def panoptic_quality(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float = 0.5, empty: float = 1.0
) -> float:
    r"""How many objects were found, times how well they are drawn.

    .. math::
        \mathrm{PQ} = \frac{\sum_{(g, p) \in TP} \mathrm{IoU}(g, p)}{TP + FP/2 + FN/2}
        = F_1 \times \text{mean matched IoU}

    Parameters
    ----------
    truth, prediction : array_like of integers, (Y, X) or (Z, Y, X)
        Label images as in `match`.
    threshold : float
        IoU from which a pair counts. The definition has *above* one half.
    empty : float
        Value where neither image has an object.

    Returns
    -------
    float
        From 0 to 1; 1 is perfect. For a data set take ``Matching.pool(...).panoptic_quality``.

    Raises
    ------
    TypeError, ValueError
        As for `match`.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    References
    ----------
    .. [1] A. Kirillov et al., "Panoptic segmentation", CVPR 2019.
       https://doi.org/10.1109/CVPR.2019.00963

    Examples
    --------
    >>> panoptic_quality([[1, 1, 1, 1, 0, 2]], [[1, 1, 1, 0, 0, 2]])
    0.875
    """
    return match(truth, prediction, threshold=threshold, empty=empty).panoptic_quality


def aggregated_jaccard(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, empty: float = 1.0
) -> float:
    r"""Aggregated Jaccard index: pixels and objects in one number, without a threshold.

    .. math::
        \mathrm{AJI} = \frac{\sum_i |g_i \cap p_{b(i)}|}
        {\sum_i |g_i \cup p_{b(i)}| + \sum_{p\ \mathrm{unused}} |p|}

    where :math:`b(i)` is the prediction with the largest IoU with truth *i*: the one with the
    lowest id where several are equal, and none (an empty one) where nothing overlaps.
    A prediction may be the best of several truths, and its pixels then count several times.

    Cellpose has another score by this name: shared pixels of a one-to-one matching over all pixels
    of the foreground. The two agree where every object meets one partner or none.

    Parameters
    ----------
    truth, prediction : array_like of integers, (Y, X) or (Z, Y, X)
        Label images as in `match`.
    empty : float
        Value where neither image has an object.

    Returns
    -------
    float
        From 0 to 1; 1 is perfect.

    Raises
    ------
    TypeError, ValueError
        As for `match`.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    References
    ----------
    .. [1] N. Kumar et al., "A dataset and a technique for generalized nuclear segmentation for
       computational pathology", IEEE Transactions on Medical Imaging 36, 2017.
       https://doi.org/10.1109/TMI.2017.2677499

    Examples
    --------
    >>> aggregated_jaccard([[1, 1, 1, 0, 2, 2]], [[1, 1, 0, 0, 0, 0]])
    0.4
    """
    table = overlap_table(truth, prediction)
    total = int(table.truth_areas.sum() + table.prediction_areas.sum())
    if total == 0:
        return empty
    # Pairs of a truth side by side, the best one first; equal ones stay in order of ids.
    order = np.lexsort((-table.scores("iou"), table.truths))
    _, first = np.unique(table.truths[order], return_index=True)
    best = order[first]
    shared = int(table.shared[best].sum())
    times = np.bincount(table.predictions[best], minlength=len(table.prediction_areas))
    again = int((table.prediction_areas * np.maximum(times - 1, 0)).sum())
    return shared / (total + again - shared)


def _counts(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, thresholds: Scores
) -> tuple[list[int], int]:
    """Matched pairs at each threshold, and objects in both images together."""
    table = overlap_table(truth, prediction)
    tp = [len(pairs) for pairs in best_pairs(table, table.scores(), thresholds)]
    return tp, len(table.truth_ids) + len(table.prediction_ids)


def _paired(
    truths: npt.ArrayLike | Sequence[npt.ArrayLike],
    predictions: npt.ArrayLike | Sequence[npt.ArrayLike],
) -> list[tuple[npt.ArrayLike, npt.ArrayLike]]:
    """Truths with their predictions, or a clear error."""
    if isinstance(truths, np.ndarray) and isinstance(predictions, np.ndarray):
        return [(truths, predictions)]
    n = [len(x) if isinstance(x, list | tuple) else 1 for x in (truths, predictions)]
    if not (isinstance(truths, list | tuple) and isinstance(predictions, list | tuple)):
        raise TypeError(
            "Expected two arrays, or two lists of arrays, got "
            f"{type(truths).__name__} and {type(predictions).__name__}. Put a single image "
            "into a list if the other one is a list."
        )
    if n[0] != n[1] or n[0] == 0:
        raise ValueError(
            f"Expected as many predictions as truths, at least one, got {n[0]} truths and {n[1]} "
            "predictions. Give them in the same order, with an empty image where nothing was found."
        )
    return list(zip(truths, predictions, strict=True))
