"""Microscopes against optics and the definition of an image, not against themselves."""

import re
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import convolve

from aimicro.simulate import optics
from aimicro.simulate.camera import Camera
from aimicro.simulate.microscope import MODALITIES, SCANNED, Microscope
from aimicro.simulate.pupil import Pupil

FINE = (0.1, 0.02, 0.02)  # µm, fine enough for all of them
COARSE_OBJECTIVE = {"na": 0.8, "refractive_index": 1.33}  # with default voxels


def small(modality, **changed):
    """Microscope whose smallest detail is well sampled by 80 nm."""
    own = {"saturation": 2.5} if modality == "sted" else {}
    return Microscope(modality, **(COARSE_OBJECTIVE | own | changed))


def width(profile, step):
    """Full width at half maximum of a profile with its peak in the middle."""
    half = profile[len(profile) // 2 :].astype(float)
    below = int(np.argmax(half < half[0] / 2))
    crossing = below - (half[0] / 2 - half[below]) / (half[below - 1] - half[below])
    return 2 * step * crossing


def lateral_width(microscope, pixel=0.004, side=129):
    fine = replace(microscope, voxel_size_um=(pixel, pixel))
    return width(fine.psf((1, side))[0], pixel)


def points(shape, n, rng):
    """A few bright points, far from the borders."""
    image = np.zeros(shape, np.float32)
    where = tuple(rng.integers(side // 3, side - side // 3, n) for side in shape)
    image[where] = rng.uniform(50, 100, n)
    return image


class TestPSF:
    @pytest.mark.parametrize("modality", MODALITIES)
    @pytest.mark.parametrize("shape", [(9, 31, 33), (8, 30, 32), (31, 33)])
    def test_sum_centre_and_type(self, modality, shape):
        psf = small(modality).psf(shape)
        assert psf.dtype == np.float32
        assert psf.shape == shape
        assert psf.min() >= 0
        assert psf.sum(dtype=float) == pytest.approx(1, abs=1e-6)
        assert np.unravel_index(psf.argmax(), shape) == tuple(side // 2 for side in shape)

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_2d_is_the_plane_in_focus(self, modality):
        microscope = small(modality)
        middle = microscope.psf((7, 41, 41))[3]
        plane = microscope.psf((41, 41))
        np.testing.assert_allclose(plane, middle / middle.sum(), rtol=1e-3, atol=1e-7)

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_default_shape_holds_the_focus(self, modality):
        volume, plane = small(modality).psf(), small(modality, voxel_size_um=(0.08, 0.08)).psf()
        assert (volume.ndim, plane.ndim) == (3, 2)
        for psf in (volume, plane):
            assert all(side % 2 == 1 for side in psf.shape)
        rim = plane.copy()
        rim[1:-1, 1:-1] = 0
        assert rim.sum() < 2e-3

    def test_widefield_is_the_pupil_seen_by_camera_pixels(self):
        pupil = Pupil(na=1.3, wavelength_um=0.525, refractive_index=1.518)
        expected = optics.psf(
            pupil, (5, 31, 31), voxel_size_um=(0.2, 0.08, 0.08), pixel_integrated=True
        )
        np.testing.assert_array_equal(Microscope("widefield").psf((5, 31, 31)), expected)

    @pytest.mark.parametrize("model", ["scalar", "vectorial"])
    def test_closed_pinhole_is_excitation_times_emission(self, model):
        microscope = Microscope("confocal", pinhole_au=0, voxel_size_um=FINE, model=model)
        excitation, emission = (
            optics.psf(
                Pupil(na=1.3, wavelength_um=wavelength, refractive_index=1.518),
                (5, 41, 41),
                voxel_size_um=FINE,
                model=model,
            ).astype(float)
            for wavelength in (0.488, 0.525)
        )
        product = excitation * emission
        psf = microscope.psf((5, 41, 41))
        np.testing.assert_allclose(psf, product / product.sum(), rtol=1e-5)

    def test_pinhole_is_a_disc_of_its_diameter(self):
        microscope = Microscope("confocal", pinhole_au=1, voxel_size_um=(0.02, 0.02))
        closed = replace(microscope, pinhole_au=0)
        shape = (61, 61)
        ratio = microscope.psf(shape).astype(float) / closed.psf(shape)
        emission = optics.psf(
            Pupil(na=1.3, wavelength_um=0.525, refractive_index=1.518),
            (301, 301),
            voxel_size_um=(0.02, 0.02),
        ).astype(float)
        y, x = np.mgrid[-24:25, -24:25] * 0.02
        disc = (np.hypot(y, x) <= 1.22 / 2 * 0.525 / 1.3).astype(float)
        blurred = convolve(emission[100:201, 100:201], disc)
        expected = (blurred / emission[100:201, 100:201])[20:81, 20:81]
        inside = np.hypot(*(np.mgrid[-30:31, -30:31])) * 0.02 < 0.2  # before the first dark ring
        ratio, expected = ratio / ratio[30, 30], expected / expected[30, 30]
        np.testing.assert_allclose(ratio[inside], expected[inside], rtol=0.02)

    def test_open_pinhole_leaves_the_excitation(self):
        wide = Microscope("confocal", pinhole_au=20, voxel_size_um=(0.04, 0.04)).psf((41, 41))
        excitation = optics.psf(
            Pupil(na=1.3, wavelength_um=0.488, refractive_index=1.518),
            (41, 41),
            voxel_size_um=(0.04, 0.04),
        )
        assert np.linalg.norm(wide - excitation) < 0.01 * np.linalg.norm(excitation)

    def test_two_photon_is_the_square_of_a_red_excitation(self):
        shape = (9, 41, 41)
        red = optics.psf(
            Pupil(na=1.3, wavelength_um=0.92, refractive_index=1.518),
            shape,
            voxel_size_um=(0.2, 0.08, 0.08),
        ).astype(float)
        psf = Microscope("two-photon").psf(shape)
        np.testing.assert_allclose(psf, red**2 / (red**2).sum(), rtol=1e-4, atol=1e-12)
        again = replace(Microscope("two-photon"), modality="confocal")
        np.testing.assert_array_equal(again.psf(shape), Microscope("confocal").psf(shape))

    @pytest.mark.parametrize("thickness", [1.0, 3.0])
    def test_light_sheet_is_a_section_of_widefield(self, thickness):
        shape = (41, 31, 31)
        sheet = Microscope("light-sheet", sheet_thickness_um=thickness).psf(shape).astype(float)
        profile = (sheet / Microscope("widefield").psf(shape))[:, 15, 15]
        z = (np.arange(41) - 20) * 0.2
        gauss = np.exp(-4 * np.log(2) * (z / thickness) ** 2)
        np.testing.assert_allclose(profile / profile[20], gauss, rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("saturation", [0.0, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0])
    @pytest.mark.parametrize(("na", "pinhole_au"), [(1.4, 1.0), (0.6, 0.0)])
    def test_sted_follows_the_square_root_law(self, saturation, na, pinhole_au):
        confocal = Microscope(
            "confocal", na=na, pinhole_au=pinhole_au, voxel_size_um=(0.004, 0.004)
        )
        sted = replace(confocal, modality="sted", saturation=saturation)
        law = lateral_width(confocal) / np.sqrt(1 + saturation)
        assert lateral_width(sted) == pytest.approx(law, rel=0.06)

    def test_sted_without_depletion_is_confocal(self):
        sted = Microscope("sted", saturation=0, voxel_size_um=FINE)
        confocal = replace(sted, modality="confocal", saturation=None)
        np.testing.assert_array_equal(sted.psf((5, 41, 41)), confocal.psf((5, 41, 41)))

    @pytest.mark.parametrize("model", ["scalar", "vectorial"])
    def test_structured_illumination_is_twice_as_fine(self, model):
        widefield = Microscope("widefield", model=model)
        finer = replace(widefield, modality="structured illumination")
        assert lateral_width(finer) / lateral_width(widefield) == pytest.approx(0.5, rel=0.02)
        planes = [
            replace(m, voxel_size_um=(0.02, 0.05, 0.05)).psf((129, 1, 1))[:, 0, 0]
            for m in (finer, widefield)
        ]
        axial = [width(profile, 0.02) for profile in planes]
        assert axial[0] / axial[1] == pytest.approx(0.5, rel=0.1)

    def test_structured_illumination_passes_twice_the_frequencies_and_no_more(self):
        na, wavelength, pixel, side = 1.3, 0.525, 0.03, 301
        psf = Microscope("structured illumination", voxel_size_um=(pixel, pixel)).psf((side, side))
        spectrum = np.abs(np.fft.fft2(psf.astype(float))) ** 2
        frequency = np.fft.fftfreq(side, pixel)
        radial = np.hypot(frequency[:, None], frequency) / (2 * na / wavelength)
        assert spectrum[radial > 2.02].sum() < 1e-6 * spectrum.sum()
        assert spectrum[(radial > 1.5) & (radial < 1.9)].sum() > 1e-6 * spectrum.sum()

    def test_structured_illumination_doubles_the_axial_frequencies_too(self):
        step, planes = 0.05, 801
        microscope = Microscope("structured illumination", voxel_size_um=(step, 0.05, 0.05))
        spectrum = np.abs(np.fft.rfft(microscope.psf((planes, 1, 1))[:, 0, 0].astype(float)))
        cut_off = (1.518 - np.sqrt(1.518**2 - 1.3**2)) / 0.525  # of widefield
        relative = np.fft.rfftfreq(planes, step) / cut_off
        triangle = np.clip(1 - relative / 2, 0, None)
        np.testing.assert_allclose(spectrum / spectrum[0], triangle, atol=0.01)

    def test_only_some_modalities_section(self):
        # Light that reaches the detector from a plane 2 µm out of focus, against the one in focus.
        def leak(modality):
            own = {"saturation": 0.2} if modality == "sted" else {}
            psf = Microscope(modality, na=1.2, voxel_size_um=(0.2, 0.05, 0.05), **own)
            planes = psf.psf((21, 201, 201)).sum(axis=(1, 2))
            return planes[0] / planes[10]

        assert leak("widefield") > 0.8
        for modality in set(MODALITIES) - {"widefield"}:
            assert leak(modality) < 0.1

    def test_aberrations_are_paths(self):
        bent = Microscope("two-photon", aberrations={4: 1.0}, voxel_size_um=FINE)
        pupil = Pupil(
            na=1.3, wavelength_um=0.92, refractive_index=1.518, aberrations={4: 0.525 / 0.92}
        )
        expected = optics.psf(pupil, (7, 31, 31), voxel_size_um=FINE).astype(float) ** 2
        np.testing.assert_allclose(
            bent.psf((7, 31, 31)), expected / expected.sum(), rtol=1e-4, atol=1e-9
        )

    def test_warns_of_voxels_too_large_for_sted(self):
        with pytest.warns(UserWarning, match=re.escape("λ/(4 NA √(1 + ξ)) = 0.0205 µm")) as told:
            Microscope("sted")
        assert told[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Microscope("sted", voxel_size_um=(0.2, 0.02, 0.02))

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"modality": "conofcal"}, "got 'conofcal'. Did you mean confocal?"),
            ({"modality": "STED"}, "Did you mean sted?"),
            ({"modality": 3}, "got 3."),
            ({"na": 1.6}, "1.6"),
            ({"emission_um": 525}, "emission_um from 0.1 to 10 µm, got 525"),
            ({"excitation_um": 0}, "excitation_um from 0.1 to 10 µm, got 0"),
            (
                {"modality": "light-sheet", "sheet_thickness_um": 0},
                "sheet_thickness_um above 0, got 0",
            ),
            ({"dwell_us": -1}, "dwell_us above 0, got -1"),
            ({"pinhole_au": -0.5}, "pinhole_au of 0 or more, got -0.5"),
            ({"modality": "sted", "saturation": np.nan}, "saturation of 0 or more, got nan"),
            ({"attenuation_length_um": 0}, "attenuation_length_um above 0 µm, got 0"),
            ({"voxel_size_um": (0.2, 0.08)[:1]}, "voxel_size_um (z, y, x) or (y, x)"),
            ({"voxel_size_um": (0.2, 0, 0.08)}, "above 0 µm, got 0"),
            ({"model": "paraxial"}, "paraxial"),
        ],
    )
    def test_bad_fields(self, changed, message):
        with pytest.raises(ValueError, match=re.escape(message)) as told:
            Microscope(**({"modality": "confocal"} | changed)).psf((3, 9, 9))
        assert "\n" not in str(told.value)

    def test_bad_shapes(self):
        with pytest.raises(ValueError, match=r"shape .* of at least one voxel each, got \(5,\)"):
            Microscope("confocal").psf((5,))
        with pytest.raises(ValueError, match=r"at least one voxel each, got .0, 5."):
            Microscope("confocal").psf((0, 5))
        with pytest.raises(ValueError, match=r"\(z, y, x\) for a volume, got \(0.08, 0.08\)"):
            Microscope("confocal", voxel_size_um=(0.08, 0.08)).psf((3, 5, 5))

    @pytest.mark.parametrize("modality", MODALITIES)
    @pytest.mark.parametrize("shape", [(32, 48, 50), (7, 48, 50), (48, 50)])
    def test_that_of_an_image_blurs_as_the_image_was(self, modality, shape):
        microscope = small(modality)
        specimen = np.random.default_rng(0).random(shape).astype(np.float32)
        psf = microscope.psf(image_shape=shape)
        np.testing.assert_allclose(
            optics.blur(specimen, psf), microscope.expected(specimen), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(psf, microscope.image(specimen, photons=1, rng=0).psf)

    def test_that_of_a_deep_image_has_planes_which_the_default_lacks(self):
        microscope = Microscope("widefield", voxel_size_um=(0.3, 0.1, 0.1))
        alone, of_image = microscope.psf(), microscope.psf(image_shape=(32, 128, 128))
        assert len(alone) == 21 < len(of_image) == 31
        assert of_image[5:-5].sum() == pytest.approx(21 / 31, abs=0.02)

    def test_that_of_an_image_at_depth(self):
        microscope = Microscope("confocal", sample_index=1.33)
        specimen = np.ones((9, 41, 41), np.float32)
        psf = microscope.psf(image_shape=specimen.shape, depth_um=5)
        seen = microscope.expected(specimen, depth_um=5)
        centre = 5 + 4 * microscope.spacing_um[0]  # of the specimen, where its PSF is taken
        of_image = microscope.psf(image_shape=specimen.shape, depth_um=centre)
        assert np.abs(seen - optics.blur(specimen, of_image)).max() < 1e-5
        assert np.abs(psf - of_image).max() > 0.01 * psf.max()

    def test_a_shape_is_that_of_the_psf_or_of_an_image(self):
        with pytest.raises(ValueError, match=r"shape or image_shape, got both, \(3, 5, 5\) and"):
            Microscope("confocal").psf((3, 5, 5), image_shape=(8, 8, 8))
        with pytest.raises(ValueError, match=r"shape .* of at least one voxel each, got \(5,\)"):
            Microscope("confocal").psf(image_shape=(5,))
        with pytest.raises(ValueError, match=r"\(z, y, x\) for a volume, got \(0.08, 0.08\)"):
            Microscope("confocal", voxel_size_um=(0.08, 0.08)).psf(image_shape=(8, 16, 16))


class TestImage:
    SHAPE = (12, 40, 44)

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_point_gives_the_psf(self, modality):
        specimen = np.zeros((11, 41, 41))
        specimen[5, 20, 20] = 1
        recording = small(modality).image(specimen, photons=1e4, rng=0)
        z, y, x = (
            slice(centre - side // 2, centre + side // 2 + 1)
            for centre, side in zip((5, 20, 20), recording.psf.shape, strict=True)
        )
        np.testing.assert_allclose(
            recording.noise_free[z, y, x], 1e4 * recording.psf, rtol=1e-3, atol=1e-3
        )

    def test_definition(self):
        rng = np.random.default_rng(1)
        specimen = rng.random((6, 12, 13))
        recording = small("confocal").image(specimen, photons=30, background=4, rng=0)
        psf = recording.psf
        expected = 30 * convolve(specimen, psf.astype(float), mode="constant") + 4
        np.testing.assert_allclose(recording.noise_free, expected, rtol=1e-4)

    def test_carries_everything(self):
        specimen = points(self.SHAPE, 5, np.random.default_rng(0))
        labels = (specimen > 0).astype(np.uint8)
        microscope = small("light-sheet")
        recording = microscope.image(specimen, photons=5, labels=labels, rng=0)
        np.testing.assert_array_equal(recording.truth, specimen)
        np.testing.assert_array_equal(recording.labels, labels)
        assert recording.labels.dtype == np.int32
        assert recording.noise_free.dtype == recording.photons.dtype == np.float32
        assert recording.measured.dtype == np.uint16
        assert recording.voxel_size_um == (0.2, 0.08, 0.08)
        assert recording.microscope is microscope
        assert microscope.image(specimen, photons=5, rng=0).labels is None

    def test_2d(self):
        specimen = points((64, 64), 5, np.random.default_rng(0))
        recording = small("widefield").image(specimen, photons=2, rng=0)
        assert recording.voxel_size_um == (0.08, 0.08)
        assert recording.psf.ndim == 2
        psf = small("widefield").psf(recording.psf.shape)
        np.testing.assert_allclose(recording.noise_free, 2 * optics.blur(specimen, psf), rtol=1e-5)

    @pytest.mark.parametrize("slabs", [1, 3])
    def test_linear(self, slabs):
        rng = np.random.default_rng(2)
        one, two = rng.random((2, *self.SHAPE), dtype=np.float32)
        microscope = small("widefield", attenuation_length_um=3.0, sample_index=1.38)

        def seen(specimen, photons=7.0):
            return microscope.image(specimen, photons=photons, slabs=slabs, rng=0).noise_free

        np.testing.assert_allclose(seen(3 * one + two), 3 * seen(one) + seen(two), rtol=1e-4)
        np.testing.assert_allclose(seen(one, 14.0), 2 * seen(one), rtol=1e-5)

    def test_background_adds(self):
        specimen = points(self.SHAPE, 5, np.random.default_rng(0))
        dark, bright = (
            small("confocal").image(specimen, photons=9, background=b, rng=0).noise_free
            for b in (0, 12.5)
        )
        np.testing.assert_allclose(bright - dark, 12.5, atol=1e-3)

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_light_is_conserved_away_from_borders(self, modality):
        specimen = points((301, 301), 9, np.random.default_rng(0))
        recording = small(modality).image(specimen, photons=3, rng=0)
        assert max(recording.psf.shape) < 201
        light = recording.noise_free.sum(dtype=float)
        assert light == pytest.approx(3 * specimen.sum(dtype=float), rel=1e-5)

    def test_light_of_a_volume_is_conserved_too(self):
        specimen = np.zeros((41, 150, 150), np.float32)
        specimen[20, 75, 75], specimen[19, 80, 70] = 4, 3
        recording = Microscope("confocal").image(specimen, photons=3, rng=0)
        assert recording.noise_free.sum(dtype=float) == pytest.approx(21, rel=1e-5)

    @pytest.mark.parametrize("modality", MODALITIES)
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_nothing_wraps_around(self, modality, axis):
        specimen = np.zeros((16, 48, 48), np.float32)
        border = [8, 24, 24]
        border[axis] = 0
        specimen[tuple(border)] = 1
        noise_free = small(modality).image(specimen, photons=1e3, rng=0).noise_free
        opposite = noise_free.take(-1, axis=axis)
        assert opposite.max() < 1e-5 * noise_free.max()

    def test_attenuation_is_exponential(self):
        microscope = small("confocal", attenuation_length_um=2.5)
        clear = replace(microscope, attenuation_length_um=np.inf)
        for z, depth_um in ((3, 0.0), (9, 0.0), (3, 10.0)):
            specimen = np.zeros(self.SHAPE)
            specimen[z, 20, 20] = 1

            def light(m, specimen=specimen, depth_um=depth_um):
                return m.image(specimen, photons=1e4, depth_um=depth_um, rng=0).noise_free.max()

            expected = np.exp(-(depth_um + 0.2 * z) / 2.5)
            assert light(microscope) / light(clear) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("slabs", [2, 3, 12])
    def test_slabs_of_one_psf_change_nothing(self, slabs):
        specimen = np.random.default_rng(0).random(self.SHAPE)
        microscope = small("light-sheet", sample_index=1.33)  # as the immersion: no mismatch
        one, many = (
            microscope.image(specimen, photons=100, slabs=n, depth_um=20, rng=0).noise_free
            for n in (1, slabs)
        )
        np.testing.assert_allclose(many, one, rtol=1e-5)

    def test_slabs_see_the_psf_of_their_depth(self):
        microscope = Microscope("light-sheet", na=1.2, sample_index=1.38)
        specimen = np.zeros((25, 61, 61), np.float32)
        dz = microscope.voxel_size_um[0]
        for z, depths in ((0, [0]), (24, [24]), (12, [12]), (6, [0, 12])):
            point = specimen.copy()
            point[z, 30, 30] = 1
            seen = microscope.image(point, photons=1, slabs=3, depth_um=5, rng=0)
            psfs = [microscope.psf(seen.psf.shape, depth_um=5 + dz * d) for d in depths]
            expected = optics.blur(point, np.mean(psfs, axis=0))
            np.testing.assert_allclose(seen.noise_free, expected, atol=1e-7)
        np.testing.assert_array_equal(
            seen.psf, microscope.psf(seen.psf.shape, depth_um=5 + dz * 12)
        )
        one = microscope.image(specimen, photons=1, depth_um=5, rng=0)  # one slab: the middle
        np.testing.assert_array_equal(one.psf, seen.psf)

    def test_mismatch_blurs_with_depth(self):
        microscope = Microscope("light-sheet", na=1.2, sample_index=1.38)
        shallow, deep = (microscope.psf((41, 41, 41), depth_um=d) for d in (0, 30))
        assert deep.max() < 0.7 * shallow.max()

    def test_measured_follows_the_expectation(self):
        specimen = np.full((64, 64), 1.0)
        microscope = small("widefield", camera=Camera(dark_current_e_per_s=5))
        recordings = [
            microscope.image(specimen, photons=80, background=20, rng=seed) for seed in range(40)
        ]
        expected = recordings[0].noise_free
        mean = np.mean([r.photons for r in recordings], axis=0, dtype=float)
        camera = microscope.camera
        variance_e = camera.quantum_efficiency * expected + camera.read_noise_e**2 + 0.5 + 1 / 48
        error = np.sqrt(variance_e / 40) / camera.quantum_efficiency
        z = (mean - expected) / error
        assert abs(z.mean()) < 4 / 64
        assert z.std() == pytest.approx(1, abs=0.05)

    def test_same_seed_same_bits(self):
        specimen = points(self.SHAPE, 5, np.random.default_rng(0))
        first, again, other = (
            small("confocal").image(specimen, photons=5, rng=seed).measured for seed in (3, 3, 4)
        )
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_psf_never_exceeds_the_specimen(self):
        for shape in ((1, 1, 1), (4, 7, 300), (2, 9), (1, 30, 30)):
            recording = small("widefield").image(np.ones(shape), photons=1, rng=0)
            assert recording.noise_free.shape == shape
            assert all(p <= s for p, s in zip(recording.psf.shape, shape, strict=True))

    def test_widefield_reaches_over_the_depth_of_the_stack(self):
        recording = small("widefield").image(np.ones((30, 40, 40)), photons=1, rng=0)
        assert recording.psf.shape[0] == 29
        recording = small("widefield").image(np.ones((31, 40, 40)), photons=1, rng=0)
        assert recording.psf.shape[0] == 31

    def test_memory_grows_like_the_volume(self):
        def peak(planes):
            specimen = np.ones((planes, 100, 100), np.float32)
            tracemalloc.start()
            small("confocal").image(specimen, photons=1, rng=0)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

        assert peak(160) < 2.2 * peak(80)

    def test_recording_keeps_its_own_truth(self):
        specimen = np.ones((9, 9), np.float32)
        recording = small("widefield").image(specimen, photons=1, rng=0)
        specimen[:] = 7
        assert recording.truth.max() == 1

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"specimen": np.ones(5)}, "shape (Z, Y, X) or (Y, X)"),
            ({"specimen": np.ones((2, 3, 4, 5))}, "got (2, 3, 4, 5)"),
            ({"specimen": np.array([[1, np.nan], [-1, np.inf]])},
             "got 1 NaN, 1 infinite and 1 negative of 4"),
            ({"photons": -1}, "photons of 0 or more, got -1"),
            ({"photons": np.nan}, "photons of 0 or more, got nan"),
            ({"background": -2}, "background of 0 or more, got -2"),
            ({"depth_um": -3}, "depth_um of 0 or more, got -3"),
            ({"labels": np.ones((3, 9), int)}, "shape (9, 9), got int64 of shape (3, 9)"),
            ({"labels": np.ones((9, 9))}, "got float64 of shape (9, 9)"),
            ({"slabs": 0}, "slabs from 1 to 1, got 0"),
            ({"slabs": 2}, "slabs from 1 to 1, got 2"),
            ({"oversampling": 2}, "divides the specimen's shape (9, 9), got 2"),
            ({"oversampling": 0}, "oversampling of 1 or more, got 0"),
            ({"oversampling": (3, 3, 3)}, "one for each axis (y, x), got (3, 3, 3)"),
        ],
    )  # fmt: skip
    def test_bad_input(self, changed, message):
        given = {"specimen": np.ones((9, 9)), "photons": 10, "rng": 0} | changed
        with pytest.raises(ValueError, match=re.escape(message)) as told:
            small("widefield").image(given.pop("specimen"), **given)
        assert "\n" not in str(told.value)


