import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from aimicro.simulate.annotator import annotate

LABELS = arrays(
    np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 4)
)


def disc(radius, side=80):
    y, x = np.indices((side, side)) - side // 2
    return (y**2 + x**2 <= radius**2).astype(np.int32)


def squares():
    """Sixteen squares of 1 to 16 pixels a side, none touching, and their ids."""
    image = np.zeros((20, 300), np.int32)
    left = 1
    for side in range(1, 17):
        image[1 : 1 + side, left : left + side] = side
        left += side + 2
    return image


@settings(max_examples=30, deadline=None)
@given(LABELS, st.integers(0, 99))
def test_a_steady_hand_that_misses_nothing_gives_the_labels_back(labels, seed):
    np.testing.assert_array_equal(annotate(labels, tremor_px=0, rng=seed), labels)


def test_outlines_that_hardly_move_give_the_labels_back():
    # The way through contours and distances, which a tremor of 0 does not take.
    rng = np.random.default_rng(1)
    labels = ndimage.zoom(rng.integers(0, 5, (8, 8)), 6, order=0).astype(np.int32)
    np.testing.assert_array_equal(annotate(labels, tremor_px=1e-6, rng=0), labels)


@pytest.mark.parametrize("bias", [-4, 3])
def test_a_bias_is_in_pixels(bias):
    drawn = annotate(disc(20), tremor_px=0, bias_px=bias, rng=0)
    assert np.sqrt(drawn.sum() / np.pi) == pytest.approx(20 + bias, abs=0.4)


def test_the_tremor_is_the_deviation_of_the_outline_and_smooth():
    radii = []
    for seed in range(12):
        drawn = annotate(disc(25), tremor_px=1.5, rng=seed)
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        rays = (
            40 + np.outer(np.arange(0, 38, 0.25), np.sin(angles)),
            40 + np.outer(np.arange(0, 38, 0.25), np.cos(angles)),
        )
        radii.append(ndimage.map_coordinates(drawn, rays, order=0).sum(axis=0) / 4)
    radii = np.array(radii)
    assert radii.std() == pytest.approx(1.5, rel=0.25)
    neighbours = np.corrcoef(radii.ravel(), np.roll(radii, 1, axis=1).ravel())[0, 1]
    far = np.corrcoef(radii.ravel(), np.roll(radii, 45, axis=1).ravel())[0, 1]
    assert neighbours > 0.8
    assert abs(far) < 0.4


def test_two_seeds_are_two_annotators_and_one_seed_is_one():
    first, again, other = (annotate(disc(20), tremor_px=1, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_small_objects_are_missed_rather_than_large_ones():
    missed = np.zeros(17)
    for seed in range(60):
        left = np.unique(annotate(squares(), tremor_px=0, missed_fraction=0.25, rng=seed))
        assert len(left) == 13  # 12 of 16, and background
        missed[np.setdiff1d(np.arange(17), left)] += 1
    assert missed[1:5].sum() > 4 * missed[13:].sum()


def test_only_pairs_that_touch_are_merged():
    labels = np.array([[7, 7, 3, 3, 0, 5, 5, 9, 2]], np.int32)
    merged = annotate(labels, tremor_px=0, merged_fraction=1, rng=0)
    np.testing.assert_array_equal(merged, [[3, 3, 3, 3, 0, 2, 2, 2, 2]])
    one = annotate(labels, tremor_px=0, merged_fraction=1 / 3, rng=0)
    assert len(np.unique(one)) == len(np.unique(labels)) - 1


def test_neighbours_share_the_ground_and_the_border_of_the_image_is_no_outline():
    labels = np.repeat([[1] * 10 + [2] * 10], 20, axis=0)
    drawn = annotate(labels, tremor_px=1, bias_px=2, rng=0)
    assert set(np.unique(drawn)) == {1, 2}
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, -1] == 2).all()
    np.testing.assert_array_equal(annotate(labels, tremor_px=0, bias_px=2, rng=0), labels)


def test_a_volume_is_outlined_plane_by_plane():
    volume = np.stack([disc(10, 40), disc(14, 40), 0 * disc(1, 40)])
    drawn = annotate(volume, tremor_px=0, bias_px=2, rng=0)
    expected = [annotate(plane, tremor_px=0, bias_px=2, rng=0) for plane in volume]
    np.testing.assert_array_equal(drawn, expected)


def test_nothing_to_outline_gives_nothing():
    empty = np.zeros((9, 9), np.uint8)
    drawn = annotate(empty, tremor_px=2, missed_fraction=0.5, merged_fraction=0.5, rng=0)
    assert drawn.dtype == np.int32
    assert not drawn.any()


def test_what_is_no_label_image_is_refused():
    with pytest.raises(TypeError, match="whole numbers, got float64"):
        annotate(np.ones((4, 4)), rng=0)
    with pytest.raises(ValueError, match=r"Expected labels of shape"):
        annotate(np.ones((3, 4, 4, 3), int), rng=0)
    with pytest.raises(ValueError, match="with pixels in it"):
        annotate(np.zeros((0, 4), int), rng=0)
    for name in ("missed_fraction", "merged_fraction"):
        with pytest.raises(ValueError, match=f"Expected {name} from 0 to 1, got 25"):
            annotate(disc(3), rng=0, **{name: 25})
    with pytest.raises(ValueError, match="Expected tremor_px of 0 or more, got -1"):
        annotate(disc(3), tremor_px=-1, rng=0)
