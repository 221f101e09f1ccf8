"""Resolution from two recordings, and from one, of structure whose resolution is known."""

import math

import numpy as np
import pytest
from scipy import ndimage

from aimicro.metrics import decorrelation, fourier_correlation

SIGMA, NOISE, PIXEL = 2.0, 0.05, 0.1  # pixels, of a standard deviation of white noise, µm


def cell(shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    """White noise blurred by a Gaussian: its power spectrum is known."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, SIGMA, mode="wrap")


def twice(truth: np.ndarray, noise: float = NOISE, *, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [truth + noise * rng.normal(size=truth.shape) for _ in range(2)]


def otf_limited(cut_off: float, *, noise: float, seed: int = 0, n: int = 256) -> np.ndarray:
    """Structure of every size, seen by a lens whose cut-off is in units of the pixels' limit."""
    rng = np.random.default_rng(seed)
    radius = 2 * np.hypot(*np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n)))
    r = np.clip(radius / cut_off, 0, 1)
    otf = 2 / np.pi * (np.arccos(r) - r * np.sqrt(1 - r**2))
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, n))) * otf).real
    return image / image.std() + noise * rng.normal(size=(n, n))


class TestFourierCorrelation:
    def test_the_curve_is_that_of_signal_and_noise(self) -> None:
        """Of spectra S of the signal and N of the noise it is S / (S + N)."""
        curve = fourier_correlation(*twice(cell((256, 256))), spacing=PIXEL)
        signal = np.exp(-((2 * np.pi * SIGMA * PIXEL * curve.frequency) ** 2))
        expected = signal / (signal + NOISE**2)
        assert np.all(np.abs(curve.correlation - expected) < 4 / np.sqrt(curve.n_coefficients))
        wide = curve.n_coefficients > 200
        assert np.abs(curve.correlation - expected)[wide].mean() < 0.04

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_the_resolution_is_where_the_formula_has_it(self, seed: int) -> None:
        pair = twice(cell((256, 256), seed=9 + seed), seed=seed)
        curve = fourier_correlation(*pair, spacing=PIXEL)
        # S / (S + N) = 1/7 where S = N / 6
        period = 2 * np.pi * SIGMA * PIXEL / math.sqrt(-math.log(NOISE**2 / 6))
        assert curve.resolution() == pytest.approx(period, rel=0.04)
        assert curve.resolution(threshold=0.5) > curve.resolution()

    def test_pixels_of_another_size_are_another_unit(self) -> None:
        pair = twice(cell((96, 128)))
        one, ten = (fourier_correlation(*pair, spacing=um) for um in (0.1, 1))
        np.testing.assert_allclose(one.correlation, ten.correlation)
        assert ten.resolution() == pytest.approx(10 * one.resolution())

    def test_a_volume_is_looked_at_along_each_axis(self) -> None:
        """Blurred alike in pixels, of which those along z are three times as long."""
        pair = twice(cell((64, 96, 96)))
        axial, *lateral = (
            fourier_correlation(*pair, spacing=(0.3, 0.1, 0.1), axis=axis).resolution()
            for axis in range(3)
        )
        period = 2 * np.pi * SIGMA / math.sqrt(-math.log(NOISE**2 / 6))
        assert lateral == pytest.approx([0.1 * period] * 2, rel=0.1)
        assert axial == pytest.approx(0.3 * period, rel=0.15)
        last = fourier_correlation(*pair, spacing=(0.3, 0.1, 0.1), axis=-1).resolution()
        assert last == lateral[1]

    def test_recordings_that_share_nothing_have_no_resolution(self) -> None:
        for seed in range(5):
            pair = twice(np.zeros((64, 64)), 1, seed=seed)
            assert fourier_correlation(*pair, spacing=1).resolution() == math.inf

    def test_recordings_without_noise_are_as_fine_as_their_pixels(self) -> None:
        noise = np.random.default_rng(0).normal(size=(64, 64))
        curve = fourier_correlation(noise, 2 * noise + 3, spacing=0.2)
        np.testing.assert_allclose(curve.correlation, 1)
        assert curve.resolution() == pytest.approx(0.4)

    def test_what_both_share_counts_as_structure(self) -> None:
        """Stripes of the camera, which are no specimen."""
        stripes = np.tile([1.0, -1.0], (128, 64))
        pair = twice(cell((128, 128)))
        with_stripes = fourier_correlation(*(one + stripes for one in pair), spacing=PIXEL)
        without = fourier_correlation(*pair, spacing=PIXEL)
        assert with_stripes.correlation[-1] > 0.9 > 0.3 > abs(without.correlation[-1])

    def test_bad_input(self) -> None:
        one, other = twice(cell((32, 32)))
        with pytest.raises(ValueError, match="got the same image twice"):
            fourier_correlation(one, one, spacing=1)
        with pytest.raises(ValueError, match=r"of one shape, got \(32, 32\) and \(32, 31\)"):
            fourier_correlation(one, other[:, 1:], spacing=1)
        with pytest.raises(ValueError, match="second with structure, got one in which all pixels"):
            fourier_correlation(one, np.ones((32, 32)), spacing=1)
        with pytest.raises(ValueError, match="first with at least 4 pixels along each axis"):
            fourier_correlation(one[:3], other[:3], spacing=1)
        with pytest.raises(ValueError, match="finite"):
            fourier_correlation(one * np.nan, other, spacing=1)
        for wrong in ({"spacing": 0}, {"spacing": (1, 1, 1)}, {"spacing": 1, "axis": 2}):
            with pytest.raises(ValueError, match="Expected"):
                fourier_correlation(one, other, **wrong)
        with pytest.raises(ValueError, match="within_deg"):
            fourier_correlation(one, other, spacing=1, axis=0, within_deg=0)
        with pytest.raises(ValueError, match="threshold"):
            fourier_correlation(one, other, spacing=1).resolution(threshold=1)


class TestDecorrelation:
    @pytest.mark.parametrize("cut_off", [0.2, 0.35, 0.5, 0.7])
    @pytest.mark.parametrize("noise", [0.01, 0.1])
    def test_a_cut_off_is_found(self, cut_off: float, noise: float) -> None:
        """A tenth too coarse, since a lens passes next to nothing just below its cut-off."""
        image = otf_limited(cut_off, noise=noise, seed=int(100 * cut_off))
        found = decorrelation(image, spacing=PIXEL)
        assert 1 <= found.resolution / (2 * PIXEL / cut_off) < 1.2

    def test_noise_makes_it_coarser_and_weaker(self) -> None:
        clear, noisy = (
            decorrelation(otf_limited(0.3, noise=noise), spacing=PIXEL) for noise in (0.01, 1)
        )
        assert clear.resolution < noisy.resolution
        assert clear.strength > noisy.strength + 0.1

    def test_brightness_changes_nothing(self) -> None:
        image = otf_limited(0.3, noise=0.1)
        bright = decorrelation(7 * image + 100, spacing=PIXEL)
        assert bright == pytest.approx(decorrelation(image, spacing=PIXEL))

    def test_noise_alone_has_no_resolution(self) -> None:
        for seed in range(5):
            noise = np.random.default_rng(seed).normal(size=(128, 128))
            assert decorrelation(noise, spacing=1) == (math.inf, 0)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match=r"Expected an image \(Y, X\), got shape \(8, 8, 8\)"):
            decorrelation(cell((8, 8, 8)), spacing=1)
        with pytest.raises(ValueError, match="with structure"):
            decorrelation(np.ones((32, 32)), spacing=1)
        with pytest.raises(ValueError, match="spacing"):
            decorrelation(cell((32, 32)), spacing=-1)