class TestOversampling:
    @pytest.mark.parametrize("factor", [2, 3])
    def test_camera_pixel_collects_what_falls_on_it(self, factor):
        # A camera with pixels three times as large sees the same as the mean over nine pixels.
        rng = np.random.default_rng(0)
        specimen = points((60, 60), 8, rng)
        fine = small("widefield", voxel_size_um=(0.04, 0.04))
        coarse = replace(fine, voxel_size_um=(0.04 * factor, 0.04 * factor))
        one = fine.image(specimen, photons=1e3, background=3, rng=0).noise_free
        recording = coarse.image(specimen, photons=1e3, background=3, oversampling=factor, rng=0)
        side = 60 // factor
        blocks = one.reshape(side, factor, side, factor)
        np.testing.assert_allclose(recording.noise_free, blocks.mean(axis=(1, 3)), rtol=1e-4)
        truth = specimen.reshape(side, factor, side, factor).mean(axis=(1, 3))
        np.testing.assert_allclose(recording.truth, truth, rtol=1e-6)

    @pytest.mark.parametrize("modality", ["light-sheet", "confocal"])
    def test_planes_and_scanned_points_are_picked(self, modality):
        specimen = points((9, 42, 42), 8, np.random.default_rng(0))
        fine = small(modality, voxel_size_um=(0.1, 0.04, 0.04))
        coarse = replace(fine, voxel_size_um=(0.3, 0.04, 0.12))
        one = fine.image(specimen, photons=1e3, rng=0).noise_free
        recording = coarse.image(specimen, photons=1e3, oversampling=(3, 1, 3), rng=0)
        seen = recording.noise_free
        middle = one[1::3]
        expected = middle[..., 1::3] if modality in SCANNED else (
            middle.reshape(3, 42, 14, 3).mean(axis=-1)
        )  # fmt: skip
        np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-4)
        truth = specimen.reshape(3, 3, 42, 14, 3).mean(axis=(1, 4))
        np.testing.assert_allclose(recording.truth, truth, rtol=1e-5)

    def test_even_factors_do_not_shift(self):
        specimen = np.zeros((12, 48, 48), np.float32)
        specimen[6:8, 24:26, 24:26] = 1  # one voxel of the image: (3, 12, 12)
        for modality in ("confocal", "light-sheet"):
            coarse = small(modality, voxel_size_um=(0.3, 0.08, 0.08))
            seen = coarse.image(specimen, photons=1e3, oversampling=2, rng=0)
            assert seen.noise_free.shape == (6, 24, 24)
            for axis, middle in enumerate((3, 12, 12)):
                other = tuple(a for a in range(3) if a != axis)
                profile = seen.noise_free.sum(axis=other)
                assert profile[middle - 1] == pytest.approx(profile[middle + 1], rel=1e-3)
            assert seen.truth[3, 12, 12] == seen.truth.max() == 1

    def test_labels_stay_labels(self):
        labels = np.zeros((6, 9, 9), int)
        labels[3:, 3:6, 3:6] = 70_000
        seen = small("confocal", voxel_size_um=(0.6, 0.15, 0.15)).image(
            np.ones((6, 9, 9)), photons=1, labels=labels, oversampling=3, rng=0
        )
        expected = np.zeros((2, 3, 3), np.int32)
        expected[1, 1, 1] = 70_000
        np.testing.assert_array_equal(seen.labels, expected)

    def test_psf_is_that_of_the_image(self):
        microscope = small("widefield", voxel_size_um=(0.3, 0.12, 0.12))
        seen = microscope.image(np.ones((9, 60, 60)), photons=1, oversampling=(1, 3, 3), rng=0)
        assert seen.psf.shape[1] <= 20
        np.testing.assert_array_equal(seen.psf, microscope.psf(seen.psf.shape, depth_um=4 * 0.3))


