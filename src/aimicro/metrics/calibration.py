"""Whether a model is as sure as it may be, and whether it is unsure where it is wrong.

A probability can be judged in two ways. *Calibration* asks about groups: of all pixels that got
0.8, are eight in ten nuclei? *Uncertainty* asks about single decisions: are those that the model
doubts the wrong ones, so that a person who looks at them first finds most errors? A model can
pass one test and fail the other.

All functions take pixels, patches or objects alike: arrays of any shape, one entry a decision.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import entr, softmax

Floats: TypeAlias = npt.NDArray[np.float64]

# ---- calibration


@dataclass(frozen=True, eq=False)
class Reliability:
    r"""What was said against what was so, in bins of what was said.

    Attributes
    ----------
    edges : ndarray of float64, (bins + 1,)
        Where the bins begin and end, from 0 to 1.
    confidence : ndarray of float64, (bins,)
        Mean probability of the decisions in each bin; NaN where there are none.
    observed : ndarray of float64, (bins,)
        Share of them that are true; NaN where there are none.
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
        return np.abs(self.observed - self.confidence)


def reliability(truth: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10) -> Reliability:
    r"""Sort decisions by their probability into bins, and count how often each bin was right.

    .. math::

        \mathrm{conf}(b) = \frac{1}{n_b} \sum_{i \in b} p_i, \qquad
        \mathrm{obs}(b) = \frac{1}{n_b} \sum_{i \in b} t_i

    Parameters
    ----------
    truth : array_like of bool or of 0 and 1, any shape
        What is so: nucleus or not.
    probability : array_like, same shape
        What the model says for "true", from 0 to 1.
    bins : int, default 10
        How many bins of equal width. A bin contains its lower edge, the last one both.

    Returns
    -------
    Reliability
        Mean probability, observed share and count of each bin; `ece` and `mce`.

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
    t, p = _decisions(truth, probability)
    if bins != int(bins) or bins < 1:
        raise ValueError(f"Expected 1 or more bins, got {bins}. Try 10.")
    bins = int(bins)
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
    r"""Mean distance between what a model says and what is so.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{N}\,|\mathrm{obs}(b) - \mathrm{conf}(b)|

    Parameters
    ----------
    truth, probability, bins
        As for `reliability`.

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
    r"""Mean squared distance of the probability from what came true.

    .. math:: \mathrm{BS} = \frac{1}{N} \sum_i (p_i - t_i)^2

    Parameters
    ----------
    truth : array_like of bool or of 0 and 1, any shape
        What is so.
    probability : array_like, same shape
        What the model says for "true", from 0 to 1.

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
    t, p = _decisions(truth, probability)
    return float(np.mean((p - t) ** 2))


def fit_temperature(truth: npt.ArrayLike, logits: npt.ArrayLike) -> float:
    r"""Find the number by which logits must be divided so that their probabilities fit.

    .. math:: T = \arg\min_T \; -\sum_i \log \operatorname{softmax}(z_i / T)_{t_i}

    Above 1 it makes an overconfident model milder, below 1 a timid one bolder. It changes no
    decision: the largest logit stays the largest.

    Parameters
    ----------
    truth : array_like of bool or int, any shape
        What is so: true or false; with a class axis in `logits`, the number of the class.
    logits : array_like, shape of `truth`, or the same with the classes as its first axis
        What the network gives before the sigmoid (without a class axis) or the softmax (with it).
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
    t, z = _classes(truth, logits)
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


# ---- uncertainty


class Uncertainty(NamedTuple):
    r"""What several predictions of the same thing say together, in bits where it is an entropy.

    Attributes
    ----------
    mean : ndarray of float64
        Mean probability.
    entropy : ndarray of float64
        Entropy of the mean, from 0, sure, to 1, a coin toss. All the doubt there is.
    expected_entropy : ndarray of float64
        Mean entropy of the single predictions: doubt that each of them has by itself, as at a
        blurred edge.
    mutual_information : ndarray of float64
        The rest: doubt because they disagree, as on something that none has seen before.
    """

    mean: Floats
    entropy: Floats
    expected_entropy: Floats
    mutual_information: Floats


