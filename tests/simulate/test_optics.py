"""The PSF against diffraction theory, and blurring against the definition of convolution."""

import re
import tracemalloc
import warnings
from dataclasses import replace
from typing import ClassVar

import numpy as np
import psfmodels
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.ndimage import convolve
from scipy.special import j0, j1, jv

from aimicro.simulate.optics import MODELS, airy_psf, blur, otf, psf, strehl_ratio
from aimicro.simulate.pupil import Pupil
from aimicro.simulate.zernike import wavefront

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
            ({"na": 0}, "numerical aperture na above 0 to 1.7, got 0"),
            ({"na": 1.8}, "numerical aperture na above 0 to 1.7, got 1.8"),
            ({"na": np.nan}, "numerical aperture na above 0 to 1.7, got nan"),
            ({"wavelength_um": 520}, "from 0.1 to 10 µm, got 520. Divide nanometres by 1000"),
            ({"pixel_size_um": 0}, "pixel_size_um above 0 µm, got 0"),
            ({"pixel_size_um": np.inf}, "pixel_size_um above 0 µm, got inf"),
            ({"shape": (5,)}, r"shape \(Y, X\) of at least one pixel each, got \(5,\)"),
            ({"shape": (5, 0)}, r"shape \(Y, X\) of at least one pixel each, got \(5, 0\)"),
        ],
    )
    def test_bad_input(self, changed, message):
        with pytest.raises(ValueError, match=message):
            airy_psf(**(FINE | changed))


OIL = Pupil(na=1.4, wavelength_um=0.525)


def width(profile, step):
    """Full width at half maximum, between samples."""
    half = profile.max() / 2
    above = np.flatnonzero(profile > half)
    left, right = above[0], above[-1]
    start = left - (profile[left] - half) / (profile[left] - profile[left - 1])
    end = right + (profile[right] - half) / (profile[right] - profile[right + 1])
    return (end - start) * step


def distance(image, truth):
    """Relative L2 distance of two PSFs that sum to 1."""
    image, truth = (np.asarray(array, float) / array.sum(dtype=float) for array in (image, truth))
    return np.linalg.norm(image - truth) / np.linalg.norm(truth)


