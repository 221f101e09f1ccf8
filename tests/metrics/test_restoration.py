import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage import metrics as skimage_metrics

from aimicro.metrics import affine_fit, mean_psnr, mse, nrmse, psnr, ssim

SHAPES = [(24, 31), (12, 14, 13)]
DTYPES = [np.uint8, np.uint16, np.float32, np.float64]
seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=25, deadline=None)


def a_pair(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(10, 200, shape)
    return truth.astype(dtype), (truth + rng.normal(0, 9, shape)).clip(0, 255).astype(dtype)


# --- an independent oracle -----------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_scikit_image(shape, dtype):
    truth, image = a_pair(shape, dtype)
    t, x = truth.astype(np.float64), image.astype(np.float64)
    assert mse(truth, image) == pytest.approx(skimage_metrics.mean_squared_error(t, x))
    assert psnr(truth, image, data_range=255) == pytest.approx(
        skimage_metrics.peak_signal_noise_ratio(t, x, data_range=255)
    )
    for kind in ("euclidean", "min-max", "mean"):
        assert nrmse(truth, image, normalization=kind) == pytest.approx(
            skimage_metrics.normalized_root_mse(t, x, normalization=kind)
        )


def test_ssim_of_one_window_is_the_formula_of_wang():
    truth, image = a_pair((11, 11))  # exactly one 11 x 11 window fits
    offset = np.arange(-5, 6)
    profile = np.exp(-(offset**2) / (2 * 1.5**2))
    window = np.outer(profile, profile) / profile.sum() ** 2

    def mean(values):
        return float(np.sum(window * values))

    t_mean, x_mean = mean(truth), mean(image)
    t_var, x_var = mean((truth - t_mean) ** 2), mean((image - x_mean) ** 2)
    covariance = mean((truth - t_mean) * (image - x_mean))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = ((2 * t_mean * x_mean + c1) * (2 * covariance + c2)) / (
        (t_mean**2 + x_mean**2 + c1) * (t_var + x_var + c2)
    )
    assert ssim(truth, image, data_range=255) == pytest.approx(expected, rel=1e-9)


def test_ssim_does_not_use_the_defaults_of_scikit_image():
    truth = gaussian_filter(np.random.default_rng(0).uniform(0, 255, (32, 32)), 2)
    image = truth + np.random.default_rng(1).normal(0, 9, (32, 32))
    flat_window = skimage_metrics.structural_similarity(truth, image, data_range=255)
    assert abs(ssim(truth, image, data_range=255) - flat_window) > 0.01


# --- analytic cases ------------------------------------------------------------------------


def test_a_constant_error_has_known_scores():
    truth = np.full((20, 20), 4.0)
    image = truth + 3
    assert mse(truth, image) == 9
    assert nrmse(truth, image) == pytest.approx(3 / 4)
    assert psnr(truth, image, data_range=300) == pytest.approx(40)
    c1 = (0.01 * 10) ** 2
    assert ssim(truth, image, data_range=10) == pytest.approx(
        (2 * 4 * 7 + c1) / (16 + 49 + c1), rel=1e-9
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_images_are_perfect_and_give_no_warning(shape):
    truth, _ = a_pair(shape)
    assert mse(truth, truth) == 0
    assert nrmse(truth, truth) == 0
    assert psnr(truth, truth, data_range=255) == math.inf
    assert ssim(truth, truth, data_range=255) == 1


def test_ssim_of_an_inverted_pattern_is_negative():
    truth, _ = a_pair((32, 32))
    assert ssim(truth, 210 - truth, data_range=255) < -0.5


def test_unsigned_integers_do_not_wrap_around():
    assert mse(np.zeros((2, 2), np.uint8), np.full((2, 2), 1, np.uint8)) == 1
    assert mse(np.full((2, 2), 3, np.uint16), np.zeros((2, 2), np.uint16)) == 9


def test_a_small_error_on_a_bright_float32_volume_is_not_lost():
    truth = np.full((2, 600, 600), 2.0**12, np.float32)
    image = truth.copy()
    image[0, 0, 0] += 2.0**-11  # the smallest step of float32 here
    assert mse(truth, image) == pytest.approx(2.0**-22 / truth.size, rel=1e-12)


def test_mean_psnr_is_the_mean_of_the_images():
    pairs = [a_pair((12, 14), seed=1), a_pair((11, 13), seed=2)]
    truths, images = zip(*pairs, strict=True)
    alone = [psnr(t, x, data_range=255) for t, x in pairs]
    assert mean_psnr(truths, list(images), data_range=255) == np.mean(alone)
    fitted = [psnr(t, affine_fit(t, 2 * x).image, data_range=255) for t, x in pairs]
    twice = [2 * x for x in images]
    assert mean_psnr(truths, twice, data_range=255, affine=True) == np.mean(fitted)
    assert mean_psnr(truths[0], images[0], data_range=255) == alone[0]


def test_an_array_is_one_image_and_a_list_is_many():
    truth, image = a_pair((2, 12, 14))
    truth[1] = image[1] + 1
    one = mean_psnr(truth, image, data_range=255)
    assert one == psnr(truth, image, data_range=255)
    assert mean_psnr(list(truth), list(image), data_range=255) > one + 3
    with pytest.raises(ValueError, match=r"got 1 images and 2 truths\..* list\(x\)"):
        mean_psnr(list(truth), image, data_range=255)
    with pytest.raises(ValueError, match="got 0 images and 0 truths"):
        mean_psnr([], [], data_range=255)


# --- properties ----------------------------------------------------------------------------


@modest
@given(seed=seeds, gain=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_psnr_does_not_depend_on_the_unit(seed, gain, offset):
    truth, image = a_pair((9, 8), seed=seed)
    there = psnr(gain * truth + offset, gain * image + offset, data_range=gain * 255)
    assert there == pytest.approx(psnr(truth, image, data_range=255), abs=1e-6)


@modest
@given(seed=seeds, data_range=st.floats(1e-3, 1e6))
def test_psnr_gains_six_decibels_when_full_scale_doubles_or_the_error_halves(seed, data_range):
    truth, image = a_pair((9, 8), seed=seed)
    six = 20 * math.log10(2)
    before = psnr(truth, image, data_range=data_range)
    assert psnr(truth, image, data_range=2 * data_range) - before == pytest.approx(six)
    half = truth + (image - truth) / 2
    assert psnr(truth, half, data_range=data_range) - before == pytest.approx(six)


@modest
@given(seed=seeds)
def test_mse_is_squared_bias_plus_variance(seed):
    truth, image = a_pair((9, 8), seed=seed)
    error = image - truth
    assert mse(truth, image) == pytest.approx(error.mean() ** 2 + error.var())


@modest
@given(
    seed=seeds,
    gain=st.floats(0.01, 100) | st.floats(-100, -0.01),
    offset=st.floats(-1e4, 1e4),
)
def test_affine_fit_finds_the_gain_and_offset_that_were_put_in(seed, gain, offset):
    image, _ = a_pair((9, 8), seed=seed)
    truth = gain * image + offset
    fit = affine_fit(truth, image)
    assert fit.gain == pytest.approx(gain, rel=1e-9)
    assert fit.offset == pytest.approx(offset, rel=1e-9, abs=1e-6)
    assert fit.image.dtype == np.float32
    np.testing.assert_allclose(fit.image, truth, rtol=1e-6, atol=1e-5)


@modest
@given(seed=seeds, gain=st.floats(-3, 3), offset=st.floats(-100, 100))
def test_affine_fit_leaves_what_is_not_correlated_and_never_hurts(seed, gain, offset):
    truth, image = a_pair((9, 8), seed=seed)
    image = gain * image + offset
    fitted = mse(truth, affine_fit(truth, image).image)
    assert fitted <= mse(truth, image) * (1 + 1e-6)
    unexplained = truth.var()
    if abs(gain) > 1e-3:
        unexplained *= 1 - np.corrcoef(truth.ravel(), image.ravel())[0, 1] ** 2
        assert fitted == pytest.approx(unexplained, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e6])  # the mean of many 0.1 is not 0.1
def test_affine_fit_of_a_constant_image_is_the_mean_of_the_truth(value):
    truth, _ = a_pair((9, 8))
    fit = affine_fit(truth, np.full((9, 8), value))
    assert (fit.gain, fit.offset) == (0, pytest.approx(truth.mean()))
    np.testing.assert_allclose(fit.image, truth.mean(), rtol=1e-6)


def test_affine_fit_keeps_small_contrast_on_a_large_offset():
    truth, _ = a_pair((9, 8))
    fit = affine_fit(truth, 1e9 + truth)
    np.testing.assert_allclose(fit.image, truth, atol=1e-4)


def test_the_order_of_the_arguments_matters_where_the_docstring_says_so():
    truth, image = a_pair((16, 16))
    image = image / 2
    assert mse(truth, image) == mse(image, truth)
    assert psnr(truth, image, data_range=255) == psnr(image, truth, data_range=255)
    assert ssim(truth, image, data_range=255) == pytest.approx(ssim(image, truth, data_range=255))
    assert nrmse(truth, image) == pytest.approx(nrmse(image, truth) / 2, rel=0.05)
    assert affine_fit(truth, image).gain > 1.5
    assert affine_fit(image, truth).gain < 0.6


# --- bad input -----------------------------------------------------------------------------

GOOD = np.ones((12, 12))
with_nan = np.where(np.eye(12) > 0, np.nan, 1.0)
CALLS = [
    mse,
    nrmse,
    affine_fit,
    lambda truth, image: psnr(truth, image, data_range=1),
    lambda truth, image: ssim(truth, image, data_range=1),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones((12, 12), complex), TypeError, "image of real numbers, got complex128"),
        (np.ones((12, 12), bool), TypeError, "intensities, got a mask"),
        (np.full((12, 12), "a"), TypeError, "image of real numbers, got <U1"),
        (np.ones((0, 12)), ValueError, r"pixels in it, got \(0, 12\)"),
        (np.ones(12), ValueError, r"shape \(Y, X\) or \(Z, Y, X\)"),
        (np.ones((2, 2, 12, 12)), ValueError, "one image or one volume at a time"),
        (with_nan, ValueError, "finite pixels, got 12 of 144 NaN or infinite"),
        ([GOOD, GOOD], TypeError, "as one image, got a list of 2"),
        (np.full((12, 12), np.inf), ValueError, "got 144 of 144 NaN or infinite"),
    ],
)
def test_what_is_no_image_is_refused_on_either_side(call, bad, error, message):
    with pytest.raises(error, match="Expected .*image.*" + message):
        call(GOOD, bad)
    with pytest.raises(error, match="Expected .*truth.*" + message):
        call(bad, GOOD)


