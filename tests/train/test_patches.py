from pathlib import Path

import numpy as np
import pytest

from aimicro.io import read_pair, write_tiff
from aimicro.train import ArrayPatches, Linear, Percentile, Scaling, structure

RNG = np.random.default_rng(0)


def numbered(*shape: int) -> np.ndarray:
    """An image in which every pixel tells where it is."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(("shape", "patch"), [((40, 50), (16, 16)), ((9, 30, 31), (4, 8, 8))])
def test_raw_and_truth_are_cut_at_one_place_and_turned_alike(
    shape: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    image = numbered(*shape)
    patches = ArrayPatches([image], [image + 0.5], patch_size=patch, scaling=Scaling())
    for step in range(5):
        raw, truth = patches.batch(step)
        np.testing.assert_array_equal(truth - raw, 0.5)
        assert raw.shape == (16, 1, *patch)


def test_without_augmentation_a_patch_is_a_window_of_the_image() -> None:
    image = numbered(20, 30)
    patches = ArrayPatches([image], [image], patch_size=(4, 6), augment=False, scaling=Scaling())
    for patch in patches.batch(3)[0][:, 0]:
        y, x = divmod(int(patch[0, 0]), 30)
        np.testing.assert_array_equal(patch, image[y : y + 4, x : x + 6])


def test_augmentation_shows_all_eight_sides_of_a_patch_equally_often() -> None:
    image = numbered(4, 4)
    patches = ArrayPatches([image], [image], patch_size=(4, 4), batch_size=4000, scaling=Scaling())
    seen, counts = np.unique(patches.batch(0)[0].reshape(4000, 16), axis=0, return_counts=True)
    sides = {np.rot90(turned, k).tobytes() for turned in (image, image[:, ::-1]) for k in range(4)}
    assert {row.tobytes() for row in seen} == sides
    assert counts.min() > 500 - 5 * np.sqrt(500)


def test_z_never_changes_places_with_y_or_x() -> None:
    volume = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None], (6, 6, 6))
    patches = ArrayPatches([volume], [volume], patch_size=(6, 6, 6), scaling=Scaling())
    for patch in patches.batch(0)[0][:, 0]:
        assert (patch == patch[:, :1, :1]).all()


def test_large_images_are_chosen_in_proportion_to_their_size() -> None:
    small, large = np.zeros((16, 16)), np.ones((48, 48))
    patches = ArrayPatches(
        [small, large],
        [small, large],
        patch_size=(8, 8),
        batch_size=5000,
        scaling=Scaling(),
    )
    share = patches.batch(0)[0].mean()
    assert share == pytest.approx(0.9, abs=5 * np.sqrt(0.09 / 5000))


def test_batch_is_a_function_of_seed_and_step() -> None:
    images = RNG.random((3, 32, 32))
    first = ArrayPatches(list(images), list(images), patch_size=(8, 8), seed=1)
    again = ArrayPatches(list(images), list(images), patch_size=(8, 8), seed=1)
    first.batch(0)
    np.testing.assert_array_equal(first.batch(7)[0], again.batch(7)[0])
    other = ArrayPatches(list(images), list(images), patch_size=(8, 8), seed=2)
    assert not np.array_equal(first.batch(7)[0], other.batch(7)[0])
    assert not np.array_equal(first.batch(7)[0], first.batch(8)[0])


IMAGE = np.zeros((32, 32))
HOLES = np.where(np.eye(32) > 0, np.nan, 1.0)


@pytest.mark.parametrize(
    ("raw", "truth", "arguments", "message"),
    [
        ([IMAGE], [], {}, "as many raw as true images, got 1 and 0"),
        ([], [], {}, "got 0 and 0"),
        ([IMAGE], [IMAGE[:30]], {}, r"pair 0: .*one shape, got \(32, 32\) and \(30, 32\)"),
        (
            [IMAGE, IMAGE[:9]],
            [IMAGE, IMAGE[:9]],
            {},
            r"pair 1: .*one patch.*got \(9, 32\)",
        ),
        ([IMAGE], [IMAGE], {"patch_size": (4, 16, 16)}, "an image with 3 axes"),
        ([IMAGE], [IMAGE], {"patch_size": (16,)}, "2 or 3 positive numbers"),
        ([IMAGE], [IMAGE], {"patch_size": (8, 16)}, "as wide as high.*augment=False"),
        ([IMAGE], [IMAGE], {"batch_size": 0}, "batch_size of 1 or more, got 0"),
        ([IMAGE], [HOLES], {}, "pair 0: .*NaN or infinite ones in the true image"),
        ([IMAGE + 1j], [IMAGE], {}, "pair 0: .*complex.*in the raw image"),
    ],
)
def test_bad_pairs_are_refused(raw, truth, arguments, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        ArrayPatches(raw, truth, **{"patch_size": (16, 16), **arguments})


def test_images_from_files_are_taken_as_they_are_and_named_in_errors(tmp_path: Path) -> None:
    for name in ("raw.tif", "truth.tif"):
        write_tiff(tmp_path / name, np.eye(16, dtype=np.uint16), axes="YX")
    raw, truth = read_pair(tmp_path / "raw.tif", tmp_path / "truth.tif")
    patches = ArrayPatches([raw], [truth], patch_size=(16, 16))
    assert patches.batch(0)[0].shape == (16, 1, 16, 16)
    with pytest.raises(ValueError, match=r"raw\.tif: Expected an image of at least one patch"):
        ArrayPatches([raw], [truth], patch_size=(32, 32))


def labelled(*shape: int) -> np.ndarray:
    """Discs with ids from 3 on, and a few that touch."""
    labels = np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for index, (cy, cx) in enumerate([(12, 12), (12, 28), (34, 20), (40, 44)], 3):
        labels[np.hypot(y - cy, x - cx) < 9] = index
    return labels


LABELS = labelled(52, 56)
CELLS = RNG.poisson(20 + 30 * (LABELS > 0)).astype(np.uint16)


class TestTruth:
    def test_of_labels_without_a_target_is_refused(self) -> None:
        """A network would learn to predict the numbers."""
        with pytest.raises(ValueError, match=r"pair 0: .*looks like labels.*give a target"):
            ArrayPatches([CELLS], [LABELS], patch_size=(16, 16))

    def test_of_counts_is_taken(self) -> None:
        smooth = (50 * np.sin(np.indices((64, 64)) / 20).sum(axis=0) + 100).astype(np.uint8)
        for truth in (CELLS, smooth):
            ArrayPatches([truth + 1], [truth], patch_size=(16, 16))

    def test_of_masks_stays_0_and_1(self) -> None:
        patches = ArrayPatches([CELLS], [LABELS > 0], patch_size=(16, 16))
        images, truth = patches.batch(0)
        assert set(np.unique(truth)) == {0, 1}
        assert patches.scaling == Scaling(Linear.of([CELLS]), None)
        assert abs(images.mean()) < 0.7

    def test_target_runs_after_turning(self) -> None:
        """So a target that points to the right still does in a turned patch."""

        def target(labels: np.ndarray) -> np.ndarray:
            assert labels.dtype == np.int32
            assert labels.flags.c_contiguous
            return np.stack([labels > 0, np.gradient(labels.astype(float), axis=1)])

        patches = ArrayPatches([LABELS], [LABELS], target=target, patch_size=(16, 16))
        images, truth = patches.batch(0)
        assert truth.shape == (16, 2, 16, 16)
        assert patches.scaling.output is None
        labels = patches.scaling.input.for_image(images).undo(images[:, 0])
        np.testing.assert_allclose(truth[:, 1], np.gradient(labels, axis=2), atol=1e-4)

    def test_target_of_another_shape_is_refused(self) -> None:
        patches = ArrayPatches([CELLS], [LABELS], target=lambda x: x > 0, patch_size=(16, 16))
        with pytest.raises(ValueError, match=r"to return \(C, .*got \(16, 16\).*np.newaxis"):
            patches.batch(0)

    def test_none_makes_the_input_the_target(self) -> None:
        patches = ArrayPatches([CELLS], None, patch_size=(16, 16))
        np.testing.assert_array_equal(*patches.batch(0))
        with pytest.raises(ValueError, match="Expected truth for the target"):
            ArrayPatches([CELLS], None, target=lambda x: x, patch_size=(16, 16))


def test_images_may_have_channels() -> None:
    image = np.stack([numbered(20, 30), -numbered(20, 30), numbered(20, 30) + 7])
    for truth, n in ((image[:2], 2), (image[0], 1)):
        patches = ArrayPatches(
            [image], [truth], patch_size=(4, 4), channels="first", scaling=Scaling()
        )
        raw, true = patches.batch(0)
        assert raw.shape == (16, 3, 4, 4)
        np.testing.assert_array_equal(true, raw[:, :n])
        np.testing.assert_array_equal(raw[:, 1], -raw[:, 0])
        np.testing.assert_array_equal(raw[:, 2], raw[:, 0] + 7)


def test_an_array_is_one_image() -> None:
    stack = RNG.random((3, 32, 32))
    with pytest.raises(ValueError, match=r"got shape \(3, 32, 32\).*give list\(stack\)"):
        ArrayPatches(stack, stack, patch_size=(8, 8))
    assert ArrayPatches(stack, stack, patch_size=(2, 8, 8)).batch(0)[0].shape == (16, 1, 2, 8, 8)


def test_input_and_output_have_scales_of_their_own() -> None:
    raw, truth = RNG.gamma(2, 20, (40, 40)), RNG.random((40, 40))
    scaling = Scaling(Percentile(1, 99), Linear(0.5, 2))
    patches = ArrayPatches([raw], [truth], patch_size=(40, 40), augment=False, scaling=scaling)
    images, true = patches.batch(0)
    np.testing.assert_array_equal(images[0, 0], Percentile(1, 99).for_image(raw).apply(raw))
    np.testing.assert_array_equal(true[0, 0], Linear(0.5, 2).apply(truth))
    assert patches.keep_scaling
    other = patches.with_scaling(Scaling(Linear(3, 4)))
    np.testing.assert_array_equal(other.batch(0)[0][0, 0], Linear(3, 4).apply(raw))
    np.testing.assert_array_equal(patches.batch(0)[0], images)  # itself unchanged
    assert not ArrayPatches([raw], [truth], patch_size=(8, 8)).keep_scaling


def test_patches_that_are_not_to_be_kept_are_passed_over() -> None:
    truth = np.zeros((40, 40))
    truth[:12, :12] = 1 + RNG.random((12, 12))
    patches = ArrayPatches(
        [truth], [truth], patch_size=(8, 8), keep=structure(0.5, 0.9), scaling=Scaling()
    )
    assert ((patches.batch(0)[1] > 0.5).mean(axis=(1, 2, 3)) >= 0.9).all()
    never = ArrayPatches([truth], [truth], patch_size=(8, 8), batch_size=1, keep=lambda _: False)
    with pytest.warns(RuntimeWarning, match="Failed to sample a valid patch in 512 tries"):
        never.batch(0)


@pytest.mark.parametrize("value", [1e9, -1e9, 3e38])
@pytest.mark.parametrize("lines", [1, 6])
def test_pixels_far_beyond_all_others_are_named_and_spoil_nothing(value: float, lines: int) -> None:
    good = RNG.poisson(100, (64, 64)).astype(np.float32)
    bad = good.copy()
    bad[3 : 3 + lines] = value  # dead lines
    told = f"pair 0: {64 * lines} of 4096 pixels lie far beyond all others"
    with pytest.warns(RuntimeWarning, match=told):
        patches = ArrayPatches([bad], [good], patch_size=(64, 64))
    assert patches.scaling.input.offset == pytest.approx(good.mean(), rel=0.04)
    assert patches.scaling.input.scale == pytest.approx(good.std(), rel=0.6)
    assert np.abs(patches.batch(0)[0]).max() < 10


def test_few_bright_spots_are_no_mistake() -> None:
    image = RNG.poisson(2, (256, 256)).astype(np.float32)
    image[5, 5] = 65535
    spots = np.zeros((64, 64))
    spots[20, 20] = 1e9
    y, x = np.indices((128, 128)) - 64
    beads = 1e6 * np.exp(-(y**2 + x**2) / 8)
    ArrayPatches([image, spots, beads], None, patch_size=(8, 8))


class TestDigest:
    def test_is_that_of_the_pixels(self) -> None:
        images = RNG.poisson(9, (2, 32, 32))
        patches = ArrayPatches(list(images), list(images[::-1]), patch_size=(8, 8))
        same = ArrayPatches(list(images.copy()), list(images[::-1]), patch_size=(16, 16), seed=3)
        assert same.digest() == patches.digest()
        other = images.copy()
        other[1, 3, 4] += 1
        for changed in (other, images[::-1]):
            patches_of_changed = ArrayPatches(list(changed), list(images), patch_size=(8, 8))
            assert patches_of_changed.digest() != patches.digest()

    def test_tells_of_images_that_train_and_validate_and_of_no_truth(self) -> None:
        a, b, c = RNG.poisson(9, (3, 32, 32))
        training = ArrayPatches([a, b], [b, b.astype(np.float32)], patch_size=(8, 8))
        validation = ArrayPatches([c, b.copy()], [a, a], patch_size=(8, 8))
        assert training.shared_with(validation) == ["pair 1"]
        assert training.without_difference() == ["pair 1"]
        assert validation.without_difference() == []