def debye(pupil, r, z, model):
    """Intensity at radii and depths by Bessel functions: Richards and Wolf, by Gauss' rule."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    rho = (nodes + 1) / 2
    sin = pupil.na * rho / pupil.refractive_index
    cos = np.sqrt(1 - sin**2)
    wavenumber = 2 * np.pi * pupil.refractive_index / pupil.wavelength_um
    wave = weights * rho * np.exp(-1j * wavenumber * cos * np.asarray(z)[:, None])
    v = wavenumber * np.asarray(r)[:, None] * sin

    def field(order, factor):
        return wave * factor @ jv(order, v).T

    if model == "scalar":
        return np.abs(field(0, 1)) ** 2
    apodised = cos**-0.5
    i0, i1, i2 = (
        field(0, apodised * (1 + cos)),
        field(1, apodised * sin),
        field(2, apodised * (1 - cos)),
    )
    return np.abs(i0) ** 2 + 2 * np.abs(i1) ** 2 + np.abs(i2) ** 2


class TestPsf:
    @pytest.mark.parametrize("na", [0.1, 0.3, 0.5])
    def test_first_dark_ring(self, na):
        unit = 0.5 / na
        pupil = Pupil(na=na, wavelength_um=0.5, refractive_index=1.0)
        profile = psf(pupil, (101, 101), voxel_size_um=0.02 * unit)[50, 50:].astype(float)
        ring = slice(29, 33)
        curve = np.polynomial.Polynomial.fit(0.02 * np.arange(51)[ring], profile[ring], 2)
        assert curve.deriv().roots()[0] == pytest.approx(0.61, rel=0.01)
        assert profile.min() < 1e-3 * profile.max()

    @pytest.mark.parametrize("na", [0.3, 0.8, 1.4])
    def test_lateral_width(self, na):
        step = 0.02 * 0.5 / na
        h = psf(Pupil(na=na, wavelength_um=0.5), (81, 81), voxel_size_um=step).astype(float)
        assert width(h[40], step) == pytest.approx(0.514 * 0.5 / na, rel=0.02)
        assert width(h[:, 40], step) == pytest.approx(0.514 * 0.5 / na, rel=0.02)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("n", [1.33, 1.518])
    @pytest.mark.parametrize("na", [0.5, 0.7, 0.9, 1.0, 1.1, 1.2])
    def test_axial_width(self, na, n, model):
        expected = 0.88 * 0.5 / (n - np.sqrt(n**2 - na**2))
        pupil = Pupil(na=na, wavelength_um=0.5, refractive_index=n)
        step = expected / 40
        h = psf(pupil, (81, 1, 1), voxel_size_um=(step, 0.02, 0.02), model=model).astype(float)
        assert width(h[:, 0, 0], step) == pytest.approx(expected, rel=0.05)

    @pytest.mark.parametrize("na", [0.3, 1.4])
    def test_nothing_passes_beyond_the_cutoff(self, na):
        step = 0.22 * 0.5 / na
        h = psf(Pupil(na=na, wavelength_um=0.5), (401, 401), voxel_size_um=step)
        power = np.abs(otf(h).astype(complex)) ** 2
        frequency = np.fft.fftshift(np.fft.fftfreq(401, step))
        beyond = np.hypot(frequency[:, None], frequency) > 2 * na / 0.5
        assert power[beyond].sum() / power.sum() < 1e-6

    def test_specimen_of_low_index_lowers_the_cutoff(self):
        pupil = Pupil(na=1.4, wavelength_um=0.5, sample_index=1.0)
        power = np.abs(otf(psf(pupil, (401, 401), voxel_size_um=0.08)).astype(complex)) ** 2
        frequency = np.fft.fftshift(np.fft.fftfreq(401, 0.08))
        radius = np.hypot(frequency[:, None], frequency)
        assert power[radius > 2 * 1.0 / 0.5].sum() / power.sum() < 1e-6
        assert power[radius > 1.8 * 1.0 / 0.5].sum() / power.sum() > 1e-6

    def test_in_focus_it_is_the_airy_pattern(self):
        optics = {"na": 0.9, "wavelength_um": 0.5}
        airy = airy_psf(**optics, pixel_size_um=0.1, shape=(64, 75))
        ours = psf(Pupil(**optics), (64, 75), voxel_size_um=0.1, pixel_integrated=True)
        assert distance(ours, airy) < 1e-3

    @pytest.mark.parametrize("model", MODELS)
    def test_every_voxel_against_integrals_of_bessel_functions(self, model):
        shape, step = (17, 48, 65), (0.25, 0.06, 0.06)
        ours = psf(OIL, shape, voxel_size_um=step, model=model)
        z, y, x = ((np.arange(n) - n // 2) * d for n, d in zip(shape, step, strict=True))
        radii, where = np.unique(np.hypot(y[:, None], x), return_inverse=True)
        truth = debye(OIL, radii, z, model)[:, where.reshape(48, 65)]
        assert distance(ours, truth) < 2e-3
        # Far from focus too, where copies of the spot would show first.
        for plane, exact in zip(ours, truth, strict=True):
            assert distance(plane, exact) < 0.03

    @pytest.mark.parametrize("model", MODELS)
    def test_against_psfmodels(self, model):
        # Matched: immersion, coverslip and specimen of one index, stage positions given one by
        # one, and pixels integrated (they take the mean of 5 × 5 points, we 2 × 2 of Gauss).
        z = (np.arange(41) - 20) * 0.15
        theirs = psfmodels.make_psf(
            z, 65, dxy=0.05, NA=1.4, wvl=0.525, ns=1.518, ni=1.518, ni0=1.518, ng=1.518, ng0=1.518,
            oversample_factor=5, model=model,
        )  # fmt: skip
        grid = {"voxel_size_um": (0.15, 0.05, 0.05), "model": model}
        assert distance(psf(OIL, (41, 65, 65), **grid, pixel_integrated=True), theirs) < 0.005
        assert distance(psf(OIL, (41, 65, 65), **grid), theirs) < 0.05

    @pytest.mark.parametrize("model", MODELS)
    def test_index_mismatch_against_psfmodels(self, model):
        na, n, n_sample, depth = 1.25, 1.515, 1.33, 5.0
        pupil = Pupil(
            na=na, wavelength_um=0.525, refractive_index=n, sample_index=n_sample,
            depth_um=depth, refocused=False,
        )  # fmt: skip
        z = (np.arange(41) - 10) * 0.15
        ours = psf(
            pupil, (61, 65, 65), voxel_size_um=(0.15, 0.05, 0.05), model=model,
            pixel_integrated=True,
        )  # fmt: skip
        # Their stage stands at 0 where paraxial rays are in focus, so that is to be taken off.
        paraxial = depth * (n / n_sample - 1)
        theirs = psfmodels.make_psf(
            z + depth - paraxial, 65, dxy=0.05, NA=na, wvl=0.525, pz=depth, ns=n_sample, ni=n,
            ni0=n, ng=n, ng0=n, oversample_factor=5, model=model,
        )  # fmt: skip
        assert distance(ours[20:], theirs) < 0.01

    def test_models_agree_at_low_na(self):
        # With oil, where NA 0.3 is 11°. In air it is 17°, and they differ by 1.7 %.
        pupil = Pupil(na=0.3, wavelength_um=0.5)
        scalar, vectorial = (
            psf(pupil, (17, 65, 65), voxel_size_um=(2, 0.2, 0.2), model=model) for model in MODELS
        )
        assert distance(scalar, vectorial) < 0.01
        np.testing.assert_allclose(scalar, vectorial, atol=0.01 * vectorial.max())

    @pytest.mark.parametrize(("na", "n", "narrower"), [(0.6, 1, 0.03), (0.9, 1.518, 0.03),
                                                       (1.4, 1.518, 0.09)])  # fmt: skip
    def test_a_scalar_spot_is_too_narrow_at_high_na(self, na, n, narrower):
        pupil = Pupil(na=na, wavelength_um=0.5, refractive_index=n)
        scalar, vectorial = (
            width(psf(pupil, (1, 257), voxel_size_um=0.01, model=model)[0].astype(float), 0.01)
            for model in MODELS
        )
        assert 1 - scalar / vectorial == pytest.approx(narrower, abs=0.005)

    def test_zernike_defocus_is_propagation_at_low_na(self):
        optics = {"na": 0.1, "wavelength_um": 0.5, "refractive_index": 1.0}
        shape, step = (5, 65, 65), 0.6
        for radians in (-0.8, 0.6):
            # √3 (2ρ² - 1) a against π NA² ρ² z / (n λ)
            z = 2 * np.sqrt(3) * radians * 0.5 / (np.pi * 0.1**2)
            zernike = psf(Pupil(**optics, aberrations={4: radians}), shape[1:], voxel_size_um=step)
            stack = psf(Pupil(**optics), shape, voxel_size_um=(abs(z), step, step))
            propagated = stack[2 + int(np.sign(z))]
            assert distance(zernike, propagated) < 0.01
        # Which way: positive defocus has its bright spot above, at lower z.
        stack = psf(Pupil(**optics, aberrations={4: 0.6}), (9, 1, 1), voxel_size_um=(25, 0.6, 0.6))
        assert stack[:, 0, 0].argmax() < 4

    def test_tilt_moves_the_spot_along_its_axis(self):
        # The slope 2a/ρ of a tilt, over the frequency NA/λ of the edge.
        shift = 2 * 1.2 / (2 * np.pi) * 0.5 / 0.5
        for mode, axis in (("horizontal tilt", 1), ("vertical tilt", 0)):
            pupil = Pupil(na=0.5, wavelength_um=0.5, aberrations={mode: 1.2})
            h = psf(pupil, (101, 101), voxel_size_um=0.05).astype(float)
            moved = (np.arange(101) - 50) * 0.05 @ h.sum(axis=1 - axis)
            straight = (np.arange(101) - 50) * 0.05 @ h.sum(axis=axis)
            assert abs(moved) == pytest.approx(shift, rel=0.1)
            assert straight == pytest.approx(0, abs=1e-3)

    @given(
        na=st.floats(0.2, 1.45),
        shape=st.one_of(
            st.tuples(st.integers(1, 8), st.integers(1, 24), st.integers(1, 24)),
            st.tuples(st.integers(1, 24), st.integers(1, 24)),
        ),
        model=st.sampled_from(MODELS),
        pixel_integrated=st.booleans(),
    )
    @settings(max_examples=25, deadline=None)
    def test_sum_centre_and_symmetry(self, na, shape, model, pixel_integrated):
        voxel = (0.1, 0.08, 0.08)[-len(shape) :]
        pupil = Pupil(na=na, wavelength_um=0.5)
        h = psf(pupil, shape, voxel_size_um=voxel, model=model, pixel_integrated=pixel_integrated)
        assert h.dtype == np.float32
        assert h.shape == shape
        assert h.min() >= 0
        assert h.sum(dtype=float) == pytest.approx(1, rel=1e-5)
        assert h[tuple(side // 2 for side in shape)] == pytest.approx(h.max(), rel=1e-5)
        symmetric = h[tuple(slice(1 - side % 2, None) for side in shape)]
        for axis in range(h.ndim):
            flipped = np.flip(symmetric, axis)
            np.testing.assert_allclose(symmetric, flipped, atol=1e-5 * h.max())

    def test_plane_in_focus_is_that_of_the_stack(self):
        aberrated = Pupil(na=1.2, wavelength_um=0.5, aberrations={"oblique trefoil": 0.8, 11: -0.3})
        stack = psf(aberrated, (5, 33, 40), voxel_size_um=(0.1, 0.08, 0.07), model="vectorial")
        plane = psf(aberrated, (33, 40), voxel_size_um=(0.08, 0.07), model="vectorial")
        assert distance(plane, stack[2]) < 1e-3

    def test_one_voxel_size_is_for_all_axes(self):
        np.testing.assert_array_equal(
            psf(OIL, (3, 16, 16), voxel_size_um=0.08),
            psf(OIL, (3, 16, 16), voxel_size_um=(0.08, 0.08, 0.08)),
        )

    def test_same_bits_twice(self):
        pupil = Pupil(
            na=1.3, wavelength_um=0.5, aberrations={5: 0.3}, sample_index=1.33, depth_um=4
        )
        first, second = (
            psf(pupil, (16, 48, 48), voxel_size_um=(0.15, 0.08, 0.08), model="vectorial").tobytes()
            for _ in range(2)
        )
        assert first == second

    def test_warns_above_nyquist_and_not_at_it(self):
        with pytest.warns(UserWarning, match=re.escape("λ/(4 NA) = 0.0893 µm (Nyquist), got 0.1")):
            psf(Pupil(na=1.4, wavelength_um=0.5), (8, 8), voxel_size_um=(0.08, 0.1))
        axial = 0.5 / (2 * (1.518 - np.sqrt(1.518**2 - 1.4**2)))
        expected = re.escape(f"λ/(2 (n - √(n² - NA²))) = {axial:.4f} µm (Nyquist), got 0.3")
        with pytest.warns(UserWarning, match=expected) as told:
            psf(Pupil(na=1.4, wavelength_um=0.5), (4, 8, 8), voxel_size_um=(0.3, 0.08, 0.08))
        assert told[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            limit = 0.5 / (4 * 1.4)
            psf(Pupil(na=1.4, wavelength_um=0.5), (4, 8, 8), voxel_size_um=(axial, limit, limit))
            psf(Pupil(na=1.4, wavelength_um=0.5), (1, 8, 8), voxel_size_um=(9, limit, limit))

    def test_a_second_one_knows_nothing_of_what_was_done_to_the_first(self):
        pupil = Pupil(na=1.3, wavelength_um=0.52)
        first = psf(pupil, (9, 9), voxel_size_um=0.08)
        kept = first.copy()
        first *= 0
        np.testing.assert_array_equal(psf(pupil, (9, 9), voxel_size_um=0.08), kept)
        pupil.aberrations["vertical coma"] = 1.0
        bent = psf(pupil, (9, 9), voxel_size_um=0.08)
        fresh = Pupil(na=1.3, wavelength_um=0.52, aberrations={"vertical coma": 1.0})
        assert np.abs(bent - kept).max() > 0.01 * kept.max()
        np.testing.assert_array_equal(bent, psf(fresh, (9, 9), voxel_size_um=0.08))

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"model": "tensorial"}, "model 'scalar' or 'vectorial', got 'tensorial'"),
            ({"shape": (8,)}, r"of at least one voxel each, got \(8,\)"),
            ({"shape": (8, 0, 8)}, r"of at least one voxel each, got \(8, 0, 8\)"),
            ({"shape": (2, 2, 8, 8)}, r"of at least one voxel each, got \(2, 2, 8, 8\)"),
            (
                {"voxel_size_um": (0.1, 0.1, 0.1)},
                r"one number or 2, one for each axis .* got \(0.1",
            ),
            ({"voxel_size_um": -0.1}, "voxel_size_um above 0 µm, got -0.1"),
            ({"voxel_size_um": (0.1, 0)}, r"voxel_size_um above 0 µm, got 0"),
            ({"voxel_size_um": np.nan}, "voxel_size_um above 0 µm, got nan"),
        ],
    )
    def test_bad_input(self, changed, message):
        good = {"pupil": OIL, "shape": (8, 8), "voxel_size_um": 0.05}
        with pytest.raises(ValueError, match=message) as told:
            psf(**(good | changed))
        assert "\n" not in str(told.value)


class TestOtf:
    def test_is_that_of_a_circular_pupil(self):
        frequency = np.fft.fftshift(np.fft.fftfreq(401, 0.22))  # in units of NA/λ
        h = psf(Pupil(na=0.5, wavelength_um=0.5), (401, 401), voxel_size_um=0.22)
        transfer = otf(h)
        inside = np.minimum(np.hypot(frequency[:, None], frequency) / 2, 1)
        expected = 2 / np.pi * (np.arccos(inside) - inside * np.sqrt(1 - inside**2))
        # The window holds 99.5 % of the light, and the rest is missing at low frequencies.
        np.testing.assert_allclose(transfer.real, expected, atol=6e-3)
        assert np.abs(transfer.imag).max() < 1e-5
        assert transfer.dtype == np.complex64
        assert transfer[200, 200] == pytest.approx(1)

    def test_of_a_shifted_point_is_a_phase_ramp(self):
        h = np.zeros((6, 8, 9))
        h[4, 4, 4] = 3.0  # one voxel deeper than the centre
        frequency = np.fft.fftshift(np.fft.fftfreq(6))
        expected = np.broadcast_to(np.exp(-2j * np.pi * frequency)[:, None, None], h.shape)
        np.testing.assert_allclose(otf(h), expected, atol=1e-6)

    @pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.full((3, 3), np.nan), -np.ones((3, 3))])
    def test_bad_input(self, bad):
        with pytest.raises(ValueError, match="finite values with a sum above 0, got a sum of"):
            otf(bad)


def aberrated(modes):
    return Pupil(na=0.8, wavelength_um=0.5, aberrations=modes)


def phase_of(modes):
    """Phase and weights of the pupil, by Gauss' rule."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    theta = np.arange(48) * 2 * np.pi / 48
    return wavefront(modes, np.sqrt((nodes + 1) / 2)[:, None], theta), weights[:, None] / 96