@pytest.mark.parametrize("call", CALLS)
def test_shapes_must_agree(call):
    with pytest.raises(ValueError, match=r"one shape, got \(12, 12\) and \(12, 13\)\. Crop"):
        call(GOOD, np.ones((12, 13)))


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0, -1.0, math.nan, math.inf])
def test_data_range_must_be_above_zero(score, data_range):
    with pytest.raises(ValueError, match=f"data_range above 0, got {data_range:g}"):
        score(GOOD, GOOD, data_range=data_range)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_data_range_has_no_default_and_is_one_number(score):
    with pytest.raises(TypeError, match="data_range"):
        score(GOOD, GOOD)
    with pytest.raises(TypeError, match=r"data_range above 0, got \(0, 255\)"):
        score(GOOD, GOOD, data_range=(0, 255))


@pytest.mark.parametrize("shape", [(10, 64), (5, 32, 32)])
def test_ssim_needs_room_for_its_window(shape):
    with pytest.raises(ValueError, match="at least 11 pixels along every axis, got shape"):
        ssim(np.ones(shape), np.ones(shape), data_range=1)


def test_nrmse_needs_something_to_divide_by():
    for kind, truth in [
        ("euclidean", 0 * GOOD),
        ("min-max", GOOD),
        ("mean", 0 * GOOD),
        ("mean", -GOOD),
    ]:
        with pytest.raises(ValueError, match=f"whose {kind} size is"):
            nrmse(truth, GOOD, normalization=kind)
    with pytest.raises(ValueError, match="mean, got 'median'"):
        nrmse(GOOD, GOOD, normalization="median")
