import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from aimicro.restore import (
    Noise,
    likeliest_parameters,
    likely_psf,
    log_likelihood,
    richardson_lucy,
)

CAMERA = Noise(gain=2, offset=100, read_noise=3)


def psf(sigma, side=17):
    point = np.zeros((side, side))
    point[side // 2, side // 2] = 1
    spot = gaussian_filter(point, sigma)
    return spot / spot.sum()


def streak(angle, side=17):
    """A spot, drawn out in one direction, as astigmatism does."""
    y, x = np.mgrid[:side, :side] - side // 2
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    spot = np.exp(-0.5 * (along / 3) ** 2 - 0.5 * across**2)
    return spot / spot.sum()


KIND = [streak(angle) for angle in np.pi * np.arange(5) / 5]


def picture(true, seed=0, photons=900):
    """Camera counts of spots through one of the kind."""
    rng = np.random.default_rng(seed)
    spots = np.zeros((64, 64))
    spots[tuple(rng.integers(10, 54, (2, 25)))] = photons
    light = np.maximum(fftconvolve(spots, KIND[true], mode="same"), 0)
    return 2 * rng.poisson(light) + 100 + rng.normal(0, 3, light.shape)


def fits(image):
    return [log_likelihood(image, each, iterations=60, noise=CAMERA) for each in KIND]


@pytest.mark.parametrize("true", [1, 2, 3])
def test_the_likeliest_of_its_kind_made_the_image(true):
    assert int(np.argmax(fits(picture(true)))) == true


def test_a_narrower_psf_explains_the_image_as_well():
    """Because the specimen may be wide: the docstring warns of it."""
    image = picture(2)
    narrow, true = (
        log_likelihood(image, each, iterations=60, noise=CAMERA) for each in (psf(0.6), KIND[2])
    )
    assert narrow > true


def test_the_likelihood_is_that_of_the_estimate():
    """With a PSF of one voxel the estimate is the image, wherever counts are light."""
    point = np.zeros((3, 3))
    point[1, 1] = 1
    counts = np.random.default_rng(1).poisson(50, (12, 13)).astype(float)
    wanted = np.sum(counts * np.log(counts) - counts)
    assert log_likelihood(counts, point, iterations=1) == pytest.approx(wanted, rel=1e-5)
    # In photons, whatever the gain: counts of four a photon have a quarter of the information.
    four = log_likelihood(4 * counts, point, iterations=1, noise=Noise(gain=4))
    assert four == pytest.approx(wanted + np.sum(counts) * np.log(4), rel=1e-5)


def test_more_iterations_explain_an_image_better():
    image = picture(2)
    steps = [log_likelihood(image, KIND[2], iterations=n, noise=CAMERA) for n in (1, 4, 16, 64)]
    assert steps == sorted(steps)


def test_the_tolerance_goes_from_the_likeliest_to_the_mean():
    logs = [-3000.0, -2000.0, -1000.0, -1500.0, -4000.0]
    np.testing.assert_allclose(likely_psf(KIND, logs, tolerance=1), KIND[2], rtol=1e-5)
    mean = np.mean(KIND, axis=0)
    np.testing.assert_allclose(likely_psf(KIND, logs, tolerance=1e9), mean, rtol=1e-4)
    between = likely_psf(KIND, logs, tolerance=500)
    weights = np.exp(np.array(logs) / 500 + 2)
    wanted = np.tensordot(weights / weights.sum(), KIND, axes=1)
    np.testing.assert_allclose(between, wanted, rtol=1e-5)
    assert between.sum() == pytest.approx(1)
    shifted = likely_psf(KIND, np.add(logs, 1e6), tolerance=500)  # only differences count
    np.testing.assert_array_equal(between, shifted)


def test_it_restores_nearly_as_well_as_the_true_psf():
    image, found = picture(2), {}
    choices = {
        "true": KIND[2],
        "likely": likely_psf(KIND, fits(image), tolerance=20),
        "mean": np.mean(KIND, axis=0),
    }
    truth = np.zeros((64, 64))
    rng = np.random.default_rng(0)
    truth[tuple(rng.integers(10, 54, (2, 25)))] = 1800
    for name, each in choices.items():
        estimate = richardson_lucy(image, each, iterations=40, noise=CAMERA, accelerated=True)
        found[name] = float(np.mean((gaussian_filter(estimate - truth, 1)) ** 2))
    assert found["likely"] < 0.5 * found["mean"]
    assert found["likely"] < 1.5 * found["true"]


@pytest.mark.parametrize(
    ("candidates", "logs", "tolerance", "message"),
    [
        ([], [], 1, r"for each of one or more PSFs, got shape \(0,\) for 0\. Compute one with"),
        (KIND, [1.0, 2.0], 1, r"got shape \(2,\) for 5\. "),
        ([psf(1), psf(1, side=9)], [1.0, 2.0], 1, r"PSFs of one shape, got \[\(9, 9\), \(17, 17\)"),
        (KIND, [1.0] * 5, 0, "tolerance .*Start with 1000"),
        (KIND, [1.0] * 4 + [np.nan], 1, "log-likelihoods that are finite, got nan"),
        ([psf(1), -psf(1)], [1.0, 2.0], 1, "each candidate"),
        ([psf(1), np.nan * psf(1)], [1.0, 2.0], 1, "each candidate"),
    ],
)
def test_what_cannot_be_weighed(candidates, logs, tolerance, message):
    with pytest.raises(ValueError, match=message):
        likely_psf(candidates, logs, tolerance=tolerance)


def test_an_image_that_cannot_be_light_is_refused():
    with pytest.raises(ValueError, match="do not clip them"):
        log_likelihood(np.full((8, 8), -1.0), KIND[0], iterations=5)
    with pytest.raises(ValueError, match="iterations"):
        log_likelihood(np.ones((20, 20)), KIND[0], iterations=0)


def turned(parameters):
    return streak(parameters[0])


@pytest.mark.parametrize("true", [1, 2, 3])
def test_a_search_ends_at_the_angle_that_made_the_image(true):
    """From both sides, and closer than the candidates lie."""
    image, angle = picture(true), np.pi * true / 5
    for start in (angle - 0.3, angle + 0.3):
        found = likeliest_parameters(image, turned, [start], step=0.2, noise=CAMERA, iterations=60)
        assert found == pytest.approx([angle], abs=0.05)
        begun, ended = (
            log_likelihood(image, turned(each), iterations=60, noise=CAMERA)
            for each in ([start], found)
        )
        assert ended > begun + 100


def test_a_search_of_two_parameters_takes_no_more_trials_than_it_may():
    image, trials = picture(2), []

    def drawn(parameters):
        trials.append(parameters.copy())
        return gaussian_filter(streak(parameters[0]), abs(parameters[1]))

    found = likeliest_parameters(image, drawn, [1.0, 0.3], step=0.1, noise=CAMERA, most=12)
    # SciPy may end a step of the simplex that it has begun.
    assert found.shape == (2,)
    assert 12 <= len(trials) < 12 + 4
    assert [t.tolist() for t in trials[:2]] == [[1.0, 0.3], [1.1, 0.3]]  # where it was told to


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        (0.3, {}, r"start as a list of finite parameters, got 0\.3\. Give what psf_of takes"),
        ([], {}, r"start as a list of finite parameters, got \[\]"),
        ([[0.3]], {}, "start as a list"),
        ([0.3, np.nan], {}, "start as a list of finite"),
        ([0.3], {"step": 0}, "step .*how far parameters may be off"),
        ([0.3], {"most": 2}, "most .*30 for each parameter"),
        ([0.3], {"iterations": 0}, "iterations"),
        ([0.3], {"background": -1}, "background"),
    ],
)
def test_what_cannot_be_searched(start, options, message):
    with pytest.raises(ValueError, match=message):
        likeliest_parameters(picture(1), turned, start, **{"step": 0.2, **options})
