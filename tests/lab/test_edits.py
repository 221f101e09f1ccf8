"""A correction does what was pointed at, and to the others nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aimicro.lab import add, cut, join, outlined, remove

# Two squares that touch, and one apart.
LABELS = np.zeros((20, 30), np.int32)
LABELS[2:10, 2:10], LABELS[2:10, 10:18], LABELS[12:18, 22:28] = 3, 5, 9
SOME = arrays(np.int32, (8, 9), elements=st.integers(0, 3))
PLACE = st.tuples(st.floats(0, 7.9), st.floats(0, 8.9))


def square(top: int, left: int, bottom: int, right: int) -> list[tuple[int, int]]:
    return [(top, left), (top, right), (bottom, right), (bottom, left)]


# ---- remove


def test_one_object_is_removed():
    after = remove(LABELS, (9.9, 9.9))
    assert np.array_equal(after, np.where(LABELS == 3, 0, LABELS))
    assert after.dtype == np.int32


@pytest.mark.parametrize("place", [(0, 0), (-0.5, 3), (3, 30), (19.5, 29.5)])
def test_background_and_what_is_outside_cannot_be_removed(place: tuple[float, float]):
    with pytest.raises(ValueError, match=r"Expected an object at row .*, got background"):
        remove(LABELS, place)


# ---- add


def test_an_outline_along_the_edges_of_pixels_holds_these_pixels():
    mask = outlined((6, 7), square(1, 2, 4, 6))
    expected = np.zeros((6, 7), bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(mask, expected)


def test_an_outline_may_leave_the_image():
    assert np.array_equal(outlined((4, 4), square(-5, -5, 2, 9)), np.arange(4)[:, None] < [2] * 4)
    assert not outlined((4, 4), square(10, 10, 20, 20)).any()


def test_what_is_added_takes_nothing_from_others():
    after = add(LABELS, outlined(LABELS.shape, square(6, 6, 14, 26)))
    assert np.array_equal(np.where(after == 10, 0, after), LABELS)
    inside = np.zeros(LABELS.shape, bool)
    inside[6:14, 6:26] = True
    assert np.array_equal(after == 10, inside & (LABELS == 0))


def test_of_what_others_part_the_largest_is_added():
    after = add(LABELS, outlined(LABELS.shape, square(0, 4, 16, 8)))
    assert np.argwhere(after == 10).min(axis=0).tolist() == [10, 4]
    assert (after == 10).sum() == 6 * 4


@pytest.mark.parametrize(
    "outline", [square(3, 3, 8, 8), square(0, 0, 0, 5), square(50, 50, 60, 60)]
)
def test_an_outline_without_free_pixels_is_refused(outline: list[tuple[int, int]]):
    with pytest.raises(ValueError, match="Expected an outline around free pixels, got none"):
        add(LABELS, outlined(LABELS.shape, outline))


def test_the_first_object_has_the_id_1():
    assert add(np.zeros((2, 2), int), np.ones((2, 2), bool)).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([(0, 0), (1, 1)], "three|3 places or more, got 2"),
        ([(0, 0, 0)], r"places y, x, got shape \(1, 3\)"),
        ([(0, 0), (1, np.nan), (1, 1)], "places y, x"),
    ],
)
def test_what_is_no_outline_is_refused(outline: list[tuple[float, ...]], message: str):
    with pytest.raises(ValueError, match=message):
        outlined((4, 4), outline)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape of the labels, \(20, 30\), got \(3, 3\)"):
        add(LABELS, np.ones((3, 3), bool))


# ---- cut


def test_a_cut_gives_two_pieces_and_loses_no_pixel():
    after = cut(LABELS, [(0, 5.5), (12, 5.5)])
    assert np.array_equal(np.where(after == 10, 3, after), LABELS)
    # The column under the stroke, 5, goes to the left piece, which is as near and comes first.
    assert set(np.unique(after[2:10, 2:6])) == {10}
    assert set(np.unique(after[2:10, 6:10])) == {3}


def test_the_larger_piece_keeps_the_id():
    after = cut(LABELS, [(4.5, 0), (4.5, 9.9)])
    assert set(np.unique(after[5:10, 2:10])) == {3}
    assert set(np.unique(after[2:4, 2:10])) == {10}


def test_only_the_object_most_of_the_stroke_runs_through_is_cut():
    after = cut(LABELS, [(5.5, 0), (5.5, 12)])
    assert np.array_equal(after == 5, LABELS == 5)
    assert (after == 3).any()
    assert (after == 10).any()


@pytest.mark.parametrize(
    "stroke", [[(0, 0), (12, 12)], [(12, 1), (0, 11)], [(3, 0), (8, 7), (4, 12)]]
)
def test_a_slanted_stroke_cuts_too(stroke: list[tuple[float, float]]):
    after = cut(LABELS, stroke)
    assert np.array_equal(np.where(after == 10, 3, after), LABELS)
    assert (after == 10).sum() > 3


@pytest.mark.parametrize(
    ("stroke", "message"),
    [
        ([(0, 0), (19, 0)], "got one through background"),
        ([(0, 5.5), (6, 5.5)], "leaves two pieces, got 1"),
        ([(0, 4), (12, 4), (12, 7), (0, 7)], "leaves two pieces, got 3"),
        ([(3, 3)], "2 places or more, got 1"),
        ([(0, 2.5), (12, 2.5)], "leaves two pieces, got 1"),  # along the edge, it parts nothing
    ],
)
def test_a_stroke_that_does_not_cut_says_why(stroke: list[tuple[float, float]], message: str):
    with pytest.raises(ValueError, match=message):
        cut(LABELS, stroke)


def test_a_part_that_lies_apart_stays_with_its_id():
    labels = LABELS.copy()
    labels[14:18, 2:6] = 3
    after = cut(labels, [(0, 5.5), (12, 5.5)])
    assert set(np.unique(after[14:18, 2:6])) == {3}


# ---- join


@pytest.mark.parametrize(("first", "second"), [((5, 5), (5, 12)), ((5, 12), (5, 5))])
def test_what_touches_is_joined_under_the_lower_id(first, second):
    after = join(LABELS, first, second)
    assert np.array_equal(after, np.where(LABELS == 5, 3, LABELS))


@pytest.mark.parametrize("gap", [1, 2, 3, 4])
def test_a_narrow_gap_is_filled(gap: int):
    labels = np.zeros((10, 20), np.int32)
    labels[2:8, 2:8], labels[2:8, 8 + gap : 16] = 1, 2
    after = join(labels, (5, 5), (5, 15))
    assert (after[2:8, 2:16] == 1).all()
    assert not after[[0, -1]].any()
    assert after.max() == 1


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ((5, 5), (6, 6), "two objects, got one twice"),
        ((5, 5), (14, 24), "at most 4 pixels of background"),
        ((5, 5), (0, 0), "got background"),
    ],
)
def test_what_cannot_be_joined_says_why(first, second, message: str):
    with pytest.raises(ValueError, match=message):
        join(LABELS, first, second)


def test_two_with_another_between_are_not_joined():
    with pytest.raises(ValueError, match="with another between"):
        join([[1, 1, 2, 3, 3]], (0.5, 0.5), (0.5, 4.5))


def test_a_cut_is_mended_by_a_join():
    after = cut(LABELS, [(0, 5.5), (12, 5.5)])
    assert np.array_equal(join(after, (5, 3), (5, 8)), LABELS)


# ---- all of them


@given(SOME, PLACE, st.lists(PLACE, min_size=3, max_size=6))
@settings(max_examples=60, deadline=None)
def test_each_tool_changes_what_it_names_alone(labels, place, places):
    before = labels.copy()
    tools = {
        "remove": lambda: remove(labels, place),
        "add": lambda: add(labels, outlined(labels.shape, places)),
        "cut": lambda: cut(labels, places),
        "join": lambda: join(labels, places[0], places[1]),
    }
    for name, tool in tools.items():
        try:
            after = tool()
        except ValueError:
            continue
        assert np.array_equal(labels, before)
        touched = np.unique(labels[(after != labels) & (labels > 0)])
        assert len(touched) == {"remove": 1, "add": 0, "cut": 1, "join": 1}[name]
        number = len(np.unique(after[after > 0])) - len(np.unique(labels[labels > 0]))
        assert number == {"remove": -1, "add": 1, "cut": 1, "join": -1}[name]


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 3, 4), int), np.ones((3, 3), bool), np.ones((3, 3))]
)
def test_what_is_no_label_image_of_one_plane_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="Expected labels"):
        remove(wrong, (1, 1))
