"""The camera: measured as a laboratory would, with photon transfer, and at its limits."""

import re
from dataclasses import FrozenInstanceError, astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, poisson

from aimicro.simulate import Camera

PERFECT = Camera(
    quantum_efficiency=1,
    dark_current_e_per_s=0,
    read_noise_e=0,
    gain_counts_per_e=1,
    offset_counts=0,
)


def measure(camera, photons, *, seed, side=1000):
    """Mean and variance of the counts of a flat field."""
    counts = camera.expose(np.full((side, side), float(photons)), rng=seed).astype(float)
    return counts.mean(), counts.var()


class TestPhotonTransfer:
    @pytest.mark.parametrize("camera", [Camera(), Camera(gain_counts_per_e=0.6, read_noise_e=4)])
    def test_gain_and_read_noise_come_back(self, camera):
        levels = np.array([0, 500, 2000, 4000])
        mean, variance = np.transpose([measure(camera, p, seed=p) for p in levels])
        gain, _ = np.polyfit(mean, variance, 1)
        assert gain == pytest.approx(camera.gain_counts_per_e, rel=0.01)
        dark = camera.gain_counts_per_e**2 * camera.dark_charge_e  # shot noise of the dark charge
        read_noise_e = np.sqrt(variance[0] - dark - 1 / 12) / camera.gain_counts_per_e
        assert read_noise_e == pytest.approx(camera.read_noise_e, rel=0.01)

    @pytest.mark.parametrize("photons", [0, 3, 50, 1000])
    @pytest.mark.parametrize("camera", [Camera(), Camera(gain_counts_per_e=0.4, read_noise_e=3)])
    def test_noise_model_predicts_the_variance(self, camera, photons):
        mean, variance = measure(camera, photons, seed=photons)
        gain, offset, read_noise = astuple(camera.noise)
        assert variance == pytest.approx(gain * (mean - offset) + read_noise**2, rel=0.01)

    def test_counts_of_a_perfect_camera_are_poisson_distributed(self):
        counts = PERFECT.expose(np.full((400, 500), 6.5), rng=0)
        values = np.arange(1, 16)
        expected = counts.size * poisson(6.5).pmf(values)
        observed = np.bincount(counts.ravel(), minlength=30)[1:16]
        rest = counts.size - expected.sum(), counts.size - observed.sum()
        assert chisquare([*observed, rest[1]], [*expected, rest[0]]).pvalue > 0.01

    @pytest.mark.parametrize("photons", [0, 10, 5000])
    def test_mean_is_offset_plus_gain_times_electrons(self, photons):
        camera = Camera(dark_current_e_per_s=30, exposure_s=0.5)
        mean, variance = measure(camera, photons, seed=1)
        expected = 100 + 2 * (0.8 * photons + 15)
        assert abs(mean - expected) < 4 * np.sqrt(variance / 1000**2)

    def test_electrons_become_whole_counts_exactly(self):
        camera = replace(PERFECT, gain_counts_per_e=2.5, offset_counts=7)
        counts = camera.expose(np.full((200, 200), 4.0), rng=3)
        electrons = np.random.default_rng(3).poisson(4.0, (200, 200))
        np.testing.assert_array_equal(counts, np.rint(7 + 2.5 * electrons))


