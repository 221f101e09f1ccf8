"""Unexplained light: nothing where the restoration is right, the height of what it hides."""

import numpy as np
import pytest

from aimicro.smart import unexplained


def test_a_hidden_spot_appears_with_its_height_and_noise_averages_out():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-32:33, -32:33]
    spot = 9 * np.exp(-(y**2 + x**2) / (2 * 1.5**2))
    believed = np.full(spot.shape, 4.0)
    maps = [unexplained(rng.poisson(4 + spot), believed, sigma=1.5) for _ in range(40)]
    mean = np.mean(maps, axis=0)
    assert mean[32, 32] == pytest.approx(9, abs=0.5)
    assert np.abs(mean[:20]).max() < 1


def test_the_unit_is_that_of_the_images():
    raw = np.random.default_rng(0).random((20, 20))
    once, thrice = (unexplained(k * raw, 0 * raw, sigma=1) for k in (1, 3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-5)


def test_images_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="without changing the size"):
        unexplained(np.zeros((8, 8)), np.zeros((8, 9)), sigma=1)
    with pytest.raises(ValueError, match="sigma"):
        unexplained(np.zeros((8, 8)), np.zeros((8, 8)), sigma=0)
