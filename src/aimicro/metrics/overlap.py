r"""How much of a mask is right, pixel by pixel.

Two masks sort the pixels into four groups: true positives TP (in both), false positives FP (in the
prediction only), false negatives FN (in the truth only) and true negatives TN (in neither). All
scores here but `centreline_dice` are a formula of these four counts. They see neither where a
pixel lies nor to which object it belongs.

The truth is always the first argument. The table of `aimicro.metrics` tells what a score is where a
mask is empty; the argument `empty` changes it where both are.

Used in chapter 10, *Overlap and distance*.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from aimicro import checks
from aimicro.metrics import _checks
from aimicro.metrics._checks import Mask

Score = TypeVar("Score")


@dataclass(frozen=True)
class Confusion:
    r"""Counts of right and wrong pixels, and every score that follows from them.

    Counts can be added. So a score pooled over images or classes is that of a sum; a mean of
    scores is another number, in which a small image weighs as much as a large one.

    Every method takes `empty`, what the score is where both masks are empty.

    Attributes
    ----------
    tp : int, default 0
        Pixels in both masks.
    fp : int, default 0
        Pixels in the prediction only.
    fn : int, default 0
        Pixels in the truth only.
    tn : int, default 0
        Pixels in neither.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    .. [1] P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11
       (1912) 37-50. doi:10.1111/j.1469-8137.1912.tb05611.x
    .. [2] L. R. Dice, "Measures of the amount of ecologic association between species", Ecology
       26 (1945) 297-302. doi:10.2307/1932409
    .. [3] B. W. Matthews, "Comparison of the predicted and observed secondary structure of T4
       phage lysozyme", Biochimica et Biophysica Acta 405 (1975) 442-451.
       doi:10.1016/0005-2795(75)90109-9
    .. [4] J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
       Measurement 20 (1960) 37-46. doi:10.1177/001316446002000104

    Examples
    --------
    >>> counts = confusion([[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 1, 1, 1, 1, 0, 0, 0]])
    >>> counts.precision(), counts.recall(), counts.iou()
    (0.75, 0.75, 0.6)
    >>> images = [Confusion(tp=9, fp=2), Confusion(tp=1, fn=8)]
    >>> sum(images, Confusion()).dice(), sum(image.dice() for image in images) / 2
    (0.6666666666666666, 0.55)
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: "Confusion") -> "Confusion":
        """Pool two images."""
        return Confusion(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    def iou(self, *, empty: float = 1.0) -> float:
        r"""Intersection over union, the Jaccard index [1]_: 0 for masks apart, 1 for equal ones.

        .. math:: \mathrm{IoU} = \frac{TP}{TP + FP + FN}
            = \frac{\mathrm{Dice}}{2 - \mathrm{Dice}}
        """
        return self._ratio(self.tp, self.tp + self.fp + self.fn, empty)

    def dice(self, *, empty: float = 1.0) -> float:
        r"""Dice coefficient [2]_ or F1 score, the harmonic mean of precision and recall.

        .. math:: \mathrm{Dice} = \frac{2\,TP}{2\,TP + FP + FN}
        """
        return self.f_beta(beta=1, empty=empty)

    def f_beta(self, *, beta: float, empty: float = 1.0) -> float:
        r"""Weighted harmonic mean, in which recall counts `beta` times as much as precision.

        .. math:: F_\beta = \frac{(1 + \beta^2)\,TP}{(1 + \beta^2)\,TP + FP + \beta^2\,FN}
        """
        hint = "Give 1 for Dice, 2 where recall counts more."
        checks.number("beta", beta, above=0, hint=hint)
        found = (1 + beta**2) * self.tp
        return self._ratio(found, found + self.fp + beta**2 * self.fn, empty)

    def precision(self, *, empty: float = 1.0) -> float:
        r"""Fraction of the prediction that is right. One right pixel has 1: give recall with it.

        .. math:: \mathrm{precision} = \frac{TP}{TP + FP}
        """
        return self._ratio(self.tp, self.tp + self.fp, empty)

    def recall(self, *, empty: float = 1.0) -> float:
        r"""Fraction of the truth that was found, the sensitivity. Painting everything has 1.

        .. math:: \mathrm{recall} = \frac{TP}{TP + FN}
        """
        return self._ratio(self.tp, self.tp + self.fn, empty)

    def specificity(self, *, empty: float = 1.0) -> float:
        r"""Fraction of the background that was left alone: near 1 where most is background.

        .. math:: \mathrm{specificity} = \frac{TN}{TN + FP}
        """
        return self._ratio(self.tn, self.tn + self.fp, empty)

    def balanced_accuracy(self, *, empty: float = 1.0) -> float:
        r"""Mean of recall and specificity; ½ for a prediction made without looking.

        .. math:: \mathrm{BA} = \tfrac{1}{2}
            \left( \frac{TP}{TP + FN} + \frac{TN}{TN + FP} \right)
        """
        return (self.recall(empty=empty) + self.specificity(empty=empty)) / 2

    def matthews_correlation(self, *, empty: float = 1.0) -> float:
        r"""Matthews' correlation coefficient [3]_ of the masks, -1 to 1; 0 for not looking.

        .. math:: \mathrm{MCC} = \frac{TP \cdot TN - FP \cdot FN}
            {\sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)}}

        All four counts matter: neither painting everything nor painting nothing can be good.
        """
        margins = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        covariance = self.tp * self.tn - self.fp * self.fn
        return self._ratio(covariance, math.sqrt(math.prod(margins)), empty)

    def cohens_kappa(self, *, empty: float = 1.0) -> float:
        r"""Cohen's kappa [4]_: agreement beyond chance, at most 1; 0 for chance.

        .. math:: \kappa = \frac{2\,(TP \cdot TN - FP \cdot FN)}
            {(TP + FP)(FP + TN) + (TP + FN)(FN + TN)}

        This is :math:`(p_o - p_e) / (1 - p_e)` with the fraction :math:`p_o` of pixels on which
        the masks agree, and :math:`p_e` on which they would if pixels were shuffled.
        """
        tp, fp, fn, tn = self.tp, self.fp, self.fn, self.tn
        chance = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
        return self._ratio(2 * (tp * tn - fp * fn), chance, empty)

    def _ratio(self, part: float, whole: float, empty: float) -> float:
        """Divide; nothing over nothing is perfect where there is no error, and 0 elsewhere."""
        if self.tp == self.fp == self.fn == 0:
            return float(empty)
        if whole == 0:
            return 1.0 if self.fp == self.fn == 0 else 0.0
        return part / whole


def confusion(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Confusion:
    """Count the pixels that are right and wrong.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.

    Returns
    -------
    Confusion
        Counts as Python integers, which no image is too large for.

    Raises
    ------
    TypeError, ValueError
        If a mask holds anything but 0 and 1, or the shapes differ.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> confusion([[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 1, 1, 1, 1, 0, 0, 0]])
    Confusion(tp=3, fp=1, fn=1, tn=3)
    """
    t, p = _checks.masks(truth, prediction)
    tp = int(np.count_nonzero(t & p))
    fp, fn = int(np.count_nonzero(p)) - tp, int(np.count_nonzero(t)) - tp
    return Confusion(tp, fp, fn, t.size - tp - fp - fn)


def iou(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, empty: float = 1.0) -> float:
    r"""Intersection over union of two masks, the Jaccard index.

    .. math:: \mathrm{IoU} = \frac{TP}{TP + FP + FN} = \frac{\mathrm{Dice}}{2 - \mathrm{Dice}}

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        0 for masks apart, 1 for equal ones.

    Raises
    ------
    TypeError, ValueError
        As for `confusion`.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> iou([[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 1, 1, 1, 1, 0, 0, 0]])
    0.6
    """
    return confusion(truth, prediction).iou(empty=empty)


def dice(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, empty: float = 1.0) -> float:
    r"""Dice coefficient of two masks, also known as F1 score.

    .. math:: \mathrm{Dice} = \frac{2\,TP}{2\,TP + FP + FN}

    It is the harmonic mean of precision and recall. It ranks results as `iou` does and looks
    better, so that only values of the same one can be compared.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        0 for masks apart, 1 for equal ones.

    Raises
    ------
    TypeError, ValueError
        As for `confusion`.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> dice([[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 1, 1, 1, 1, 0, 0, 0]])
    0.75
    """
    return confusion(truth, prediction).dice(empty=empty)


def centreline_dice(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, empty: float = 1.0
) -> float:
    r"""Dice coefficient of centrelines, clDice, which sees whether thin structures are whole.

    .. math:: \mathrm{clDice} = \frac{2\,p\,s}{p + s}, \quad
        p = \frac{|S_P \cap T|}{|S_P|}, \; s = \frac{|S_T \cap P|}{|S_T|}

    for the truth :math:`T`, the prediction :math:`P` and their skeletons :math:`S_T` and
    :math:`S_P`. A line drawn too thick costs nothing, and a gap as much as it is long.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do. Filaments, vessels, neurites.
    prediction : array_like of bool, same shape
        Predicted mask.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    TypeError, ValueError
        As for `confusion`.

    Notes
    -----
    scikit-image thins the masks. What it thins away as a whole, as it does some specks in 3D, is
    taken as its own skeleton.

    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    S. Shit et al., "clDice: a novel topology-preserving loss function for tubular structure
    segmentation", Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern
    Recognition (2021) 16560-16569. doi:10.48550/arXiv.2003.07311

    Examples
    --------
    >>> round(centreline_dice([[1, 1, 1, 1, 1]], [[1, 1, 0, 1, 0]]), 6)
    0.75
    """
    t, p = _checks.masks(truth, prediction)
    if not (t.any() or p.any()):
        return float(empty)
    if not (t.any() and p.any()):
        return 0.0
    of_truth, of_prediction = _skeleton(t), _skeleton(p)
    right = float(np.count_nonzero(of_prediction & t) / np.count_nonzero(of_prediction))
    found = float(np.count_nonzero(of_truth & p) / np.count_nonzero(of_truth))
    return 2 * right * found / (right + found) if right + found else 0.0


def per_class(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    score: Callable[[Mask, Mask], Score],
    *,
    classes: Iterable[int] | None = None,
) -> dict[int, Score]:
    """Score each class of a semantic segmentation as a mask.

    Parameters
    ----------
    truth : array_like of int, (Y, X) or (Z, Y, X)
        The class of each pixel.
    prediction : array_like of int, same shape
        The class that was found.
    score : callable
        Takes the true and the predicted mask, as `dice` does, or `confusion`.
    classes : iterable of int, optional
        The classes, by default all that occur in either image but 0, the background.

    Returns
    -------
    dict
        The score of each class.

    Raises
    ------
    TypeError, ValueError
        If an image has no classes as whole numbers from 0 up, or the shapes differ.

    Notes
    -----
    The mean of the scores, ``np.nanmean(list(scores.values()))``, counts rare classes as much as
    common ones ("macro"). For "micro", add the counts and score the sum, as in the example.

    Used in chapter 10, *Overlap and distance*.

    Examples
    --------
    >>> truth, prediction = [[1, 1, 1, 1, 2, 0]], [[1, 1, 1, 1, 0, 2]]
    >>> per_class(truth, prediction, dice)
    {1: 1.0, 2: 0.0}
    >>> counts = per_class(truth, prediction, confusion)
    >>> sum(counts.values(), Confusion()).dice()
    0.8
    """
    t, p = _checks.labels(truth, prediction)
    ids = np.union1d(t[t > 0], p[p > 0]) if classes is None else classes
    return {int(one): score(t == one, p == one) for one in ids}


def _skeleton(mask: Mask) -> Mask:
    """Centrelines of a mask; a piece that was thinned away stays as it is."""
    lines = skeletonize(mask) > 0
    pieces, n = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    has_line = np.zeros(n + 1, bool)
    has_line[pieces[lines]] = True
    whole: Mask = lines | (mask & ~has_line[pieces])
    return whole