def mixes(largest):
    """Mixes of Noll's modes 2 to 15 with a standard deviation up to so many radians."""
    directions = st.lists(st.floats(-1, 1), min_size=14, max_size=14).filter(
        lambda a: np.linalg.norm(a) > 0.1
    )

    def scaled(direction, sigma):
        modes = sigma * np.array(direction) / np.linalg.norm(direction)
        return dict(enumerate(modes.tolist(), start=2))

    return st.builds(scaled, directions, st.floats(0, largest))


# The mix of modes 2 to 15 that a search found to be furthest from the law exp(-σ²).
WORST = [0.39, 0.02, -0.29, -0.05, -0.41, 0.03, 0.39, 0.07, 0.38, -0.24, -0.33, -0.04, -0.32, -0.08]


class TestStrehlRatio:
    @pytest.mark.parametrize("j", range(2, 16))
    @pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5])
    def test_law_of_small_aberrations_for_single_modes(self, j, sigma):
        assert strehl_ratio(aberrated({j: sigma})) == pytest.approx(np.exp(-(sigma**2)), rel=0.02)

    @given(modes=mixes(0.35))
    @example(modes=dict(enumerate((0.35 * np.array(WORST)).tolist(), start=2)))
    @settings(max_examples=60, deadline=None)
    def test_law_of_small_aberrations_for_any_mix(self, modes):
        variance = sum(value**2 for value in modes.values())
        assert strehl_ratio(aberrated(modes)) == pytest.approx(np.exp(-variance), rel=0.02)

    @given(modes=mixes(0.5))
    @example(modes=dict(enumerate((0.5 * np.array(WORST)).tolist(), start=2)))
    @settings(max_examples=60, deadline=None)
    def test_up_to_half_a_radian_the_law_needs_its_next_term(self, modes):
        # exp(-σ²) is the first term of a series. Mixes that heap up in one place of the pupil are
        # up to 7.5 % above it at 0.5 rad; the fourth cumulant of the phase accounts for that.
        phase, weights = phase_of(modes)
        variance = np.sum(weights * phase**2)
        kurtosis = np.sum(weights * phase**4) - 3 * variance**2
        strehl = strehl_ratio(aberrated(modes))
        assert strehl == pytest.approx(np.exp(-variance + kurtosis / 12), rel=0.02)
        assert strehl > 0.98 * np.exp(-variance)

    def test_worst_mix_is_beyond_the_law_alone(self):
        modes = dict(enumerate((0.5 * np.array(WORST)).tolist(), start=2))
        assert strehl_ratio(aberrated(modes)) / np.exp(-0.25) == pytest.approx(1.074, abs=0.01)

    @pytest.mark.parametrize("apodisation", [False, True])
    def test_is_the_ratio_of_intensities_in_focus(self, apodisation):
        modes = {5: 0.4, 8: -0.5, 11: 0.6, 14: 0.2}
        lens = {"na": 1.1, "wavelength_um": 0.5, "apodisation": apodisation}
        # The light in the whole plane is the same for both, so its share at the centre tells.
        whole = {"shape": (301, 301), "voxel_size_um": 0.1}
        perfect, ours = psf(Pupil(**lens), **whole), psf(Pupil(**lens, aberrations=modes), **whole)
        expected = ours[150, 150] / perfect[150, 150]
        assert strehl_ratio(Pupil(**lens, aberrations=modes)) == pytest.approx(expected, rel=0.01)

    def test_without_aberrations_it_is_1(self):
        assert strehl_ratio(OIL) == pytest.approx(1, rel=1e-12)
        assert strehl_ratio(aberrated({"piston": 2.0})) == pytest.approx(1, rel=1e-12)