def uncertainty(probabilities: npt.ArrayLike) -> Uncertainty:
    r"""Tell from several predictions how unsure they are, and how much of it is disagreement.

    .. math::

        \underbrace{H(\bar p)}_{\text{entropy}} =
        \underbrace{\frac{1}{M} \sum_m H(p_m)}_{\text{expected entropy}} +
        \underbrace{I}_{\text{mutual information}}, \qquad
        H(p) = -p \log_2 p - (1 - p) \log_2 (1 - p)

    Parameters
    ----------
    probabilities : array_like, (M, …)
        Two or more predictions of the same decisions, each from 0 to 1: by members of an ensemble,
        of turned images (`aimicro.predict.predict_tta`) or with dropout
        (`aimicro.predict.predict_with_dropout`).

    Returns
    -------
    Uncertainty
        Mean, entropy, expected entropy and mutual information, each of shape (…).

    Raises
    ------
    TypeError
        If the probabilities are not real numbers.
    ValueError
        If there are fewer than two predictions, or a probability is NaN or outside 0 to 1.

    Notes
    -----
    Used in chapter 10, *How sure is the model*.

    References
    ----------
    .. [1] N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel, "Bayesian active learning for
       classification and preference learning" (2011). arXiv:1112.5745
    .. [2] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive
       uncertainty estimation using deep ensembles", NeurIPS 2017. arXiv:1612.01474

    Examples
    --------
    Two members: of the first pixel both are unsure, about the second they disagree.

    >>> doubt = uncertainty([[0.5, 0.0], [0.5, 1.0]])
    >>> doubt.entropy, doubt.mutual_information
    (array([1., 1.]), array([0., 1.]))
    """
    p = _probabilities(probabilities, name="probabilities")
    if p.ndim < 2 or len(p) < 2:
        raise ValueError(
            f"Expected two or more predictions (M, …), got shape {p.shape}. Stack them along a new "
            "first axis: np.stack([first, second])."
        )
    mean = p.mean(axis=0)
    entropy, expected = _bits(mean), _bits(p).mean(axis=0)
    # Entropy is concave, so only rounding makes the difference negative.
    return Uncertainty(mean, entropy, expected, np.maximum(entropy - expected, 0))


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What is left of the error if the most uncertain decisions are handed to somebody else.

    Attributes
    ----------
    coverage : ndarray of float64, (N,)
        Share of the decisions that are kept, the surest first: 1/N, 2/N, … 1.
    risk : ndarray of float64, (N,)
        Mean error of those that are kept. The last one is the error without any selection.

    Notes
    -----
    Used in chapter 10, *How sure is the model*.
    """

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """Area under the curve, the mean risk: low where doubt finds errors.

        Without any knowledge it is the mean error, and never lower than with the error itself as
        uncertainty: ``risk_coverage(error, error).area``.
        """
        return float(self.risk.mean())

    @property
    def caught(self) -> Floats:
        """Share of all error that lies in what is handed over, at each coverage."""
        kept = self.risk * self.coverage
        if kept[-1] == 0:
            return np.ones_like(kept)
        return np.asarray(1 - kept / kept[-1])


def risk_coverage(error: npt.ArrayLike, uncertainty: npt.ArrayLike) -> RiskCoverage:
    r"""Keep the surest decisions, and see how wrong they are.

    .. math:: \mathrm{risk}(k/N) = \frac{1}{k} \sum_{j=1}^{k} e_{(j)},
        \qquad u_{(1)} \le u_{(2)} \le \dots

    Parameters
    ----------
    error : array_like, any shape
        How wrong each decision is, from 0 up: 0 and 1, pixels, or 1 - IoU.
    uncertainty : array_like, same shape
        How unsure the model is of each, in any unit; only the order counts. Equal ones are kept
        together, each with their mean error.

    Returns
    -------
    RiskCoverage
        The curve, its `area`, and the share of errors that is `caught`.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the shapes differ or are empty, a value is NaN or infinite, or an error is negative.

    Notes
    -----
    Used in chapter 10, *How sure is the model*.

    References
    ----------
    Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017.
    arXiv:1705.08500

    Examples
    --------
    The one error is the most uncertain of four decisions:

    >>> curve = risk_coverage([0, 0, 1, 0], [0.1, 0.3, 0.9, 0.2])
    >>> curve.risk, curve.area
    (array([0.  , 0.  , 0.  , 0.25]), 0.0625)
    """
    e, u = _finite("error", error), _finite("uncertainty", uncertainty)
    _check_shapes("error", e, "uncertainty", u)
    if e.min() < 0:
        raise ValueError(
            f"Expected errors from 0 up, got {e.min():g}. Take the absolute or squared error."
        )
    order = np.argsort(u, axis=None)
    u, total = u.ravel()[order], np.cumsum(e.ravel()[order])
    # Within equal uncertainties the sum grows evenly: any order of them is as good.
    ends = np.flatnonzero(np.append(np.diff(u) > 0, True))
    kept = np.arange(1, u.size + 1)
    total = np.interp(kept, np.append(0, kept[ends]), np.append(0, total[ends]))
    return RiskCoverage(kept / u.size, total / kept)


def _bits(p: Floats) -> Floats:
    """Entropy of a yes that has probability `p`."""
    return np.asarray((entr(p) + entr(1 - p)) / np.log(2))


# ---- checks


def _decisions(truth: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Truth of 0 and 1 and its probability, of one shape, or a clear error."""
    t, p = np.asarray(truth), _probabilities(probability)
    if t.dtype.kind not in "biu":
        raise TypeError(
            f"Expected truth as true and false, got {t.dtype}. If it is a probability, the other "
            "argument is the truth: it comes first."
        )
    _check_shapes("truth", t, "probability", p)
    if t.min() < 0 or t.max() > 1:
        raise ValueError(
            f"Expected truth of 0 and 1, got {t.min()} to {t.max()}. Of labels take labels > 0."
        )
    return t.astype(np.float64), p


