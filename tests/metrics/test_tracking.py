"""Graphs small enough to count the errors by hand, and the equations written down anew."""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from aimicro.metrics import TrackingScores, score_points, score_tracking, tracking_graph
from aimicro.simulate.films import Film, dividing_cells
from aimicro.track import link

PARTS = [name for name in TrackingScores._fields if not name.endswith(("_cells", "_links"))]
PARTS.remove("aogm")

pytestmark = pytest.mark.usefixtures("traccuracy")


def row(*frames: str) -> np.ndarray:
    """Frames of one row each, a character a pixel, three pixels wide: row("a.b", "a.b")."""
    letters = [[0 if letter == "." else ord(letter) - 96 for letter in frame] for frame in frames]
    return np.repeat(np.array(letters, np.int32), 3, axis=1)[:, None, :]


# A mother (1) and her daughters (2 and 3), three frames of each: 9 cells, 8 links.
FAMILY = row(".aa.", ".aa.", ".aa.", "bbcc", "bbcc", "bbcc")
LINEAGE = [(1, 0, 2, 0), (2, 3, 5, 1), (3, 3, 5, 1)]
COST_OF_ALL = 9 * 10 + 8 * 1.5


@pytest.fixture(scope="module")
def film() -> Film:
    return dividing_cells(16, (96, 96), n=8, division_time_min=150, rng=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("axes", [3, 4])
def test_the_truth_is_perfect_under_any_labels(dtype, axes):
    labels, lineage = FAMILY, LINEAGE
    if axes == 4:
        labels = np.stack([labels, labels], axis=1)
    other = np.array([0, 200, 7, 31], dtype)
    renamed = [(other[a], begin, end, other[p]) for a, begin, end, p in lineage]
    scores = score_tracking((labels, lineage), (other[labels], renamed[::-1]))
    assert scores.aogm == 0
    assert [getattr(scores, name) for name in PARTS] == [1.0] * len(PARTS)


ERRORS = {
    # Each: prediction, errors by hand, AOGM, and what is left of the three scores.
    "a missing link": (
        (FAMILY + 3 * (FAMILY == 2) * (np.arange(6) > 4)[:, None, None],
         [(1, 0, 2, 0), (2, 3, 4, 1), (3, 3, 5, 1), (5, 5, 5, 0)]),
        {"missed_links": 1}, 1.5, (0, 1.5),
    ),
    "a cell that covers two": (
        (row(".aa.", ".aa.", ".aa.", "dddd", "bbcc", "bbcc"),
         [(1, 0, 2, 0), (4, 3, 3, 1), (2, 4, 5, 4), (3, 4, 5, 4)]),
        {"merged_cells": 1, "missed_links": 4}, 11, (5, 6),
    ),
    "a missed cell": (
        (row(".aa.", ".aa.", ".aa.", "bbcc", "bbcc", "..cc"),
         [(1, 0, 2, 0), (2, 3, 4, 1), (3, 3, 5, 1)]),
        {"missed_cells": 1, "missed_links": 1}, 11.5, (10, 1.5),
    ),
    "a cell from nowhere": (
        (row("daa.", ".aa.", ".aa.", "bbcc", "bbcc", "bbcc"), [*LINEAGE, (4, 0, 0, 0)]),
        {"invented_cells": 1}, 1, (1, 0),
    ),
    "a division not seen": (
        (row(".aa.", ".aa.", ".aa.", "aacc", "aacc", "aacc"), [(1, 0, 5, 0), (3, 3, 5, 0)]),
        {"missed_links": 1, "confused_links": 1}, 2.5, (0, 2.5),
    ),
    "daughters that change places": (
        (row(".aa.", ".aa.", ".aa.", "bbcc", "ccbb", "ccbb"), LINEAGE),
        {"redundant_links": 2, "missed_links": 2}, 5, (0, 5),
    ),
    "a new name for the same cell": (
        (row(".aa.", ".dd.", ".dd.", "bbcc", "bbcc", "bbcc"),
         [(1, 0, 0, 0), (4, 1, 2, 1), (2, 3, 5, 4), (3, 3, 5, 4)]),
        {}, 0, (0, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
def test_errors_cost_what_they_cost(error):
    prediction, counts, aogm, (cells, links) = ERRORS[error]
    scores = score_tracking((FAMILY, LINEAGE), prediction)
    found = {name: n for name, n in scores._asdict().items() if name.endswith(("cells", "links"))}
    assert {name: n for name, n in found.items() if n} == counts
    assert scores.aogm == aogm
    assert scores.tra == pytest.approx(1 - aogm / COST_OF_ALL, abs=1e-12)
    assert scores.det == pytest.approx(1 - cells / 90, abs=1e-12)
    assert scores.lnk == pytest.approx(1 - links / 12, abs=1e-12)


def aogm_by_the_equations(truth, prediction):
    """Errors of two label films, counted with sets and nothing else."""

    def graph(labels, lineage):
        cells = {(t, k) for k, begin, end, _ in lineage for t in range(begin, end + 1)}
        end_of = {k: end for k, _, end, _ in lineage}
        mothers = [p for *_, p in lineage]
        edges = {((t, k), (t + 1, k)): False for t, k in cells if t < end_of[k]}
        for k, begin, _, p in lineage:
            if p:
                edges[(end_of[p], p), (begin, k)] = mothers.count(p) > 1
        return cells, edges

    cells, edges = graph(*truth)
    found, found_edges = graph(*prediction)
    covers = {cell: [] for cell in found}
    for t, k in cells:
        inside = truth[0][t] == k
        sizes = np.bincount(prediction[0][t][inside])
        for label in np.flatnonzero(sizes > inside.sum() / 2).tolist():
            if label:
                covers[t, label].append((t, k))
    of = {cell: true[0] for cell, true in covers.items() if len(true) == 1}
    drawn = {(of[a], of[b]): kind for (a, b), kind in found_edges.items() if {a, b} <= set(of)}
    return (
        5 * sum(len(true) > 1 for true in covers.values())
        + 10 * (len(cells) - sum(map(len, covers.values())))
        + sum(not true for true in covers.values())
        + len(drawn.keys() - edges.keys())
        + 1.5 * len(edges.keys() - drawn.keys())
        + sum(edges[edge] != drawn[edge] for edge in edges.keys() & drawn.keys())
    )


@pytest.mark.parametrize("seed", range(4))
def test_aogm_is_that_of_the_equations(film, seed):
    rng = np.random.default_rng(seed)
    spoilt = film.labels.copy()
    for frame in spoilt:
        frame[frame == rng.choice(frame[frame > 0])] = 0  # missed
        frame[frame == rng.choice(frame[frame > 0])] = rng.choice(frame[frame > 0])  # merged
        y, x = rng.integers(0, 90, 2)
        frame[y : y + 6, x : x + 6] = 250  # invented
    prediction = link(spoilt, min_overlap=0.6)
    truth = film.labels, film.lineage
    expected = aogm_by_the_equations(truth, prediction)
    assert expected > 100
    assert score_tracking(truth, prediction).aogm == expected


RECORDED = json.loads(
    Path(__file__).with_name("recorded").joinpath("tracking.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", range(len(RECORDED["cases"])))
def test_scores_are_those_of_the_cell_tracking_challenge(case):
    """By py-ctcmetrics: counts, AOGM, TRA, DET, LNK, CHOTA, and branching correctness BC(i)."""
    recorded = RECORDED["cases"][case]
    truth, prediction = (
        (np.array([[RECORDED["letters"].index(k) for k in frame] for frame in film["frames"]])[
            :, None
        ], film["lineage"])
        for film in (recorded["truth"], recorded["prediction"])
    )  # fmt: skip
    results = [score_tracking(truth, prediction, frame_tolerance=i) for i in (0, 1)]
    ours = results[0]._asdict()
    ours |= {f"division_f1 {i}": scores.division_f1 for i, scores in enumerate(results)}
    for name, value in recorded["scores"].items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_a_track_cut_in_the_middle():
    """Scores of tracks by hand: 4 cells in one track, found as 2 and 2."""
    truth = row("a", "a", "a", "a"), [(1, 0, 3, 0)]
    halves = row("a", "a", "b", "b"), [(1, 0, 1, 0), (2, 2, 3, 0)]
    scores = score_tracking(truth, halves)
    assert scores.track_purity == 1  # both links follow the one track
    assert scores.target_effectiveness == pytest.approx(1 / 3)  # one link of three is held
    assert scores.chota == pytest.approx(math.sqrt(2 / 4))  # each cell meets half of its track
    assert (scores.complete_tracks, scores.complete_lineages) == (0, 0)


def test_complete_tracks_and_lineages():
    labels = np.concatenate([FAMILY, row(*["...."] * 6), 4 * (FAMILY > 0)], axis=2)
    cut = labels.copy()
    cut[5][cut[5] == 4] = 9
    scores = score_tracking(
        (labels, [*LINEAGE, (4, 0, 5, 0)]), (cut, [*LINEAGE, (4, 0, 4, 0), (9, 5, 5, 0)])
    )
    assert scores.complete_tracks == 3 / 4
    assert scores.complete_lineages == 1 / 2


def test_a_cell_that_covers_two_completes_none_of_them():
    truth = row("aa.bb", "aa.bb", "aa.bb"), [(1, 0, 2, 0), (2, 0, 2, 0)]
    scores = score_tracking(truth, (row("ccccc", "ccccc", "ccccc"), [(3, 0, 2, 0)]))
    assert scores.merged_cells == 3
    assert (scores.complete_tracks, scores.complete_lineages) == (0, 0)


@pytest.mark.parametrize("early", [True, False])
def test_divisions_may_come_a_frame_early_or_late(early):
    # One daughter is missed in her first frame, so that her sister passes for the mother.
    late = row(".aa.", ".aa.", ".aa.", "aa..", "bbcc", "bbcc")
    tracks = [(1, 0, 3, 0), (3, 4, 5, 1), (2, 4, 5, 1)]
    pair = [(FAMILY, LINEAGE), (late, tracks)]
    if early:
        pair.reverse()
    exact, tolerant = (score_tracking(*pair, frame_tolerance=n) for n in (0, 1))
    assert exact.division_f1 == exact.mitotic_branching_correctness == 0
    assert tolerant.division_precision == tolerant.division_recall == tolerant.division_f1 == 1
    assert tolerant.mitotic_branching_correctness == 1
    assert exact._replace(
        division_precision=1, division_recall=1, division_f1=1, mitotic_branching_correctness=1
    ) == tolerant  # fmt: skip


def test_precision_and_recall_of_divisions(film):
    truth = film.labels, film.lineage
    n = len(film.divisions)
    assert n >= 3
    first = film.divisions[0]
    orphans = [t._replace(parent=0) if t.parent == first.mother else t for t in film.lineage]
    scores = score_tracking(truth, (film.labels, orphans))
    assert (scores.division_precision, scores.division_recall) == (1, (n - 1) / n)
    assert scores.division_f1 == pytest.approx(2 * (n - 1) / (2 * n - 1))
    assert scores.mitotic_branching_correctness == (n - 1) / n
    f1 = scores.division_f1  # as IoU to Dice, where no daughter is wrong
    assert scores.mitotic_branching_correctness == pytest.approx(f1 / (2 - f1))
    swapped = score_tracking((film.labels, orphans), truth)
    assert (swapped.division_precision, swapped.division_recall) == ((n - 1) / n, 1)


def test_three_daughters_are_wrong_and_two_of_them_right():
    """As the docstring warns; when this fails, traccuracy has learned to count to three."""
    triplets = row(".a.", "bcd"), [(1, 0, 0, 0), (2, 1, 1, 1), (3, 1, 1, 1), (4, 1, 1, 1)]
    scores = score_tracking(triplets, triplets)
    assert scores.division_f1 == 0
    assert scores.tra == scores.complete_lineages == 1
    without_one = triplets[0], [*triplets[1][:3], (4, 1, 1, 0)]
    assert score_tracking(triplets, without_one).division_f1 == 1


def test_frames_without_cells_at_the_start():
    """The matcher takes the first image for the first frame with a cell, unless told."""
    labels = row("....", "....", "a...", ".a..", "..a.", "....")
    assert score_tracking((labels, [(1, 2, 4, 0)]), (labels, [(1, 2, 4, 0)])).tra == 1
    before = row("a...", ".a..", "..a.", "....", "....", "....")
    scores = score_tracking((labels, [(1, 2, 4, 0)]), (before, [(1, 0, 2, 0)]))
    assert (scores.missed_cells, scores.invented_cells, scores.missed_links) == (3, 3, 2)


def test_an_empty_prediction():
    scores = score_tracking((FAMILY, LINEAGE), (np.zeros_like(FAMILY), []))
    assert scores.aogm == COST_OF_ALL
    assert [getattr(scores, name) for name in PARTS] == [0.0] * len(PARTS)


def test_where_there_is_nothing_to_score():
    still = row("a", "a"), [(1, 0, 1, 0)]
    once = row("a."), [(1, 0, 0, 0)]
    assert score_tracking(still, still).division_f1 == 1
    assert math.isnan(score_tracking(still, still, empty=math.nan).mitotic_branching_correctness)
    alone = score_tracking(once, once, empty=0.25)
    assert (alone.lnk, alone.track_purity, alone.target_effectiveness) == (0.25, 0.25, 0.25)
    apart = row("a", "a"), [(1, 0, 1, 0)]
    cut = row("a", "b"), [(1, 0, 0, 0), (2, 1, 1, 0)]
    assert score_tracking(cut, apart).lnk == 0  # a link where the truth has none
    assert score_tracking(apart, cut).track_purity == 0  # none where it has one


def test_nothing_is_printed_and_nothing_stays_silenced(capfd):
    filters = list(warnings.filters)
    streams = sys.stdout, sys.stderr
    score_tracking((FAMILY, LINEAGE), (np.zeros_like(FAMILY), []), frame_tolerance=2)
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == filters
    assert (sys.stdout, sys.stderr) == streams


def test_the_table_names_every_score():
    scores = score_tracking((FAMILY, LINEAGE), (np.zeros_like(FAMILY), []))
    lines = scores.table().splitlines()
    assert len(lines) == len(TrackingScores._fields)
    assert lines[0].split() == ["tra", "0.000"]
    assert f"{'missed cells':29}{9:5d}" in lines


def test_the_graph_can_be_used_for_more():
    graph = tracking_graph(FAMILY, LINEAGE)
    assert (len(graph.nodes), len(graph.edges)) == (9, 8)
    assert len(graph.get_divisions()) == 1
    assert graph.nodes[1] == {"t": 0, "segmentation_id": 1, "bbox": [0, 3, 1, 9]}
    gap = tracking_graph(row("a", ".", "b"), [(1, 0, 0, 0), (2, 2, 2, 1)])
    assert len(gap.get_skip_edges()) == 1
    full = tracking_graph(row("ab", "cb"), [(1, 0, 0, 0), (2, 0, 1, 0), (3, 1, 1, 0)])
    assert [n["segmentation_id"] for n in full.nodes.values()] == [1, 2, 2, 3]


# A mother, two daughters; rows frame, track, parent, y, x.
POINTS = np.array([
    [0, 1, 0, 5, 5], [1, 1, 0, 5, 6], [2, 4, 1, 5, 4], [2, 9, 1, 5, 9], [3, 4, 1, 5, 3],
])  # fmt: skip


def test_points_of_the_truth_are_perfect():
    moved = POINTS + np.array([0, 20, 0, 0.3, -0.3])
    moved[:, 2] += 20 * (POINTS[:, 2] > 0)
    scores = score_points(POINTS, moved[::-1], max_distance=0.5)
    assert [getattr(scores, name) for name in PARTS] == [1.0] * len(PARTS)


def test_points_too_far_away_are_missed():
    far = POINTS.astype(float)
    far[-1, 4] += 2
    scores = score_points(POINTS, far, max_distance=1.9)
    assert (scores.missed_cells, scores.invented_cells, scores.missed_links) == (1, 1, 1)
    assert scores.aogm == 10 + 1 + 1.5
    assert score_points(POINTS, far, max_distance=1.1, spacing=0.5).aogm == 0
    assert score_points(POINTS, far, max_distance=1.1, spacing=(9, 0.5)).aogm == 0


def test_points_in_3d_and_across_a_gap():
    rows = np.array([[0, 1, 0, 3, 5, 5], [1, 1, 0, 3, 5, 6], [4, 1, 0, 3, 5, 7]])
    assert score_points(rows, rows, max_distance=1, spacing=(2, 1, 1)).aogm == 0
    other = rows + np.array([0, 0, 0, 1, 0, 0])
    assert score_points(rows, other, max_distance=1.5, spacing=(2, 1, 1)).det == 0
    assert score_points(rows, rows[:2], max_distance=1).aogm == 11.5


def test_points_and_labels_agree(film):
    parent = np.array([0, *(track.parent for track in film.lineage)])
    label = film.tracks[:, 0].astype(int)
    rows = np.column_stack([film.tracks[:, 1], label, parent[label], film.tracks[:, 2:]])
    orphans = rows.copy()
    orphans[label == film.divisions[0].daughters[0], 2] = 0
    lineage = [
        t._replace(parent=t.parent * (t.label != film.divisions[0].daughters[0]))
        for t in film.lineage
    ]
    by_points = score_points(rows, orphans, max_distance=2)
    by_labels = score_tracking((film.labels, film.lineage), (film.labels, lineage))
    assert by_points == by_labels
    assert by_points.aogm == 1.5 + 1  # one link is missing, the other no longer to a daughter


@pytest.mark.parametrize("tolerance", [0, 2])
def test_points_cost_what_the_frames_that_are_there_cost(tolerance):
    truth = np.array([[0, 1, 0, 5, 5], [1, 2, 1, 5, 5], [1, 3, 1, 5, 9], [9, 4, 0, 1, 1]])
    late = np.array([[0, 1, 0, 5, 5], [3, 2, 1, 5, 5], [3, 3, 1, 5, 9], [9, 4, 0, 1, 1]])
    far = [rows + np.outer(rows[:, 0] == 9, [20_000_000, 0, 0, 0, 0]) for rows in (truth, late)]
    near, wide = (
        score_points(*pair, max_distance=1, frame_tolerance=tolerance)
        for pair in ((truth, late), far)
    )
    assert near == wide


BAD_FILMS = {
    "labels that are floats": ((FAMILY.astype(float), LINEAGE), TypeError, "labels, whole numbers"),
    "a single image": ((FAMILY[0], LINEAGE), ValueError, r"\(T, Y, X\).*got \(1, 12\)"),
    "labels below 0": ((-FAMILY, LINEAGE), ValueError, "background.*got -3"),
    "a label without track": ((FAMILY, LINEAGE[:2]), ValueError, "got label 3 in frame 3"),
    "a label after its track": (
        (FAMILY, [*LINEAGE[:2], (3, 3, 4, 1)]), ValueError, "got label 3 in frame 5"
    ),
    "a gap": ((FAMILY * (np.arange(6) != 4)[:, None, None], LINEAGE), ValueError,
              "no pixel of label 2 in frame 4"),
    "a track that is too long": (
        (FAMILY[:5], LINEAGE), ValueError, "within the 5 frames.*ends in frame 5"
    ),
    "a parent after the child": (
        (row("b", "a"), [(1, 1, 1, 0), (2, 0, 0, 1)]), ValueError,
        "parent of label 2.*before frame 0, got label 1 until frame 1"
    ),
    "a parent beside the child": (
        (row("ab"), [(1, 0, 0, 0), (2, 0, 0, 1)]), ValueError, "end before frame 0"
    ),
    "two parents": (
        (row("ab", "cc"), [(1, 0, 0, 0), (2, 0, 0, 0), (3, 1, 1, 1), (3, 1, 1, 2)]), ValueError,
        "label 3 twice, with parents 1 and 2"
    ),
    "a parent that is no track": ((row("a"), [(1, 0, 0, 8)]), ValueError, "among the.*got 8"),
    "an end before the begin": ((row("a"), [(1, 1, 0, 0)]), ValueError, "begin 1, end 0"),
    "rows of three": ((row("a"), [(1, 0, 0)]), ValueError, r"four whole.*got \(1, 0, 0\)"),
    "rows of floats": ((row("a"), [(1, 0, 0.5, 0)]), ValueError, r"got \(1, 0, 0.5, 0\)"),
    "no cells": ((np.zeros_like(FAMILY), []), ValueError, "got an empty film"),
    "no frames": ((FAMILY[:0], []), ValueError, r"got \(0, 1, 12\)"),
    "another size": ((FAMILY[:, :, :-1], LINEAGE), ValueError, r"shape, got \(6, 1, 11\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILMS)
def test_bad_films_are_named(case):
    truth, error, message = BAD_FILMS[case]
    with pytest.raises(error, match=message):
        score_tracking(truth, (FAMILY, LINEAGE))


def test_labels_without_a_lineage():
    with pytest.raises(ValueError, match="lineage as truth, got 6 things"):
        score_tracking(FAMILY, (FAMILY, LINEAGE))


def test_a_bad_prediction_is_called_so():
    with pytest.raises(ValueError, match="every label of the prediction"):
        score_tracking((FAMILY, LINEAGE), (FAMILY, []))


@pytest.mark.parametrize("frame_tolerance", [-1, 0.5])
def test_bad_tolerances(frame_tolerance):
    message = f"frame_tolerance .*of 0 or more, got {frame_tolerance}"
    with pytest.raises((TypeError, ValueError), match=message):
        score_tracking((FAMILY, LINEAGE), (FAMILY, LINEAGE), frame_tolerance=frame_tolerance)


@pytest.mark.parametrize(
    ("truth", "prediction", "settings", "message"),
    [
        (POINTS[:, :4], POINTS, {}, r"frame, track, parent.* as truth, got shape \(5, 4\)"),
        (POINTS, POINTS[0], {}, r"as prediction, got shape \(5,\)"),
        (
            POINTS + np.array([0, 0.5, 0, 0, 0]),
            POINTS,
            {},
            "whole numbers as frame, track and parent",
        ),
        (POINTS * [1, 1, 1, 1, np.nan], POINTS, {}, "finite positions"),
        (POINTS - [0, 1, 0, 0, 0], POINTS, {}, "label from 1 up"),
        (POINTS[[0, 1, 1]], POINTS, {}, "track 1 twice in frame 1"),
        (POINTS + np.array([0, 0, 5, 0, 0]), POINTS, {}, "among the tracks, got 5"),
        (POINTS[:, [0, 1, 2, 3, 3, 4]], POINTS, {}, "same axes, got 3 and 2"),
        (POINTS[:0], POINTS, {}, "got no row"),
        (POINTS, POINTS, {"max_distance": 0}, "max_distance above 0, got 0"),
        (POINTS, POINTS, {"spacing": (1, 1, 1)}, "spacing as one number or 2"),
    ],
)
def test_bad_points(truth, prediction, settings, message):
    with pytest.raises(ValueError, match=message):
        score_points(truth, prediction, **{"max_distance": 1, **settings})


def test_a_track_of_points_with_two_parents():
    rows = POINTS.copy()
    rows[-1, 2] = 9
    with pytest.raises(ValueError, match="label 4 twice, with parents 1 and 9"):
        score_points(rows, POINTS, max_distance=1)