class TestLimits:
    @pytest.mark.parametrize(
        ("bits", "dtype"),
        [
            (1, np.uint8),
            (8, np.uint8),
            (10, np.uint16),
            (12, np.uint16),
            (16, np.uint16),
            (17, np.uint32),
            (32, np.uint32),
        ],
    )
    def test_converter_ends_at_its_highest_count(self, bits, dtype):
        camera = Camera(bit_depth=bits, full_well_e=1e12, offset_counts=1)
        counts = camera.expose(np.full((4, 4), 1e11), rng=0)
        assert counts.dtype == dtype
        assert np.all(counts == 2**bits - 1)

    def test_full_well_ends_the_electrons(self):
        camera = replace(PERFECT, full_well_e=1000, gain_counts_per_e=3, offset_counts=50)
        assert np.all(camera.expose(np.full((8, 8), 1e6), rng=0) == 3050)

    def test_read_noise_goes_on_above_the_full_well(self):
        camera = Camera(full_well_e=1000)
        counts = camera.expose(np.full((300, 300), 1e6), rng=0).astype(float)
        assert counts.std() == pytest.approx(camera.noise.read_noise, rel=0.02)

    def test_counts_do_not_go_below_zero(self):
        counts = Camera(offset_counts=0, read_noise_e=20).expose(np.zeros((64, 64)), rng=0)
        assert np.mean(counts == 0) == pytest.approx(0.5, abs=0.05)
        assert counts.max() < 300

    def test_no_photons_give_offset_dark_charge_and_read_noise_only(self):
        np.testing.assert_array_equal(PERFECT.expose(np.zeros((8, 8)), rng=0), 0)
        counts = Camera(dark_current_e_per_s=0).expose(np.zeros((500, 500)), rng=0).astype(float)
        assert counts.mean() == pytest.approx(100, abs=0.05)
        assert counts.std() == pytest.approx(np.sqrt(9 + 1 / 12), rel=0.01)


class TestDarkAndHotPixels:
    def test_dark_current_grows_with_the_exposure(self):
        camera = Camera(dark_current_e_per_s=50)
        means = [measure(replace(camera, exposure_s=t), 0, seed=4)[0] for t in (0.1, 1, 10)]
        np.testing.assert_allclose(np.subtract(means, 100) / 2, [5, 50, 500], rtol=0.01)

    def test_hot_pixels_stay_put_and_stand_out(self):
        camera = Camera(hot_pixel_fraction=0.01, hot_pixel_rate_e_per_s=5000, exposure_s=0.2)
        hot = camera.hot_pixels((200, 300))
        assert hot.mean() == pytest.approx(0.01, rel=0.2)
        stack = camera.expose(np.full((20, 200, 300), 10.0), rng=0)
        for frame in (*stack, camera.expose(np.full((200, 300), 10.0), rng=99)):
            np.testing.assert_array_equal(frame > 1000, hot)
        # 8 photoelectrons, 0.1 of dark current and 1000 of the hot pixel.
        assert stack[:, hot].mean() == pytest.approx(100 + 2 * (8 + 0.1 + 1000), rel=0.002)

    def test_another_chip_has_other_hot_pixels(self):
        camera = Camera(hot_pixel_fraction=0.01)
        other = replace(camera, hot_pixel_seed=1)
        hot, other_hot = camera.hot_pixels((200, 200)), other.hot_pixels((200, 200))
        assert not np.array_equal(hot, other_hot)

    def test_default_chip_has_none(self):
        assert not Camera().hot_pixels((100, 100)).any()


class TestPhotons:
    @pytest.mark.parametrize("photons", [0, 5, 300])
    def test_estimate_is_right_on_average(self, photons):
        camera = Camera(dark_current_e_per_s=40)
        estimate = camera.photons(camera.expose(np.full((700, 700), float(photons)), rng=0))
        assert estimate.dtype == np.float32
        error = estimate.astype(float).std() / 700
        assert abs(estimate.mean(dtype=float) - photons) < 4 * error

    @given(
        quantum_efficiency=st.floats(0.1, 1),
        gain=st.floats(1, 20),
        offset=st.integers(0, 500),
        electrons=st.integers(0, 200),
    )
    @settings(max_examples=30, deadline=None)
    def test_inverts_the_camera_when_there_is_no_noise(
        self, quantum_efficiency, gain, offset, electrons
    ):
        camera = Camera(
            quantum_efficiency=quantum_efficiency,
            gain_counts_per_e=gain,
            offset_counts=offset,
            dark_current_e_per_s=0,
        )
        estimate = camera.photons([[offset + gain * electrons]])
        assert estimate[0, 0] == pytest.approx(electrons / quantum_efficiency, rel=1e-5, abs=1e-5)

    def test_unsigned_counts_below_the_offset_do_not_wrap(self):
        counts = np.array([[95]], np.uint16)
        assert Camera().photons(counts)[0, 0] == pytest.approx((-2.5 - 0.05) / 0.8)


