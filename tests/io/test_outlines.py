"""Outlines along the edges of pixels: exact areas, valid polygons, and every label image back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label, points_in_poly

from aimicro.io import Outline, from_outlines, outlines, pixels_within

IMAGES = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)
)


def doubled_area(ring: np.ndarray) -> int:
    y, x = ring.T
    return int(x @ np.roll(y, -1) - np.roll(x, -1) @ y)


@settings(max_examples=100, deadline=None)
@given(IMAGES)
def test_outlines_and_labels_are_the_same(labels):
    found = outlines(labels)
    assert (from_outlines(found, labels.shape) == labels).all()
    for number in range(1, 3):
        rings = [ring for one in found if one.label == number for ring in one.rings]
        assert sum(map(doubled_area, rings)) == 2 * np.count_nonzero(labels == number)


@settings(max_examples=100, deadline=None)
@given(IMAGES)
def test_polygons_are_valid(labels):
    """One outer ring for each piece; none touches itself, and each corner is a turn."""
    found = outlines(labels)
    assert len(found) == label(labels, connectivity=1).max()
    for _, rings in found:
        assert doubled_area(rings[0]) > 0
        assert all(doubled_area(ring) < 0 for ring in rings[1:])
        for ring in rings:
            assert len(np.unique(ring, axis=0)) == len(ring)
            step = np.roll(ring, -1, axis=0) - ring
            assert (np.count_nonzero(step, axis=1) == 1).all()
            assert (
                (step != 0).any(axis=1) & (step[:, 0] * np.roll(step, 1, axis=0)[:, 0] == 0)
            ).all()


def test_holes_that_touch_each_other_or_the_outside_are_rings_of_their_own():
    ring = [[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]]
    assert [doubled_area(one) for one in outlines(ring)[0].rings] == [32, -2, -2]
    nearly_open = [[1, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert [doubled_area(one) for one in outlines(nearly_open)[0].rings] == [16, -2]


def test_parts_that_touch_at_corners_are_two_outlines():
    found = outlines([[4, 0], [0, 4]])
    assert [one.label for one in found] == [4, 4]
    assert [len(one.rings) for one in found] == [1, 1]


def test_any_type_of_integer():
    for kind in (np.uint8, np.int64, np.uint64):
        assert outlines(np.array([[0, 200]], kind))[0].label == 200


def inside(rings, shape):
    mask, window = pixels_within(rings, shape)
    image = np.zeros(shape, bool)
    image[window] = mask
    return image


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 16), st.floats(-4, 16)), min_size=3, max_size=8))
def test_pixels_within_any_polygon_are_those_of_scikit_image(corners):
    """Off the outline itself, where it is a matter of convention."""
    ring = np.array(corners) + np.array([1e-3, 2e-3]) * np.pi
    centres = np.argwhere(np.ones((12, 10), bool)) + 0.5
    expected = points_in_poly(centres, ring).reshape(12, 10)
    apart = [distance(centre, ring) > 1e-6 for centre in centres]
    assert (inside([ring], (12, 10)) == expected)[np.reshape(apart, (12, 10))].all()


def distance(point: np.ndarray, ring: np.ndarray) -> float:
    """From a point to the nearest side."""
    along = np.roll(ring, -1, axis=0) - ring
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    place = np.clip(((point - ring) * along).sum(axis=1) / length, 0, 1)
    return float(np.linalg.norm(ring + place[:, None] * along - point, axis=1).min())


def test_of_two_outlines_with_a_common_side_one_has_the_pixel():
    """As in ImageJ: a centre on a right or an upper side is within."""
    left = inside([[(0, 0), (0, 1.5), (3, 1.5), (3, 0)]], (3, 4))
    right = inside([[(0, 1.5), (0, 4), (3, 4), (3, 1.5)]], (3, 4))
    assert left[0].tolist() == [True, True, False, False]
    assert (left ^ right).all()
    upper = inside([[(0, 0), (0, 4), (1.5, 4), (1.5, 0)]], (3, 4))
    lower = inside([[(1.5, 0), (1.5, 4), (3, 4), (3, 0)]], (3, 4))
    assert lower[:, 0].tolist() == [False, True, True]
    assert (upper ^ lower).all()


def test_later_outlines_are_painted_over_earlier_ones():
    square, inner = (np.array([(a, a), (a, b), (b, b), (b, a)]) for a, b in ((0, 4), (1, 3)))
    drawn = [Outline(1, (square,)), Outline(2, (inner,))]
    assert np.bincount(from_outlines(drawn, (4, 4)).ravel()).tolist() == [0, 12, 4]
    assert from_outlines(drawn[::-1], (4, 4)).all()


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.ones((2, 2)), TypeError, "labels as labels, whole numbers, got float64"),
        (np.ones((2, 2), bool), TypeError, "mask of true and false"),
        (np.ones((2, 2, 2), int), ValueError, "one plane at a time"),
        (-np.ones((2, 2), int), ValueError, "from 0"),
    ],
)
def test_what_is_no_label_image(labels, error, message):
    with pytest.raises(error, match=message):
        outlines(labels)
