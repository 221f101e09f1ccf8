"""Transmitted light: what Abbe, Zernike and the transport of intensity say about thin objects."""

import numpy as np
import pytest

from aimicro.simulate import cells
from aimicro.simulate.transmitted import cell_thickness, phase_map, transmitted_light

WAVELENGTH, INDEX, PIXEL, SIDE = 0.55, 1.33, 0.2, 256
CUTOFF = 0.5 / WAVELENGTH  # per µm, of coherent light through the default lens
COHERENT = {"pixel_size_um": PIXEL, "condenser": 0.0, "wavelength_um": WAVELENGTH,
            "refractive_index": INDEX}  # fmt: skip


def wave(periods, rows=32):
    """A cosine that the mirrored border continues, and its spatial frequency per µm."""
    x = np.pi * 2 * periods * (np.arange(SIDE) + 0.5) / SIDE
    return np.broadcast_to(np.cos(x), (rows, SIDE)), periods / (SIDE * PIXEL)


def amplitude(image, pattern):
    """How much of the pattern the image holds, and what else: in the middle half of the field.

    The mirrored border ends somewhere, and the sharp edge of a pupil sends ripples far from there.
    """
    middle = slice(SIDE // 4, -SIDE // 4)
    image, pattern = image[:, middle].ravel().astype(float), pattern[:, middle].ravel()
    strength, level = np.polyfit(pattern, image, 1)
    return strength, np.abs(image - level - strength * pattern).max()


@pytest.mark.parametrize("defocus_um", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("phase", [0.0, 1.7])
@pytest.mark.parametrize(
    "settings",
    [
        {"condenser": 0.0},
        {"condenser": 0.5},
        {"condenser": 1.0},
        {"contrast": "phase"},
        {"contrast": "phase", "ring": (0.9, 1.0), "ring_transmission": 0.05},
        {"contrast": "phase", "ring": (0.0, 0.1), "ring_transmission": 1.0},
    ],
)
def test_empty_field_is_1_whatever_the_thickness_of_the_glass(settings, defocus_um, phase):
    image = transmitted_light(
        np.full((48, 64), phase), pixel_size_um=PIXEL, defocus_um=defocus_um, **settings
    )
    assert image.shape == (48, 64)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, 1, rtol=0, atol=5e-6)


@pytest.mark.parametrize("condenser", [0.0, 0.5, 1.0])
def test_phase_in_focus_is_invisible_to_first_order(condenser):
    pattern, _ = wave(32)  # a wide condenser sends part of the scattered light past the lens
    image = transmitted_light(0.1 * pattern, **{**COHERENT, "condenser": condenser})
    assert np.abs(image - 1).max() < 0.1**2 / 2


@pytest.mark.parametrize("index", [1.0, 1.33, 1.5])
@pytest.mark.parametrize("defocus_um", [-2.0, 1.0, 4.0])
def test_defocus_shows_curvature_as_the_transport_of_intensity_says(defocus_um, index):
    pattern, frequency = wave(8)
    settings = {**COHERENT, "refractive_index": index}
    image = transmitted_light(0.005 * pattern, defocus_um=defocus_um, **settings)
    # The next terms, (λq/2n)² more and a sixth of the squared defocus phase less, make 0.3 %.
    laplacian = -((2 * np.pi * frequency) ** 2) * 0.005
    expected = -WAVELENGTH * defocus_um / (2 * np.pi * index) * laplacian
    strength, rest = amplitude(image, pattern)
    assert strength == pytest.approx(expected, rel=0.004)
    assert rest < 0.02 * abs(expected)


@pytest.mark.parametrize("index", [1.0, 1.33, 1.5])
def test_strong_defocus_follows_the_exact_phase_of_the_scattered_wave(index):
    pattern, frequency = wave(24)  # 0.47 per µm; the lens passes 0.91
    settings = {**COHERENT, "refractive_index": index}
    image = transmitted_light(0.02 * pattern, defocus_um=3.0, **settings)
    k = index / WAVELENGTH
    lag = 2 * np.pi * 3.0 * (k - np.sqrt(k**2 - frequency**2))
    assert amplitude(image, pattern)[0] == pytest.approx(2 * 0.02 * np.sin(lag), rel=0.002)


@pytest.mark.parametrize("transmission", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("ring", [(0.1, 0.2), (0.2, 0.3)])
def test_phase_contrast_makes_denser_parts_darker_in_proportion(transmission, ring):
    pattern, frequency = wave(32)
    assert 2 * ring[1] < frequency / CUTOFF < 1 - ring[1]  # scattered past the ring, into the lens
    image = transmitted_light(
        0.02 * pattern,
        contrast="phase",
        ring=ring,
        ring_transmission=transmission,
        pixel_size_um=PIXEL,
    )
    strength, rest = amplitude(image, pattern)
    assert strength == pytest.approx(-2 * 0.02 / np.sqrt(transmission), rel=0.002)
    assert rest < 0.02 * abs(strength)  # the square of the phase


@pytest.mark.parametrize("ring", [(0.1, 0.2), (0.3, 0.4), (0.5, 0.6)])
@pytest.mark.parametrize("periods", [1, 4, 8, 16])
def test_phase_contrast_loses_what_the_object_scatters_onto_the_ring(periods, ring):
    pattern, frequency = wave(periods, rows=128)
    image = transmitted_light(0.02 * pattern, contrast="phase", ring=ring, pixel_size_um=PIXEL)
    # The circle of light comes displaced by q, and an arc of it lies between the ring's borders.
    r, q = np.mean(ring), frequency / CUTOFF
    assert q < 1 - r
    angles = np.arccos(np.clip((np.square(ring) - r**2 - q**2) / (2 * r * q), -1, 1))
    past_the_ring = 1 - (angles[0] - angles[1]) / np.pi
    assert (past_the_ring == 0) == (periods == 1)  # wide parts of an object fade
    strength, _ = amplitude(image, pattern)
    assert strength / (-2 * 0.02 / np.sqrt(0.25)) == pytest.approx(past_the_ring, abs=0.015)


@pytest.mark.parametrize("condenser", [0.0, 0.5, 1.0])
def test_even_absorption_dims_by_its_share(condenser):
    image = transmitted_light(
        np.zeros((32, 32)),
        absorption=np.full((32, 32), 0.3),
        pixel_size_um=0.2,
        condenser=condenser,
    )
    np.testing.assert_allclose(image, np.exp(-0.6), rtol=1e-4)


def test_open_pupil_keeps_the_light_of_a_phase_object():
    pattern, _ = wave(6)
    settings = {**COHERENT, "pixel_size_um": 0.1}
    for defocus_um in (0.0, 2.0):
        image = transmitted_light(pattern, na=1.2, defocus_um=defocus_um, **settings)
        assert image.mean() == pytest.approx(1, abs=2e-3)
        assert image.std() > 0.05 or defocus_um == 0


def test_detail_beyond_the_lens_is_not_seen():
    pattern, frequency = wave(60)
    assert frequency > CUTOFF
    image = transmitted_light(0.1 * pattern, defocus_um=2.0, **COHERENT)
    assert image.std() < 0.02 * 0.1


def transfer(share, condenser, axis):
    """Contrast of a weakly absorbing grating, in its own, and its frequency over Abbe's limit."""
    limit = (1 + condenser) * CUTOFF  # (NA + NA of the condenser)/λ
    pattern, frequency = wave(round(share * limit * SIDE * PIXEL), rows=128)
    absorption = np.moveaxis(0.05 * (1 + pattern), 1, axis)
    settings = {**COHERENT, "condenser": condenser}
    image = transmitted_light(0 * absorption, absorption=absorption, **settings)
    strength, _ = amplitude(np.moveaxis(image, axis, 1), pattern)
    return strength / (-2 * 0.05 * np.exp(-2 * 0.05)), frequency / limit


# Of the 40 points of the condenser one or two still reach past the lens with a share of 0.025. A
# finite grating in coherent light has a little of its spectrum below the limit.
@pytest.mark.parametrize(
    ("condenser", "seen", "unseen"), [(0.0, 0.98, 0.02), (0.5, 0.02, 2e-4), (1.0, 0.02, 2e-4)]
)
@pytest.mark.parametrize("axis", [0, 1])
def test_gratings_are_seen_up_to_abbes_limit_and_not_beyond(condenser, seen, unseen, axis):
    finer_than_limit, frequency = transfer(1.04, condenser, axis)
    assert 1.03 < frequency < 1.05
    assert abs(finer_than_limit) < unseen
    coarser_than_limit, frequency = transfer(0.96, condenser, axis)
    assert 0.95 < frequency < 0.97
    assert coarser_than_limit > seen


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 0.9])
def test_condenser_as_wide_as_the_lens_gives_the_transfer_of_incoherent_light(share):
    (along_y, _), (along_x, u) = (transfer(share, 1.0, axis) for axis in (0, 1))
    overlap = 2 / np.pi * (np.arccos(u) - u * np.sqrt(1 - u**2))  # of two displaced discs
    assert (along_y + along_x) / 2 == pytest.approx(overlap, abs=0.012)


