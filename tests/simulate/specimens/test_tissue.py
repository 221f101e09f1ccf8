"""Tissue: branched cells, each in one piece, apart from each other and from the skin."""

import functools

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, convolve, distance_transform_edt, find_objects
from skimage.measure import label
from skimage.morphology import skeletonize

from aimicro.simulate.specimens.tissue import Tissue, tissue

FIELDS = {
    "2D": {"shape": (256, 256), "pixel_size_um": 0.5, "n": 5},
    "2D anisotropic": {"shape": (200, 200), "pixel_size_um": (0.8, 0.4), "n": 3},
    "3D": {"shape": (24, 128, 128), "pixel_size_um": (2, 0.7, 0.7), "n": 4},
    "3D thin": {"shape": (6, 160, 160), "pixel_size_um": (1, 0.6, 0.6), "n": 3},
}


@functools.cache
def made(field, seed):
    """Tissue that several tests look at."""
    return tissue(**FIELDS[field], rng=seed)


@pytest.mark.parametrize("field", FIELDS)
class TestEveryField:
    def test_has_image_labels_and_skin_and_repeats_bit_for_bit(self, field):
        once = made(field, 1)
        again = tissue(**FIELDS[field], rng=np.random.default_rng(1))
        assert isinstance(once, Tissue)
        assert [part.dtype for part in once] == [np.float32, np.int32, np.float32]
        assert all(part.shape == FIELDS[field]["shape"] for part in once)
        assert (once.image.min(), once.image.max()) == (0, 1)
        for part, same in zip(once, again, strict=True):
            np.testing.assert_array_equal(part, same)
        assert not np.array_equal(once.image, made(field, 2).image)

    @pytest.mark.parametrize("seed", range(4))
    def test_every_cell_is_there_in_one_piece_where_its_light_is(self, field, seed):
        image, labels, skin = made(field, seed)
        assert np.unique(labels).tolist() == list(range(FIELDS[field]["n"] + 1))
        for cell in range(1, FIELDS[field]["n"] + 1):
            assert label(labels == cell, connectivity=labels.ndim).max() == 1
        assert np.all(image[labels > 0] > 0)
        cells = image - skin
        near = binary_dilation(labels > 0, np.ones((3,) * labels.ndim), iterations=2)
        assert np.all(cells[~near] < 1e-6)
        # The rest lies in pixels that are cut by the edge: processes are thinner than 2 µm planes.
        assert cells[labels > 0].sum() > 0.8 * cells.sum()

    @pytest.mark.parametrize("seed", range(4))
    def test_cells_touch_neither_each_other_nor_the_skin(self, field, seed):
        _, labels, skin = made(field, seed)
        block = np.ones((3,) * labels.ndim)
        grown = [
            binary_dilation(labels == cell, block) for cell in range(1, FIELDS[field]["n"] + 1)
        ]
        assert np.sum(grown, axis=0).max() == 1
        assert not np.any(skin[np.any(grown, axis=0)])

    def test_skin_is_one_textured_layer(self, field):
        skin = made(field, 0).skin
        values = skin[skin > 0.5 * np.median(skin[skin > 0])]
        assert values.std() > 0.2 * values.mean()
        assert label(skin > 0, connectivity=skin.ndim).max() == 1


class TestTissue:
    def test_skin_has_its_thickness(self):
        for skin_um in (4.0, 8.0):
            skin = tissue((400, 400), pixel_size_um=0.4, n=2, skin_um=skin_um, rng=3).skin
            middle = skeletonize(skin > 0)
            thickness = 2 * 0.4 * distance_transform_edt(skin > 0)[middle]
            assert np.median(thickness) == pytest.approx(skin_um, abs=0.8)

    def test_skin_is_curved_and_the_cells_lie_on_its_inner_side(self):
        for seed in range(6):
            _, labels, skin = tissue((300, 300), n=4, rng=seed)
            points = np.argwhere(skin > 0).astype(float)
            ones = np.column_stack([points, np.ones(len(points))])
            solution = np.linalg.lstsq(2 * ones, (points**2).sum(axis=1), rcond=None)[0]
            centre = solution[:2]
            radius = np.linalg.norm(points - centre, axis=1).mean() * 0.5
            assert radius == pytest.approx(0.8 * 150 * np.sqrt(2), rel=0.15)
            to_cells = np.linalg.norm(np.argwhere(labels > 0) - centre, axis=1) * 0.5
            assert to_cells.max() < radius

    def test_brightness_of_the_skin_is_a_multiple_of_that_of_the_somata(self):
        for brightness in (0.5, 1.0, 3.0):
            ratios = []
            for seed in range(6):
                image, labels, skin = tissue((300, 300), n=4, skin_brightness=brightness, rng=seed)
                deep = distance_transform_edt(labels > 0) * 0.5 > 2
                layer = distance_transform_edt(skin > 0) * 0.5 > 1
                ratios.append(skin[layer].mean() / image[deep].mean())
            assert np.mean(ratios) == pytest.approx(brightness, rel=0.15)
        image, labels, skin = tissue((200, 200), n=2, skin_brightness=0, rng=0)
        assert skin.max() == 0
        assert image[labels > 0].max() == 1

    @pytest.mark.parametrize("soma_radius_um", [3.0, 5.0])
    def test_somata_have_their_size_and_processes_are_much_thinner(self, soma_radius_um):
        pixel = 0.25
        _, labels, _ = tissue(
            (640, 640), pixel_size_um=pixel, n=5, soma_radius_um=soma_radius_um, rng=1
        )
        for cell, box in enumerate(find_objects(labels), start=1):
            mask = np.pad(labels[box] == cell, 1)
            depth = distance_transform_edt(mask) * pixel
            assert depth.max() == pytest.approx(soma_radius_um, rel=0.25)
            axis = skeletonize(mask)
            centre = np.array(np.unravel_index(depth.argmax(), depth.shape))
            way = np.linalg.norm(np.argwhere(axis) - centre, axis=1) * pixel
            radius = depth[axis]
            close = radius[(way > soma_radius_um + 1) & (way < soma_radius_um + 5)].mean()
            far = radius[way > soma_radius_um + 12].mean()
            assert far < close < 0.6 * soma_radius_um
            assert far == pytest.approx(0.5, abs=0.25)

    def test_cells_branch(self):
        _, labels, _ = tissue((640, 640), pixel_size_um=0.25, n=5, rng=2)
        for cell, box in enumerate(find_objects(labels), start=1):
            axis = np.pad(skeletonize(labels[box] == cell), 1)
            around = convolve(axis.astype(int), np.ones((3, 3), int))
            tips = axis & (around == 2)
            assert tips.sum() >= 7, cell  # more ends than a soma has processes

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"n": 0}, "n .*of 1 or more, got 0"),
            ({"n": 500}, r"room for n=500 cells .* field of 64 × 64 µm, got room for \d+"),
            ({"soma_radius_um": 0}, "soma_radius_um above 0 µm, got 0"),
            ({"skin_um": np.inf}, "skin_um above 0 µm, got inf"),
            ({"skin_brightness": -1}, "skin_brightness of 0 or more, got -1"),
            ({"skin_brightness": np.nan}, "skin_brightness of 0 or more, got nan"),
            ({"shape": (16, 16)}, "got room for 0. Ask for fewer cells or a larger field"),
            ({"pixel_size_um": (1, 1, 1)}, "Expected pixel_size_um"),
            ({"shape": (64,)}, "Expected a shape"),
        ],
    )
    def test_bad_input(self, setting, message):
        with pytest.raises(ValueError, match=message):
            tissue(**{"shape": (128, 128), "n": 2, "rng": 0, **setting})