class TestAcquisition:
    @pytest.mark.parametrize(
        ("modality", "seconds", "exposures", "frames"),
        [
            ("widefield", 20 * 0.1, 20, 20),
            ("light-sheet", 20 * 0.1, 2.0 / 0.2, 20),
            ("structured illumination", 15 * 20 * 0.1, 15 * 20, 15 * 20),
            ("confocal", 20 * 50 * 60 * 2e-6, 20, 20),
            ("sted", 20 * 50 * 60 * 2e-6, 20, 20),
        ],
    )
    def test_volume(self, modality, seconds, exposures, frames):
        own = {"dwell_us": 2.0} if modality in SCANNED else {}
        cost = small(modality, **own).acquisition((20, 50, 60))
        assert cost.seconds == pytest.approx(seconds)
        assert cost.exposures_per_voxel == pytest.approx(exposures)
        assert cost.frames == frames

    def test_two_photon_lights_its_focus_only(self):
        microscope = Microscope("two-photon", voxel_size_um=(0.05, 0.08, 0.08))
        focus = width(microscope.psf((101, 1, 1))[:, 0, 0], 0.05)
        lit = microscope.acquisition((101, 50, 50)).exposures_per_voxel
        assert lit == pytest.approx(focus / 0.05, rel=0.1)
        coarse = replace(microscope, voxel_size_um=(5, 0.08, 0.08))
        assert coarse.acquisition((101, 50, 50)).exposures_per_voxel == 1

    @pytest.mark.parametrize("modality", MODALITIES)
    def test_plane(self, modality):
        cost = small(modality).acquisition((50, 60))
        patterns = 9 if modality == "structured illumination" else 1
        assert (cost.exposures_per_voxel, cost.frames) == (patterns, patterns)

    def test_sheet_thicker_than_the_stack(self):
        cost = small("light-sheet", sheet_thickness_um=20).acquisition((5, 8, 8))
        assert cost.exposures_per_voxel == 5

    def test_bad_shape(self):
        with pytest.raises(ValueError, match=r"at least one voxel each, got \(5,\)"):
            small("confocal").acquisition((5,))
        with pytest.raises(ValueError, match=r"\(z, y, x\) for a volume, got \(0.08, 0.08\)"):
            small("confocal", voxel_size_um=(0.08, 0.08)).acquisition((5, 9, 9))