def test_contrast_of_cells_turns_over_with_the_focus_and_halos_appear_in_phase_contrast():
    _, labels = cells((256, 256), pixel_size_um=0.25, rng=0)
    phase = phase_map(cell_thickness(labels, pixel_size_um=0.25), wavelength_um=WAVELENGTH)
    above, focus, below = (
        transmitted_light(phase, pixel_size_um=0.25, defocus_um=z) for z in (-4.0, 0.0, 4.0)
    )
    assert np.corrcoef((above - 1).ravel(), (below - 1).ravel())[0, 1] < -0.5
    assert focus.std() < 0.3 * min(above.std(), below.std())
    contrast = transmitted_light(phase, pixel_size_um=0.25, contrast="phase")
    assert contrast[labels > 0].mean() < 0.9 * contrast[labels == 0].mean()
    assert contrast[labels == 0].max() > 1.1


class TestThickness:
    def test_dome_of_a_disc_is_that_of_a_drop(self):
        y, x = np.indices((101, 101)) - 50
        radius = np.hypot(y, x)
        thickness = cell_thickness((radius < 40).astype(int), pixel_size_um=0.1, height_um=5)
        drop = 5 * np.sqrt(np.maximum(1 - (radius / 40) ** 2, 0))
        inner = radius < 28
        assert np.abs(thickness - drop)[inner].max() < 0.25
        assert thickness[radius > 56].max() < 1e-3

    def test_every_cell_is_as_high_as_asked_for(self):
        _, labels = cells((128, 128), pixel_size_um=0.5, rng=1)
        thickness = cell_thickness(labels, pixel_size_um=0.5, height_um=4)
        assert thickness.max() <= 4
        big = [i for i in np.unique(labels)[1:] if (labels == i).sum() > 200]
        assert min(thickness[labels == i].max() for i in big) > 3

    def test_field_inside_a_cell_is_flat(self):
        thickness = cell_thickness(np.ones((16, 16), int), pixel_size_um=0.5, height_um=2)
        np.testing.assert_allclose(thickness, 2, rtol=1e-5)

    def test_phase_is_path_in_waves(self):
        phase = phase_map([[2.0]], refractive_index_difference=0.05, wavelength_um=0.5)
        assert phase[0, 0] == pytest.approx(2 * np.pi * 0.2)


