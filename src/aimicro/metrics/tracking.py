"""How far a tracking is from the truth: our films, handed to the package traccuracy.

Tracks are a graph: a node is a cell in one frame, an edge leads to the same cell, or to its
daughter, in a later frame. This module turns label images with a lineage, or points, into
such graphs, checks them, and gathers the scores of traccuracy. It comes with
``pip install traccuracy`` and is imported when the first score is asked for.
"""

import io
import math
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from aimicro import checks
from aimicro.metrics._checks import lengths_of
from aimicro.metrics._tracks import Images, Points, Rows, film, point_rows

_ERRORS = {
    "merged_cells": "ns_nodes",
    "missed_cells": "fn_nodes",
    "invented_cells": "fp_nodes",
    "redundant_links": "fp_edges",
    "missed_links": "fn_edges",
    "confused_links": "ws_edges",
}
_one_at_a_time = threading.Lock()  # warnings and stderr belong to all threads


class TrackingScores(NamedTuple):
    """All scores of a tracking; no single number says it all.

    Attributes
    ----------
    tra : float
        1 minus the cost of correcting all, relative to that of drawing the truth from nothing.
    det : float
        The same for cells alone.
    lnk : float
        The same for links alone.
    aogm : float
        Cost of correcting all: the errors below, times 5, 10, 1, 1, 1.5 and 1.
    merged_cells : int
        Predicted cells that cover two or more true ones, and have to be split.
    missed_cells : int
        True cells that no predicted one covers.
    invented_cells : int
        Predicted cells that cover no true one.
    redundant_links : int
        Predicted links between right cells that are to be removed.
    missed_links : int
        True links to be drawn, those of missed cells included.
    confused_links : int
        Links between the right cells that take a daughter for the same cell, or the reverse.
    division_precision : float
        Fraction of the predicted divisions that are right.
    division_recall : float
        Fraction of the true divisions that were found.
    division_f1 : float
        Harmonic mean of both. The Cell Tracking Challenge calls it branching correctness, BC [2]_.
    mitotic_branching_correctness : float
        Right divisions out of all that are right, invented, missed or with a wrong daughter: MBC,
        another number than BC [1]_. It is to division F1 as IoU is to Dice; but a division with a
        wrong daughter counts once here, and in F1 twice, as invented and as missed.
    track_purity : float
        Fraction of the predicted links that follow the true track which theirs follows longest.
    target_effectiveness : float
        Fraction of the true links that one and the same prediction follows, track by track.
    complete_tracks : float
        Fraction of the true tracks, from birth to division, without any error.
    complete_lineages : float
        Fraction of the true families, from the first ancestor on, without any error.
    chota : float
        Cell-specific higher order tracking accuracy: cells, with all that they descend from and all
        that descends from them, in one number.

    Notes
    -----
    Used in chapter 10, *Tracking*.

    References
    ----------
    .. [1] K. Ulicna, G. Vallardi, G. Charras, A. R. Lowe, "Automated deep lineage tree analysis
       using a Bayesian single cell tracking approach", Frontiers in Computer Science 3, 734559
       (2021). https://doi.org/10.3389/fcomp.2021.734559
    .. [2] V. Ulman et al., "An objective comparison of cell-tracking algorithms", Nature Methods
       14, 1141–1152 (2017). https://doi.org/10.1038/nmeth.4473
    """

    tra: float
    det: float
    lnk: float
    aogm: float
    merged_cells: int
    missed_cells: int
    invented_cells: int
    redundant_links: int
    missed_links: int
    confused_links: int
    division_precision: float
    division_recall: float
    division_f1: float
    mitotic_branching_correctness: float
    track_purity: float
    target_effectiveness: float
    complete_tracks: float
    complete_lineages: float
    chota: float

    def table(self) -> str:
        """Write the scores below each other.

        Returns
        -------
        str
            A line for each score: its name, and its value with three decimals.
        """
        return "\n".join(
            f"{name.replace('_', ' '):29}{value:9.3f}"
            if isinstance(value, float)
            else f"{name.replace('_', ' '):29}{value:5d}"
            for name, value in self._asdict().items()
        )


