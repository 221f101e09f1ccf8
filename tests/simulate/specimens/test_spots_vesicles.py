"""Vesicles: their places, sizes, brightness and clusters are what is promised."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from scipy.spatial import cKDTree

from aimicro.simulate.specimens.spots import vesicles

FIELDS = [
    pytest.param({"shape": (96, 128), "pixel_size_um": 0.1}, id="2D"),
    pytest.param({"shape": (96, 128), "pixel_size_um": (0.2, 0.1)}, id="2D anisotropic"),
    pytest.param({"shape": (24, 64, 64), "pixel_size_um": (0.3, 0.1, 0.1)}, id="3D"),
]


@pytest.mark.parametrize("field", FIELDS)
class TestEveryField:
    def test_is_float32_from_0_to_1_and_repeats_bit_for_bit(self, field):
        image, positions = vesicles(**field, clustered=0.5, rng=1)
        assert image.dtype == np.float32
        assert image.shape == field["shape"]
        assert (image.min(), image.max()) == (0, 1)
        assert positions.shape == (60, len(field["shape"]))
        again = vesicles(**field, clustered=0.5, rng=np.random.default_rng(1))
        np.testing.assert_array_equal(image, again[0])
        np.testing.assert_array_equal(positions, again[1])
        assert not np.array_equal(image, vesicles(**field, clustered=0.5, rng=2)[0])

    @pytest.mark.parametrize("diameter_um", [0.15, 0.6, 1.2])
    def test_position_is_the_centre_of_mass(self, field, diameter_um):
        for seed in range(5):
            image, positions = vesicles(
                **field, n=1, diameter_um=(diameter_um, diameter_um), rng=seed
            )
            centre = np.array(center_of_mass(image)) * field["pixel_size_um"]
            np.testing.assert_allclose(positions[0], centre, atol=1e-5)

    def test_light_ends_at_the_radius(self, field):
        pixel = np.broadcast_to(field["pixel_size_um"], len(field["shape"]))
        image, (centre,) = vesicles(**field, n=1, diameter_um=(1.5, 1.5), rng=3)
        grid = np.moveaxis(np.indices(image.shape), 0, -1) * pixel
        distance = np.linalg.norm(grid - centre, axis=-1)
        assert np.all(image[distance > 0.75 + np.linalg.norm(pixel)] == 0)
        assert np.all(image[distance < 0.75 - np.linalg.norm(pixel)] > 0)

    def test_all_lie_wholly_inside(self, field):
        extent = np.array(field["shape"]) * field["pixel_size_um"]
        for clustered in (0, 1):
            _, positions = vesicles(**field, n=200, clustered=clustered, rng=0)
            assert np.all((positions > 0.4) & (positions < extent - 0.4))


def test_sizes_ascend_by_ratio_from_the_smallest_to_the_largest():
    image, positions = vesicles(
        (30, 160, 160), pixel_size_um=(0.2, 0.1, 0.1), n=4, diameter_um=(0.6, 2.0), rng=0
    )
    assert cKDTree(positions).query(positions, k=2)[0][:, 1].min() > 3  # all apart, so no overlap
    grid = np.moveaxis(np.indices(image.shape), 0, -1) * [0.2, 0.1, 0.1]
    for centre, diameter in zip(positions, np.geomspace(0.6, 2.0, 4), strict=True):
        near = np.linalg.norm(grid - centre, axis=-1) < 1.5
        light = image * near
        # A ball's volume is its light over its brightness inside.
        inside = image[np.linalg.norm(grid - centre, axis=-1) < 0.2].mean()
        volume = light.sum() * 0.2 * 0.1 * 0.1 / inside
        assert volume == pytest.approx(np.pi / 6 * diameter**3, rel=0.1)


def test_brightness_differs():
    image, positions = vesicles((400, 400), n=20, diameter_um=(0.5, 0.5), rng=4)
    alone = cKDTree(positions).query(positions, k=2)[0][:, 1] > 1
    grid = np.moveaxis(np.indices(image.shape), 0, -1) * 0.1
    light = [image[np.linalg.norm(grid - p, axis=-1) < 0.45].sum() for p in positions[alone]]
    assert len(light) > 10
    assert 1.5 < max(light) / min(light) < 1.02 / 0.4


def test_clusters_bring_vesicles_together():
    def to_third_neighbour(clustered):
        _, positions = vesicles((512, 512), n=120, clustered=clustered, rng=0)
        return np.median(cKDTree(positions).query(positions, k=4)[0][:, 3])

    scattered, half, all_of_them = map(to_third_neighbour, (0, 0.5, 1))
    assert all_of_them < half < scattered
    assert all_of_them < 0.3 * scattered


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n": 0}, "n .*of 1 or more, got 0"),
        ({"diameter_um": (0.8, 0.2)}, r"\(smallest, largest\) above 0 and ascending, got \(0.8"),
        ({"diameter_um": (0, 0.2)}, "above 0 and ascending"),
        ({"diameter_um": 0.4}, "ascending, got 0.4"),
        ({"diameter_um": (0.2, np.nan)}, "ascending"),
        ({"diameter_um": (0.2, 9.0)}, "Expected a field of more than 9.5 × 9.5 µm, got 6.4 × 6.4"),
        ({"clustered": 1.5}, r"clustered from 0 \(none\) to 1 \(all\), got 1.5"),
        ({"pixel_size_um": -1}, "Expected pixel_size_um"),
        ({"shape": (64,)}, "Expected a shape"),
    ],
)
def test_bad_input(setting, message):
    with pytest.raises(ValueError, match=message):
        vesicles(**{"shape": (64, 64), "rng": 0, **setting})