def test_same_input_same_bits():
    phase = np.random.default_rng(0).normal(size=(40, 40))
    once, again = (transmitted_light(phase, pixel_size_um=0.2, defocus_um=1.0) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"na": 1.4}, "Expected na above 0 to below 1.33, got 1.4"),
        ({"contrast": "dic"}, "contrast as one of brightfield, phase, got 'dic'"),
        ({"condenser": 2}, "condenser from 0 to 1.*, got 2"),
        ({"ring": (0.6, 0.5)}, "outer radius of ring above 0.6 to 1, got 0.5"),
        ({"ring_transmission": 0}, "ring_transmission above 0 to 1, got 0"),
        ({"defocus_um": np.nan}, "defocus_um as a finite number .* got nan"),
        ({"pixel_size_um": 0}, "pixel_size_um above 0 µm, got 0"),
        ({"wavelength_um": -1}, "wavelength_um from 0.1 to 10 µm, got -1"),
        ({"absorption": np.full((8, 8), -1.0)}, "absorption without pixels below 0, got -1"),
        ({"absorption": np.zeros((4, 8))}, r"\(8, 8\), that of phase_rad, got \(4, 8\)"),
    ],
)
def test_impossible_microscopes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        transmitted_light(np.zeros((8, 8)), **{"pixel_size_um": 0.1, **settings})


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (np.zeros((2, 8, 8)), r"shape \(Y, X\) with pixels in it, got \(2, 8, 8\)"),
        (np.full((8, 8), np.nan), "phase_rad with finite pixels, got 64 of 64 NaN"),
    ],
)
def test_impossible_objects_are_refused(phase, message):
    with pytest.raises(ValueError, match=message):
        transmitted_light(phase, pixel_size_um=0.1)


def test_impossible_thicknesses_are_refused():
    with pytest.raises(TypeError, match="labels as labels, whole numbers, got float64"):
        cell_thickness(np.zeros((4, 4)), pixel_size_um=0.1)
    with pytest.raises(ValueError, match="refractive_index_difference as a finite number, got inf"):
        phase_map([1.0], refractive_index_difference=np.inf, wavelength_um=0.5)


def test_pixels_beyond_nyquist_are_told_with_the_limit():
    with pytest.warns(UserWarning, match=r"at most λ/\(4 NA\) = 0.2750 µm .* got 0.5 µm"):
        transmitted_light(np.zeros((16, 16)), pixel_size_um=0.5)


def test_fields_that_do_not_fit_into_memory_are_refused():
    with pytest.raises(ValueError, match="within 6 GB of memory, got an estimate"):
        transmitted_light(np.zeros((64, 64)), pixel_size_um=0.1, defocus_um=2000)