class TestCounts:
    def test_counts_are_the_mean_of_many_exposures(self):
        camera = Camera(exposure_s=2.0, gain_counts_per_e=0.7)
        photons = np.linspace(5, 500, 64).reshape(8, 8)
        mean = camera.expose(np.broadcast_to(photons, (4000, 8, 8)), rng=0).mean(axis=0)
        error = np.sqrt(camera.noise.gain * (camera.counts(photons) - 100) + 2) / np.sqrt(4000)
        assert np.all(np.abs(mean - camera.counts(photons)) < 4.5 * error)

    def test_photons_are_the_way_back(self):
        camera, photons = Camera(), np.array([0.0, 3.5, 1000.0])
        np.testing.assert_allclose(camera.photons(camera.counts(photons)), photons, atol=1e-4)


class TestExpose:
    def test_repeats_bit_for_bit_with_the_same_seed(self):
        photons = np.full((32, 32), 20.0)
        once, again = Camera().expose(photons, rng=7), Camera().expose(photons, rng=7)
        np.testing.assert_array_equal(once, again)
        assert not np.array_equal(once, Camera().expose(photons, rng=8))
        rng = np.random.default_rng(7)
        np.testing.assert_array_equal(once, Camera().expose(photons, rng=rng))
        assert not np.array_equal(once, Camera().expose(photons, rng=rng))

    def test_leaves_its_input_alone(self):
        photons = np.full((8, 8), 20.0)
        Camera(hot_pixel_fraction=0.5).expose(photons, rng=0)
        np.testing.assert_array_equal(photons, 20)

    @pytest.mark.parametrize("bad", [-1, np.nan, np.inf])
    def test_refuses_what_is_no_light(self, bad):
        photons = np.ones((8, 8))
        photons[2, 3] = bad
        with pytest.raises(ValueError, match="Expected finite photons from 0 up"):
            Camera().expose(photons, rng=0)

    def test_refuses_a_line(self):
        with pytest.raises(ValueError, match=r"axes \(…, Y, X\), got shape \(8,\)"):
            Camera().expose(np.ones(8), rng=0)


class TestFields:
    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("quantum_efficiency", 0, "above 0 to 1, got 0"),
            ("quantum_efficiency", 80, "above 0 to 1, got 80"),
            ("exposure_s", -0.1, "above 0, got -0.1"),
            ("dark_current_e_per_s", -1, "of 0 or more, got -1"),
            ("read_noise_e", np.nan, "of 0 or more, got nan"),
            ("gain_counts_per_e", 0, "above 0, got 0"),
            ("offset_counts", -5, "of 0 or more, got -5"),
            ("offset_counts", 70_000, "of at most 65535, where 16 bits end, got 70000"),
            ("full_well_e", np.inf, "above 0, got inf"),
            ("bit_depth", 0, "from 1 to 32, got 0"),
            ("bit_depth", 12.5, "as a whole number from 1 to 32, got 12.5"),
            ("hot_pixel_fraction", 1.5, "from 0 to 1, got 1.5"),
            ("hot_pixel_rate_e_per_s", -1, "of 0 or more, got -1"),
        ],
    )
    def test_out_of_range(self, field, value, message):
        with pytest.raises((ValueError, TypeError), match=re.escape(f"Expected {field} {message}")):
            Camera(**{field: value})

    def test_camera_cannot_be_changed_behind_its_back(self):
        with pytest.raises(FrozenInstanceError):
            Camera().read_noise_e = 3