def score_tracking(
    truth: tuple[npt.ArrayLike, Iterable[Sequence[int]]],
    prediction: tuple[npt.ArrayLike, Iterable[Sequence[int]]],
    *,
    frame_tolerance: int = 0,
    empty: float = 1.0,
) -> TrackingScores:
    r"""Compare tracked label images with the truth.

    A predicted cell stands for a true one if it covers more than half of it. On the two graphs,

    .. math::

        \mathrm{AOGM} &= 5\,NS + 10\,FN + FP + ED + 1.5\,EA + EC \\
        \mathrm{TRA} &= 1 - \min(\mathrm{AOGM}, \mathrm{AOGM}_0) / \mathrm{AOGM}_0

    with cells to split (NS), to add (FN) and to remove (FP), and links to remove (ED), to add (EA)
    and to change (EC); :math:`\mathrm{AOGM}_0` is the cost of an empty prediction [1]_. DET counts
    cells alone, LNK links alone. The division scores follow [2]_, CHOTA follows [3]_.

    Parameters
    ----------
    truth : (array_like, rows)
        Label images of shape ``(T, [Z,] Y, X)``, whole numbers with 0 for background, and the
        lineage: a row ``label, begin, end, parent`` for each track, such as
        :class:`aimicro.simulate.films.Track`. Frames count from 0, `end` is inclusive, and parent
        is 0 where there is none.
    prediction : (array_like, rows)
        The same for the result; its labels have nothing to do with those of the truth.
    frame_tolerance : int, default 0
        Frames by which a division may come too early or too late and still be right. It changes
        the division scores alone.
    empty : float, default 1
        Score where truth and prediction both have nothing to be scored, such as no division.
        Where one of them has, and the score would be 0/0, it is 0.

    Returns
    -------
    TrackingScores
        Scores from 0 to 1, where 1 is perfect, and the errors behind them.

    Raises
    ------
    ImportError
        If traccuracy is missing.
    TypeError, ValueError
        If labels are no label images of one shape, if a lineage contradicts itself or its images,
        or if the truth has no cell.

    Notes
    -----
    Divisions and complete tracks need one cell for one cell: there a prediction that covers two
    true cells stands for neither. traccuracy expects two daughters: it takes a division into three
    for wrong, even where the prediction is the truth itself, and for right where one is left out.
    It counts a cell that covers three true ones as one to split, where others count two.

    A parent with one daughter is the same cell under a new label; so gaps can be bridged.

    Complete tracks are those of traccuracy, a fraction of the true ones; the CT of the Cell
    Tracking Challenge is an F1 score.

    Used in chapter 10, *Tracking*.

    References
    ----------
    .. [1] P. Matula et al., "Cell tracking accuracy measurement based on comparison of acyclic
       oriented graphs", PLoS ONE 10, e0144959 (2015). https://doi.org/10.1371/journal.pone.0144959
    .. [2] V. Ulman et al., "An objective comparison of cell-tracking algorithms", Nature Methods
       14, 1141–1152 (2017). https://doi.org/10.1038/nmeth.4473
    .. [3] T. Kaiser et al., "CHOTA: A higher order accuracy metric for cell tracking" (2024).
       https://arxiv.org/abs/2408.11571
    """
    _import()
    from traccuracy.matchers import CTCMatcher

    tolerance = _tolerance(frame_tolerance)
    pairs = [film("truth", truth), film("prediction", prediction)]
    (true_labels, _), (labels, _) = pairs
    if true_labels.shape != labels.shape:
        raise ValueError(
            f"Expected label images of one shape, got {true_labels.shape} and {labels.shape}. "
            "Crop both to the same frames and pixels."
        )
    true_graph, graph = (_label_graph(*pair) for pair in pairs)
    if true_graph.start_frame is None:
        raise ValueError("Expected a truth with cells in it, got an empty film. Check the labels.")
    # CTCMatcher takes the first image for the first frame with a true cell.
    true_graph.segmentation = true_labels[true_graph.start_frame :]
    graph.segmentation = labels[true_graph.start_frame :]
    return _scores(true_graph, graph, CTCMatcher(), tolerance, empty)


