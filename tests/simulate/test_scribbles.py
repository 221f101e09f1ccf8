"""Strokes stay in their class, and apart; the same for a seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label, regionprops

from aimicro.simulate import scribble


def quarters(shape):
    """Three classes, and a quarter that is none."""
    y, x = np.indices(shape)[-2:]
    return (2 * (y >= shape[-2] // 2) + (x >= shape[-1] // 2)).astype(np.int32)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.floats(1, 25), st.floats(1, 6), st.integers(0, 99))
def test_strokes_stay_in_their_class_and_apart(n_strokes, length_px, width_px, seed):
    classes = quarters((120, 140))
    painted = scribble(
        classes, n_strokes=n_strokes, length_px=length_px, width_px=width_px, rng=seed
    )
    assert painted.dtype == np.int32
    assert ((painted == 0) | (painted == classes)).all()
    for one in (1, 2, 3):
        assert label(painted == one).max() == n_strokes


def test_a_seed_gives_the_same_strokes_again():
    classes = quarters((60, 60))
    one, same, other = (
        scribble(classes, n_strokes=2, rng=seed) for seed in (0, np.random.default_rng(0), 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_length_and_width():
    """In an open field: about as long as asked, since a hand bends, and as wide."""
    found = []
    for seed in range(10):
        painted = scribble(
            np.ones((400, 400), int), n_strokes=1, length_px=100, width_px=5, rng=seed
        )
        (stroke,) = regionprops(painted)
        found.append((stroke.area / 5, stroke.euler_number))
    lengths, holes = zip(*found, strict=True)
    assert 70 < np.median(lengths) < 120
    assert max(lengths) < 130
    assert max(holes) == 1


def test_in_a_volume_strokes_are_flat():
    painted = scribble(quarters((12, 60, 60)), n_strokes=2, length_px=15, rng=0)
    for one in (1, 2, 3):
        strokes = regionprops(label(painted == one))
        assert len(strokes) == 2
        assert all(stroke.bbox[3] - stroke.bbox[0] == 1 for stroke in strokes)


@pytest.mark.parametrize(
    ("classes", "options", "error", "message"),
    [
        (np.zeros((9, 9), int), {}, ValueError, "Add 1 if background"),
        (np.ones((9, 9)), {}, TypeError, "whole numbers, got float64"),
        (np.ones((9, 9), int), {"n_strokes": 0}, ValueError, "n_strokes of 1 or more"),
        (np.ones((9, 9), int), {"n_strokes": 50}, ValueError, "room for 50 strokes in class 1"),
        (np.ones((9, 9), int), {"length_px": -1}, ValueError, "length_px above 0"),
        (np.ones((9, 9), int), {"width_px": 0}, ValueError, "width_px above 0"),
    ],
)
def test_bad_classes(classes, options, error, message):
    with pytest.raises(error, match=message):
        scribble(classes, **{"n_strokes": 1, "rng": 0, **options})
