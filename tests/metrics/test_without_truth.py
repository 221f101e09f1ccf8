import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr, poisson

from aimicro.metrics import residual, split_error, split_photons

POINTS = (np.random.default_rng(1).random((96, 128)) > 0.98).astype(float)
LIGHT = 2 + 500 * gaussian_filter(POINTS, 3.0)


def a_stack(shape):
    return np.random.default_rng(2).poisson(np.full(shape, 25.0))


# --- residual ------------------------------------------------------------------------------


@pytest.mark.parametrize("read_noise_e", [0.0, 3.0])
def test_the_truth_leaves_noise_of_variance_one_and_no_shapes(read_noise_e):
    rng = np.random.default_rng(0)
    truth = np.maximum(LIGHT, 5)
    measured = rng.poisson(truth) + rng.normal(0, read_noise_e, truth.shape)
    left = residual(measured, truth, read_noise_e=read_noise_e)
    n = truth.size
    assert left.variance == pytest.approx(1, abs=5 * np.sqrt(3 / n))
    assert left.correlation == pytest.approx(0, abs=5 / np.sqrt(2 * n))


def test_too_smooth_leaves_shapes_and_the_noise_itself_leaves_nothing():
    measured = np.random.default_rng(0).poisson(5 * LIGHT)
    assert residual(measured, gaussian_filter(5 * LIGHT, 6)).correlation > 0.1
    untouched = residual(measured, measured)
    assert (untouched.variance, untouched.correlation) == (0, 0)


def test_the_correlation_is_that_of_pearson_for_a_long_row():
    z = np.random.default_rng(0).normal(size=(1, 20000)).cumsum(axis=1) % 7
    left = residual(z + 4, np.full_like(z, 4.0))
    assert left.correlation == pytest.approx(pearsonr(z[0, 1:], z[0, :-1])[0], abs=1e-3)


def test_a_volume_counts_all_three_axes():
    across = np.zeros((8, 8, 8))
    across[::2] = 1.0  # planes in turn: neighbours along z are opposite, along y and x alike
    assert residual(across + 1, np.ones_like(across)).correlation == pytest.approx((2 - 1) / 3)


@pytest.mark.parametrize(
    ("measured", "restored", "options", "message"),
    [
        (np.ones((4, 4)), np.ones((4, 5)), {}, "one shape"),
        (np.ones((1, 1)), np.ones((1, 1)), {}, "neighbouring"),
        (np.ones((4, 4)), np.full((4, 4), np.nan), {}, "finite"),
        (np.ones((4, 4)), np.ones((4, 4)), {"read_noise_e": -1}, "read_noise_e"),
    ],
)
def test_residual_refuses(measured, restored, options, message):
    with pytest.raises(ValueError, match=message):
        residual(measured, restored, **options)


# --- photons in two ------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
@settings(max_examples=25, deadline=None)
def test_no_photon_is_lost_or_invented(seed, share):
    photons = np.random.default_rng(seed).poisson(4, size=(9, 7))
    first, second = split_photons(photons, share=share, rng=seed)
    assert (first + second == photons).all()
    assert min(first.min(), second.min()) >= 0


def test_the_parts_of_a_poisson_count_are_independent_poisson_counts():
    first, second = split_photons(a_stack((400, 400)), share=0.3, rng=3)
    n = first.size
    assert abs(pearsonr(first.ravel(), second.ravel())[0]) < 5 / np.sqrt(n)
    for part, mean in ((first, 7.5), (second, 17.5)):
        seen = np.bincount(part.ravel().astype(int), minlength=60)[:60] / n
        assert np.abs(seen - poisson.pmf(np.arange(60), mean)).max() < 5 * np.sqrt(0.15 / n)


def test_the_same_seed_tosses_the_same_coins():
    one, other = (split_photons(a_stack((3, 8, 8)), rng=7) for _ in range(2))
    assert (one[0] == other[0]).all()
    assert one[0].dtype == np.float32


@pytest.mark.parametrize(
    ("photons", "options", "message"),
    [
        ([[1.5, 2]], {}, "whole numbers"),
        ([[-1, 2]], {}, "below 0"),
        ([[1, 2]], {"share": 1}, "share"),
        ([[1, 2]], {"share": 0}, "share"),
    ],
)
def test_split_photons_refuses(photons, options, message):
    with pytest.raises(ValueError, match=message):
        split_photons(photons, rng=0, **options)


# --- the error that nobody can see ---------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.5, 1.5, 4.0])
def test_the_estimated_error_is_the_true_one_on_average(sigma):
    estimates, errors = [], []
    for seed in range(40):
        photons = np.random.default_rng(seed).poisson(LIGHT)
        restored = gaussian_filter(split_photons(photons, rng=seed)[0], sigma)
        errors.append(np.mean((restored - LIGHT / 2) ** 2))
        estimates.append(split_error(lambda half: gaussian_filter(half, sigma), photons, rng=seed))
    difference = np.subtract(estimates, errors)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(errors))


def test_the_counts_themselves_have_the_error_of_their_noise():
    photons = np.random.default_rng(0).poisson(np.full((500, 500), 20.0))
    assert split_error(lambda half: half, photons, rng=1) == pytest.approx(10, rel=0.02)


def test_split_error_refuses_an_image_of_another_shape():
    with pytest.raises(ValueError, match="one shape"):
        split_error(lambda half: half[1:], [[1, 2], [3, 4]], rng=0)