def score_points(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    max_distance: float,
    spacing: float | Sequence[float] | None = None,
    frame_tolerance: int = 0,
    empty: float = 1.0,
) -> TrackingScores:
    """Compare tracked points with the truth, where there is no segmentation.

    Points of one frame are matched one to one, so that the sum of their distances is smallest.

    Parameters
    ----------
    truth : array_like, (N, 5) or (N, 6)
        A row ``frame, track, parent, [z,] y, x`` for each cell in each frame, in any order: the
        number of its track, from 1 up, and that of its mother's, or 0.
    prediction : array_like, (M, 5) or (M, 6)
        The same for the result; its numbers have nothing to do with those of the truth.
    max_distance : float
        Farthest that a point may be from the true one, in the unit of the positions, or of
        `spacing` where that is given. Half the distance between neighbours is the most that makes
        sense.
    spacing : float or sequence of float, optional
        Size of a pixel along ``[z,] y, x``, by which the positions are multiplied.
    frame_tolerance : int, default 0
        As for :func:`score_tracking`.
    empty : float, default 1
        As for :func:`score_tracking`.

    Returns
    -------
    TrackingScores
        As from :func:`score_tracking`; no cell is merged where points are matched.

    Raises
    ------
    ImportError
        If traccuracy is missing.
    TypeError, ValueError
        If a table is no such table, or the truth has no row.

    Notes
    -----
    A track may miss a frame; the link then leads across it, and is right if the truth has the
    same one.

    Used in chapter 10, *Tracking*.
    """
    _import()
    from traccuracy.matchers import PointMatcher

    true_points, points = point_rows("truth", truth), point_rows("prediction", prediction)
    if not len(true_points):
        raise ValueError("Expected a truth with cells in it, got no row. Check the table.")
    if true_points.shape[1] != points.shape[1]:
        raise ValueError(
            f"Expected positions along the same axes, got {true_points.shape[1] - 3} and "
            f"{points.shape[1] - 3}. Leave out z in both, or in none."
        )
    hint = "Give about half the distance between neighbours."
    most = checks.number("max_distance", max_distance, above=0, hint=hint)
    tolerance = _tolerance(frame_tolerance)
    sizes = lengths_of(spacing, points.shape[1] - 3)
    # Scaled here: PointMatcher's own scale fails where a frame has no true point.
    for table in (true_points, points):
        table[:, 3:] *= sizes
    _shorten_gaps(true_points, points, tolerance + 2)
    true_graph, graph = _point_graph(true_points), _point_graph(points)
    return _scores(true_graph, graph, PointMatcher(most), tolerance, empty)


def tracking_graph(labels: npt.ArrayLike, lineage: Iterable[Sequence[int]]) -> Any:
    """Turn tracked label images into a graph of traccuracy, for scores that are not here.

    Parameters
    ----------
    labels : array_like, (T, [Z,] Y, X)
        Label images, whole numbers with 0 for background.
    lineage : iterable of sequence of int
        A row ``label, begin, end, parent`` for each track, as for :func:`score_tracking`.

    Returns
    -------
    traccuracy.TrackingGraph
        A node for each cell in each frame, with its label, box and frame ``t``.

    Raises
    ------
    ImportError
        If traccuracy is missing.
    TypeError, ValueError
        If the labels are none, or the lineage contradicts itself or them.

    Notes
    -----
    Used in chapter 10, *Tracking*.
    """
    _import()
    return _label_graph(*film("film", (labels, lineage)))


def _tolerance(frame_tolerance: int) -> int:
    """Whole frames, or a clear error."""
    hint = "Give 0 for divisions that are right to the frame."
    return checks.whole("frame_tolerance", frame_tolerance, low=0, hint=hint)


def _shorten_gaps(truth: Points, prediction: Points, longest: int) -> None:
    """Number the frames anew where none has a point for long: traccuracy walks through them all."""
    frames = np.unique(np.concatenate([truth[:, 0], prediction[:, 0]]))
    steps = np.minimum(np.diff(frames), longest)
    numbers = frames[0] + np.concatenate([[0], steps.cumsum()])
    for table in (truth, prediction):
        table[:, 0] = numbers[np.searchsorted(frames, table[:, 0])]


