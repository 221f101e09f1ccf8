"""Truths cut into pieces, and predictions that swallowed several truths."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.metrics.overlap_table import Integers, overlap_table


class SplitsAndMerges(NamedTuple):
    """Truths cut into pieces, and predictions that swallowed several truths.

    Attributes
    ----------
    split : ndarray of int
        Ids of truths in more than one piece.
    pieces : ndarray of int
        Ids of the predictions that are those pieces.
    merged : ndarray of int
        Ids of predictions that hold more than one truth.
    parts : ndarray of int
        Ids of the truths that they hold.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.
    """

    split: Integers
    pieces: Integers
    merged: Integers
    parts: Integers

    @property
    def joins(self) -> int:
        """How often two pieces have to be joined to repair all splits."""
        return len(self.pieces) - len(self.split)

    @property
    def cuts(self) -> int:
        """How often a prediction has to be cut in two to repair all merges."""
        return len(self.parts) - len(self.merged)


def splits_and_merges(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, fraction: float = 0.5
) -> SplitsAndMerges:
    """Find truths cut into several pieces, and predictions that swallowed several truths.

    A prediction is a piece of a truth when more than `fraction` of its pixels lie there; a truth
    with two pieces or more is split. In the same way a truth is part of a prediction when more than
    `fraction` of it lies there, and a prediction with two of them or more is merged. From one half
    up, an object belongs to one other at most, so nothing is counted twice.

    Parameters
    ----------
    truth, prediction : array_like of integers, (Y, X) or (Z, Y, X)
        Label images as in `match`.
    fraction : float
        How much of an object must lie within another one; at least 0.5, below 1.

    Returns
    -------
    SplitsAndMerges
        The ids of all objects concerned, and how many joins and cuts repair them.

    Raises
    ------
    TypeError, ValueError
        As for `match`; and if `fraction` is below 0.5, or 1 or more.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.

    Examples
    --------
    >>> found = splits_and_merges([[1, 1, 1, 1, 0, 2, 3]], [[4, 4, 5, 5, 0, 6, 6]])
    >>> found.split, found.pieces
    (array([1]), array([4, 5]))
    >>> found.merged, found.parts, found.cuts
    (array([6]), array([2, 3]), 1)
    """
    hint = "Below one half an object could be a piece of two others."
    checks.number("fraction", fraction, low=0.5, below=1, hint=hint)
    table = overlap_table(truth, prediction)
    pieces, parts = table.scores("iop") > fraction, table.scores("iot") > fraction
    pieces &= np.bincount(table.truths, weights=pieces)[table.truths] > 1
    parts &= np.bincount(table.predictions, weights=parts)[table.predictions] > 1
    return SplitsAndMerges(
        split=table.truth_ids[np.unique(table.truths[pieces])],
        pieces=table.prediction_ids[np.unique(table.predictions[pieces])],
        merged=table.prediction_ids[np.unique(table.predictions[parts])],
        parts=table.truth_ids[np.unique(table.truths[parts])],
    )
