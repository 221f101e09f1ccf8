"""How unsure several predictions are together, and whether it is where they are wrong.

*Uncertainty* is about single decisions: are those that the model doubts the wrong ones, so that a
person who looks at them first finds most errors?

All functions take pixels, patches or objects alike: arrays of any shape, one entry a decision.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from aimicro.metrics import _decisions
from aimicro.metrics._decisions import Floats


class Uncertainty(NamedTuple):
    r"""Uncertainty of several predictions of the same decisions; entropies are in bits.

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

    Notes
    -----
    Used in chapter 10, *How sure is the model*.
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
    p = _decisions.probabilities(probabilities, name="probabilities")
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
    """Error that is left if the most uncertain decisions are handed to somebody else.

    Attributes
    ----------
    coverage : ndarray of float64, (N,)
        Fraction of the decisions that are kept, the surest first: 1/N, 2/N, … 1.
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
        """Fraction of all error that lies in what is handed over, at each coverage."""
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
        The curve, its `area`, and the fraction of errors that is `caught`.

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
    e, u = _decisions.finite("error", error), _decisions.finite("uncertainty", uncertainty)
    _decisions.check_shapes("error", e, "uncertainty", u)
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
