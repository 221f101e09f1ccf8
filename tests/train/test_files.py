import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from aimicro.io import write_tiff
from aimicro.train import ArrayPatches, FilePatches, Percentile, Scaling, patches, structure
from aimicro.train.files import read_stack, smallest_shape
from aimicro.train.windows import random_window

RNG = np.random.default_rng(0)
ROOMY = 1e9
Pairs = list[tuple[Path, Path]]
Write = Callable[[Path, np.ndarray], None]


def plain(path: Path, image: np.ndarray) -> None:
    write_tiff(path, image, axes="ZYX"[-image.ndim :])


def saved(folder: Path, *pairs: tuple[np.ndarray, np.ndarray], write: Write = plain) -> Pairs:
    """Write raw and true images, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for index, pair in enumerate(pairs):
        names = folder / f"{index}_raw.tif", folder / f"{index}_gt.tif"
        for name, image in zip(names, pair, strict=True):
            write(name, image)
        paths.append(names)
    return paths


def volume(*shape: int) -> np.ndarray:
    return RNG.gamma(2, 200, size=shape).astype(np.uint16)


def normal(image: np.ndarray, p_min: float = 2, p_max: float = 99.9) -> np.ndarray:
    low, high = np.percentile(image.astype(float), (p_min, p_max))
    return (image - low) / (high - low + 1e-6)


def file_patches(
    pairs: Pairs,
    *,
    intensity: float = 0,
    area: float = 0.5,
    ends: tuple[float, float] = (2, 99.9),
    **arguments: Any,
) -> FilePatches:
    """As the published 3D-RCAN chooses and normalises them."""
    defaults = {"patch_size": (4, 8, 8), "batch_size": 1, "memory_limit_bytes": ROOMY}
    scaling = Scaling(Percentile(*ends), Percentile(*ends))
    keep = structure(intensity, area)
    return FilePatches(pairs, **{"keep": keep, "scaling": scaling} | defaults | arguments)


class TestPatches:
    def test_are_windows_normalised_by_the_percentiles_of_their_own_image(
        self, tmp_path: Path
    ) -> None:
        raw, truth = volume(6, 20, 24), (volume(6, 20, 24) * 0.01).astype(np.float32)
        pairs = saved(tmp_path, (raw, truth))
        patches = file_patches(pairs, augment=False, batch_size=20, ends=(10, 90))
        for image, batch in zip((raw, truth), patches.batch(0), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(normal(image, 10, 90), (4, 8, 8))
            for patch in batch[:, 0]:
                assert np.isclose(windows, patch, atol=1e-5).all(axis=(-3, -2, -1)).sum() == 1

    def test_of_raw_and_truth_are_cut_at_one_place_and_turned_alike(self, tmp_path: Path) -> None:
        raw = volume(6, 20, 24)
        patches = file_patches(saved(tmp_path, (raw, 2 * raw + 5)), batch_size=50)
        raw_batch, true_batch = patches.batch(0)
        assert raw_batch.shape == true_batch.shape == (50, 1, 4, 8, 8)
        assert raw_batch.dtype == np.float32
        np.testing.assert_allclose(raw_batch, true_batch, atol=1e-5)

    def test_show_all_sixteen_sides_of_a_volume(self, tmp_path: Path) -> None:
        cube = np.arange(8, dtype=np.uint16).reshape(2, 2, 2)
        patches = file_patches(saved(tmp_path, (cube, cube)), patch_size=(2, 2, 2), batch_size=999)
        seen, counts = np.unique(patches.batch(0)[0].reshape(999, 8), axis=0, return_counts=True)
        assert len(seen) == 16
        assert counts.min() > 999 / 16 - 5 * np.sqrt(999 / 16)

    def test_come_from_each_pair_as_often_whatever_its_size(self, tmp_path: Path) -> None:
        small, large = volume(8, 8), volume(60, 60)
        pairs = saved(tmp_path, (small, small), (large, large.max() - large))
        patches = file_patches(pairs, patch_size=(8, 8), batch_size=900)
        raw, truth = patches.batch(0)
        share = (np.abs(raw - truth).max(axis=(1, 2, 3)) < 1e-5).mean()
        assert share == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(900))

    def test_are_a_function_of_seed_and_step(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, *((volume(6, 20, 20), volume(6, 20, 20)) for _ in range(3)))
        first, again, other = (file_patches(pairs, seed=seed) for seed in (1, 1, 2))
        first.batch(0)
        np.testing.assert_array_equal(first.batch(7), again.batch(7))
        assert not np.array_equal(first.batch(7), other.batch(7))
        assert not np.array_equal(first.batch(7), first.batch(8))


class TestChoice:
    """Enough of the truth must be structure."""

    @pytest.fixture
    def pairs(self, tmp_path: Path) -> Pairs:
        """Bright truth in a quarter of the field; the raw image is bright everywhere."""
        truth = RNG.integers(0, 20, (40, 40)).astype(np.uint16)
        truth[:20, :20] += 100
        return saved(tmp_path, (volume(40, 40), truth))

    @pytest.mark.parametrize("fraction", [0.3, 0.5, 1.0])
    def test_patches_have_the_fraction_of_structure(self, pairs: Pairs, fraction: float) -> None:
        settings = {"patch_size": (8, 8), "batch_size": 60, "area": fraction}
        _, truth = file_patches(pairs, intensity=0.5, **settings).batch(0)
        assert (truth > 0.5).mean(axis=(1, 2, 3)).min() >= fraction
        _, truth = file_patches(pairs, intensity=-1, **settings).batch(0)
        assert (truth > 0.5).mean(axis=(1, 2, 3)).min() < fraction

    def test_exactly_the_fraction_is_enough(self, tmp_path: Path) -> None:
        half = np.zeros((8, 8), np.float32)
        half[:4] = 1000
        pairs = saved(tmp_path, (half, half))
        settings = {"patch_size": (8, 8), "intensity": 0.5}
        with warnings.catch_warnings(action="error"):
            file_patches(pairs, **settings, area=0.5).batch(0)
        with pytest.warns(RuntimeWarning, match="Failed to sample a valid patch"):
            file_patches(pairs, **settings, area=0.51).batch(0)

    def test_after_512_tries_the_last_patch_is_used(
        self, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def noted(*arguments: Any) -> tuple[slice, ...]:
            tried.append(random_window(*arguments))
            return tried[-1]

        monkeypatch.setattr(patches, "random_window", noted)
        chosen = file_patches(pairs, patch_size=(8, 8), augment=False, intensity=99)
        with pytest.warns(RuntimeWarning, match="Lower intensity_threshold or area_ratio_thresh"):
            _, truth = chosen.batch(0)
        assert len(tried) == 512
        image = normal(read_stack(pairs[0][1]).data)
        np.testing.assert_allclose(truth[0, 0], image[tried[-1]], atol=1e-5)


def big_endian(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, byteorder=">", metadata={"axes": "ZYX"})


def ome(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, ome=True, metadata={"axes": "ZYX"})


def one_page_after_another(path: Path, image: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as tif:
        for plane in image:
            tif.write(plane, contiguous=False, metadata=None)


def white_is_zero(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, ~image, photometric="miniswhite", metadata={"axes": "ZYX"})


def compressed(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, compression="zlib", metadata={"axes": "ZYX"})


class TestStreaming:
    @pytest.mark.parametrize(
        ("write", "mapped"),
        [
            (plain, True),
            (big_endian, True),
            (ome, True),
            (one_page_after_another, False),
            (white_is_zero, False),  # the numbers in the file are not those of the image
            (compressed, False),
        ],
    )
    def test_gives_the_same_bits_as_memory(
        self, tmp_path: Path, write: Write, mapped: bool
    ) -> None:
        images = [(volume(6, 20, 20), volume(6, 20, 20)) for _ in range(3)]
        settings = {"intensity": 0.25, "area": 0.3}
        expected = file_patches(saved(tmp_path / "a", *images), **settings)
        with warnings.catch_warnings(record=True, action="always") as caught:
            pairs = saved(tmp_path / "b", *images, write=write)
            streamed = file_patches(pairs, memory_limit_bytes=1, **settings)
        told = [str(warning.message)[:30] for warning in caught]
        assert told == ([] if mapped else ["6 of 6 images are compressed a"])
        assert expected.in_memory
        assert not streamed.in_memory
        for step in range(4):
            np.testing.assert_array_equal(streamed.batch(step), expected.batch(step))

    @pytest.mark.parametrize("write", [plain, compressed])
    @pytest.mark.filterwarnings("ignore:.*compressed:UserWarning")
    def test_needs_a_fraction_of_the_memory(self, tmp_path: Path, write: Write) -> None:
        images = [(volume(8, 128, 128), volume(8, 128, 128)) for _ in range(10)]
        pairs = saved(tmp_path, *images, write=write)
        one = images[0][0].nbytes
        peaks = {}
        for limit in (ROOMY, 2 * one):
            tracemalloc.start()
            patches = file_patches(pairs, patch_size=(8, 32, 32), memory_limit_bytes=limit)
            for step in range(10):
                patches.batch(step)
            peaks[limit] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        # Beside what is held: one image while it is read, its copy while its percentiles are found.
        assert peaks[2 * one] < 5 * one
        assert peaks[ROOMY] > 20 * one

    def test_leaves_no_file_open(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, *((volume(6, 20, 20), volume(6, 20, 20)) for _ in range(20)))
        before = psutil.Process().num_fds()
        patches = file_patches(pairs, memory_limit_bytes=1)
        for step in range(20):
            patches.batch(step)
        assert psutil.Process().num_fds() == before

    def test_warns_of_files_that_cannot_be_read_in_part(self, tmp_path: Path) -> None:
        images = volume(6, 20, 20), volume(6, 20, 20)
        pairs = saved(tmp_path / "a", images) + saved(tmp_path / "b", images, write=compressed)
        with pytest.warns(UserWarning, match="2 of 4 images are compressed.*Save them without"):
            file_patches(pairs, memory_limit_bytes=1)
        with warnings.catch_warnings(action="error"):
            file_patches(pairs)


class TestShapes:
    def test_smallest_shape_is_that_of_each_axis(self, tmp_path: Path) -> None:
        shapes = (5, 40, 30), (9, 20, 35)
        pairs = saved(tmp_path, *((volume(*shape), volume(*shape)) for shape in shapes))
        assert smallest_shape(pairs) == (5, 20, 30)

    def test_stack_of_one_slice_is_a_volume_where_it_says_so(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, (volume(1, 16, 16), volume(1, 16, 16)))
        patches = file_patches(pairs, patch_size=(1, 8, 8))
        assert patches.batch(0)[0].shape == (1, 1, 1, 8, 8)

    def test_pages_without_a_name_are_slices(self, tmp_path: Path) -> None:
        image = volume(6, 20, 20)
        tifffile.imwrite(tmp_path / "pages.tif", image)
        with tifffile.TiffFile(tmp_path / "pages.tif") as tif:
            assert tif.series[0].axes == "QYX"
        assert smallest_shape([(tmp_path / "pages.tif",) * 2]) == (6, 20, 20)
        stack = read_stack(tmp_path / "pages.tif")
        np.testing.assert_array_equal(stack.data, image)
        assert stack.axes == "ZYX"

    def test_channel_and_time_of_length_1_do_not_count(self, tmp_path: Path) -> None:
        image = volume(1, 1, 6, 20, 20)
        write_tiff(tmp_path / "a.tif", image, axes="TCZYX", pixel_size_um=(0.3, 0.1, 0.1))
        stack = read_stack(tmp_path / "a.tif")
        assert stack.axes == "ZYX"
        assert stack.pixel_size_um == pytest.approx((0.3, 0.1, 0.1))
        np.testing.assert_array_equal(stack.data, image[0, 0])


IMAGE = volume(16, 16)


class TestBadInput:
    @pytest.mark.parametrize(
        ("shape", "options", "got"),
        [
            ((5, 16, 16), {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX (5, 16, 16)"),
            ((2, 16, 16), {"imagej": True, "metadata": {"axes": "CYX"}}, "CYX (2, 16, 16)"),
            ((2, 5, 16, 16), {"ome": True, "metadata": {"axes": "CZYX"}}, "CZYX (2, 5, 16, 16)"),
            ((2, 5, 16, 16), {}, "QQYX (2, 5, 16, 16)"),
            ((16, 16, 3), {"photometric": "rgb"}, "YXS (16, 16, 3)"),
        ],
    )
    def test_channels_and_time_points(
        self, tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], got: str
    ) -> None:
        path = tmp_path / "image.tif"
        tifffile.imwrite(path, volume(*shape), **options)
        for read in (read_stack, lambda path: smallest_shape([(path, path)])):
            with pytest.raises(ValueError, match="Expected one channel and one time") as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: ")
            assert f"got {got}. Save each channel" in str(caught.value)

    def test_shapes_of_a_pair_differ(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, (IMAGE, IMAGE), (volume(16, 16), volume(16, 15)))
        message = rf"got {pairs[1][0]} with \(16, 16\) and {pairs[1][1]} with \(16, 15\)\. Crop"
        for refuse in (smallest_shape, lambda pairs: file_patches(pairs, patch_size=(8, 8))):
            with pytest.raises(ValueError, match=message):
                refuse(pairs)

    def test_images_and_volumes_are_mixed(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, (IMAGE, IMAGE), (volume(4, 16, 16), volume(4, 16, 16)))
        with pytest.raises(
            ValueError,
            match=rf"got {pairs[0][0]} with \(16, 16\) and {pairs[1][0]} with \(4, 16, 16\)",
        ):
            smallest_shape(pairs)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("kind", [0, 1])
    def test_pixels_that_are_not_finite(self, tmp_path: Path, value: float, kind: int) -> None:
        bad = IMAGE.astype(np.float32)
        bad[3, 4] = value
        (pair,) = saved(tmp_path, (bad, IMAGE) if kind == 0 else (IMAGE, bad))
        with pytest.raises(ValueError, match=rf"^{pair[kind]}: Expected finite.*got 1 of 256 NaN"):
            file_patches([pair], patch_size=(8, 8))

    def test_all_images_are_constant(self, tmp_path: Path) -> None:
        flat = np.full_like(IMAGE, 7)
        for kind, pair in (("raw", (flat, IMAGE)), ("true", (IMAGE, flat))):
            pairs = saved(tmp_path, pair)
            with pytest.raises(ValueError, match=f"Expected {kind} images with structure, got 1 "):
                file_patches(pairs, patch_size=(8, 8))

    def test_one_constant_image_among_others_becomes_zero(self, tmp_path: Path) -> None:
        flat = np.full_like(IMAGE, 7)
        pairs = saved(tmp_path, (IMAGE, IMAGE), (flat, flat))
        raw, _ = file_patches(pairs, patch_size=(16, 16), batch_size=20).batch(0)
        empty = (raw == 0).all(axis=(1, 2, 3))
        assert 0 < empty.sum() < 20

    def test_image_with_a_few_bright_pixels_only(self, tmp_path: Path) -> None:
        nearly_flat = np.full((64, 64), 7, np.uint16)
        nearly_flat[3, 3] = 9
        pairs = saved(tmp_path, (nearly_flat, nearly_flat))
        with pytest.raises(ValueError, match=r"got 7 in all but a few pixels.*Crop the image"):
            file_patches(pairs, patch_size=(8, 8))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"patch_size": (8, 17)}, r"fit into the smallest image, \(16, 16\), got \(8, 17\)"),
            ({"patch_size": (1, 8, 8)}, r"one number for each axis"),
            ({"patch_size": (8, 16)}, "as wide as high to turn them"),
            ({"batch_size": 0}, "batch_size of 1 or more, got 0"),
            ({"ends": (99.95, 99.9)}, "low below high"),
        ],
    )
    def test_settings(self, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
        pairs = saved(tmp_path, (IMAGE, IMAGE))
        with pytest.raises(ValueError, match=message):
            file_patches(pairs, **{"patch_size": (8, 8), **arguments})

    def test_no_pairs(self) -> None:
        with pytest.raises(ValueError, match="at least one pair of images, got none"):
            smallest_shape([])


class TestTruth:
    """Labels and masks in files, and none."""

    LABELS = np.kron([[0, 3], [7, 0]], np.ones((16, 16), int)).astype(np.uint16)

    def test_of_labels_needs_a_target(self, tmp_path: Path) -> None:
        pairs = saved(tmp_path, (volume(32, 32), self.LABELS))
        settings = {"patch_size": (8, 8), "scaling": None, "keep": None}
        with pytest.raises(ValueError, match=r"0_gt\.tif: Expected .*looks like labels"):
            file_patches(pairs, **settings)
        for limit in (1, ROOMY):
            patches = file_patches(
                pairs,
                **settings,
                target=lambda labels: np.stack([labels > 0, labels == 7]),
                memory_limit_bytes=limit,
            )
            _, truth = patches.batch(0)
            assert truth.shape == (1, 2, 8, 8)
            assert set(np.unique(truth)) <= {0, 1}
            assert patches.scaling.output is None

    def test_none(self, tmp_path: Path) -> None:
        pairs = [(raw, None) for raw, _ in saved(tmp_path, (volume(32, 32), volume(32, 32)))]
        patches = file_patches(pairs, patch_size=(8, 8), scaling=None)  # type: ignore[arg-type]
        np.testing.assert_array_equal(*patches.batch(0))


def test_by_default_the_scale_is_that_of_arrays(tmp_path: Path) -> None:
    images = [(volume(6, 20, 20), volume(6, 20, 20)) for _ in range(2)]
    from_files = file_patches(saved(tmp_path, *images), scaling=None)
    in_memory = ArrayPatches(*map(list, zip(*images, strict=True)), patch_size=(4, 8, 8))
    assert from_files.scaling == in_memory.scaling
    assert from_files.digest() == in_memory.digest()


def test_digest_is_that_of_the_pixels_not_of_the_path(tmp_path: Path) -> None:
    images = volume(6, 20, 20), volume(6, 20, 20)
    here, there = (saved(tmp_path / name, images) for name in "ab")
    assert file_patches(here).digest() == file_patches(there).digest()
    before = file_patches(here).digest()
    here[0][0].unlink()
    write_tiff(here[0][0], images[0] + 1, axes="ZYX")
    assert file_patches(here).digest() != before


def test_a_pixel_far_beyond_all_others_is_named_and_clipped(tmp_path: Path) -> None:
    bad = volume(32, 32).astype(np.float32)
    top = bad.max()
    bad[3, 4] = 1e9
    pairs = saved(tmp_path, (bad, volume(32, 32)))
    with pytest.warns(RuntimeWarning, match=r"0_raw\.tif: 1 of 1024 pixels lie far beyond"):
        patches = file_patches(pairs, patch_size=(32, 32))
    scale = Percentile().for_image(bad)
    assert patches.batch(0)[0].max() == scale.apply(top)


@pytest.mark.parametrize("limit", [ROOMY, 1])
@pytest.mark.parametrize("axes", ["CYX", "ZCYX"])
def test_images_may_have_channels(tmp_path: Path, axes: str, limit: float) -> None:
    first = RNG.integers(0, 1000, size=(12, 40, 40)[-len(axes) + 1 :]).astype(np.uint16)
    image = np.stack([first, first + 1000, first + 2000], axis=axes.index("C"))
    write_tiff(tmp_path / "raw.tif", image, axes=axes)
    write_tiff(tmp_path / "gt.tif", first, axes=axes.replace("C", ""))
    size = (4, 8, 8)[-first.ndim :]
    made = FilePatches(
        [(tmp_path / "raw.tif", tmp_path / "gt.tif")],
        patch_size=size,
        batch_size=5,
        channels="first",
        scaling=Scaling(),
        memory_limit_bytes=limit,
    )
    x, truth = made.batch(0)
    assert x.shape == (5, 3, *size)
    assert truth.shape == (5, 1, *size)
    for channel in range(3):
        assert np.array_equal(x[:, channel], truth[:, 0] + 1000 * channel)


def test_an_image_without_channels_among_others_is_named(tmp_path: Path) -> None:
    image = volume(3, 20, 20)
    for name, axes in (("a.tif", "CYX"), ("b.tif", "CYX")):
        write_tiff(tmp_path / name, image[: 3 if name == "a.tif" else 2], axes=axes)
    write_tiff(tmp_path / "c.tif", image[0], axes="YX")
    settings = {"patch_size": (8, 8), "memory_limit_bytes": ROOMY}
    for odd in ("b.tif", "c.tif"):
        with pytest.raises(ValueError, match=rf"as many channels as the first, got .*{odd}"):
            FilePatches(
                [(tmp_path / "a.tif", tmp_path / "c.tif"), (tmp_path / odd, tmp_path / "c.tif")],
                channels="first",
                **settings,
            )
