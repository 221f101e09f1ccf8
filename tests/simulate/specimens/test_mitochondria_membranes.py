"""Mitochondria and membranes: widths, connections, faces and labels, in 2D and 3D."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, cKDTree
from skimage.measure import label

from aimicro.simulate.specimens.drawing import (
    block_mean,
    coverage,
    jittered_lattice,
    smooth_noise,
    tube_depth,
    upsampling,
)
from aimicro.simulate.specimens.membranes import membranes, shell, to_faces
from aimicro.simulate.specimens.mitochondria import choose_links, mitochondria

STACK = {"shape": (16, 96, 96), "pixel_size_um": (0.25, 0.1, 0.1)}
PLANE = {"shape": (192, 192), "pixel_size_um": 0.1}


class TestTubes:
    @pytest.mark.parametrize("spacing", [(0.1, 0.1), (0.3, 0.1, 0.1), (0.2, 0.05, 0.1)])
    def test_depth_is_that_of_a_round_cone(self, spacing):
        spacing = np.array(spacing)
        shape = (24,) * len(spacing)
        rng = np.random.default_rng(0)
        starts, ends = rng.uniform(0, 24, size=(2, 7, len(spacing))) * spacing
        radii = rng.uniform(0.1, 0.4, size=(7, 2))
        depth = tube_depth(starts, ends, radii, shape=shape, spacing=spacing)

        pixels = np.moveaxis(np.indices(shape), 0, -1) * spacing
        t = np.linspace(0, 1, 2001)[:, None]
        best = np.full(shape, -np.inf)
        for start, end, (first, last) in zip(starts, ends, radii, strict=True):
            distance, nearest = cKDTree(start + t * (end - start)).query(pixels)
            best = np.maximum(best, first + t[nearest, 0] * (last - first) - distance)
        drawn = best > -spacing.min()
        np.testing.assert_allclose(depth[drawn], best[drawn], atol=2e-3)
        assert np.all(depth[~drawn] <= -spacing.min() + 2e-3)

    @pytest.mark.parametrize("spacing", [(0.1, 0.1, 0.1), (0.5, 0.1, 0.1), (1.0, 0.25, 0.25)])
    @pytest.mark.parametrize("offset", [0.0, 0.13, 0.37])
    def test_light_is_the_volume_whatever_the_pixels_and_wherever_it_lies(self, spacing, offset):
        spacing = np.array(spacing)
        factors = upsampling(spacing, 0.2)
        fine = spacing / factors
        shape = np.ceil(np.array([3.0, 3.0, 8.0]) / spacing).astype(int)
        start = np.array([[1.5, 1.5, 2.0]]) + offset * spacing
        depth = tube_depth(
            start + (spacing - fine) / 2,
            start + [0, 0, 4.0] + (spacing - fine) / 2,
            np.array([[0.2, 0.2]]),
            shape=shape * factors,
            spacing=fine,
        )
        image = block_mean(coverage(depth, fine.min()), factors)
        middle = slice(*np.round([2.8 / spacing[2], 5.2 / spacing[2]]).astype(int))
        planes = image[:, :, middle].sum(axis=1).mean(axis=1) * spacing[0] * spacing[1]

        def below(z):  # area of the round section below a height
            u = np.clip((z - start[0, 0]) / 0.2, -1, 1)
            return 0.2**2 * (np.arccos(-u) + u * np.sqrt(1 - u**2))

        edges = (np.arange(shape[0] + 1) - 0.5) * spacing[0]
        np.testing.assert_allclose(planes, np.diff(below(edges)), atol=0.1 * np.pi * 0.2**2)
        assert planes.sum() == pytest.approx(np.pi * 0.2**2, rel=0.12)

    def test_noise_has_mean_0_variance_1_and_its_correlation_length(self):
        rng = np.random.default_rng(0)
        noise = np.stack(
            [smooth_noise((64, 48), np.array([0.1, 0.2]), 0.5, rng) for _ in range(300)]
        )
        assert noise.mean() == pytest.approx(0, abs=0.02)
        assert noise.var() == pytest.approx(1, abs=0.03)
        apart = np.mean(noise[:, :-5] * noise[:, 5:]) / noise.var()
        assert apart == pytest.approx(np.exp(-((0.5 / 1.0) ** 2)), abs=0.03)


def profile_width_um(image, pixel):
    """Area over peak of the profile across a line along the first axis."""
    profile = image.mean(axis=0)
    return profile.sum() / profile.max() * pixel


class TestMitochondria:
    @pytest.mark.parametrize("field", [PLANE, STACK], ids=["2D", "3D"])
    def test_is_float32_from_0_to_1_and_repeats_bit_for_bit(self, field):
        once, again = (
            mitochondria(**field, rng=3),
            mitochondria(**field, rng=np.random.default_rng(3)),
        )
        assert once.dtype == np.float32
        assert (once.min(), once.max()) == (0, 1)
        assert once.shape == field["shape"]
        np.testing.assert_array_equal(once, again)
        assert not np.array_equal(once, mitochondria(**field, rng=4))

    @pytest.mark.parametrize("diameter_um", [0.3, 0.4, 0.6])
    def test_tubes_are_as_wide_as_asked_for(self, diameter_um):
        pixel = 0.02
        image = mitochondria(
            (512, 512), pixel_size_um=pixel, diameter_um=diameter_um, connected=0, rng=0
        )
        pieces = label(image > 0)
        depth = distance_transform_edt(pieces) * pixel
        widths = [2 * depth[pieces == piece].max() for piece in range(1, pieces.max() + 1)]
        # On either side half a pixel of soft edge, and up to half a pixel to the next dark centre.
        assert np.median(widths) == pytest.approx(diameter_um + 1.5 * pixel, abs=pixel)

    @pytest.mark.parametrize(("field", "seed"), [(PLANE, 0), (PLANE, 1), (STACK, 2), (STACK, 3)])
    def test_all_are_one_network_when_fully_connected(self, field, seed):
        image = mitochondria(**field, connected=1, within=np.ones(field["shape"], bool), rng=seed)
        assert label(image > 0).max() == 1

    @pytest.mark.parametrize("field", [PLANE, STACK], ids=["2D", "3D"])
    def test_connecting_merges_the_pieces(self, field):
        pieces = [
            np.mean([label(mitochondria(**field, connected=c, rng=s) > 0).max() for s in range(4)])
            for c in (0, 0.5, 1)
        ]
        assert pieces[0] > 1.5 * pieces[1] > 1.5 * pieces[2]

    @pytest.mark.parametrize("connected", [0, 0.3, 0.7, 1])
    def test_no_piece_is_larger_than_the_rule_allows(self, connected):
        rng = np.random.default_rng(0)
        nodes = rng.uniform(0, 12, size=(80, 2))
        pairs = cKDTree(nodes).query_pairs(4, output_type="ndarray")
        kept = choose_links(pairs, nodes[pairs], 80, connected, rng)
        i, j = pairs[kept].T
        piece = connected_components(coo_array((np.ones(len(i)), (i, j)), (80, 80)))[1]
        largest = np.bincount(piece).max()
        assert largest <= 2 * 40**connected
        assert largest >= 0.6 * 2 * 40**connected or connected == 0
        assert (largest == 80) == (connected == 1)

    @pytest.mark.parametrize("ndim", [2, 3])
    def test_leave_a_gap_for_the_nucleus(self, ndim):
        field = {"shape": (256, 256), "pixel_size_um": 0.1} if ndim == 2 else STACK
        image = sum(mitochondria(**field, rng=seed) for seed in range(5))
        y, x = np.array(image.shape[-2:]) // 2
        r = round(0.05 * min(image.shape[-2:]))
        flat = image if ndim == 2 else image[image.shape[0] // 2]
        assert flat[y - r : y + r, x - r : x + r].mean() < 0.01 * flat.mean()

    @pytest.mark.parametrize("field", [PLANE, STACK], ids=["2D", "3D"])
    def test_stay_within_a_mask(self, field):
        mask = np.zeros(field["shape"], bool)
        mask[..., :60] = True
        image = mitochondria(**field, within=mask, rng=0)
        assert image[mask].any()
        assert image[~mask].sum() < 1e-3 * image.sum()

    def test_stained_membrane_is_a_wall_around_a_hollow(self):
        settings = {"shape": (400, 400), "pixel_size_um": 0.05, "connected": 0, "rng": 0}
        full = mitochondria(**settings) > 0
        wall = mitochondria(**settings, stain="outer membrane")
        assert np.all(full[wall > 0])
        depth = distance_transform_edt(full) * 0.05
        assert np.all(
            wall[depth > 0.21] == 0
        )  # 0.1 µm of wall, and pixels of 0.05 µm on either side
        assert wall[(depth > 0.04) & (depth < 0.08)].mean() > 0.25

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"connected": 1.2}, r"connected from 0 \(fragments\) to 1 .*got 1.2"),
            ({"connected": np.nan}, "connected from 0"),
            ({"stain": "cristae"}, "'matrix' or 'outer membrane', got 'cristae'"),
            ({"within": np.ones((3, 3), bool)}, r"within of the shape \(64, 64\), got \(3, 3\)"),
            ({"within": np.zeros((64, 64), bool)}, "found none"),
            ({"diameter_um": 0}, "diameter_um above 0 µm, got 0"),
            ({"mesh_um": -1}, "mesh_um above 0 µm, got -1"),
            ({"pixel_size_um": 0}, "Expected pixel_size_um"),
            ({"shape": (64,)}, "Expected a shape"),
        ],
    )
    def test_bad_input(self, setting, message):
        with pytest.raises(ValueError, match=message):
            mitochondria(**{"shape": (64, 64), "rng": 0, **setting})


class TestFaces:
    def test_nearest_seed_and_distance_to_the_face_agree_with_a_tree(self):
        spacing = np.array([0.5, 0.2, 0.2])
        rng = np.random.default_rng(0)
        shape = (16, 40, 40)
        seeds = jittered_lattice(spacing * shape + 18, 6.0, 0.3, rng) - 9
        grid = np.moveaxis(np.indices(shape), 0, -1) * spacing
        places = list(np.moveaxis(grid.astype(np.float32), -1, 0))
        nearest, distance, _ = to_faces(places, seeds, spacing)
        (d1, d2), (s1, s2) = (np.moveaxis(a, -1, 0) for a in cKDTree(seeds).query(grid, k=2))
        expected = (d2**2 - d1**2) / (2 * np.linalg.norm(seeds[s2] - seeds[s1], axis=-1))
        np.testing.assert_array_equal(nearest[expected > 1e-3], s1[expected > 1e-3])
        close = expected < 0.5
        assert close.mean() > 0.1
        np.testing.assert_allclose(distance[close], expected[close], atol=1e-3)

    @pytest.mark.parametrize("thickness_um", [0.02, 0.1, 0.7])
    @pytest.mark.parametrize("offset", [0.0, 0.03, 0.11])
    def test_shell_holds_its_thickness_wherever_it_lies_between_pixels(self, thickness_um, offset):
        distance = np.abs(np.arange(-20, 20) * 0.2 + offset).astype(np.float32)
        image = shell(distance, np.full(40, 0.2, np.float32), thickness_um)
        assert image.sum() * 0.2 == pytest.approx(thickness_um, rel=1e-4)


class TestMembranes:
    @pytest.mark.parametrize(
        "field",
        [
            {"shape": (96, 128), "pixel_size_um": (0.4, 0.3)},
            {"shape": (12, 64, 64), "pixel_size_um": (1.0, 0.4, 0.4)},
            {"shape": (24, 64, 64), "pixel_size_um": (0.5, 0.4, 0.4), "height_um": 7.0},
        ],
        ids=["2D", "volume", "sheet"],
    )
    def test_has_an_image_and_all_labels_and_repeats_bit_for_bit(self, field):
        image, labels = membranes(**field, rng=5)
        assert (image.dtype, labels.dtype) == (np.float32, np.int32)
        assert (image.min(), image.max()) == (0, 1)
        names = np.unique(labels)
        background = "height_um" in field
        assert names.tolist() == list(range(0 if background else 1, labels.max() + 1))
        for once, again in zip((image, labels), membranes(**field, rng=5), strict=True):
            np.testing.assert_array_equal(once, again)
        assert not np.array_equal(image, membranes(**field, rng=6)[0])

    @pytest.mark.parametrize(
        "field",
        [
            {"shape": (200, 200), "pixel_size_um": 0.2},
            {"shape": (24, 80, 80), "pixel_size_um": (1.0, 0.4, 0.4)},
        ],
        ids=["2D", "3D"],
    )
    def test_light_lies_on_the_faces_between_the_labels_and_only_there(self, field):
        image, labels = membranes(**field, cell_um=8, thickness_um=0.1, rng=1)
        face = np.zeros(labels.shape, bool)
        for axis in range(labels.ndim):
            change = np.diff(labels, axis=axis) != 0
            for end in (slice(None, -1), slice(1, None)):
                face[(slice(None),) * axis + (end,)] |= change
        assert image[face].sum() > 0.9 * image.sum()
        interior = distance_transform_edt(~face, sampling=field["pixel_size_um"]) > 2.2
        assert image[interior].sum() < 1e-5 * image.sum()

    def test_cells_have_the_size_asked_for(self):
        for cell_um in (6.0, 12.0):
            _, labels = membranes((256, 256), pixel_size_um=0.4, cell_um=cell_um, rng=0)
            inner = np.setdiff1d(
                labels, np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
            )
            areas = np.bincount(labels.ravel())[inner] * 0.4**2
            assert areas.mean() == pytest.approx(cell_um**2, rel=0.15)
            assert areas.std() > 0.03 * areas.mean()

    @pytest.mark.parametrize("seed", range(5))
    def test_every_cell_inside_the_field_is_in_one_piece(self, seed):
        _, labels = membranes((200, 200), pixel_size_um=0.3, rng=seed)
        rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        for cell in np.setdiff1d(labels, rim):
            assert label(labels == cell, connectivity=2).max() == 1

    def test_flat_faces_are_straight_and_wavy_ones_are_not(self):
        def straightness(waviness):
            _, labels = membranes((300, 300), pixel_size_um=0.1, waviness=waviness, rng=2)
            deviations = []
            for cell in np.unique(labels):
                points = np.argwhere(labels == cell)
                if len(points) > 3000:
                    deviations.append(ConvexHull(points).volume / len(points))
            return np.mean(deviations)

        assert straightness(0) < 1.01 < straightness(0.08) - 0.01

    def test_sheet_has_its_height_and_nothing_beyond(self):
        image, labels = membranes(
            (40, 80, 80), pixel_size_um=(0.5, 0.4, 0.4), height_um=9, waviness=0.03, rng=0
        )
        heights = np.count_nonzero(labels, axis=0) * 0.5
        assert heights.mean() == pytest.approx(9, rel=0.1)
        assert heights.std() > 0.05
        assert image[:6].max() == image[-6:].max() == 0
        assert np.all(image.max(axis=0) > 0)  # closed above and below

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"cell_um": 0}, "cell_um above 0 µm, got 0"),
            ({"thickness_um": np.nan}, "thickness_um above 0"),
            ({"waviness": 0.2}, r"waviness from 0 \(flat faces\) to 0.1 of cell_um, got 0.2"),
            ({"height_um": 5}, r"no height_um for the 2D shape \(64, 64\), got 5"),
            ({"shape": (8, 64, 64), "height_um": -1}, "height_um above 0 µm, got -1"),
            ({"cell_um": 2000}, "Expected a membrane in the field of 12.8 × 12.8 µm, got none"),
            ({"pixel_size_um": (0.1,) * 3}, "Expected pixel_size_um"),
            ({"shape": (0, 64)}, "Expected a shape"),
        ],
    )
    def test_bad_input(self, setting, message):
        with pytest.raises(ValueError, match=message):
            membranes(**{"shape": (64, 64), "rng": 0, **setting})
