"""Focus: measures fall off focus, parabolas are exact, and two snaps tell the height."""

import numpy as np
import pytest
from scipy import ndimage

from aimicro.simulate import Microscope, Noise
from aimicro.smart import FocusReader, peak, sharpness, spectrum
from aimicro.smart.sharpness import MEASURES

LENS = Microscope("widefield", na=0.25, refractive_index=1, voxel_size_um=(0.5, 0.5))
READER = FocusReader(LENS, (64, 64), reach_um=20, step_um=1)


def specimen(seed: int = 0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((64, 64)), 1.5)
    return 200 * np.maximum(noise - 0.5, 0) + 1


def snap(height: float, focus: float, seed: int = 0) -> np.ndarray:
    waves = np.fft.rfft2(specimen(seed)) * READER.otf(focus - height)
    return np.fft.irfft2(waves, s=(64, 64))


@pytest.mark.parametrize("measure", MEASURES)
def test_sharpness_is_highest_in_focus_and_knows_no_brightness(measure):
    noise = Noise(gain=1e-9)
    values = [sharpness(snap(0, z), measure, noise=noise) for z in (-12, -6, 0, 6, 12)]
    assert np.argmax(values) == 2
    assert values[1] > values[0]
    assert values[3] > values[4]
    assert sharpness(7 * snap(0, 0), measure, noise=noise) == pytest.approx(values[2], rel=1e-3)


@pytest.mark.parametrize("measure", MEASURES)
def test_noise_is_not_taken_for_sharpness(measure):
    even = np.random.default_rng(0).poisson(20, (256, 256))
    assert sharpness(even, measure, noise=Noise()) < 0.05 * 20 / 20**2


def test_the_parabola_is_exact_for_a_gaussian_and_turns_to_the_brighter_end():
    values = np.exp(-((np.array([-5, 0, 5]) - 1.7) ** 2) / 30)
    assert peak((-5, 0, 5), values) == pytest.approx(1.7)
    assert peak((-5, 0, 5), (3, 1, 2)) == -10
    assert peak((-5, 0, 5), (1, 1, 2)) == 10
    with pytest.raises(ValueError, match="three values above 0"):
        peak((-5, 0, 5), (0, 1, 2))
    with pytest.raises(ValueError, match="evenly spaced"):
        peak((-5, 0, 9), (1, 2, 1))


@pytest.mark.parametrize("height", [-7.0, 0.0, 5.0])
@pytest.mark.parametrize("told", [False, True])
def test_two_snaps_tell_the_height_and_the_side(height, told):
    kind = [specimen(seed) for seed in (5, 6, 7)] if told else ()
    reader = FocusReader(LENS, (64, 64), reach_um=20, step_um=1, specimens=kind)
    pair = [snap(height, z) for z in (-6, 6)]
    found = reader.find(pair, (-6, 6), within_um=10, noise=Noise(gain=0.01))
    assert found == pytest.approx(height, abs=0.4)


def test_transfer_functions_keep_the_light_and_are_even_in_height():
    assert READER.otf(0)[0, 0] == pytest.approx(1)
    np.testing.assert_allclose(READER.otf(8), READER.otf(-8), atol=1e-6)


def test_one_snap_or_too_far_is_refused():
    with pytest.raises(ValueError, match="above from below"):
        READER.misfit([specimen()], [0], [0], noise=Noise())
    with pytest.raises(ValueError, match="reach_um"):
        READER.otf(21)
    with pytest.raises(ValueError, match="16 pixels"):
        FocusReader(LENS, (8, 64), reach_um=5)


def test_the_spectrum_of_noise_is_flat_and_detail_lifts_it():
    even = np.random.default_rng(0).poisson(20, (128, 128))
    assert np.abs(spectrum(even, noise=Noise())[2:]).max() < 0.4
    sharp, blurred = (spectrum(snap(0, z), noise=Noise()) for z in (0, 12))
    assert sharp.shape == (24,)
    assert np.all(sharp[6:14] > blurred[6:14])
