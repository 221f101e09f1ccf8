"""What a person has to do to a prediction until it is right, and what is then on the screen."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from aimicro import checks
from aimicro.metrics._checks import Labels, labels
from aimicro.metrics.matching import match
from aimicro.metrics.overlap_table import Integers, overlap_table

_WORTH_MENDING = 0.2  # IoU below which a person deletes an object and draws another


@dataclass(frozen=True, eq=False)
class Corrections:
    """How many corrections of each kind lie between a prediction and the truth.

    Attributes
    ----------
    added, removed, redrawn : int
        Objects that were missed, were none, or had a bad outline.
    joins, cuts : int
        How often two pieces were joined, or one object cut in two.
    labels : ndarray of int32
        The corrected image, with the ids of the truth: what was good enough keeps the outline that
        the prediction gave it.

    Notes
    -----
    Used in chapter 9, *Fine-tuning and a human in the loop*.
    """

    added: int
    removed: int
    redrawn: int
    joins: int
    cuts: int
    labels: npt.NDArray[np.int32] = field(repr=False)

    @property
    def total(self) -> int:
        """All corrections, each counted once."""
        return self.added + self.removed + self.redrawn + self.joins + self.cuts

    def clicks(self, *, outline: int = 12, line: int = 2) -> int:
        """Clicks of a mouse: corners of outlines, ends of lines, and one for what is removed.

        Parameters
        ----------
        outline : int
            Clicks around an object that is added or redrawn.
        line : int
            Clicks for a join or a cut.

        Returns
        -------
        int
            Their sum.

        Raises
        ------
        TypeError, ValueError
            If a cost is no whole number from 1 up.
        """
        hint = "Give the number of clicks."
        corners = checks.whole("outline", outline, low=1, hint=hint)
        ends = checks.whole("line", line, low=1, hint=hint)
        drawn, linked = self.added + self.redrawn, self.joins + self.cuts
        return corners * drawn + ends * linked + self.removed


def corrections(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float = 0.7
) -> Corrections:
    """Correct a prediction as a person would who knows the truth, and count the corrections.

    First, a prediction that swallowed several truths is cut between them, and then pieces of one
    truth are joined, as `splits_and_merges` finds them. What then overlaps with its truth by the
    threshold stays as it is. Of the rest, an object is redrawn if it roughly lies where a truth
    does; other truths are added, other objects removed. What is drawn is drawn as the truth.

    Parameters
    ----------
    truth, prediction : array_like of integers, (Y, X) or (Z, Y, X)
        Label images as in `match`.
    threshold : float, default 0.7
        Intersection over union from which an outline is good enough; from 0.5 to 1.

    Returns
    -------
    Corrections
        The counts, their `total` and `clicks`, and the corrected `labels`.

    Raises
    ------
    TypeError, ValueError
        As for `match`; and if `threshold` is below 0.5, where an object could do for two.

    See Also
    --------
    splits_and_merges : The truths and predictions concerned.

    Notes
    -----
    Each pixel of a swallower goes to the nearest of its truths. Every truth is then matched by the
    threshold in `labels`, and nothing else is there: what is drawn takes from its neighbours only
    pixels that were not theirs.

    Used in chapter 9, *Fine-tuning and a human in the loop*.

    Examples
    --------
    One prediction holds two truths, one is false, and one truth was missed:

    >>> found = corrections([[1, 1, 2, 2, 0, 0, 3]], [[5, 5, 5, 5, 0, 6, 0]])
    >>> found
    Corrections(added=1, removed=1, redrawn=0, joins=0, cuts=1)
    >>> found.total, found.clicks(outline=10), found.labels.tolist()
    (3, 13, [[1, 1, 2, 2, 0, 0, 3]])
    """
    hint = "Below one half an object could do for two."
    enough = checks.number("threshold", threshold, low=0.5, high=1, hint=hint)
    true, found = labels(truth, prediction)
    parted, cuts = _cut(true, found)
    whole, joins = _joined(true, parted)
    first = match(true, whole, threshold=enough)
    missed = np.where(np.isin(true, first.missed), true, 0)
    invented = np.where(np.isin(whole, first.invented), whole, 0)
    second = match(missed, invented, threshold=_WORTH_MENDING)
    corrected = missed.astype(np.int32)
    for name, kept in zip(first.pairs.truth, first.pairs.prediction, strict=True):
        corrected[(whole == kept) & (missed == 0)] = name
    return Corrections(second.fn, second.fp, second.tp, joins, cuts, corrected)


def _cut(truth: Labels, prediction: Labels) -> tuple[Labels, int]:
    """The prediction with each swallower cut between its truths, and the number of cuts."""
    table = overlap_table(truth, prediction)
    held = table.scores("iot") > 0.5
    parts, owners = table.truth_ids[table.truths[held]], table.predictions[held]
    names, cuts = prediction.astype(np.int64), 0
    for owner in np.flatnonzero(np.bincount(owners, minlength=1) > 1):
        area = prediction == table.prediction_ids[owner]
        box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(area))
        mine = parts[owners == owner]
        seeds = np.isin(truth[box], mine) & area[box]
        nearest = distance_transform_edt(~seeds, return_distances=False, return_indices=True)
        shares = np.searchsorted(mine, truth[box][tuple(nearest)]) + names.max() + 1
        names[box][area[box]] = shares[area[box]]
        cuts += len(mine) - 1
    return names, cuts


def _joined(truth: Labels, prediction: Labels) -> tuple[Labels, int]:
    """The prediction with the pieces of each truth under one id, and the number of joins."""
    table = overlap_table(truth, prediction)
    inside = table.scores("iop") > 0.5
    pieces, owners = table.prediction_ids[table.predictions[inside]], table.truths[inside]
    names, joins = prediction.astype(np.int64), 0
    for owner in np.flatnonzero(np.bincount(owners, minlength=1) > 1):
        mine: Integers = pieces[owners == owner]
        names[np.isin(names, mine)] = mine[0]
        joins += len(mine) - 1
    return names, joins
