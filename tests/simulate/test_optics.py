"""The PSF against diffraction theory, and blurring against the definition of convolution."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.ndimage import convolve
from scipy.special import j0, j1, jv

from aimicro.simulate import airy_psf, blur

FINE = {"na": 0.5, "wavelength_um": 0.5, "pixel_size_um": 0.02}  # 12 times finer than Nyquist
FINE_UNIT = FINE["wavelength_um"] / FINE["na"]  # λ/NA in µm


def central_profile(shape=(201, 201)):
    psf = airy_psf(**FINE, shape=shape)
    y, x = shape[0] // 2, shape[1] // 2
    profile = psf[y, x:].astype(float)
    return np.arange(len(profile)) * FINE["pixel_size_um"], profile / profile[0]


class TestAiryPsf:
    def test_first_dark_ring(self):
        radius, profile = central_profile()
        ring = slice(29, 33)  # the four samples around 0.61 µm
        curve = np.polynomial.Polynomial.fit(radius[ring], profile[ring], 2)
        assert curve.deriv().roots()[0] == pytest.approx(0.6098 * FINE_UNIT, rel=0.01)
        assert profile.min() < 1e-3

    def test_full_width_at_half_maximum(self):
        radius, profile = central_profile()
        half = np.interp(-0.5, -profile[:30], radius[:30])
        assert 2 * half == pytest.approx(0.5145 * FINE_UNIT, rel=0.02)

    def test_first_bright_ring_has_its_height(self):
        radius, profile = central_profile()
        assert profile[radius > 0.61 * FINE_UNIT].max() == pytest.approx(0.0175, rel=0.02)

    def test_values_are_means_over_the_pixel(self):
        # Coarse pixels, and an integration with SciPy through J0 + J2 = 2 J1(v) / v.
        na, wavelength, pixel = 1.4, 0.52, 0.09
        psf = airy_psf(na=na, wavelength_um=wavelength, pixel_size_um=pixel, shape=(21, 21))

        def light(row, column):
            def intensity(x, y):
                v = 2 * np.pi * na / wavelength * np.hypot(x, y)
                return (j0(v) + jv(2, v)) ** 2

            centre_y, centre_x = (row - 10) * pixel, (column - 10) * pixel
            return dblquad(
                intensity,
                centre_y - pixel / 2,
                centre_y + pixel / 2,
                centre_x - pixel / 2,
                centre_x + pixel / 2,
            )[0]

        middle = light(10, 10)
        for row, column in [(10, 11), (11, 11), (10, 13), (12, 15), (3, 8)]:
            ratio = psf[row, column] / psf[10, 10]
            assert ratio == pytest.approx(light(row, column) / middle, rel=1e-4)

    @pytest.mark.parametrize("pixel_size_um", [0.08, 0.05])
    def test_transfer_function_is_that_of_a_circular_pupil(self, pixel_size_um):
        na, wavelength, side = 1.4, 0.52, 401
        psf = airy_psf(
            na=na, wavelength_um=wavelength, pixel_size_um=pixel_size_um, shape=(side, side)
        )
        otf = np.fft.fft2(np.fft.ifftshift(psf.astype(float)))
        assert np.abs(otf.imag).max() < 1e-6
        frequency = np.fft.fftfreq(side, pixel_size_um)
        radial = np.hypot(frequency[:, None], frequency)
        inside = np.minimum(radial / (2 * na / wavelength), 1)
        pupil = 2 / np.pi * (np.arccos(inside) - inside * np.sqrt(1 - inside**2))
        pixel = np.sinc(frequency * pixel_size_um)
        # The window holds 99.7 % of the light, and the rest is missing at low frequencies.
        np.testing.assert_allclose(otf.real, pupil * pixel * pixel[:, None], atol=5e-3)
        beyond = radial > 1.02 * 2 * na / wavelength
        assert np.sum(np.abs(otf[beyond]) ** 2) / np.sum(np.abs(otf) ** 2) < 1e-6

    @given(
        na=st.floats(0.1, 1.7),
        wavelength_um=st.floats(0.4, 0.8),
        fineness=st.floats(0.3, 1),
        shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    )
    @settings(max_examples=30, deadline=None)
    def test_sum_centre_and_symmetry(self, na, wavelength_um, fineness, shape):
        pixel_size_um = fineness * wavelength_um / (4 * na)
        psf = airy_psf(na=na, wavelength_um=wavelength_um, pixel_size_um=pixel_size_um, shape=shape)
        assert psf.dtype == np.float32
        assert psf.shape == shape
        assert psf.min() >= 0
        assert psf.sum(dtype=float) == pytest.approx(1, rel=1e-5)
        y, x = shape[0] // 2, shape[1] // 2
        assert np.unravel_index(psf.argmax(), shape) == (y, x)
        symmetric = psf[1 - shape[0] % 2 :, 1 - shape[1] % 2 :]  # even sides have a row to spare
        np.testing.assert_allclose(symmetric, symmetric[::-1, ::-1], rtol=1e-4, atol=1e-9)

    @pytest.mark.parametrize(("na", "pixel_size_um"), [(1.4, 0.08), (0.5, 0.2), (0.5, 0.05)])
    def test_default_window_holds_99_percent_of_the_light(self, na, pixel_size_um):
        wavelength = 0.52
        side, other = airy_psf(na=na, wavelength_um=wavelength, pixel_size_um=pixel_size_um).shape
        assert side == other
        assert side % 2 == 1

        def light_within(pixels):  # encircled energy of the Airy pattern
            v = 2 * np.pi * na / wavelength * pixels * pixel_size_um
            return 1 - j0(v) ** 2 - j1(v) ** 2

        assert light_within(side / 2) > 0.9899
        assert light_within(side / 2 - 2) < 0.9901

    def test_warns_above_nyquist_and_not_at_it(self):
        with pytest.warns(
            UserWarning, match=re.escape("λ/(4 NA) = 0.0929 µm (Nyquist), got 0.1")
        ) as told:
            airy_psf(na=1.4, wavelength_um=0.52, pixel_size_um=0.1)
        assert told[0].filename == __file__  # and not inside the package
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=0.1)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"na": 0}, "numerical aperture above 0 and up to 1.7, got 0"),
            ({"na": 1.8}, "numerical aperture above 0 and up to 1.7, got 1.8"),
            ({"na": np.nan}, "numerical aperture above 0 and up to 1.7, got nan"),
            ({"wavelength_um": 520}, "between 0.1 and 10 µm, got 520. Divide nanometres by 1000"),
            ({"pixel_size_um": 0}, "pixel_size_um above 0, got 0"),
            ({"pixel_size_um": np.inf}, "pixel_size_um above 0, got inf"),
            ({"shape": (5,)}, r"shape \(Y, X\) of at least one pixel each, got \(5,\)"),
            ({"shape": (5, 0)}, r"shape \(Y, X\) of at least one pixel each, got \(5, 0\)"),
        ],
    )
    def test_bad_input(self, changed, message):
        with pytest.raises(ValueError, match=message):
            airy_psf(**(FINE | changed))


class TestBlur:
    PSF = airy_psf(na=1.4, wavelength_um=0.52, pixel_size_um=0.08, shape=(31, 31))

    @pytest.mark.parametrize("side", [30, 31])
    def test_point_becomes_the_psf_in_its_place(self, side):
        psf = airy_psf(na=1.4, wavelength_um=0.52, pixel_size_um=0.08, shape=(side, side))
        specimen = np.zeros((80, 90))
        specimen[40, 50] = 1
        image = blur(specimen, psf)
        assert image.dtype == np.float32
        expected = np.zeros((80, 90))
        top, left = 40 - side // 2, 50 - side // 2
        expected[top : top + side, left : left + side] = psf
        np.testing.assert_allclose(image, expected, atol=1e-8)

    def test_is_the_sum_that_defines_a_convolution(self):
        rng = np.random.default_rng(0)
        specimen, psf = rng.random((40, 33)), rng.random((7, 9))
        expected = convolve(specimen, psf, mode="constant")
        np.testing.assert_allclose(blur(specimen, psf), expected, rtol=1e-5)

    def test_works_in_3d(self):
        rng = np.random.default_rng(0)
        specimen, psf = rng.random((9, 20, 20)), rng.random((3, 5, 5))
        expected = convolve(specimen, psf, mode="constant")
        np.testing.assert_allclose(blur(specimen, psf), expected, rtol=1e-5)

    def test_nothing_wraps_around(self):
        specimen = np.zeros((64, 64))
        specimen[0, 0] = 1e4
        image = blur(specimen, self.PSF)
        assert image[:16, :16].min() > 0
        assert image[16:].max() < 1e-3
        assert image[:, 16:].max() < 1e-3

    def test_light_is_conserved_inside_and_lost_at_the_border(self):
        specimen = np.zeros((96, 96))
        specimen[20:70, 20:70] = np.random.default_rng(0).random((50, 50))
        assert blur(specimen, self.PSF).sum() == pytest.approx(specimen.sum(), rel=1e-5)
        flat = blur(np.ones((96, 96)), self.PSF)
        np.testing.assert_allclose(flat[15:-15, 15:-15], 1, rtol=1e-5)
        assert flat[0, 48] == pytest.approx(self.PSF[: 31 // 2 + 1].sum(), rel=1e-4)

    @given(seed=st.integers(0, 10_000))
    @settings(max_examples=20, deadline=None)
    def test_is_never_negative(self, seed):
        rng = np.random.default_rng(seed)
        specimen = np.where(rng.random((64, 64)) < 0.01, 1e6, 0)
        assert blur(specimen, self.PSF).min() >= 0

    def test_stack_is_no_volume(self):
        with pytest.raises(ValueError, match="as many axes as the specimen, 3, got 2"):
            blur(np.ones((50, 64, 64)), self.PSF)

    @pytest.mark.parametrize("shape", [(30, 64), (64, 30)])
    def test_psf_has_to_fit(self, shape):
        with pytest.raises(ValueError, match=r"PSF no larger than .*got shape \(31, 31\)"):
            blur(np.ones(shape), self.PSF)

    @pytest.mark.parametrize("bad", [-1, np.nan, np.inf])
    def test_values_have_to_be_light(self, bad):
        specimen = np.ones((64, 64))
        specimen[3, 4] = bad
        with pytest.raises(ValueError, match="Expected a specimen of finite values from 0 up"):
            blur(specimen, self.PSF)
        with pytest.raises(ValueError, match="Expected a PSF of finite values from 0 up"):
            blur(np.ones((64, 64)), specimen)
