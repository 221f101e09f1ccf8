"""Whether a model is as sure as it may be.

*Calibration* asks about groups: of all pixels that got 0.8, are eight in ten nuclei? Whether the
model doubts the wrong ones is another question, for `aimicro.metrics.risk_coverage`; a model can
pass one test and fail the other.

All functions take pixels, patches or objects alike: arrays of any shape, one entry a decision.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import softmax

from aimicro import checks
from aimicro.metrics import _decisions
from aimicro.metrics._decisions import Floats


@dataclass(frozen=True, eq=False)
class Reliability:
    r"""Predicted against observed frequency, in bins of the predicted probability.

    Attributes
    ----------
    edges : ndarray of float64, (bins + 1,)
        Where the bins begin and end, from 0 to 1.
    confidence : ndarray of float64, (bins,)
        Mean probability of the decisions in each bin; NaN where there are none.
    observed : ndarray of float64, (bins,)
        Fraction of them that are true; NaN where there are none.
    counts : ndarray of int64, (bins,)
        How many decisions fell into each bin.

    Notes
    -----
    `observed` over `confidence` is the reliability diagram: on the diagonal every probability
    means what it says, below it the model promises too much.

    Used in chapter 10, *How sure is the model*.
    """

    edges: Floats
    confidence: Floats
    observed: Floats
    counts: npt.NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean gap of all decisions, 0 is perfect."""
        filled = self.counts > 0
        return float(np.average(self._gaps[filled], weights=self.counts[filled]))

    @property
    def mce(self) -> float:
        """Maximum calibration error: the gap of the worst bin, however few are in it."""
        return float(np.nanmax(self._gaps))

    @property
    def _gaps(self) -> Floats:
        """Distance from the diagonal, in each bin."""
        return np.abs(self.observed - self.confidence)


def reliability(truth: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10) -> Reliability:
    r"""Sort decisions by their probability into bins, and count how often each bin was right.

    .. math::

        \mathrm{conf}(b) = \frac{1}{n_b} \sum_{i \in b} p_i, \qquad
        \mathrm{obs}(b) = \frac{1}{n_b} \sum_{i \in b} t_i

    Parameters
    ----------
    truth : array_like of bool or of 0 and 1, any shape
        True answers: nucleus or not.
    probability : array_like, same shape
        Predicted probability of "true", from 0 to 1.
    bins : int, default 10
        How many bins of equal width. A bin contains its lower edge, the last one both.

    Returns
    -------
    Reliability
        Mean probability, observed fraction and count of each bin; `ece` and `mce`.

    Raises
    ------
    TypeError
        If the truth is not made of true and false, or the probability not of real numbers.
    ValueError
        If the shapes differ or are empty, a probability is NaN or outside 0 to 1, or there is no
        bin.

    Notes
    -----
    For more than two classes pass whether the chosen class is the right one as `truth`, and its
    probability.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    M. H. DeGroot, S. E. Fienberg, "The comparison and evaluation of forecasters", The
    Statistician 32 (1983) 12-22. doi:10.2307/2987588

    Examples
    --------
    >>> said = [0.25, 0.25, 0.25, 0.25, 0.75, 0.75]
    >>> diagram = reliability([0, 0, 0, 1, 1, 1], said, bins=2)
    >>> diagram.confidence, diagram.observed
    (array([0.25, 0.75]), array([0.25, 1.  ]))
    """
    t, p = _decisions.decisions(truth, probability)
    bins = checks.whole("bins", bins, low=1, hint="Try 10.")
    edges = np.linspace(0, 1, bins + 1)
    t, p = t.ravel(), p.ravel()
    place = np.searchsorted(edges[1:-1], p, side="right")
    counts = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, weights=values, minlength=bins) for values in (p, t))
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is the NaN that is promised
        confidence, observed = (total / counts for total in sums)
    return Reliability(edges, confidence, observed, counts)


