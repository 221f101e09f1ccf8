"""A person who knows the truth, and uses the tools of a labelling lab as everybody does.

Used in chapter 9, *A labelling lab*.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from skimage.measure import find_contours

from aimicro import checks
from aimicro.lab.edits import Labels, Mask
from aimicro.lab.lab import LabellingLab
from aimicro.metrics import match
from aimicro.metrics.overlap_table import overlap_table

Stroke = npt.NDArray[np.floating[Any]]


def mend(lab: LabellingLab, truth: npt.ArrayLike, *, threshold: float = 0.7) -> None:
    """Correct the field that is shown until it agrees with the truth.

    First what swallowed several truths is cut by straight strokes, then the pieces of a truth are
    joined. What still overlaps with its truth by less than `threshold` is removed, and drawn along
    the true outline. All of it is done with the tools of the lab, which counts.

    Parameters
    ----------
    lab : LabellingLab
        The lab.
    truth : array_like of int, (Y, X)
        The true labels of the field.
    threshold : float, default 0.7
        Intersection over union from which an outline is good enough; from 0.5 to 1.

    Raises
    ------
    TypeError, ValueError
        As for `aimicro.metrics.match`, and if `threshold` is out of its range.

    See Also
    --------
    aimicro.metrics.corrections : Counts without tools.
    aimicro.simulate.annotate : Makes the truth of somebody whose hand trembles.

    Notes
    -----
    Where a straight stroke cannot cut, or pieces lie too far apart, the object is redrawn.

    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> truth = np.zeros((12, 20), int)
    >>> truth[2:10, 2:10], truth[2:10, 10:18] = 1, 2
    >>> lab = LabellingLab([truth], lambda image: (image > 0).astype(int), lambda *seen: None)
    >>> mend(lab, truth)
    >>> lab.effort.total, lab.effort.cut
    (1, 1)
    """
    hint = "Below one half an object could do for two."
    enough = checks.number("threshold", threshold, low=0.5, high=1, hint=hint)
    true = checks.labels("truth", truth, ndim=2).astype(np.int32)
    match(true, lab.labels)  # refuses another shape before anything is done
    _cut(lab, true)
    _join(lab, true)
    found = match(true, lab.labels, threshold=enough)
    for number in found.invented:
        lab.remove(_inside(lab.labels == number))
    for number in found.missed:
        with suppress(ValueError):  # somebody else has every pixel of it
            lab.add(_around(true == number))


def _cut(lab: LabellingLab, truth: Labels) -> None:
    """Cut one truth after another off what swallowed several."""
    hopeless: set[int] = set()
    while True:
        table = overlap_table(truth, lab.labels)
        held = table.scores("iot") > 0.5
        owners, counts = np.unique(table.predictions[held], return_counts=True)
        ids = [int(table.prediction_ids[k]) for k in owners[counts > 1]]
        todo = [number for number in ids if number not in hopeless]
        if not todo:
            return
        inside = table.prediction_ids[table.predictions] == todo[0]
        parts = table.truth_ids[table.truths[held & inside]]
        strokes = _between(lab.labels == todo[0], truth, parts)
        if not any(_works(partial(lab.cut, stroke)) for stroke in strokes):
            hopeless.add(todo[0])


def _join(lab: LabellingLab, truth: Labels) -> None:
    """Join the pieces of each truth, those that lie close together."""
    table = overlap_table(truth, lab.labels)
    mostly = table.scores("iop") > 0.5
    for owner in np.unique(table.truths[mostly]):
        mine = table.prediction_ids[table.predictions[mostly & (table.truths == owner)]]
        places = [_inside(lab.labels == number) for number in mine]
        joined, left = places[:1], places[1:]
        while left:
            near = [at for at in left if _works(partial(lab.join, joined[0], at))]
            if not near:
                break
            left = [place for place in left if place not in near]


def _works(tool: Callable[[], None]) -> bool:
    """Whether a tool did what it was asked to."""
    try:
        tool()
    except ValueError:
        return False
    return True


def _between(area: Mask, truth: Labels, parts: npt.NDArray[np.integer]) -> list[Stroke]:
    """Straight strokes through an area, each parting one truth from the others; best first."""
    seeds = area & np.isin(truth, parts)
    nearest = distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    share = np.where(area, truth[tuple(nearest)], 0)
    strokes = []
    for part in parts:
        one, others = share == part, (share > 0) & (share != part)
        near = one & (distance_transform_edt(~others) < 1.5)
        near |= others & (distance_transform_edt(~one) < 1.5)
        border = np.argwhere(near) + 0.5
        if len(border) > 1:
            strokes.append((_straightness(border), _through(area, border)))
    return [stroke for _, stroke in sorted(strokes, key=lambda pair: -pair[0])]


def _straightness(border: Stroke) -> float:
    spread = np.linalg.svd(border - border.mean(axis=0), compute_uv=False)
    return float(spread[0] / (spread[1] + 1))


def _through(area: Mask, border: Stroke) -> Stroke:
    """The straight line along a border, to where it leaves the area on both sides."""
    middle = border.mean(axis=0)
    along = np.linalg.svd(border - middle)[2][0]
    ends = []
    for way in (-along, along):
        steps = middle + np.outer(np.arange(0, sum(area.shape), 0.5), way)
        rows, columns = np.floor(steps).astype(int).T
        within = (rows >= 0) & (rows < area.shape[0]) & (columns >= 0) & (columns < area.shape[1])
        outside = ~within
        outside[within] = ~area[rows[within], columns[within]]
        # The middle may lie outside of a bent area: leave only what is behind the border.
        outside[: int(np.abs((border - middle) @ along).max()) * 2] = False
        ends.append(steps[min(int(np.argmax(outside)) + 1, len(steps) - 1)])
    return np.array(ends)


def _inside(area: Mask) -> tuple[float, float]:
    """The middle of the pixel that is deepest in an area."""
    depth = distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), area.shape)
    return float(y) + 0.5, float(x) + 0.5


def _around(area: Mask) -> Stroke:
    """The outline of an area: of its longest part."""
    lines = find_contours(np.pad(area, 1).astype(float), 0.5)
    return np.asarray(max(lines, key=len)[:-1] - 0.5)
