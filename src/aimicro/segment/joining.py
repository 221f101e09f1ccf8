"""Pieces that were cut too often, joined again by what was learned of true and false lines.

A threshold cuts where a single value is low. Somebody who looks at two pieces sees more: how dark
the line between them is, whether they are as bright, and whether they make one round whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from aimicro import checks
from aimicro.metrics import overlap_table
from aimicro.segment._lines import SIGHTS, Labels, Pair, around, checked, sights_of, touching
from aimicro.segment._objects import Light


class Contacts(NamedTuple):
    """Pieces that touch, and what is to be seen there.

    Attributes
    ----------
    pairs : list of tuple of int
        The ids of both pieces, the lower one first.
    sights : ndarray of float64, (N, 9)
        Nine numbers for each pair, which `contacts` lists.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.
    """

    pairs: list[Pair]
    sights: Light


def contacts(labels: npt.ArrayLike, image: npt.ArrayLike) -> Contacts:
    """Describe each line along which two pieces touch.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Pieces, 0 for background.
    image : array_like, (Y, X)
        Intensities; the objects are bright.

    Returns
    -------
    Contacts
        Pairs, and for each: the median light of the line and its lower quartile, both over that
        of the dimmer piece; the light of the dimmer piece over that of the brighter; the fraction
        of its convex hull that the whole of both fills, and how much less that is than for the
        two alone; the logarithms of the area of the smaller piece and of the whole, in pixels; the
        length of the line over the root of each of these areas.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, and an image of another shape.

    Notes
    -----
    Pieces touch where pixels lie side by side. Light is counted from the background.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> found = contacts([[1, 1, 2, 2, 0, 3]] * 3, np.ones((3, 6)))
    >>> found.pairs, found.sights.shape
    ([(1, 2)], (1, 9))
    """
    ids, light = checked(labels, image)
    numbers, windows = sorted(touching(ids)), ndimage.find_objects(ids)
    rows = [sights_of(ids, light, two, around([windows[i - 1] for i in two])) for two in numbers]
    names = np.unique(np.append(labels, 0))  # numbers are their places
    pairs = [(int(names[a]), int(names[b])) for a, b in numbers]
    return Contacts(pairs, np.array(rows, np.float64).reshape(len(pairs), len(SIGHTS)))


@dataclass(frozen=True, eq=False)
class Joiner:
    """A logistic regression that tells true lines from false ones; made by `fit`.

    Attributes
    ----------
    model : sklearn.pipeline.Pipeline
        Takes the sights of `contacts`.

    Notes
    -----
    Areas are in pixels: it knows objects of the size that it was shown.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    J. Nunez-Iglesias, R. Kennedy, T. Parag, J. Shi, D. B. Chklovskii, "Machine learning of
    hierarchical clustering to segment 2D and 3D images", PLoS ONE 8, e71715 (2013).
    doi:10.1371/journal.pone.0071715

    Examples
    --------
    >>> y, x = np.mgrid[:24, :48]
    >>> truth = (np.hypot(y - 12, x - 13) < 10) + 2 * (np.hypot(y - 12, x - 32) < 10)
    >>> cut = np.where((truth == 1) & (y > 11), 3, truth)
    >>> image = np.minimum(truth, 1.0)
    >>> joiner = Joiner.fit([cut], images=[image], truths=[truth])
    >>> int(cut.max()), int(joiner.join(cut, image).max())
    (3, 2)
    """

    model: Pipeline

    @classmethod
    def fit(
        cls,
        pieces: Sequence[npt.ArrayLike],
        *,
        images: Sequence[npt.ArrayLike],
        truths: Sequence[npt.ArrayLike],
    ) -> Self:
        """Learn from images whose objects are known.

        A line between two pieces is false if most of what is object in both belongs to the same
        one. The lines between the true objects themselves are examples of true ones.

        Parameters
        ----------
        pieces : sequence of array_like of int, (Y, X)
            Objects that were cut too often rather than too seldom.
        images, truths : sequence of array_like
            What they were found in, and the true objects; as many.

        Returns
        -------
        Joiner
            Which has learnt.

        Raises
        ------
        TypeError, ValueError
            For numbers and shapes that do not match, and if all lines are true or all false.
        """
        given = checks.same_number(pieces=pieces, images=images, truths=truths)
        sights, false = [], []
        for found, image, truth in zip(*given, strict=True):
            objects, _ = checked(truth, image)
            for labels in (np.asarray(found), objects):
                lines = contacts(labels, image)
                of = _true_id(labels, objects)
                sights.append(lines.sights)
                false += [a in of and of[a] == of.get(b) for a, b in lines.pairs]
        if len(set(false)) < 2:
            raise ValueError(
                f"Expected true and false lines, got {len(false) - sum(false)} true and "
                f"{sum(false)} false. Give pieces that are cut more often, in fields where "
                "objects touch."
            )
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        return cls(model.fit(np.concatenate(sights), np.array(false)))

    def join(
        self, labels: npt.ArrayLike, image: npt.ArrayLike, *, threshold: float = 0.5
    ) -> Labels:
        """Join what touches along a false line, the surest first, looking again after each.

        Parameters
        ----------
        labels : array_like of int, (Y, X)
            Pieces, 0 for background.
        image : array_like, (Y, X)
            What they were found in.
        threshold : float
            Probability, from 0 to 1, above which a line is false.

        Returns
        -------
        ndarray of int32, (Y, X)
            The pieces that are left, numbered from 1.

        Raises
        ------
        TypeError, ValueError
            As `contacts`, and for a threshold out of range.
        """
        least = checks.number("threshold", threshold, low=0, high=1, hint="Try 0.5.")
        ids, light = checked(labels, image)
        windows: dict[int, Any] = dict(enumerate(ndimage.find_objects(ids), start=1))
        near: dict[int, set[int]] = {}
        for a, b in touching(ids):
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)

        def sure(a: int, b: int) -> float:
            """How probably the line between two pieces is false."""
            seen = sights_of(ids, light, (a, b), around([windows[a], windows[b]]))
            return float(self.model.predict_proba([seen])[0, 1])

        chance = {(a, b): sure(a, b) for a in near for b in near[a] if a < b}
        while chance and max(chance.values()) > least:
            a, b = max(chance, key=lambda pair: chance[pair])
            window = around([windows[a], windows[b]], by=0)
            ids[window][ids[window] == b] = a
            windows[a] = window
            near[a] = (near[a] | near.pop(b)) - {a, b}
            chance = {pair: p for pair, p in chance.items() if not {a, b} & {*pair}}
            for other in near[a]:
                near[other] = (near[other] - {b}) | {a}
                pair = (min(a, other), max(a, other))
                chance[pair] = sure(*pair)
        return np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int32)


def _true_id(found: npt.ArrayLike, truth: Labels) -> dict[int, int]:
    """The object that has most of each piece; a piece on the background has none."""
    table = overlap_table(truth, found)
    order = np.argsort(table.shared, kind="stable")  # the last of a piece has most of it
    pieces = table.prediction_ids[table.predictions[order]].tolist()
    return dict(zip(pieces, table.truth_ids[table.truths[order]].tolist(), strict=True))
