"""Distances of outlines: against other programs, slow definitions, and cases known by heart."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff
from skimage.io import imread
from skimage.metrics import hausdorff_distance

from aimicro.metrics import (
    _borders,
    average_surface_distance,
    boundary_iou,
    hausdorff,
    iou,
    surface_dice,
)

RECORDED = Path(__file__).parent / "recorded" / "distance.json"
modest = settings(max_examples=40, deadline=None)


def cases(folder):
    """Pairs of masks of real nuclei, with spacing; scripts/record_distance.py has them scored."""
    path = sorted((folder / "bbbc039_nuclei" / "masks_png").glob("*.png"))[0]
    labels = imread(path)[100:260, 150:330, 0]
    mask = labels > 0
    numbered, _ = ndimage.label(mask)
    stack = np.stack([ndimage.binary_erosion(mask, iterations=1 + abs(k - 3)) for k in range(7)])
    predictions = {
        "rolled": np.roll(mask, (3, 5), axis=(0, 1)),
        "eroded": ndimage.binary_erosion(mask, iterations=2),
        "merged": ndimage.binary_closing(mask, iterations=4),
        "missed": mask & (numbered % 3 > 0),
    }
    yield from ((name, mask, wrong, (1.0, 1.0)) for name, wrong in predictions.items())
    yield "rolled, long pixels", mask, predictions["rolled"], (0.7, 0.3)
    yield "volume", stack, np.roll(stack, (1, 2, 3), axis=(0, 1, 2)), (0.9, 0.3, 0.3)


def border(mask):
    return mask & ~ndimage.binary_erosion(mask)


def ways(truth, prediction, spacing):
    """By the definition, with a map of distances from each border."""
    t, p = border(truth), border(prediction)
    to_p, to_t = (ndimage.distance_transform_edt(~b, sampling=spacing) for b in (p, t))
    return to_p[t], to_t[p]


def square(shape=(14, 14), at=(4, 4), size=5):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + size) for a in at)] = True
    return mask


@st.composite
def two_masks(draw):
    """Masks with some true and some false pixels, in 2D or 3D, and a spacing."""
    shape = tuple(draw(st.lists(st.integers(2, 7), min_size=2, max_size=3)))
    pair = draw(arrays(bool, (2, *shape)))
    pair[:, *(0,) * len(shape)] = True
    pair[:, *(-1,) * len(shape)] = False
    spacing = draw(st.tuples(*[st.sampled_from([0.1, 0.25, 0.3, 1.0, 2.0])] * len(shape)))
    return pair[0], pair[1], spacing


# ---- other programs


def test_agrees_with_monai_and_medpy_on_real_masks(shared_data):
    recorded = json.loads(RECORDED.read_text())["cases"]
    for name, truth, prediction, spacing in cases(shared_data):
        told = recorded.pop(name)
        ours = {
            "hausdorff": hausdorff(truth, prediction, spacing=spacing),
            "hausdorff 95": hausdorff(truth, prediction, percentile=95, spacing=spacing),
            "pooled": average_surface_distance(truth, prediction, spacing=spacing),
            "mean": average_surface_distance(truth, prediction, symmetric="mean", spacing=spacing),
            "surface dice 1": surface_dice(truth, prediction, tolerance=1, spacing=spacing),
            "surface dice 2": surface_dice(truth, prediction, tolerance=2, spacing=spacing),
        }
        for program, precision in {"monai": 2e-7, "medpy": 1e-12}.items():  # MONAI: float32
            assert told[program]
            for score, value in told[program].items():
                assert ours[score] == pytest.approx(value, rel=precision), (name, score)
    assert not recorded


def test_agrees_with_scikit_image_and_scipy_on_real_masks(shared_data):
    for _, truth, prediction, spacing in cases(shared_data):
        t, p = (np.argwhere(border(mask)) * spacing for mask in (truth, prediction))
        expected = max(directed_hausdorff(t, p)[0], directed_hausdorff(p, t)[0])
        assert hausdorff(truth, prediction, spacing=spacing) == pytest.approx(expected, rel=1e-12)
        assert hausdorff(truth, prediction) == pytest.approx(
            hausdorff_distance(border(truth), border(prediction)), rel=1e-12
        )


def test_agrees_with_the_values_that_metrics_reloaded_prints():
    # Its own tests hold these to two or three digits.
    truth, cross = square((11, 11), (3, 3)), square((11, 11), (3, 3))
    cross[5, 1:10] = cross[1:10, 5] = True
    assert average_surface_distance(truth, cross) == pytest.approx(0.44, abs=0.01)
    assert average_surface_distance(truth, cross, symmetric="mean") == pytest.approx(
        0.425, abs=0.001
    )
    assert surface_dice(truth, cross, tolerance=1) == pytest.approx(0.89, abs=0.01)
    assert surface_dice(truth, cross, tolerance=2) == 1
    found = square((14, 14), (9, 9), 3)
    speck = found.copy()
    speck[1, 1] = True
    assert hausdorff(speck, found) == pytest.approx(11.31, abs=0.01)
    assert hausdorff(speck, found, percentile=95) == pytest.approx(6.79, abs=0.01)
    large, cut = square((22, 22), (2, 2), 19), square((22, 22), (2, 2), 19)
    cut[2] = False
    assert round(boundary_iou(large, cut, width=1), 1) == 0.6


@pytest.mark.parametrize("ndim", [2, 3])
def test_agrees_with_what_surface_distance_prints_where_the_definitions_meet(ndim):
    # Its surfaces run between pixels and are weighed by area; the largest distance is the same.
    truth, prediction = np.zeros((2, *(32,) * ndim), bool)
    truth[(*(5,) * (ndim - 1), 7)] = prediction[(*(5,) * (ndim - 1), 9)] = True
    assert hausdorff(truth, prediction, spacing=(3, 2, 1)[-ndim:]) == 2
    truth, prediction = np.zeros((2, 20, 20, 20), bool)
    truth[:10], prediction[:11] = True, True
    assert hausdorff(truth, prediction, spacing=(2, 1, 1)) == 2


# ---- definitions


@modest
@given(two_masks())
def test_all_distances_are_their_definitions(drawn):
    truth, prediction, spacing = drawn
    there, back = ways(truth, prediction, spacing)
    both = np.concatenate([there, back])
    for q in (0, 37, 95, 100):
        assert hausdorff(truth, prediction, percentile=q, spacing=spacing) == pytest.approx(
            max(np.percentile(there, q), np.percentile(back, q)), rel=1e-12
        )
    assert average_surface_distance(truth, prediction, spacing=spacing) == pytest.approx(
        both.mean(), rel=1e-12
    )
    assert average_surface_distance(
        truth, prediction, symmetric="mean", spacing=spacing
    ) == pytest.approx((there.mean() + back.mean()) / 2, rel=1e-12)
    for tolerance in (0, 0.35, 1.05):  # no sums of the spacings
        assert surface_dice(
            truth, prediction, tolerance=tolerance, spacing=spacing
        ) == pytest.approx(np.mean(both <= tolerance), rel=1e-12)


@modest
@given(two_masks(), st.sampled_from([0.05, 0.35, 1.05, 2.15, 50]))
def test_boundary_iou_is_its_definition(drawn, width):
    truth, prediction, spacing = drawn
    t, p = (
        mask & (ndimage.distance_transform_edt(~border(mask), sampling=spacing) < width)
        for mask in (truth, prediction)
    )
    assert boundary_iou(truth, prediction, width=width, spacing=spacing) == pytest.approx(
        iou(t, p), rel=1e-12
    )


@pytest.mark.parametrize("shift", [(0, 0, 1), (2, 3, 1), (20, 0, 0), (0, 40, 0), (0, 0, 47)])
def test_large_masks_are_searched_in_parts_with_the_same_result(monkeypatch, shift):
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.random((24, 40, 48)), 2) > 0.505
    truth[:, :, 28:] = False
    prediction = np.zeros_like(truth)
    source = tuple(slice(0, n - s) for n, s in zip(truth.shape, shift, strict=True))
    target = tuple(slice(s, None) for s in shift)
    prediction[target] = truth[source]
    prediction[-1, -1, -1] = True  # also where everything else was shifted out
    whole = _borders.surface_distances(truth, prediction, (2, 1, 0.5))
    monkeypatch.setattr(_borders, "_POINTS_AT_ONCE", 40)
    parts = _borders.surface_distances(truth, prediction, (2, 1, 0.5))
    for one, other in zip(whole, parts, strict=True):
        assert one.n > 1000 or one is whole[1]
        np.testing.assert_array_equal(one.lengths, other.lengths)
        np.testing.assert_array_equal(one.counts, other.counts)


# ---- cases known by heart


def test_a_shifted_square_is_off_by_its_shift():
    truth, moved = square(), square(at=(4, 7))
    assert hausdorff(truth, moved) == 3
    assert hausdorff(truth, moved, spacing=(9, 0.5)) == 1.5
    assert hausdorff(truth, square(at=(7, 8)), spacing=0.1) == pytest.approx(0.5)
    assert hausdorff(truth, moved, percentile=0) == 0
    assert hausdorff(truth, moved, spacing=np.array(0.5)) == 1.5  # a number without axes


def test_a_far_speck_decides_the_maximum_and_no_percentile():
    truth = square((100, 100), (30, 30), 30)
    speck = truth.copy()
    speck[90, 40] = True
    assert hausdorff(truth, speck) == 31
    assert hausdorff(truth, speck, percentile=95) == 0
    assert average_surface_distance(truth, speck) == pytest.approx(31 / (2 * 116 + 1))
    assert surface_dice(truth, speck, tolerance=30.9) == pytest.approx(1 - 1 / (2 * 116 + 1))


def test_the_larger_percentile_of_both_directions_is_not_that_of_all_together():
    found = square((60, 60), (5, 5), 20)
    truth = found | square((60, 60), (40, 40), 6)  # 20 of its 96 border pixels were missed
    there, back = ways(truth, found, None)
    assert np.percentile(np.concatenate([there, back]), 85) == 0
    assert hausdorff(truth, found, percentile=85) == np.percentile(there, 85) > 20


def test_the_image_ends_where_background_begins():
    truth = np.zeros((5, 8), bool)
    truth[:, :6] = True  # cut by three sides of the image
    inside = truth.copy()
    inside[2, 0] = False
    assert hausdorff(truth, inside) == 1  # the hole made a new border, one pixel inside
    padded = [np.pad(mask, 4) for mask in (truth, inside)]
    assert hausdorff(*padded) == 1


def test_a_distance_on_the_tolerance_counts_in_spite_of_rounding():
    truth, moved = np.zeros((2, 3, 40), bool)
    truth[1, 10], moved[1, 13] = True, True
    assert 3 * 0.1 > 0.3
    assert surface_dice(truth, moved, tolerance=0.3, spacing=0.1) == 1
    assert surface_dice(truth, moved, tolerance=0.299, spacing=0.1) == 0
    wide = square((20, 20), (2, 2), 15)
    assert boundary_iou(wide, wide & (np.arange(20) < 16), width=0.3, spacing=0.1) == boundary_iou(
        wide, wide & (np.arange(20) < 16), width=3
    )


def test_boundary_iou_sees_an_outline_that_iou_does_not():
    large = square((64, 64), (2, 2), 60)
    smaller = ndimage.binary_erosion(large, iterations=2)
    assert iou(large, smaller) > 0.85
    assert boundary_iou(large, smaller, width=2) == 0
    assert boundary_iou(large, smaller, width=100) == iou(large, smaller)


# ---- properties


@modest
@given(two_masks(), st.floats(0.01, 100))
def test_neither_the_order_nor_the_unit_nor_the_empty_margin_matters(drawn, unit):
    truth, prediction, spacing = drawn
    value = hausdorff(truth, prediction, percentile=80, spacing=spacing)
    assert hausdorff(prediction, truth, percentile=80, spacing=spacing) == value
    larger = [unit * x for x in spacing]
    assert hausdorff(truth, prediction, percentile=80, spacing=larger) == pytest.approx(
        unit * value
    )
    padded = [np.pad(mask, 3) for mask in (truth, prediction)]
    assert hausdorff(*padded, percentile=80, spacing=spacing) == pytest.approx(value)
    bands = [boundary_iou(*pair, width=1.05, spacing=spacing) for pair in (drawn[:2], padded)]
    assert bands[0] == bands[1]


@modest
@given(two_masks())
def test_more_is_forgiven_by_a_lower_percentile_and_a_larger_tolerance(drawn):
    truth, prediction, spacing = drawn
    percentiles = [
        hausdorff(truth, prediction, percentile=q, spacing=spacing) for q in (50, 75, 95, 100)
    ]
    assert percentiles == sorted(percentiles)
    fractions = [
        surface_dice(truth, prediction, tolerance=t, spacing=spacing) for t in (0, 0.5, 1, 2, 50)
    ]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert surface_dice(truth, prediction, tolerance=percentiles[-1], spacing=spacing) == 1


def test_the_images_stay_as_they_are():
    truth, prediction = square(), square(at=(2, 2))
    before = truth.copy(), prediction.copy()
    hausdorff(truth, prediction)
    boundary_iou(truth, prediction, width=2)
    np.testing.assert_array_equal((truth, prediction), before)


# ---- bad input

CALLS = [
    hausdorff,
    average_surface_distance,
    lambda t, p, **o: surface_dice(t, p, tolerance=1, **o),
    lambda t, p, **o: boundary_iou(t, p, width=1, **o),
]


@pytest.mark.parametrize("call", CALLS)
def test_bad_masks_and_spacings_are_named(call):
    good, full = square(), np.ones((14, 14), bool)
    with pytest.raises(ValueError, match="Expected truth with some background, got a mask"):
        call(full, good)
    with pytest.raises(ValueError, match="Expected prediction with some background, got a mask"):
        call(good, full)
    with pytest.raises(ValueError, match=r"one shape, got \(14, 14\) and \(9, 9\)"):
        call(good, square((9, 9), (1, 1)))
    with pytest.raises(TypeError, match="truth as a mask of true and false, got float64"):
        call(good * 0.7, good)
    with pytest.raises(ValueError, match="prediction as a mask of 0 and 1, got 0 to 3"):
        call(good, good * np.int32(3))
    with pytest.raises(ValueError, match=r"spacing as one number or 2, .* got \(1, 1, 1\)"):
        call(good, good, spacing=(1, 1, 1))
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="Expected spacing above 0, got"):
            call(good, good, spacing=bad)


@pytest.mark.parametrize("bad", [-1, 100.5, math.nan])
def test_a_bad_percentile_is_named(bad):
    with pytest.raises(ValueError, match="Expected percentile from 0 to 100, got"):
        hausdorff(square(), square(), percentile=bad)


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf])
def test_bad_tolerances_and_widths_are_named(bad):
    with pytest.raises(ValueError, match="Expected tolerance of 0 or more, got"):
        surface_dice(square(), square(), tolerance=bad)
    with pytest.raises(ValueError, match="Expected width above 0, got"):
        boundary_iou(square(), square(), width=bad)


def test_an_unknown_average_is_named():
    with pytest.raises(ValueError, match="symmetric as one of pooled, mean, got 'max'"):
        average_surface_distance(square(), square(), symmetric="max")
