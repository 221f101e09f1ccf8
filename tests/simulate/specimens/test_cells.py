"""Whole cells: density, touching, outlines and light, in 2D and 3D."""

import functools
import hashlib

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, grey_dilation
from skimage.measure import label, regionprops

from aimicro.simulate.specimens.cells import MAX_DENSITY, cells
from aimicro.simulate.specimens.nuclei import nuclei

FIELDS = {
    2: {"shape": (192, 192), "pixel_size_um": 0.4},
    3: {"shape": (16, 56, 56), "pixel_size_um": (1, 0.6, 0.6), "radius_um": 5},
}
NUCLEI_LABELS = "c2dac98801eda8d6abcea83f838455168300e8a84afa51188202d661ec6074a0"
NUCLEI_LIGHT = 885.986576

EACH_KIND = pytest.mark.parametrize("kind", list(MAX_DENSITY))
EACH_NDIM = pytest.mark.parametrize("ndim", [2, 3])


def share_that_touches(labels):
    """Share of the cells with a pixel of another cell beside or diagonal to one of theirs."""
    padded = np.pad(labels, 1)
    highest = grey_dilation(padded, size=(3,) * labels.ndim)
    beyond = padded.max() + 1
    lowest = beyond - grey_dilation(np.where(padded, beyond - padded, 0), size=(3,) * labels.ndim)
    meets = (padded > 0) & ((highest != padded) | (lowest != padded))
    return len(np.unique(padded[meets])) / labels.max()


@EACH_NDIM
@EACH_KIND
@pytest.mark.parametrize("touching", [0, 0.5, 1])
def test_density_and_touching_are_those_asked_for(kind, ndim, touching):
    largest = MAX_DENSITY[kind][ndim - 2]
    for density in (0.25, largest):
        _, labels = cells(**FIELDS[ndim], kind=kind, density=density, touching=touching, rng=1)
        assert np.mean(labels > 0) == pytest.approx(density, abs=0.005)
        touch = share_that_touches(labels)
        assert touch == 0 if touching == 0 else abs(touch - touching) <= 2.5 / labels.max()


@EACH_NDIM
@EACH_KIND
def test_each_cell_is_one_piece_and_lit(kind, ndim):
    image, labels = cells(**FIELDS[ndim], kind=kind, density=0.45, rng=2)
    assert image.dtype == np.float32
    assert labels.dtype == np.int32
    assert image.shape == labels.shape == FIELDS[ndim]["shape"]
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert all(label(labels == i).max() == 1 for i in range(1, labels.max() + 1))
    assert image.max() == 1
    assert image[labels > 0].min() > 0
    assert np.all(image[~binary_dilation(labels > 0)] == 0)


@EACH_NDIM
@EACH_KIND
def test_same_seed_same_cells(kind, ndim):
    once = cells(**FIELDS[ndim], kind=kind, density=0.2, rng=3)
    again = cells(**FIELDS[ndim], kind=kind, density=0.2, rng=np.random.default_rng(3))
    other = cells(**FIELDS[ndim], kind=kind, density=0.2, rng=4)
    for one, two in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(once[1], other[1])


@functools.cache
def whole_cells(kind, **options):
    """Return the regions of cells that stand alone and are not cut by the border."""
    regions = []
    for seed in range(4):
        image, labels = cells(
            (320, 320), pixel_size_um=0.25, kind=kind, density=0.25, touching=0, rng=seed, **options
        )
        regions += [
            region
            for region in regionprops(labels, intensity_image=image)
            if min(region.bbox[:2]) > 0 and max(region.bbox[2:]) < 320
        ]
    assert len(regions) > 10
    return regions


def width_at_tips(region):
    """Mean width of the two outer fifths of a region, as a share of that of the middle fifth."""
    pixels = region.coords - region.coords.mean(axis=0)
    along = pixels @ np.linalg.svd(pixels, full_matrices=False).Vh[0]
    counts, _ = np.histogram(along, bins=5)
    return (counts[0] + counts[-1]) / 2 / counts[2]