def expected_calibration_error(
    truth: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10
) -> float:
    r"""Mean distance between predicted and observed frequency.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{N}\,|\mathrm{obs}(b) - \mathrm{conf}(b)|

    Parameters
    ----------
    truth : array_like of bool or of 0 and 1, any shape
        True answers.
    probability : array_like, same shape
        Predicted probability of "true", from 0 to 1.
    bins : int, default 10
        How many bins of equal width.

    Returns
    -------
    float
        From 0, calibrated, to 1. Comparable only with the same number of bins: more of them find
        more, and chance alone leaves a gap of the order :math:`1 / \sqrt{n_b}` in each.

    Raises
    ------
    TypeError, ValueError
        As for `reliability`.

    Notes
    -----
    Most pixels of an image are easy. They pull the mean towards 0, so look at the diagram too.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities
       using Bayesian binning", AAAI 2015, 2901-2907. doi:10.1609/aaai.v29i1.9602
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017. arXiv:1706.04599

    Examples
    --------
    >>> expected_calibration_error([0, 0, 0, 1, 1, 1], [0.25] * 4 + [0.75] * 2, bins=2)
    0.08333333333333333
    """
    return reliability(truth, probability, bins=bins).ece


def brier_score(truth: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    r"""Mean squared distance of the probability from the true answer.

    .. math:: \mathrm{BS} = \frac{1}{N} \sum_i (p_i - t_i)^2

    Parameters
    ----------
    truth : array_like of bool or of 0 and 1, any shape
        True answers.
    probability : array_like, same shape
        Predicted probability of "true", from 0 to 1.

    Returns
    -------
    float
        From 0, always sure and right, to 1. Whoever always says one half gets 0.25.

    Raises
    ------
    TypeError, ValueError
        As for `reliability`.

    Notes
    -----
    It needs no bins, and nobody can improve it by saying another probability than the one they
    believe. Unlike the calibration error it also rewards telling true from false.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
    Review 78 (1950) 1-3. doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    Examples
    --------
    >>> brier_score([True, False], [0.5, 0.0])
    0.125
    """
    t, p = _decisions.decisions(truth, probability)
    return float(np.mean((p - t) ** 2))


def fit_temperature(truth: npt.ArrayLike, logits: npt.ArrayLike) -> float:
    r"""Find the number by which logits must be divided so that their probabilities fit.

    .. math:: T = \arg\min_T \; -\sum_i \log \operatorname{softmax}(z_i / T)_{t_i}

    Above 1 it makes an overconfident model milder, below 1 a timid one bolder. It changes no
    decision: the largest logit stays the largest.

    Parameters
    ----------
    truth : array_like of bool or int, any shape
        True answers: true or false; with a class axis in `logits`, the number of the class.
    logits : array_like, shape of `truth`, or the same with the classes as its first axis
        Output of the network before the sigmoid (without a class axis) or the softmax (with it).
        Take validation images: neither those of the training, where the network knows the answers,
        nor those of the test.

    Returns
    -------
    float
        The temperature *T*, above 0. The new probability is ``expit(logits / T)``.

    Raises
    ------
    TypeError
        If the truth has fractions, or the logits are not real numbers.
    ValueError
        If the shapes do not match, a logit is not finite, a class does not exist, or there is no
        best temperature: where all decisions are right it would be 0, where they are no better
        than chance, infinite.

    Notes
    -----
    The logarithm is convex in :math:`1/T`, so there is one optimum, and it is found as the root of
    the derivative.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML
    2017. arXiv:1706.04599

    Examples
    --------
    The logit 2 promises 88 %, but three of four are right:

    >>> round(fit_temperature([1, 1, 1, 0], [2, 2, 2, 2]), 3)
    1.82
    """
    t, z = _decisions.classes(truth, logits)
    right = np.take_along_axis(z, t[np.newaxis], axis=0)[0]

    def slope(inverse: float) -> float:
        """Derivative of the mean negative logarithm by 1/T."""
        expected = (softmax(inverse * z, axis=0) * z).sum(axis=0)
        return float(np.mean(expected - right))

    if (z.max(axis=0) == right).all():
        raise ValueError(
            f"Expected at least one wrong decision, got none in {t.size}. Any lower temperature "
            "would fit better, down to 0: take more images."
        )
    if slope(0.0) >= 0:
        raise ValueError(
            f"Expected logits that are higher where they should be, got {-slope(0.0):.3g} more "
            "than the mean of the classes. Check the order of the classes and the sign."
        )
    bound = 1.0
    while slope(bound) < 0:
        bound *= 2
    return float(1 / brentq(slope, 0, bound, xtol=1e-12, rtol=1e-10))