class TestPupil:
    OIL_ON_WATER: ClassVar = {"na": 1.2, "wavelength_um": 0.52, "sample_index": 1.33}

    def test_focal_shift_is_that_of_snell_for_narrow_cones(self):
        # NFP = AFP · n/n_s
        pupil = Pupil(na=0.2, wavelength_um=0.5, sample_index=1.33, depth_um=50)
        assert pupil.focal_shift_um == pytest.approx(50 * (1.518 / 1.33 - 1), rel=0.02)
        denser = Pupil(
            na=0.2, wavelength_um=0.5, refractive_index=1.33, sample_index=1.518, depth_um=50
        )
        assert denser.focal_shift_um == pytest.approx(50 * (1.33 / 1.518 - 1), rel=0.02)

    @pytest.mark.parametrize("depth", [1.0, 5.0, 12.0])
    def test_structures_keep_their_place_unless_the_stage_is_believed(self, depth):
        grid = {"shape": (161, 1, 1), "voxel_size_um": (0.05, 0.05, 0.05)}
        pupil = Pupil(**self.OIL_ON_WATER, depth_um=depth)
        assert psf(pupil, **grid)[:, 0, 0].argmax() == 80
        raw = psf(replace(pupil, refocused=False), **grid)[:, 0, 0].argmax()
        assert (raw - 80) * 0.05 == pytest.approx(pupil.focal_shift_um, abs=0.05)

    def test_deeper_is_worse(self):
        ratios = [
            strehl_ratio(Pupil(**self.OIL_ON_WATER, depth_um=depth)) for depth in (0, 2, 5, 10)
        ]
        assert ratios[0] == pytest.approx(1)
        assert ratios == sorted(ratios, reverse=True)
        assert ratios[-1] < 0.6

    def test_matching_index_changes_nothing(self):
        same = Pupil(na=1.2, wavelength_um=0.5, sample_index=1.518, depth_um=30)
        assert same.focal_shift_um == 0
        np.testing.assert_array_equal(same.phase(np.linspace(0, 1, 9), 0), 0)

    def test_edge_is_where_the_specimen_blocks(self):
        assert Pupil(na=1.4, wavelength_um=0.5, sample_index=1.33).edge == pytest.approx(1.33 / 1.4)
        assert Pupil(na=1.2, wavelength_um=0.5, sample_index=1.33).edge == 1

    def test_defocus_is_the_exact_phase(self):
        rho = np.linspace(0, 1, 5)
        angle = np.arcsin(1.4 * rho / 1.518)
        expected = -2 * np.pi * 1.518 / 0.525 * np.cos(angle)
        np.testing.assert_allclose(OIL.defocus(rho), expected, rtol=1e-12)
        np.testing.assert_allclose(OIL.cos_angle(rho), np.cos(angle), rtol=1e-12)

    def test_apodisation_keeps_the_energy_of_the_sphere(self):
        # A sphere of directions, sin θ dθ, on a pupil of radius sin θ: 1/cos θ more per area.
        pupil = replace(OIL, apodisation=True)
        assert pupil.amplitude(0.0) == 1
        angle = np.arcsin(1.4 * 0.9 / 1.518)
        assert pupil.amplitude(0.9) == pytest.approx(np.cos(angle) ** -0.5)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"na": 1.6}, "above 0 to below 1.518, got 1.6"),
            ({"na": 1.0, "refractive_index": 1.0}, "above 0 to below 1, got 1"),
            ({"na": 0}, "numerical aperture na above 0 .* got 0"),
            ({"na": np.nan}, "numerical aperture na above 0 .* got nan"),
            ({"wavelength_um": 520}, "from 0.1 to 10 µm, got 520. Divide nanometres by 1000"),
            ({"wavelength_um": 0}, "from 0.1 to 10 µm, got 0"),
            ({"refractive_index": 3}, "refractive_index from 1 to 2, got 3"),
            ({"sample_index": 0.9}, "sample_index from 1 to 2, got 0.9"),
            ({"depth_um": -1}, "depth_um of 0 or more, got -1"),
            ({"depth_um": np.nan}, "depth_um of 0 or more, got nan"),
            ({"aberrations": {0: 1}}, "the Noll index of 1 or more, got 0"),
            (
                {"aberrations": {"come": 1}},
                "name of a Zernike mode as one of .* got 'come'. Did you mean .*coma",
            ),
            ({"aberrations": {4: np.nan}}, "the coefficient of mode 4 as a finite number, got nan"),
            ({"index": "born"}, "Expected index as one of noll, osa, got 'born'"),
        ],
    )
    def test_bad_input(self, changed, message):
        with pytest.raises(ValueError, match=message) as told:
            Pupil(**({"na": 1.2, "wavelength_um": 0.5} | changed))
        assert "\n" not in str(told.value)


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
        round_off = 4 * np.finfo(np.float32).eps * psf.max()
        np.testing.assert_allclose(image, expected, atol=round_off)

    def test_is_the_sum_that_defines_a_convolution(self):
        rng = np.random.default_rng(0)
        specimen, psf = rng.random((40, 33)), rng.random((7, 9))
        psf /= psf.sum()
        expected = convolve(specimen, psf, mode="constant")
        np.testing.assert_allclose(blur(specimen, psf), expected, rtol=1e-5)

    def test_works_in_3d(self):
        rng = np.random.default_rng(0)
        specimen, psf = rng.random((9, 20, 20)), rng.random((3, 5, 5))
        psf /= psf.sum()
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

    def test_memory_is_linear_in_the_volume(self):
        def peak(shape):
            specimen = np.ones(shape, np.float32)
            psf = np.full([side // 2 for side in shape], 8 / specimen.size, np.float32)
            tracemalloc.start()
            blur(specimen, psf)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return peak / specimen.nbytes

        assert peak((32, 128, 128)) == pytest.approx(peak((16, 64, 64)), rel=0.2)

    def test_stack_is_no_volume(self):
        with pytest.raises(ValueError, match=r"psf of shape \(Z, Y, X\) .* one by one"):
            blur(np.ones((50, 64, 64)), self.PSF)

    @pytest.mark.parametrize("shape", [(30, 64), (64, 30)])
    def test_psf_has_to_fit(self, shape):
        with pytest.raises(ValueError, match=r"PSF no larger than .*got shape \(31, 31\)"):
            blur(np.ones(shape), self.PSF)

    @pytest.mark.parametrize("bad", [-1, np.nan, np.inf])
    def test_values_have_to_be_light(self, bad):
        specimen = np.ones((64, 64))
        specimen[3, 4] = bad
        told = "without pixels below 0" if bad == -1 else "with finite pixels"
        with pytest.raises(ValueError, match=f"Expected specimen {told}"):
            blur(specimen, self.PSF)
        told = "psf from 0 up" if bad == -1 else "psf with finite pixels"
        with pytest.raises(ValueError, match=f"Expected {told}"):
            blur(np.ones((64, 64)), specimen / 64**2)

    def test_light_is_neither_made_nor_moved(self):
        with pytest.raises(ValueError, match=r"sum of 2\. .* divide it by its sum"):
            blur(np.ones((64, 64)), 2 * self.PSF)
        with pytest.raises(ValueError, match="psf with its light around the middle voxel"):
            blur(np.ones((64, 64)), np.roll(self.PSF, 4, axis=1))
        with pytest.raises(ValueError, match=r"got it in the first voxel, .* numpy\.fft\.fftshift"):
            blur(np.ones((64, 64)), np.fft.ifftshift(self.PSF))

    @pytest.mark.parametrize("coma", [0.5, 1.0, 2.0])
    @pytest.mark.parametrize("depth_um", [0, 10])
    def test_aberrated_spots_are_no_moved_ones(self, coma, depth_um):
        pupil = Pupil(
            na=1.3,
            wavelength_um=0.52,
            sample_index=1.33,
            depth_um=depth_um,
            aberrations={"vertical coma": coma, "primary spherical": 1},
        )
        kernel = psf(pupil, (21, 31, 31), voxel_size_um=(0.2, 0.08, 0.08))
        point = np.zeros((41, 61, 61))
        point[20, 30, 30] = 1
        image = blur(point, kernel)[10:31, 15:46, 15:46]
        np.testing.assert_allclose(image, kernel, atol=1e-7)