class TestShapes:
    @EACH_KIND
    def test_size_is_about_that_of_a_disc_of_the_radius(self, kind):
        areas = [region.area * 0.25**2 for region in whole_cells(kind)]
        assert np.mean(areas) == pytest.approx(np.pi * 7**2, rel=0.25)
        assert np.std(areas) > 0.1 * np.mean(areas)

    def test_size_in_3d_is_about_that_of_a_ball(self):
        _, labels = cells((60, 60, 60), pixel_size_um=1, density=0.2, touching=0, rng=0)
        volumes = [
            region.area
            for region in regionprops(labels)
            if min(region.bbox[:3]) > 0 and max(region.bbox[3:]) < 60
        ]
        assert len(volumes) >= 3
        assert np.mean(volumes) == pytest.approx(4 / 3 * np.pi * 7**3, rel=0.3)

    def test_cells_are_equally_large_in_z_and_x_whatever_the_voxels(self):
        heights, widths = [], []
        for seed in range(6):
            _, labels = cells(
                (40, 96, 96), pixel_size_um=(1, 0.5, 0.5), density=0.15, touching=0, rng=seed
            )
            for region in regionprops(labels):
                if min(region.bbox[:3]) > 0 and all(np.array(region.bbox[3:]) < (40, 96, 96)):
                    heights.append(region.bbox[3] - region.bbox[0])
                    widths.append(0.5 * (region.bbox[5] - region.bbox[2]))
        assert len(heights) >= 5
        assert np.mean(heights) == pytest.approx(np.mean(widths), rel=0.15)

    def test_round_cells_are_convex_and_not_long(self):
        for region in whole_cells("round"):
            assert region.solidity > 0.93
            assert region.axis_major_length < 1.6 * region.axis_minor_length

    def test_elongated_cells_are_long_and_some_are_bent(self):
        regions = whole_cells("elongated")
        ratios = [region.axis_major_length / region.axis_minor_length for region in regions]
        assert np.median(ratios) > 2.5
        assert min(region.solidity for region in regions) < 0.9 < max(r.solidity for r in regions)

    def test_spindles_are_long_and_pointed(self):
        regions = whole_cells("spindle")
        ratios = [region.axis_major_length / region.axis_minor_length for region in regions]
        assert np.median(ratios) > 2
        # Along the cell, from tip to tip, the cross-section of a rod is even, of a tip small.
        assert np.median([width_at_tips(region) for region in regions]) < 0.5
        assert np.median([width_at_tips(region) for region in whole_cells("elongated")]) > 0.8

    def test_irregular_cells_are_not_convex(self):
        solidity = [region.solidity for region in whole_cells("irregular")]
        assert np.median(solidity) < 0.9
        assert np.quantile(solidity, 0.9) < 0.97


class TestLight:
    def test_cells_differ_in_brightness_and_are_textured(self):
        regions = whole_cells("round", nucleus=1)
        means = [region.intensity_mean for region in regions]
        assert max(means) / min(means) > 1.3
        middle = [region.image_intensity[region.image_intensity > 0] for region in regions]
        assert all(values.std() / values.mean() > 0.1 for values in middle)

    @pytest.mark.parametrize(("nucleus", "low", "high"), [(0.2, 0, 0.6), (3, 1.6, np.inf)])
    def test_nucleus_is_dimmer_or_brighter_than_the_cytoplasm(self, nucleus, low, high):
        plain, stained = whole_cells("round", nucleus=1), whole_cells("round", nucleus=nucleus)
        for one, two in zip(plain, stained, strict=True):
            middle = tuple(np.array(one.image.shape) // 2)
            rim = one.image & ~binary_dilation(~one.image, iterations=2)
            rim &= binary_dilation(~one.image, iterations=6)
            ratio = two.image_intensity / np.where(one.image, one.image_intensity, 1)
            assert low < ratio[middle] / np.median(ratio[rim]) < high

    def test_outer_edges_are_anti_aliased(self):
        image, labels = cells((128, 128), density=0.3, rng=0)
        fringe = (image > 0) & (labels == 0)
        assert fringe.sum() > 20
        assert image[fringe].max() < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "square"}, "one of round, elongated, spindle, irregular, got 'square'"),
        (
            {"density": 0},
            r"density of round cells in 2D from 0.03.* to 0.85, got 0\. The least is half a cell",
        ),
        ({"density": 0.9}, r"round cells in 2D from .* to 0.85, got 0.9"),
        ({"density": np.nan}, "got nan"),
        ({"shape": (20, 64, 64), "density": 0.75}, "round cells in 3D from .* to 0.6, got 0.75"),
        ({"touching": 1.5}, "touching from 0 to 1, got 1.5"),
        ({"radius_um": 0}, "radius_um above 0 µm, got 0"),
        ({"radius_um": 0.4}, "at least two pixels, 0.5 µm, got 0.4"),
        ({"nucleus": -1}, "nucleus of 0 or more, got -1"),
        ({"shape": (64,)}, r"Expected a shape \(Z, Y, X\) or \(Y, X\)"),
        ({"pixel_size_um": (0.2, 0)}, "Expected pixel_size_um"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        cells(**{"shape": (200, 200), "rng": 0} | options)


def test_no_room_in_coarse_voxels():
    with pytest.raises(ValueError, match=r"room for irregular cells over a fraction of 0.5 of the"):
        cells(
            (4, 24, 24),
            pixel_size_um=(3.5, 2, 2),
            kind="irregular",
            density=0.5,
            touching=0,
            rng=0,
        )


def test_nuclei_are_those_of_the_first_version():
    image, labels = nuclei((64, 64), n=3, rng=0)
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    assert digest == NUCLEI_LABELS
    assert image.sum(dtype=float) == pytest.approx(NUCLEI_LIGHT, rel=1e-6)