def _classes(truth: npt.ArrayLike, logits: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], Floats]:
    """Class numbers, and logits with the classes first, or a clear error."""
    t, z = np.asarray(truth), _finite("logits", logits)
    if t.dtype.kind not in "biu":
        raise TypeError(
            f"Expected truth as true and false or as class numbers, got {t.dtype}. Convert it, "
            "for example with astype(int)."
        )
    if z.shape == t.shape:
        z = np.stack([np.zeros_like(z), z])  # a sigmoid is the softmax of 0 and the logit
    if z.shape[1:] != t.shape:
        raise ValueError(
            f"Expected logits of the shape of truth, {t.shape}, or with the classes before it, got "
            f"{z.shape}. Move the class axis to the front with np.moveaxis."
        )
    if t.min() < 0 or t.max() >= len(z):
        raise ValueError(
            f"Expected truth with classes from 0 to {len(z) - 1}, got {t.min()} to {t.max()}. "
            "Give a logit for each class, along the first axis."
        )
    return t.astype(np.intp), z


def _probabilities(values: npt.ArrayLike, name: str = "probability") -> Floats:
    p = _finite(name, values)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"Expected {name} from 0 to 1, got {p.min():g} to {p.max():g}. Logits become "
            "probabilities with scipy.special.expit, percentages with / 100."
        )
    return p


def _finite(name: str, values: npt.ArrayLike) -> Floats:
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"Expected {name} of real numbers, got {array.dtype}.")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"Expected {name} of one or more decisions, got shape {array.shape}. Pass an array "
            "with an entry for each."
        )
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(
            f"Expected finite {name}, got {bad} NaN or infinite values of {array.size}. "
            "Leave these decisions out."
        )
    return array.astype(np.float64)


def _check_shapes(name: str, first: npt.NDArray[Any], other: str, second: npt.NDArray[Any]) -> None:
    if first.shape != second.shape:
        raise ValueError(
            f"Expected {name} and {other} of one shape, got {first.shape} and {second.shape}. "
            "Give both for the same decisions."
        )
