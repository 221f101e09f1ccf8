import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import foldnorm

from aimicro.metrics import seams

NOISE = np.random.default_rng(0).normal(size=(512, 512))


def in_steps(shape, tile, height):
    """Stripes that rise by `height` where a tile begins along x."""
    return np.broadcast_to(height * (np.arange(shape[1]) // tile), shape).astype(float)


@pytest.mark.parametrize("tile", [8, 32, (64, 16)])
def test_noise_has_no_seams(tile):
    assert seams(NOISE, tile=tile) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("height", [1.0, 3.0, 10.0])
def test_a_step_of_known_height_in_noise(height):
    """A jump of noise is normal with variance 5; its size has the mean of a folded normal."""
    sd = math.sqrt(5)
    expected = foldnorm.mean(height / sd, scale=sd) / foldnorm.mean(0, scale=sd)
    stepped = seams(NOISE + in_steps(NOISE.shape, 32, height), tile=(512, 32))
    assert stepped == pytest.approx(expected, rel=0.05)


def test_the_jumps_by_hand():
    image = np.array([[0, 1, 0, 1, 9, 8, 9, 8]] * 2, float)  # a border before the 9
    # Jumps: 2 twice to each side, at the border 8 - (1 - 1) / 2; those beside it do not count.
    assert seams(image, tile=4) == pytest.approx(8 / 2)


def test_slopes_are_no_seams_and_neither_is_nothing():
    y, x = np.mgrid[:64, :64]
    assert seams(3.0 * x + 2.0 * y, tile=16) == 1
    assert seams(np.full((64, 64), 7.0), tile=16) == 1
    assert seams(in_steps((64, 64), 16, 1.0), tile=16) == math.inf


def test_a_volume_has_borders_along_z_too():
    volume = np.random.default_rng(1).normal(size=(32, 40, 40))
    volume[16:] += 20
    assert seams(volume, tile=(16, 40, 40)) > 3
    even = np.random.default_rng(1).normal(size=(32, 40, 40))
    assert seams(even, tile=(32, 20, 20)) == pytest.approx(1, abs=0.1)


def test_a_single_plane_is_an_image():
    assert seams(NOISE[None], tile=32) == pytest.approx(seams(NOISE, tile=32))


@given(st.floats(0.01, 100), st.floats(-1000, 1000), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_unit_offset_and_direction_do_not_count(gain, offset, seed):
    image = np.random.default_rng(seed).normal(size=(64, 64)) + in_steps((64, 64), 16, 4)
    value = seams(image, tile=16)
    assert seams(gain * image + offset, tile=16) == pytest.approx(value, rel=1e-6)
    assert seams(image.T, tile=16) == pytest.approx(value)
    assert seams(image[:, ::-1], tile=16) == pytest.approx(value)


def test_start_says_where_the_borders_lie():
    image = NOISE + in_steps(NOISE.shape, 32, 10.0)
    cut = image[:, 5:]  # the next tile begins 27 pixels further on
    assert seams(cut, tile=(512, 32), start=(0, 27)) == pytest.approx(
        seams(image, tile=(512, 32)), rel=0.05
    )
    assert seams(cut, tile=(512, 32)) < 1.5


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((64, 64)), {"tile": 3}, "tile"),
        (np.zeros((64, 64)), {"tile": 64}, "borders"),
        (np.zeros((64, 64)), {"tile": (16, 16, 16)}, "tile"),
        (np.zeros((64, 64)), {"tile": 16, "start": -1}, "start"),
        (np.full((64, 64), np.nan), {"tile": 16}, "finite"),
        (np.zeros(64), {"tile": 16}, "image"),
    ],
)
def test_seams_refuses(image, options, message):
    with pytest.raises(ValueError, match=message):
        seams(image, **options)


@pytest.mark.parametrize("image", [np.zeros((64, 64), bool), np.zeros((64, 64), complex)])
def test_seams_takes_intensities_only(image):
    with pytest.raises(TypeError, match="image"):
        seams(image, tile=16)