@pytest.mark.parametrize(
    ("modality", "field"),
    [
        ("widefield", {"pinhole_au": 0.1}),
        ("widefield", {"excitation_um": 0.8}),
        ("light-sheet", {"saturation": 99}),
        ("confocal", {"sheet_thickness_um": 1}),
        ("two-photon", {"depletion_um": 0.6}),
        ("structured illumination", {"dwell_us": 2}),
    ],
)
def test_a_field_without_meaning_is_refused(modality, field):
    (name,) = field
    with pytest.raises(ValueError, match=f"Expected no {name} for {modality}"):
        Microscope(modality, **field)


def test_nanometres_are_refused():
    with pytest.raises(ValueError, match="Divide nanometres by 1000"):
        Microscope("widefield", voxel_size_um=(200, 80, 80))


def test_frozen_means_frozen():
    modes = {5: 0.2}
    microscope = Microscope("widefield", aberrations=modes)
    modes[5] = 9
    assert microscope.aberrations == {5: 0.2}
    assert hash(microscope) == hash(Microscope("widefield", aberrations={5: 0.2}))


@pytest.mark.parametrize("modality", MODALITIES)
def test_expected_light_is_that_of_the_image(modality):
    specimen = np.random.default_rng(0).random((6, 32, 32))
    options = {"depth_um": 2.0, "slabs": 2, "oversampling": (1, 2, 2)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        microscope = small(modality, attenuation_length_um=9)
        image = microscope.image(specimen, photons=1, rng=0, **options).noise_free
        np.testing.assert_array_equal(microscope.expected(specimen, **options), image)


def test_oversampling_and_slabs_are_whole():
    for option in ({"oversampling": 1.5}, {"slabs": 1.5}):
        with pytest.raises(TypeError, match="whole number"):
            Microscope("widefield").image(np.ones((8, 8, 8)), photons=1, rng=0, **option)
