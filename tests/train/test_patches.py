from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.io import read_pair, write_tiff
from aimicro.train import Normalisation, PairedPatches, percentile_normalisation

RNG = np.random.default_rng(0)


def numbered(*shape: int) -> np.ndarray:
    """An image in which every pixel tells where it is."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@settings(max_examples=40, deadline=None)
@given(offset=st.floats(-1e4, 1e4), scale=st.floats(1e-2, 1e4), seed=st.integers(0, 99))
def test_normalisation_has_mean_0_and_spread_1_and_can_be_undone(
    offset: float, scale: float, seed: int
) -> None:
    image = np.random.default_rng(seed).normal(offset, scale, size=(20, 30))
    normalisation = Normalisation.of([image[:10], image[10:]])
    normal = normalisation.apply(image)
    assert normal.mean() == pytest.approx(0, abs=1e-4)
    assert normal.std() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(normalisation.undo(normal), image, atol=1e-4 * (scale + abs(offset)))


def test_constant_image_keeps_its_unit() -> None:
    assert Normalisation.of([np.full((3, 3), 7)]) == Normalisation(offset=7, scale=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_percentile_normalisation_is_the_published_formula(dtype: str) -> None:
    image = (RNG.gamma(2, 20, size=(7, 30, 31))).astype(dtype)
    low, high = np.quantile(image.astype(float), (0.02, 0.999))
    normal = percentile_normalisation(image, 2, 99.9).apply(image)
    np.testing.assert_allclose(normal, (image - low) / (high - low + 1e-6), rtol=1e-5, atol=1e-6)
    assert normal.dtype == np.float32
    assert normal.min() < 0
    assert normal.max() > 1  # nothing is clipped


@pytest.mark.parametrize("value", [0, 7, 0.1, 65535, 1e-9, -3])
def test_a_constant_image_becomes_zero(value: float) -> None:
    image = np.full((5, 9, 9), value)
    for kind in (image, image.astype(np.float32)):
        assert not percentile_normalisation(kind, 2.0, 99.9).apply(kind).any()


def test_a_mask_can_be_normalised() -> None:
    mask = np.eye(8) > 0
    np.testing.assert_allclose(percentile_normalisation(mask, 0, 100).apply(mask), mask, atol=2e-6)


@pytest.mark.parametrize("percentiles", [(2, 2), (99, 1), (-1, 50), (2, 101)])
def test_percentiles_out_of_order_are_refused(percentiles: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Expected percentiles from 0 to 100, p_min below p_max"):
        percentile_normalisation(IMAGE, *percentiles)


@pytest.mark.parametrize(("shape", "patch"), [((40, 50), (16, 16)), ((9, 30, 31), (4, 8, 8))])
def test_raw_and_truth_are_cut_at_one_place_and_turned_alike(
    shape: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    image = numbered(*shape)
    keep = Normalisation()
    patches = PairedPatches([image], [image + 0.5], patch_size=patch, normalisation=keep)
    for step in range(5):
        raw, truth = patches.batch(step)
        np.testing.assert_array_equal(truth - raw, 0.5)
        assert raw.shape == (16, 1, *patch)


def test_without_augmentation_a_patch_is_a_window_of_the_image() -> None:
    image = numbered(20, 30)
    patches = PairedPatches(
        [image], [image], patch_size=(4, 6), augment=False, normalisation=Normalisation()
    )
    for patch in patches.batch(3)[0][:, 0]:
        y, x = divmod(int(patch[0, 0]), 30)
        np.testing.assert_array_equal(patch, image[y : y + 4, x : x + 6])


def test_augmentation_shows_all_eight_sides_of_a_patch_equally_often() -> None:
    image = numbered(4, 4)
    patches = PairedPatches(
        [image], [image], patch_size=(4, 4), batch_size=4000, normalisation=Normalisation()
    )
    seen, counts = np.unique(patches.batch(0)[0].reshape(4000, 16), axis=0, return_counts=True)
    sides = {np.rot90(turned, k).tobytes() for turned in (image, image[:, ::-1]) for k in range(4)}
    assert {row.tobytes() for row in seen} == sides
    assert counts.min() > 500 - 5 * np.sqrt(500)


def test_z_never_changes_places_with_y_or_x() -> None:
    volume = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None], (6, 6, 6))
    patches = PairedPatches([volume], [volume], patch_size=(6, 6, 6), normalisation=Normalisation())
    for patch in patches.batch(0)[0][:, 0]:
        assert (patch == patch[:, :1, :1]).all()


def test_large_images_are_chosen_in_proportion_to_their_size() -> None:
    small, large = np.zeros((16, 16)), np.ones((48, 48))
    patches = PairedPatches(
        [small, large],
        [small, large],
        patch_size=(8, 8),
        batch_size=5000,
        normalisation=Normalisation(),
    )
    share = patches.batch(0)[0].mean()
    assert share == pytest.approx(0.9, abs=5 * np.sqrt(0.09 / 5000))


def test_batch_is_a_function_of_seed_and_step() -> None:
    images = RNG.random((3, 32, 32))
    first = PairedPatches(images, images, patch_size=(8, 8), seed=1)
    again = PairedPatches(images, images, patch_size=(8, 8), seed=1)
    first.batch(0)
    np.testing.assert_array_equal(first.batch(7)[0], again.batch(7)[0])
    other = PairedPatches(images, images, patch_size=(8, 8), seed=2)
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
        PairedPatches(raw, truth, **{"patch_size": (16, 16), **arguments})


def test_images_from_files_are_taken_as_they_are_and_named_in_errors(tmp_path: Path) -> None:
    for name in ("raw.tif", "truth.tif"):
        write_tiff(tmp_path / name, np.eye(16, dtype=np.uint16), axes="YX")
    raw, truth = read_pair(tmp_path / "raw.tif", tmp_path / "truth.tif")
    patches = PairedPatches([raw], [truth], patch_size=(16, 16))
    assert patches.batch(0)[0].shape == (16, 1, 16, 16)
    with pytest.raises(ValueError, match=r"raw\.tif: Expected an image of at least one patch"):
        PairedPatches([raw], [truth], patch_size=(32, 32))
