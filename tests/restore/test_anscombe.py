import dataclasses
import math

import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.stats import norm, poisson

from aimicro.restore import Noise, anscombe, inverse_anscombe

CAMERA = Noise(gain=2.0, offset=100.0, read_noise=3.0)  # read noise of 1.5 electrons


def exposed(photons, noise):
    rng = np.random.default_rng(1)
    counts = noise.offset + noise.gain * rng.poisson(photons)
    return counts + rng.normal(0, noise.read_noise, photons.shape)


def in_counts(photons, noise):
    return noise.offset + noise.gain * photons


def expected_value(photons, read_noise):
    """E[f] by direct sums that have nothing in common with the table."""
    spread = 12 * math.sqrt(photons) + 12
    counts = np.arange(max(0, int(photons - spread)), int(photons + spread))
    shift = counts + 3 / 8 + read_noise**2
    given_count = 2 * np.sqrt(shift)
    if read_noise:
        # Over y = sqrt(argument), where the kink of the root is gone.
        y = np.linspace(0, np.sqrt(shift + 10 * read_noise), 4001)
        density = norm.pdf((y**2 - shift) / read_noise) / read_noise
        given_count = simpson(2 * y * density * 2 * y, x=y, axis=0)
    return np.sum(poisson.pmf(counts, photons) * given_count)


@pytest.mark.parametrize("photons", [0.01, 0.1, 0.5, 1, 3, 10, 50, 99.9, 100.1, 300, 1000])
def test_inverse_is_exact_for_photon_noise(photons):
    mean = expected_value(photons, 0)
    assert inverse_anscombe(mean) == pytest.approx(photons, rel=1e-4)


@pytest.mark.parametrize("photons", [0.05, 0.5, 2, 20, 120])
@pytest.mark.parametrize("read_noise", [0.3, 1, 1.5, 4])
def test_inverse_is_exact_with_read_noise(photons, read_noise):
    mean = expected_value(photons, read_noise)
    found = inverse_anscombe(mean, read_noise=read_noise)
    assert found == pytest.approx(photons, rel=1e-4, abs=3e-4)


@pytest.mark.parametrize("photons", [0.2, 1, 4, 30])
@pytest.mark.parametrize("camera", [Noise(), CAMERA, Noise(0.4, -5, 0.3)])
def test_inverse_is_unbiased_where_solving_for_the_counts_is_not(photons, camera):
    settings_ = dataclasses.asdict(camera)
    counts = exposed(np.full(1_000_000, float(photons)), noise=camera)
    stable = anscombe(counts, **settings_)
    mean = stable.mean(dtype=np.float64)
    error = stable.std(dtype=np.float64) / 1000
    low, found, high = inverse_anscombe(mean + np.array([-4, 0, 4]) * error, **settings_)
    truth = in_counts(photons, camera)
    assert low < truth < high
    variance = (camera.read_noise / camera.gain) ** 2
    solved = in_counts((mean / 2) ** 2 - 3 / 8 - variance, camera)
    assert truth - solved > 8 * (found - low)  # 32 standard errors


@pytest.mark.parametrize("photons", [5, 20, 200])
@pytest.mark.parametrize("camera", [Noise(), CAMERA])
def test_noise_has_a_standard_deviation_of_one_after_the_transform(photons, camera):
    counts = exposed(np.full(200_000, float(photons)), noise=camera)
    assert anscombe(counts, **dataclasses.asdict(camera)).std() == pytest.approx(1, abs=0.02)


def test_inverse_is_monotone_and_joins_its_asymptote():
    for read_noise in (0, 1.5, 30):
        values = np.linspace(0, 60, 20_001)
        photons = inverse_anscombe(values, read_noise=read_noise)
        assert (np.diff(photons) >= 0).all()
        assert np.diff(photons).max() < 1.01 * 60 * 60 / 2 / 20_000
    assert inverse_anscombe(-1.0, gain=2, offset=100, read_noise=3) == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gain": 0}, "gain above 0, got 0"),
        ({"gain": math.nan}, "gain above 0, got nan"),
        ({"offset": math.inf}, "offset as a finite number, got inf"),
        ({"read_noise": -1}, "read_noise of 0 or more, got -1"),
    ],
)
def test_a_noise_model_must_be_possible(wrong, message):
    for call in (Noise, lambda **w: anscombe(1.0, **w), lambda **w: inverse_anscombe(1.0, **w)):
        with pytest.raises(ValueError, match=message):
            call(**wrong)
