"""Measurements of shapes whose size is known, with units, in two and three dimensions."""

import numpy as np
import pytest
from skimage.measure import regionprops

from aimicro.segment import measure


def ellipse(semi_y: float, semi_x: float, *, size=(200, 200), at=(100, 100)) -> np.ndarray:
    """Semi-axes in pixels."""
    y, x = np.indices(size)
    return (((y - at[0]) / semi_y) ** 2 + ((x - at[1]) / semi_x) ** 2 <= 1).astype(np.int32)


def test_a_disc():
    table = measure(ellipse(40, 40), pixel_size_um=0.25)
    assert table["area_um2"] == pytest.approx(np.pi * 10**2, rel=2e-3)
    assert table["equivalent_diameter_um"] == pytest.approx(20, rel=1e-3)
    assert table["major_axis_um"] == pytest.approx(20, rel=1e-3)
    assert table["minor_axis_um"] == pytest.approx(20, rel=1e-3)
    assert table["eccentricity"] < 0.02
    assert table["centroid_y_um"] == table["centroid_x_um"] == 25
    assert not table["on_border"]


@pytest.mark.parametrize(("radius", "within"), [(10, 0.04), (40, 0.01)])
def test_the_perimeter_of_discs(radius, within):
    perimeter = measure(ellipse(radius, radius), pixel_size_um=0.5)["perimeter_um"]
    assert perimeter == pytest.approx(np.pi * radius, rel=within)


def test_an_ellipse_of_pixels_that_are_not_square():
    """A circle on them is none; and no perimeter is better than a wrong one."""
    table = measure(ellipse(20, 80), pixel_size_um=(0.4, 0.2))
    assert table["area_um2"] == pytest.approx(np.pi * 8 * 16, rel=5e-3)
    assert table["major_axis_um"] == pytest.approx(32, rel=1e-2)
    assert table["minor_axis_um"] == pytest.approx(16, rel=1e-2)
    assert table["eccentricity"] == pytest.approx(np.sqrt(1 - 1 / 4), rel=1e-2)
    assert "perimeter_um" not in table
    turned = measure(ellipse(20, 80).T, pixel_size_um=(0.2, 0.4))
    assert turned["major_axis_um"] == pytest.approx(table["major_axis_um"])


def test_balls_and_ellipsoids_of_tall_voxels():
    z, y, x = np.indices((60, 90, 90))
    voxel = (0.5, 0.25, 0.25)
    z, y, x = (
        (axis - middle) * um
        for axis, middle, um in zip((z, y, x), (30, 44, 46), voxel, strict=True)
    )
    ball = (z**2 + y**2 + x**2 <= 10**2).astype(int)
    table = measure(ball, pixel_size_um=voxel)
    assert table["volume_um3"] == pytest.approx(4 / 3 * np.pi * 10**3, rel=5e-3)
    for name in ("equivalent_diameter_um", "major_axis_um", "minor_axis_um"):
        assert table[name] == pytest.approx(20, rel=5e-3)
    assert [float(table[f"centroid_{axis}_um"][0]) for axis in "zyx"] == pytest.approx(
        [15, 11, 11.5]
    )
    egg = ((z / 12) ** 2 + (y / 8) ** 2 + (x / 5) ** 2 <= 1).astype(int)
    table = measure(egg, pixel_size_um=voxel)
    assert table["major_axis_um"] == pytest.approx(24, rel=1e-2)
    assert table["minor_axis_um"] == pytest.approx(10, rel=1e-2)
    assert not {"area_um2", "eccentricity", "perimeter_um"} & set(table)


@pytest.mark.parametrize("size", [(0.3, 0.3), (0.3, 0.2)])
def test_all_numbers_are_those_of_scikit_image(size):
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 9, (6, 6)), np.ones((7, 5), int))
    image = rng.random(labels.shape)
    table = measure(labels, image, pixel_size_um=size)
    for row, region in enumerate(regionprops(labels, image, spacing=size)):
        found = {name: column[row] for name, column in table.items()}
        assert found["label"] == region.label
        assert found["area_um2"] == pytest.approx(region.area)
        assert found["equivalent_diameter_um"] == pytest.approx(region.equivalent_diameter_area)
        assert (found["centroid_y_um"], found["centroid_x_um"]) == pytest.approx(region.centroid)
        assert found["major_axis_um"] == pytest.approx(region.axis_major_length)
        assert found["minor_axis_um"] == pytest.approx(region.axis_minor_length)
        assert found["eccentricity"] == pytest.approx(region.eccentricity)
        if "perimeter_um" in table:
            assert found["perimeter_um"] == pytest.approx(region.perimeter_crofton)
        assert found["intensity_mean"] == pytest.approx(region.intensity_mean)
        assert found["intensity_max"] == pytest.approx(region.intensity_max)
        assert found["intensity_sum"] == pytest.approx(image[labels == region.label].sum())
    assert ("perimeter_um" in table) == (size[0] == size[1])


