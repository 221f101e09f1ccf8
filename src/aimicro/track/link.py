"""A simple tracker: cells of one frame are linked to those of the next, and so on.

Nothing is learned and nothing is undone, so that it can be read in five minutes, and so that the
scores of :mod:`aimicro.metrics.tracking` have something to score.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import center_of_mass
from scipy.optimize import linear_sum_assignment

from aimicro import checks
from aimicro.simulate.films import Track

_Matrix = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.int32]
_Index = npt.NDArray[np.intp]

_MIN_OVERLAP = 0.3


class _Links(NamedTuple):
    """Where the cells of a frame come from, both as numbers within their frame."""

    same: dict[int, int]
    """The cell that it was in the frame before."""
    mother: dict[int, int]
    """Her mother, of a cell that is the second daughter."""


def link(
    labels: npt.ArrayLike,
    *,
    method: Literal["overlap", "distance"] = "overlap",
    min_overlap: float | None = None,
    max_distance: float | None = None,
    spacing: float | Sequence[float] | None = None,
    divisions: bool = True,
) -> tuple[_Numbers, list[Track]]:
    r"""Follow segmented cells from frame to frame.

    Each cell is linked to one cell of the next frame at most, so that the sum over all links of

    .. math:: \frac{|A_t \cap B_{t+1}|}{|B_{t+1}|} - o_\min
              \quad\text{or}\quad d_\max - |a_t - b_{t+1}|

    is largest, and none is below 0. With "overlap", what counts is the fraction of the later cell
    that lies in the earlier one; with "distance", how near their centres are. A cell that is left
    over is the second daughter of a cell that has been linked, if enough of it lies in that cell,
    or if the middle between both daughters is within half of `max_distance` of the mother.

    Parameters
    ----------
    labels : array_like, (T, [Z,] Y, X)
        Label images, whole numbers with 0 for background. The labels of one frame have nothing
        to do with those of the next.
    method : {"overlap", "distance"}
        What makes two cells the same one.
    min_overlap : float, optional
        With "overlap": :math:`o_\min`, the fraction of a cell that has to lie in the earlier one,
        above 0 and up to 1; 0.3 by default.
    max_distance : float, optional
        With "distance", and needed there: :math:`d_\max`, the farthest that a centre moves from
        frame to frame, in pixels, or in the unit of `spacing`.
    spacing : float or sequence of float, optional
        With "distance": size of a pixel along ``[z,] y, x``.
    divisions : bool, default True
        Whether cells can divide.

    Returns
    -------
    labels : numpy.ndarray of int32
        Label images of the same shape, in which a label is one track over time.
    lineage : list of Track
        All tracks, in the order of their labels ``1, 2, …``.

    Raises
    ------
    TypeError, ValueError
        If the labels are no film of label images, a setting is out of its range, or belongs to the
        other method.

    Notes
    -----
    Used in chapter 10, *Tracking*.

    Examples
    --------
    >>> film = np.zeros((3, 1, 8), np.int32)
    >>> film[0, 0, 2:6] = 7
    >>> film[1:, 0, 1:4], film[1:, 0, 4:7] = 1, 2
    >>> [tuple(track) for track in link(film)[1]]
    [(1, 0, 0, 0), (2, 1, 2, 1), (3, 1, 2, 1)]
    """
    images = checks.labels(
        "labels", labels, ndim=(3, 4), film=True, hint="Stack the frames along the first axis."
    )
    given = {"min_overlap": min_overlap, "max_distance": max_distance, "spacing": spacing}
    _check_method(method, given)
    frames = [np.unique(image, return_inverse=True) for image in images]
    # Without background in a frame, its first id is none that may be left out.
    index = [which.reshape(images.shape[1:]) + int(ids[:1].any()) for ids, which in frames]
    counts = [int(which.max()) for which in index]
    if method == "overlap":
        least = _least(min_overlap)
        links = [_by_overlap(*pair, least, divisions) for pair in itertools.pairwise(index)]
    else:
        limit, scale = _limit(max_distance), _scale(spacing, images.ndim - 1)
        centres = [_centres(*frame) * scale for frame in zip(index, counts, strict=True)]
        links = [_by_distance(*pair, limit, divisions) for pair in itertools.pairwise(centres)]
    numbers, lineage = _follow(counts, links)
    tracked = [np.insert(row, 0, 0)[which] for row, which in zip(numbers, index, strict=True)]
    return np.stack(tracked), lineage


def link_points(
    points: npt.ArrayLike,
    *,
    max_distance: float,
    spacing: float | Sequence[float] | None = None,
    divisions: bool = True,
) -> _Matrix:
    """Follow points from frame to frame, by distance as :func:`link` does.

    Parameters
    ----------
    points : array_like, (N, 3) or (N, 4)
        A row ``frame, [z,] y, x`` for each cell in each frame, in any order.
    max_distance : float
        Farthest that a point moves from frame to frame, in the unit of the positions, or of
        `spacing`.
    spacing : float or sequence of float, optional
        Size of a pixel along ``[z,] y, x``.
    divisions : bool, default True
        Whether cells can divide.

    Returns
    -------
    numpy.ndarray
        ``(N, 5)`` or ``(N, 6)``: rows ``frame, track, parent, [z,] y, x``, sorted by frame, as
        :func:`aimicro.metrics.score_points` takes them. Parent is 0 where there is none.

    Raises
    ------
    ValueError
        If the table is no such table, or a setting is out of its range.

    Notes
    -----
    Used in chapter 10, *Tracking*.

    Examples
    --------
    >>> link_points([[0, 5, 5], [1, 5, 4], [1, 5, 7]], max_distance=3)[:, :3].astype(int)
    array([[0, 1, 0],
           [1, 2, 1],
           [1, 3, 1]])
    """
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] not in (3, 4) or not np.isfinite(table).all():
        raise ValueError(
            f"Expected finite rows of frame, [z,] y, x, got shape {table.shape}. Give an array "
            "with 3 or 4 columns and leave out rows without a position."
        )
    if len(table) and (table[:, 0].min() < 0 or (table[:, 0] % 1).any()):
        raise ValueError(
            f"Expected whole frames from 0 up, got {table[:, 0].min():g} as the first. "
            "Frames stand in the first column."
        )
    limit, scale = _limit(max_distance), _scale(spacing, table.shape[1] - 1)
    table = table[np.argsort(table[:, 0], kind="stable")]
    # Only the frames that are there: what follows an empty one has nothing to be linked to.
    frames, starts = np.unique(table[:, 0], return_index=True)
    positions = np.split(table[:, 1:] * scale, starts[1:])
    links = [
        _by_distance(*pair, limit, divisions) if step == 1 else _Links({}, {})
        for pair, step in zip(itertools.pairwise(positions), np.diff(frames), strict=True)
    ]
    numbers, lineage = _follow([len(rows) for rows in positions], links)
    tracks = np.concatenate([np.zeros(0, np.int32), *numbers])
    parents = np.array([0, *(track.parent for track in lineage)])[tracks]
    return np.column_stack([table[:, 0], tracks, parents, table[:, 1:]])


def _by_overlap(before: _Index, after: _Index, least: float, divisions: bool) -> _Links:
    """Links to the cells of the next frame that lie where the cells of this one do."""
    shape = int(before.max()) + 1, int(after.max()) + 1
    shared = np.bincount((before * shape[1] + after).ravel(), minlength=shape[0] * shape[1])
    table = shared.reshape(shape)
    gain = (table / np.maximum(table.sum(axis=0), 1))[1:, 1:] - least
    same = _best(gain)
    mothers, left = list(same.values()), _left_over(same, gain.shape[1], divisions)
    return _Links(same, _second(gain[np.ix_(mothers, left)], mothers, left))


def _by_distance(before: _Matrix, after: _Matrix, most: float, divisions: bool) -> _Links:
    """Links to the cells of the next frame whose centres are near."""
    same = _best(most - np.linalg.norm(before[:, None] - after, axis=-1))
    mothers, left = list(same.values()), _left_over(same, len(after), divisions)
    middle = (after[list(same), None] + after[left]) / 2
    gain = most / 2 - np.linalg.norm(before[mothers, None] - middle, axis=-1)
    return _Links(same, _second(gain, mothers, left))


def _best(gain: _Matrix) -> dict[int, int]:
    """Link rows to columns one to one, with the largest sum of gains; from column to row."""
    rows, columns = linear_sum_assignment(np.maximum(gain, 0), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {column: row for row, column in pairs if gain[row, column] >= 0}


def _left_over(same: dict[int, int], count: int, divisions: bool) -> list[int]:
    """Cells that no link leads to and that could be daughters."""
    return [cell for cell in range(count) if cell not in same] if divisions else []


def _second(gain: _Matrix, mothers: list[int], left: list[int]) -> dict[int, int]:
    """Give cells that are left over to mothers, one to each at most."""
    return {left[column]: mothers[row] for column, row in _best(gain).items()}


def _follow(counts: list[int], links: list[_Links]) -> tuple[list[_Numbers], list[Track]]:
    """Number the tracks: a row for each frame with the track of each of its cells."""
    lineage: list[Track] = []
    numbers: list[_Numbers] = []
    for frame, (count, (same, mother)) in enumerate(
        zip(counts, [_Links({}, {}), *links], strict=True)
    ):
        dividing = set(mother.values())
        row = np.zeros(count, np.int32)
        for cell in range(count):
            earlier = same.get(cell, mother.get(cell))
            track = 0 if earlier is None else int(numbers[-1][earlier])
            if track and earlier not in dividing:
                lineage[track - 1] = lineage[track - 1]._replace(end=frame)
                row[cell] = track
            else:
                row[cell] = len(lineage) + 1
                lineage.append(Track(len(lineage) + 1, frame, frame, track))
        numbers.append(row)
    return numbers, lineage


def _centres(index: _Index, count: int) -> _Matrix:
    """Centre of each cell of a frame, in pixels."""
    found = center_of_mass(index > 0, index, range(1, count + 1))
    return np.reshape(np.asarray(found, dtype=np.float64), (count, index.ndim))


def _check_method(method: str, given: dict[str, Any]) -> None:
    """An error for an unknown method, and for a setting that it would ignore."""
    settings = {"overlap": ["min_overlap"], "distance": ["max_distance", "spacing"]}
    own = settings[checks.one_of("method", method, settings)]
    for name, value in given.items():
        if value is not None and name not in own:
            other = next(one for one, names in settings.items() if name in names)
            raise ValueError(
                f"Expected no {name} with the method {method!r}, which has no use for it, got "
                f"{value!r}. Leave it out, or give method={other!r}."
            )


def _least(min_overlap: float | None) -> float:
    """The smallest overlap, or a clear error."""
    if min_overlap is None:
        return _MIN_OVERLAP
    hint = "Give the smallest fraction of a cell that lies in the earlier one, for example 0.3."
    return checks.number("min_overlap", min_overlap, above=0, high=1, hint=hint)


def _limit(max_distance: float | None) -> float:
    """The largest distance, or a clear error."""
    hint = "Give the farthest that a cell moves from one frame to the next."
    if max_distance is None:
        raise ValueError(f"Expected max_distance above 0, got None. {hint}")
    return checks.number("max_distance", max_distance, above=0, hint=hint)


def _scale(spacing: float | Sequence[float] | None, ndim: int) -> _Matrix:
    """Length of a pixel along each axis, or a clear error."""
    hint = "Give the size of a pixel along each axis, for example (0.3, 0.1, 0.1) in µm."
    return np.array(checks.per_axis("spacing", 1 if spacing is None else spacing, ndim, hint=hint))