def _import() -> None:
    """An error that tells what to install, if traccuracy is missing."""
    try:
        import traccuracy  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Expected the package traccuracy, got none. Install it with: pip install traccuracy"
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep back the progress bars of traccuracy, and its warnings about what we do on purpose."""
    with _one_at_a_time, warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", category=UserWarning, module="traccuracy")
        yield


def _scores(
    truth: Any, prediction: Any, matcher: Any, tolerance: int, empty: float
) -> TrackingScores:
    """Gather what traccuracy says."""
    ctc, overlap, chota, division, complete = _asked(truth, prediction, matcher, tolerance)
    links = bool(truth.edges or prediction.edges)
    divisions = division["Total GT Divisions"] + division["Total Predicted Divisions"]

    def known(value: float, anything: bool) -> float:
        """The value, or what it is where traccuracy has none."""
        return float(value) if not math.isnan(value) else 0.0 if anything else empty

    right = division["True Positive Divisions"]
    wrong = division["False Positive Divisions"]
    # Computed here: traccuracy 0.4.3 gives the value without tolerance for every tolerance.
    either = division["Total GT Divisions"] + wrong
    return TrackingScores(
        tra=float(ctc["TRA"]),
        det=float(ctc["DET"]),
        lnk=known(ctc["LNK"], links),
        aogm=float(ctc["AOGM"]),
        **{ours: int(ctc[theirs]) for ours, theirs in _ERRORS.items()},
        division_precision=known(division["Division Precision"], divisions > 0),
        division_recall=known(division["Division Recall"], divisions > 0),
        division_f1=known(division["Division F1"], divisions > 0),
        mitotic_branching_correctness=right / either if either else empty,
        track_purity=known(overlap["track_purity"], links),
        target_effectiveness=known(overlap["target_effectiveness"], links),
        complete_tracks=float(complete["complete_tracklets"]),
        complete_lineages=float(complete["complete_lineages"]),
        chota=float(chota["CHOTA"]),
    )


def _asked(truth: Any, prediction: Any, matcher: Any, tolerance: int) -> tuple[Any, ...]:
    """Ask traccuracy for everything."""
    from traccuracy import metrics
    from traccuracy.matchers import Matched

    with _quietly():
        matched = matcher.compute_mapping(truth, prediction)
        of_two = {node for node, covered in matched.pred_gt_map.items() if len(covered) > 1}
        pairs = [pair for pair in matched.mapping if pair[1] not in of_two]
        single = Matched(truth, prediction, pairs, {"matching type": "one-to-one"})
        ctc = metrics.CTCMetrics().compute(matched).results
        overlap = metrics.TrackOverlapMetrics().compute(matched).results
        chota = metrics.CHOTAMetric().compute(matched).results
        divisions = metrics.DivisionMetrics(tolerance).compute(single).results
        complete = metrics.CompleteTracks().compute(single).results
    return ctc, overlap, chota, divisions[f"Frame Buffer {tolerance}"], complete


def _label_graph(labels: Images, lineage: Rows) -> Any:
    """Nodes for all labels in all frames, edges along tracks and from mothers to daughters."""
    from networkx import DiGraph
    from traccuracy import TrackingGraph

    graph: DiGraph[int] = DiGraph()
    node_of: dict[tuple[int, int], int] = {}
    for frame, image in enumerate(labels):
        present, index = np.unique(image, return_inverse=True)
        if present.size and present[0] != 0:  # a frame without background
            present, index = np.insert(present, 0, 0), index + 1
        boxes = find_objects(index.reshape(image.shape))
        for label, box in zip(present[1:].tolist(), boxes, strict=True):
            node_of[label, frame] = len(node_of) + 1
            corners = [side.start for side in box] + [side.stop for side in box]
            graph.add_node(len(node_of), t=frame, segmentation_id=label, bbox=corners)
    end_of = {int(label): int(end) for label, _, end, _ in lineage}
    for label, begin, end, parent in lineage.tolist():
        if parent:
            graph.add_edge(node_of[parent, end_of[parent]], node_of[label, begin])
        for frame in range(begin, end):
            graph.add_edge(node_of[label, frame], node_of[label, frame + 1])
    return TrackingGraph(graph, labels)


def _point_graph(points: Points) -> Any:
    """Nodes for all rows, edges along tracks and from mothers to daughters."""
    from networkx import DiGraph
    from traccuracy import TrackingGraph

    graph: DiGraph[int] = DiGraph()
    last_of: dict[int, int] = {}
    for node, (frame, track, parent, *position) in enumerate(points.tolist(), start=1):
        graph.add_node(node, t=int(frame), position=position)
        before = last_of.get(int(track)) or last_of.get(int(parent))
        if before:
            graph.add_edge(before, node)
        last_of[int(track)] = node
    return TrackingGraph(graph, location_keys="position")
