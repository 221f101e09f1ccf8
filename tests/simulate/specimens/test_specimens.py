"""Specimens: what they promise about geometry, light and labels, in 2D and 3D."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, center_of_mass, find_objects
from scipy.spatial.distance import pdist
from skimage.measure import label, regionprops

from aimicro.simulate import beads, filaments, nuclei
from aimicro.simulate.specimens.drawing import deposit, worm_like_chains


def image_of(specimen):
    return specimen[0] if isinstance(specimen, tuple) else specimen


MAKERS = [
    pytest.param(lambda rng: filaments((48, 64), rng=rng), id="filaments 2D"),
    pytest.param(
        lambda rng: filaments((8, 48, 64), pixel_size_um=(0.3, 0.1, 0.1), rng=rng),
        id="filaments 3D",
    ),
    pytest.param(lambda rng: nuclei((96, 128), n=3, rng=rng), id="nuclei 2D"),
    pytest.param(
        lambda rng: nuclei((12, 64, 96), pixel_size_um=(1, 0.4, 0.4), n=3, rng=rng),
        id="nuclei 3D",
    ),
    pytest.param(lambda rng: beads((48, 64), n=4, rng=rng), id="beads 2D"),
    pytest.param(
        lambda rng: beads((16, 48, 64), pixel_size_um=(0.2, 0.1, 0.1), n=4, rng=rng),
        id="beads 3D",
    ),
]


@pytest.mark.parametrize("make", MAKERS)
class TestEverySpecimen:
    def test_is_float32_from_background_0_to_peak_1(self, make):
        image = image_of(make(0))
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == 1

    def test_repeats_bit_for_bit_with_the_same_seed(self, make):
        for once, again in zip(make(5), make(np.random.default_rng(5)), strict=True):
            np.testing.assert_array_equal(once, again)

    def test_differs_with_another_seed(self, make):
        assert not np.array_equal(image_of(make(1)), image_of(make(2)))

    def test_goes_on_with_a_generator(self, make):
        rng = np.random.default_rng(5)
        assert not np.array_equal(image_of(make(rng)), image_of(make(rng)))


@pytest.mark.parametrize("specimen", [filaments, nuclei, beads])
class TestBadInput:
    @pytest.mark.parametrize("shape", [(64,), (2, 2, 64, 64), (0, 64)])
    def test_shape(self, specimen, shape):
        with pytest.raises(ValueError, match=r"Expected a shape \(Z, Y, X\) or \(Y, X\)"):
            specimen(shape, rng=0)

    @pytest.mark.parametrize("pixel_size_um", [0, -0.1, np.nan, (0.3, 0.1, 0.1), (0.1, 0)])
    def test_pixel_size(self, specimen, pixel_size_um):
        with pytest.raises(ValueError, match="Expected pixel_size_um"):
            specimen((64, 64), pixel_size_um=pixel_size_um, rng=0)

    @pytest.mark.parametrize("n", [0, -1, 2.5])
    def test_number(self, specimen, n):
        with pytest.raises((ValueError, TypeError), match=rf"n .*of 1 or more, got {n}"):
            specimen((64, 64), n=n, rng=0)


@pytest.mark.parametrize(
    ("specimen", "length"),
    [
        (filaments, "persistence_length_um"),
        (filaments, "thickness_um"),
        (nuclei, "radius_um"),
        (beads, "diameter_um"),
    ],
)
@pytest.mark.parametrize("value", [0, -1, np.inf, np.nan])
def test_lengths_are_positive(specimen, length, value):
    with pytest.raises(ValueError, match=f"Expected {length} above 0 µm, got {value}"):
        specimen((64, 64), **{length: value}, rng=0)


class TestFilaments:
    @pytest.mark.parametrize("ndim", [2, 3])
    def test_tangents_forget_their_direction_as_a_worm_like_chain(self, ndim):
        persistence, step, n = 5.0, 0.05, 4000
        chains = worm_like_chains(
            np.random.default_rng(0).normal(size=(n, ndim)),
            length_um=5.0,
            step_um=step,
            persistence_length_um=persistence,
            rng=np.random.default_rng(1),
        )
        tangents = np.diff(chains, axis=1) / step
        np.testing.assert_allclose(np.linalg.norm(tangents, axis=2), 1, rtol=1e-9)
        alignment = np.einsum("nd,nsd->ns", tangents[:, 0], tangents).mean(axis=0)
        distance = step * np.arange(tangents.shape[1])
        expected = np.exp(-(ndim - 1) * distance / (2 * persistence))
        # Four standard errors of a mean over n chains, whose values lie between -1 and 1.
        np.testing.assert_allclose(alignment, expected, atol=4 / np.sqrt(n) / 2)

    @pytest.mark.parametrize("seed", range(5))
    def test_straight_filament_has_the_same_light_in_every_row_or_column(self, seed):
        image = filaments((96, 96), n=1, persistence_length_um=1e9, rng=seed)
        rows, columns = image.sum(axis=1), image.sum(axis=0)
        steep = np.count_nonzero(rows) > np.count_nonzero(columns)
        crossed = np.trim_zeros(rows if steep else columns)[6:-6]  # whole crossings
        assert len(crossed) > 20
        np.testing.assert_allclose(crossed, crossed.mean(), rtol=0.02)

    @pytest.mark.parametrize("seed", range(8))
    def test_filament_runs_from_border_to_border_in_one_piece(self, seed):
        image = filaments((64, 64), n=1, rng=seed)
        assert label(image > 0, connectivity=2).max() == 1
        border = np.ones((64, 64), bool)
        border[1:-1, 1:-1] = False
        assert label((image > 0) & border, connectivity=2).max() >= 2

    @pytest.mark.parametrize("thickness_um", [0.2, 0.4])
    def test_thickness_is_the_full_width_at_half_maximum(self, thickness_um):
        pixel = 0.02
        image = filaments(
            (256, 256),
            pixel_size_um=pixel,
            n=1,
            persistence_length_um=1e9,
            thickness_um=thickness_um,
            rng=0,
        )
        # Where a straight filament of Gaussian profile is cut, area / peak = 1.0645 FWHM / cos.
        points = np.argwhere(image > 0.5)
        _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
        cosine = np.abs(axes[0]).max()
        along = np.abs(axes[0]).argmax()
        profile = np.take(image, int(np.median(points[:, along])), axis=along)
        assert profile.max() > 0.9
        width = profile.sum() / profile.max() * pixel * cosine / 1.0645
        assert width == pytest.approx(thickness_um, rel=0.02)

    def test_crossing_filaments_add_up(self):
        rng = np.random.default_rng(0)
        one, two = rng.uniform(-1, 20, (2, 500, 2))
        shape, weights = np.array([20, 20]), np.ones(500)
        both = deposit(np.concatenate([one, two]), np.ones(1000), shape)
        apart = deposit(one, weights, shape) + deposit(two, weights, shape)
        np.testing.assert_allclose(both, apart)

    def test_small_and_large_fields_are_equally_crowded(self):
        def length_density(side):
            return np.mean([np.mean(filaments((side, side), rng=seed) > 0.1) for seed in range(20)])

        assert length_density(64) == pytest.approx(length_density(256), rel=0.25)

    def test_filaments_differ_in_brightness(self):
        ratios = []
        for seed in range(30):
            pair = filaments((64, 64), n=2, persistence_length_um=1e9, rng=seed)
            pieces = regionprops(label(pair > 0, connectivity=2), intensity_image=pair)
            if len(pieces) == 2 and min(p.area for p in pieces) > 60:  # apart, and not a corner
                per_length = [p.image_intensity.sum() / np.hypot(*p.image.shape) for p in pieces]
                ratios.append(min(per_length) / max(per_length))
        assert len(ratios) >= 4
        assert min(ratios) < 0.7

    def test_filaments_do_not_fade_at_the_border(self):
        compared = 0
        for seed in range(30):
            image = filaments((96, 64), n=1, persistence_length_um=1e9, thickness_um=0.4, rng=seed)
            if image[:, [0, -1]].max() == 0:  # runs from top to bottom
                rows = image.sum(axis=1)
                np.testing.assert_allclose(rows[[0, -1]], rows.mean(), rtol=0.01)
                compared += 1
        assert compared >= 2


def part_outside_its_ellipse(pixels):
    """Part of the pixels outside the ellipse that has the same second moments."""
    offset = pixels - pixels.mean(axis=0)
    squared = np.einsum("pi,ij,pj->p", offset, np.linalg.inv(np.cov(offset.T)), offset)
    return np.mean(squared > 4)  # a filled ellipse ends at two standard deviations


class TestNuclei:
    @given(
        n=st.integers(1, 6),
        seed=st.integers(0, 1000),
        shape=st.sampled_from([(128, 160), (10, 96, 96)]),
    )
    @settings(max_examples=10, deadline=None)
    def test_labels_are_contiguous_connected_and_where_the_light_is(self, n, seed, shape):
        image, labels = nuclei(shape, n=n, radius_um=3, rng=seed)
        assert labels.dtype == np.int32
        assert labels.shape == image.shape == shape
        assert np.unique(labels[labels > 0]).tolist() == list(range(1, n + 1))
        assert all(label(labels == i).max() == 1 for i in range(1, n + 1))
        assert np.all(image[labels > 0] > 0)
        reach = binary_dilation(labels > 0, np.ones((3,) * len(shape)), iterations=2)
        assert np.all(image[~reach] == 0)

    @pytest.mark.parametrize(
        ("shape", "measure"), [((51, 51), np.pi * 2**2), ((51, 51, 51), 4 / 3 * np.pi * 2**3)]
    )
    def test_size_is_that_of_a_disc_or_ball_of_the_radius(self, shape, measure):
        pixel, sizes = 0.2, []
        for seed in range(40):
            _, labels = nuclei(shape, pixel_size_um=pixel, n=1, radius_um=2, rng=seed)
            (box,) = find_objects(labels)
            if all(s.start > 0 and s.stop < 51 for s in box):  # not cut by the border
                sizes.append(np.count_nonzero(labels) * pixel ** len(shape))
        assert len(sizes) >= 5
        assert np.mean(sizes) == pytest.approx(measure, rel=0.1)
        assert np.std(sizes) > 0.05 * measure

    def test_nuclei_have_their_size_in_micrometres_whatever_the_pixels(self):
        heights, widths = [], []
        for seed in range(20):
            _, labels = nuclei(
                (60, 120, 120), pixel_size_um=(0.5, 0.25, 0.25), n=1, radius_um=3, rng=seed
            )
            (box,) = find_objects(labels)
            if all(s.start > 0 and s.stop < n for s, n in zip(box, labels.shape, strict=True)):
                heights.append(0.5 * (box[0].stop - box[0].start))
                widths.append(0.25 * (box[2].stop - box[2].start))
        assert len(heights) >= 5
        assert np.mean(heights) == pytest.approx(np.mean(widths), rel=0.1)

    def test_nuclei_are_irregular_textured_and_of_different_brightness(self):
        image, labels = nuclei((256, 256), n=12, rng=0)
        inside = [image[labels == i] for i in range(1, 13)]
        means = np.array([values.mean() for values in inside])
        assert means.max() / means.min() > 1.3
        assert all(values.std() / values.mean() > 0.1 for values in inside)
        whole = [p for p in regionprops(labels) if min(p.bbox[:2]) > 0 and max(p.bbox[2:]) < 256]
        assert len({round(p.eccentricity, 2) for p in whole}) > 3
        assert np.mean([part_outside_its_ellipse(p.coords) for p in whole]) > 0.01

    def test_edges_are_anti_aliased(self):
        image, labels = nuclei((128, 128), n=1, radius_um=8, rng=3)
        edge = (image > 0) & (labels == 0)
        assert edge.sum() > 10
        assert image[edge].mean() < 0.6 * image[labels > 0].mean()

    def test_too_many_say_how_many_fit(self):
        with pytest.raises(ValueError, match="Expected room for n=100 nuclei") as error:
            nuclei((64, 64), n=100, rng=0)
        fits = int(re.search(r"got room for (\d+)\. Ask for", str(error.value)).group(1))
        _, labels = nuclei((64, 64), n=fits, rng=0)
        assert labels.max() == fits > 1

    def test_nuclei_below_a_pixel_are_refused(self):
        with pytest.raises(ValueError, match=r"radius_um of at least one pixel, 2 µm, got 1"):
            nuclei((16, 64, 64), pixel_size_um=(2, 0.5, 0.5), radius_um=1, rng=0)


class TestBeads:
    @pytest.mark.parametrize("diameter_um", [0.05, 0.1, 0.73])
    @pytest.mark.parametrize(
        ("shape", "pixel_size_um"), [((40, 50), 0.1), ((24, 40, 50), (0.2, 0.1, 0.1))]
    )
    def test_centre_of_mass_is_the_position(self, shape, pixel_size_um, diameter_um):
        image, positions_um = beads(
            shape, pixel_size_um=pixel_size_um, n=1, diameter_um=diameter_um, rng=0
        )
        centre = np.array(center_of_mass(image.astype(float))) * pixel_size_um
        np.testing.assert_allclose(centre, positions_um[0], atol=1e-6)

    @pytest.mark.parametrize("shape", [(200, 200), (40, 120, 120)])
    def test_beads_hold_the_same_light(self, shape):
        image, positions_um = beads(shape, n=8, diameter_um=0.3, rng=8)
        assert pdist(positions_um).min() > 0.8
        pixels = np.stack(np.indices(shape), axis=-1) * 0.1
        total = [
            image[np.linalg.norm(pixels - position, axis=-1) < 0.4].sum()
            for position in positions_um
        ]
        np.testing.assert_allclose(total, np.mean(total), rtol=1e-5)
        assert np.sum(total) == pytest.approx(image.sum(), rel=1e-5)

    def test_ball_is_solid_and_of_its_volume(self):
        image, (position,) = beads(
            (30, 60, 60), pixel_size_um=(0.2, 0.1, 0.1), n=1, diameter_um=2, rng=0
        )
        grid = np.stack(np.indices(image.shape), axis=-1) * (0.2, 0.1, 0.1)
        distance = np.linalg.norm(grid - position, axis=-1)
        np.testing.assert_allclose(image[distance < 0.75], 1, rtol=1e-5)
        assert np.all(image[distance > 1.3] == 0)
        assert image.sum() * 0.2 * 0.1 * 0.1 == pytest.approx(4 / 3 * np.pi, rel=0.02)

    def test_2d_bead_is_the_projection_of_a_ball(self):
        image, (position,) = beads((60, 60), pixel_size_um=0.1, n=1, diameter_um=4, rng=1)
        grid = np.stack(np.indices(image.shape), axis=-1) * 0.1
        distance = np.linalg.norm(grid - position, axis=-1)
        chord = np.sqrt(np.maximum(1 - (distance / 2) ** 2, 0))
        inner = distance < 1.8
        np.testing.assert_allclose(image[inner], chord[inner], atol=0.03)

    def test_centres_lie_between_pixels_all_over_the_field(self):
        _, positions_um = beads((100, 200), n=500, rng=0)
        within = positions_um / 0.1 % 1
        counts, _ = np.histogram(within, bins=5, range=(0, 1))
        assert counts.min() > 0.7 * counts.mean()
        assert positions_um.max(axis=0) == pytest.approx([9.9, 19.9], abs=0.6)
        assert positions_um.min() == pytest.approx(0, abs=0.6)

    def test_field_too_small(self):
        with pytest.raises(ValueError, match=r"Expected a field of more than .* got 1 × 6.4 µm"):
            beads((10, 64), diameter_um=1, rng=0)


@pytest.mark.parametrize("specimen", [filaments, nuclei, beads])
def test_nanometres_and_what_memory_cannot_hold_are_refused_before_the_work(specimen):
    with pytest.raises(ValueError, match="Divide nanometres by 1000"):
        specimen((8, 32, 32), pixel_size_um=(200, 80, 80), rng=0)
    with pytest.raises(ValueError, match="within 6 GB of memory"):
        specimen((99_999, 99_999), rng=0)


def test_a_field_for_too_many_filaments_is_refused_before_the_work():
    with pytest.raises(ValueError, match=r"filaments in a field .* of memory"):
        filaments((4000, 4000), pixel_size_um=5.0, rng=0)
