"""Cells that cross, divide, leave and come in, under any labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.metrics import score_points, score_tracking
from aimicro.simulate.films import Film, Track, dividing_cells
from aimicro.track import link, link_points


def row(*frames: str) -> np.ndarray:
    """Frames of one row each, a character a pixel: row("a.b", "a.b")."""
    letters = [[0 if letter == "." else ord(letter) - 96 for letter in frame] for frame in frames]
    return np.array(letters, np.int32)[:, None, :]


@pytest.fixture(scope="module")
def film() -> Film:
    return dividing_cells(24, (96, 96), n=8, division_time_min=200, speed_um_per_min=0.3, rng=3)


METHODS = {"overlap": {}, "distance": {"method": "distance", "max_distance": 8}}


@pytest.mark.parametrize("method", METHODS)
def test_simulated_cells_are_followed(film, method, traccuracy):
    tracked, lineage = link(film.labels, **METHODS[method])
    assert tracked.dtype == np.int32
    assert ((tracked > 0) == (film.labels > 0)).all()
    scores = score_tracking((film.labels, film.lineage), (tracked, lineage), frame_tolerance=1)
    assert scores.det == 1
    assert scores.tra > 0.99
    assert scores.division_recall > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_labels_of_the_frames_do_not_matter(film, method, traccuracy):
    rng = np.random.default_rng(0)
    shuffled = np.zeros(film.labels.shape, np.uint16)
    for frame, image in enumerate(film.labels):
        names = np.append(0, 1 + rng.permutation(60_000)[: image.max()])
        shuffled[frame] = names[image]
    once, again = (link(labels, **METHODS[method]) for labels in (film.labels, shuffled))
    scores = score_tracking(once, again)
    assert (scores.aogm, scores.division_f1) == (0, 1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("abcd.", min_size=6, max_size=6), min_size=1, max_size=5))
def test_whatever_comes_out_is_a_lineage(traccuracy, frames):
    """score_tracking refuses labels and tracks that contradict each other."""
    labels = row(*frames)
    if not labels.any():
        assert link(labels)[1] == []
        return
    for method in METHODS.values():
        result = link(labels, **method)
        assert score_tracking(result, result).aogm == 0
        assert [track.label for track in result[1]] == list(range(1, len(result[1]) + 1))


def test_a_cell_keeps_the_cell_it_lies_in():
    labels = row("aaaa....", "..xxxx..", "....uuuu")
    tracked, lineage = link(labels, min_overlap=0.5)
    assert lineage == [Track(1, 0, 2, 0)]
    assert tracked.max() == 1
    assert link(labels, min_overlap=0.51)[1] == [
        Track(1, 0, 0, 0), Track(2, 1, 1, 0), Track(3, 2, 2, 0)
    ]  # fmt: skip


def test_all_links_together_are_best():
    """The nearest cell of b is where a went; taking it would leave a with nothing in reach."""
    positions = np.array([[0, 0, 0], [0, 0, 3], [1, 0, 2], [1, 0, 5]])
    assert link_points(positions, max_distance=4)[:, 1].tolist() == [1, 2, 1, 2]


def test_what_is_out_of_reach_has_no_say():
    """However far the newcomer is, and from whom: the nearer cell gets the link."""
    positions = [[0, 0, 0], [0, 0, 5], [1, 0, 2], [1, 0, -100]]
    assert link_points(positions, max_distance=4)[:, 1].tolist() == [1, 2, 1, 3]


def test_cells_that_cross(traccuracy):
    """Two cells pass each other, quickly: positions alone mix them up, slower ones do not."""
    fast = np.array([[t, y, x] for t in range(4) for y, x in ((0, 4 * t), (2, 12 - 4 * t))])
    slow = np.array([[t, y, x] for t in range(13) for y, x in ((0, t), (2, 12 - t))])
    truth = [
        np.column_stack([p[:, 0], 1 + p[:, 1] / 2, 0 * p[:, 0], p[:, 1:]]) for p in (fast, slow)
    ]
    mixed, right = (
        score_points(rows, link_points(rows[:, [0, 3, 4]], max_distance=5), max_distance=0.5)
        for rows in truth
    )
    assert right.aogm == 0
    assert mixed.redundant_links == mixed.missed_links == 2
    assert mixed.det == 1


def test_a_division():
    labels = row("..aaaa..", "..aaaa..", ".aaa.bbb", "aaa..bbb")
    family = [Track(1, 0, 1, 0), Track(2, 2, 3, 1), Track(3, 2, 3, 1)]
    assert link(labels)[1] == family
    assert link(labels, method="distance", max_distance=4)[1] == family
    assert link(labels, divisions=False)[1] == [Track(1, 0, 3, 0), Track(2, 2, 3, 0)]


def test_a_third_daughter_is_nobodys():
    lineage = link(row("aaaaaaaaa", "bb.cc..dd"))[1]
    assert sorted(track.parent for track in lineage) == [0, 0, 1, 1]


def test_a_cell_that_leaves_and_one_that_comes():
    labels = row("..aa...bb", "...aa...b", "....aa...", "c....aa..")
    expected = [Track(1, 0, 3, 0), Track(2, 0, 1, 0), Track(3, 3, 3, 0)]
    assert link(labels)[1] == expected
    assert link(labels, method="distance", max_distance=2)[1] == expected


def test_a_neighbour_that_comes_in_is_no_daughter():
    """The middle between both has to be where the mother was."""
    points = [[0, 0, 0], [1, 0, 0], [1, 0, 7]]
    assert link_points(points, max_distance=6)[:, 2].tolist() == [0, 0, 0]
    assert link_points(points, max_distance=8)[:, 2].tolist() == [0, 1, 1]


def test_frames_without_background_or_without_cells():
    tracked, lineage = link(row("aabb", "aabb", "....", "abbb"))
    assert lineage == [Track(1, 0, 1, 0), Track(2, 0, 1, 0), Track(3, 3, 3, 0), Track(4, 3, 3, 0)]
    assert tracked[:, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [0] * 4, [3, 4, 4, 4]]


def test_volumes_and_their_spacing():
    labels = np.zeros((2, 8, 4, 12), np.uint8)
    labels[0, 0:2, :, 0:3] = 9
    labels[1, 5:7, :, 0:3] = 4  # 5 planes up
    labels[1, 0:2, :, 7:10] = 5  # 7 pixels to the right
    up = link(labels, method="distance", max_distance=20, divisions=False)[0]
    assert up[1, 5, 0, 0] == up[0, 0, 0, 0] == 1
    right = link(labels, method="distance", max_distance=20, spacing=(2, 1, 1), divisions=False)[0]
    assert right[1, 0, 0, 7] == right[0, 0, 0, 0] == 1
    assert link(labels[:, :2])[1] == [Track(1, 0, 0, 0), Track(2, 1, 1, 0)]


def test_points_come_back_by_frame():
    points = np.array([[2, 1, 5, 5], [0, 1, 5, 5], [2, 1, 9, 9], [2, 1, 5, 6]])
    rows = link_points(points, max_distance=2, divisions=False)
    assert rows[:, [0, 3, 4, 5]].tolist() == points[[1, 0, 2, 3]].tolist()
    assert rows[:, 1].tolist() == [1, 2, 3, 4]  # nothing in frame 1, so nothing to follow
    assert link_points(np.zeros((0, 3)), max_distance=1).shape == (0, 5)


def test_what_it_costs_depends_on_the_frames_that_are_there():
    points = [[0, 0, 0], [1, 0, 1], [20_000_000, 0, 1], [20_000_001, 0, 2]]
    assert link_points(points, max_distance=2)[:, 1].tolist() == [1, 1, 2, 2]


def test_one_number_may_be_an_array_without_axes():
    points = [[0, 0, 0], [1, 3, 0]]
    assert link_points(points, max_distance=6, spacing=np.array(2.0))[:, 1].tolist() == [1, 1]


def test_spacing_of_points():
    points = [[0, 0, 0], [1, 3, 0], [1, 0, 5]]
    assert link_points(points, max_distance=6, divisions=False)[:, 1].tolist() == [1, 1, 2]
    stretched = link_points(points, max_distance=6, spacing=(2, 1), divisions=False)
    assert stretched[:, 1].tolist() == [1, 2, 1]
    assert stretched[:, 3:].tolist() == [[0, 0], [3, 0], [0, 5]]


@pytest.mark.parametrize(
    ("labels", "kind", "error", "message"),
    [
        (row("a", "a") > 0, {}, TypeError, "a number for each object, got a mask"),
        (row("a", "a")[0], {}, ValueError, r"\(T, Y, X\).*got \(1, 1\)"),
        (row("a", "a")[:0], {}, ValueError, r"got \(0, 1, 1\)"),
        (-row("a", "a"), {}, ValueError, "background.*got -1"),
        (row("a", "a"), {"method": "nearest"}, ValueError, "overlap, distance, got 'nearest'"),
        (row("a", "a"), {"min_overlap": 0}, ValueError, "min_overlap above 0.*got 0"),
        (row("a", "a"), {"min_overlap": 30}, ValueError, "min_overlap above 0.*got 30"),
        (row("a", "a"), {"method": "distance"}, ValueError, "max_distance above 0, got None"),
        (row("a", "a"), {"method": "distance", "max_distance": 3, "spacing": (1, 1, 1)},
         ValueError, "spacing as one number or 2"),
        (row("a", "a"), {"method": "distance", "max_distance": 3, "spacing": -3},
         ValueError, "spacing above 0, got -3"),
        (row("a", "a"), {"max_distance": 5}, ValueError, "no max_distance .* 'overlap'.*got 5"),
        (row("a", "a"), {"spacing": -3}, ValueError, "no spacing .* 'overlap'.*got -3"),
        (row("a", "a"), {"method": "distance", "max_distance": 3, "min_overlap": 0.5},
         ValueError, "no min_overlap .* 'distance'.*got 0.5.*method='overlap'"),
    ],
)  # fmt: skip
def test_bad_films_and_settings(labels, kind, error, message):
    with pytest.raises(error, match=message):
        link(labels, **kind)


@pytest.mark.parametrize(
    ("points", "most", "message"),
    [
        ([[0, 1]], 1, r"frame, \[z,\] y, x, got shape \(1, 2\)"),
        ([[0, 1, np.nan]], 1, "finite rows"),
        ([[-1, 1, 1]], 1, "frames from 0 up, got -1"),
        ([[0.5, 1, 1]], 1, "frames from 0 up, got 0.5"),
        ([[0, 1, 1]], np.inf, "max_distance above 0, got inf"),
    ],
)
def test_bad_points(points, most, message):
    with pytest.raises(ValueError, match=message):
        link_points(points, max_distance=most)
