"""Exposure: photons are counted right in dim light, and asked for within limits."""

import numpy as np
import pytest

from aimicro.smart import brightness, wanted_exposure


def cells(photons: float, background: float = 0.3) -> np.ndarray:
    expected = np.full((96, 96), background)
    expected[20:50, 20:50] += photons
    expected[60:80, 55:90] += photons
    return expected


@pytest.mark.parametrize("photons", [0.5, 2, 40])
def test_the_brightness_of_dim_cells_is_right_on_average(photons):
    rng = np.random.default_rng(0)
    noise_free = brightness(cells(photons), background=0.3)
    assert noise_free == pytest.approx(photons, rel=0.15)  # a little less, for the rims
    seen = [brightness(rng.poisson(cells(photons)), background=0.3) for _ in range(50)]
    assert np.mean(seen) == pytest.approx(noise_free, rel=0.1)


def test_noise_alone_has_no_brightness():
    noise = np.random.default_rng(0).normal(0, 2, (200, 200))
    noise -= noise.mean() - 0.5
    assert brightness(noise, background=0) < 1.0  # its variance is 4
    assert brightness(np.zeros((8, 8)), background=1) == 0


def test_exposure_is_proportional_and_stays_within_its_limits():
    settings = {"exposure_ms": 10, "background": 0, "limits_ms": (1, 200)}
    image = np.full((16, 16), 4.0)
    assert wanted_exposure(image, wanted_photons=8, **settings) == pytest.approx(20)
    assert wanted_exposure(image, wanted_photons=1e6, **settings) == 200
    assert wanted_exposure(image, wanted_photons=0.01, **settings) == 1
    assert wanted_exposure(0 * image, wanted_photons=8, **settings) == 200


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="7 x 7"):
        brightness(np.zeros((5, 20)), background=0)
    with pytest.raises(ValueError, match="longest"):
        wanted_exposure(
            np.zeros((9, 9)), exposure_ms=1, wanted_photons=1, background=0, limits_ms=(9, 3)
        )