def test_a_volume_has_the_numbers_of_scikit_image():
    rng, size = np.random.default_rng(0), (0.5, 0.3, 0.2)
    labels = np.kron(rng.integers(0, 9, (3, 4, 4)), np.ones((2, 5, 3), int))
    table = measure(labels, pixel_size_um=size)
    for row, region in enumerate(regionprops(labels, spacing=size)):
        found = {name: column[row] for name, column in table.items()}
        assert found["volume_um3"] == pytest.approx(region.area)
        assert [found[f"centroid_{axis}_um"] for axis in "zyx"] == pytest.approx(region.centroid)
        assert found["major_axis_um"] == pytest.approx(region.axis_major_length)
        assert found["minor_axis_um"] == pytest.approx(region.axis_minor_length)


def test_channels():
    labels = np.array([[[0, 4, 4, 9]]])
    image = np.array([[[[5, 1, 2, 3]]], [[[5, 10, 20, 30]]]], np.uint8)
    table = measure(labels, image, pixel_size_um=1)
    assert table["intensity_mean_c0"].tolist() == [1.5, 3]
    assert table["intensity_max_c1"].tolist() == [20, 30]
    assert table["intensity_sum_c1"].tolist() == [30, 30]


def test_on_border():
    """Also of the first and last plane; but a single plane would be all border."""
    labels = np.zeros((3, 5, 5), int)
    labels[1, 2, 2], labels[0, 2, 2], labels[1, 4, 2], labels[1, 2, 0] = 1, 2, 3, 4
    assert measure(labels, pixel_size_um=1)["on_border"].tolist() == [False, True, True, True]
    assert measure(labels[1:2], pixel_size_um=1)["on_border"].tolist() == [False, True, True]


def test_ids_stay_what_they_are():
    table = measure(np.array([[7, 2**31, 7, 0]], np.uint64), pixel_size_um=1)
    assert table["label"].tolist() == [7, 2**31]
    assert table["area_um2"].tolist() == [2, 1]
    assert measure([[3]], pixel_size_um=1)["label"].tolist() == [3]


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_an_image_without_objects_has_all_columns(shape):
    empty, one = np.zeros(shape, int), np.ones(shape, int)
    image = np.ones((2, *shape))
    tables = [measure(labels, image, pixel_size_um=0.1) for labels in (empty, one)]
    assert list(tables[0]) == list(tables[1])
    assert {len(column) for column in tables[0].values()} == {0}


@pytest.mark.parametrize(
    "labels", [np.ones((1, 1)), np.ones((1, 5)), np.ones((1, 1, 5)), np.eye(3)]
)
def test_flat_objects_have_finite_axes(labels):
    table = measure(labels.astype(int), pixel_size_um=0.1)
    assert all(np.isfinite(column).all() for column in table.values())


@pytest.mark.parametrize(
    ("labels", "image", "size", "error", "message"),
    [
        (np.ones((4, 4)), None, 1, TypeError, "whole numbers, got float64"),
        (np.eye(4, dtype=int), np.ones((4, 5)), 1, ValueError, r"shape of the labels, \(4, 4\)"),
        (np.eye(4, dtype=int), np.ones((4, 4, 3)), 1, ValueError, "channels to the front"),
        (np.eye(4, dtype=int), np.full((4, 4), np.nan), 1, ValueError, "finite pixels"),
        (np.eye(4, dtype=int), None, 0, ValueError, "pixel_size_um above 0 µm, got 0"),
        (np.eye(4, dtype=int), None, (1, 1, 1), ValueError, "one number or 2"),
    ],
)
def test_what_cannot_be_measured(labels, image, size, error, message):
    with pytest.raises(error, match=message):
        measure(labels, image, pixel_size_um=size)
