"""Domain randomisation: what each change does, and that it can be left out."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from aimicro.simulate.specimens.randomise import Randomise

NOTHING = {"background": (0, 0), "texture": (0, 0), "contrast": (0, 0), "shape": (0, 0)}
SHAPES = pytest.mark.parametrize("shape", [(96, 128), (12, 64, 80)])


def only(**strengths):
    return Randomise(**(NOTHING | {name: (s, s) for name, s in strengths.items()}))


def blocks(shape):
    """Return an image of bright boxes, and their labels."""
    labels = np.zeros(shape, np.int32)
    y, x = shape[-2:]
    for i in range(4):
        rows = slice((i // 2 * 8 + 1) * y // 16, (i // 2 * 8 + 7) * y // 16)
        columns = slice((i % 2 * 8 + 1) * x // 16, (i % 2 * 8 + 7) * x // 16)
        labels[..., rows, columns] = i + 1
    return (labels / 4).astype(np.float32), labels


@SHAPES
def test_strength_0_changes_nothing(shape):
    image, labels = blocks(shape)
    changed, moved = Randomise(**NOTHING)(image, labels, rng=0)
    np.testing.assert_array_equal(changed, image)
    np.testing.assert_array_equal(moved, labels)
    assert not np.shares_memory(changed, image)
    assert not np.shares_memory(moved, labels)


@SHAPES
def test_types_stay_and_the_seed_decides(shape):
    image, labels = blocks(shape)
    changed, moved = Randomise()(image, labels, rng=3)
    assert (changed.dtype, moved.dtype) == (np.float32, np.int32)
    assert changed.shape == moved.shape == shape
    assert changed.min() >= 0
    np.testing.assert_array_equal(changed, Randomise()(image, rng=np.random.default_rng(3)))
    assert not np.allclose(changed, Randomise()(image, rng=4))


def test_strengths_are_drawn_evenly_from_their_range():
    image = np.ones((8, 8))
    brightness = [
        np.log(Randomise(**NOTHING | {"contrast": (0.2, 0.4)})(image, rng=seed).max())
        for seed in range(2000)
    ]
    # Even between -s and s, with s even from 0.2 to 0.4: the second moment is mean(s²) / 3.
    assert np.mean(np.square(brightness)) == pytest.approx(0.28 / 9, rel=0.06)
    assert np.abs(brightness).max() <= 0.4


@SHAPES
def test_background_is_added_smooth_and_as_high_as_asked_for(shape):
    image, labels = blocks(shape)
    changed, moved = only(background=0.3)(image, labels, rng=1)
    added = changed - image
    assert added.min() == pytest.approx(0, abs=1e-6)
    assert added.max() == pytest.approx(0.3, abs=1e-6)
    assert max(np.abs(np.diff(added, axis=a)).max() for a in (-1, -2)) < 0.03
    np.testing.assert_array_equal(moved, labels)


@SHAPES
def test_texture_multiplies_with_the_standard_deviation_asked_for(shape):
    image, labels = blocks(shape)
    spread = [
        np.log(only(texture=0.2)(image, rng=seed)[labels > 0] / image[labels > 0])
        for seed in range(5)
    ]
    assert np.std(spread) == pytest.approx(0.2, rel=0.05)
    assert np.mean(spread) == pytest.approx(0, abs=0.02)
    assert np.all(only(texture=0.2)(image, rng=0)[labels == 0] == 0)


def test_contrast_is_a_gamma_and_a_brightness():
    image = np.linspace(0, 2, 101)[None]
    changed = only(contrast=0.5)(image, rng=2)
    gamma, brightness = np.polyfit(np.log(image[0, 1:] / 2), np.log(changed[0, 1:] / 2), 1)
    fitted = 2 * np.exp(brightness) * (image / 2) ** gamma
    np.testing.assert_allclose(changed, fitted, rtol=1e-5)
    assert 0.01 < abs(np.log(gamma)) <= 0.5
    assert 0.01 < abs(brightness) <= 0.5


@SHAPES
def test_image_and_labels_are_deformed_alike(shape):
    image, labels = blocks(shape)
    changed, moved = only(shape=0.03)(image, labels, rng=0)
    assert np.mean(moved != labels) > 0.01
    # Away from edges, where linear and nearest neighbours agree, the image is that of the labels.
    agree = np.isclose(changed, moved / 4)
    assert agree.mean() > 0.85
    flat = np.ones(shape, bool)
    for axis in range(len(shape)):
        for step in (-1, 1):
            flat &= np.roll(moved, step, axis) == moved
    assert agree[flat].mean() > 0.95


@pytest.mark.parametrize("seed", range(10))
def test_deformation_neither_tears_nor_folds(seed):
    _, labels = blocks((128, 128))
    _, moved = only(shape=0.03)(labels / 4, labels, rng=seed)
    assert [label(moved == i).max() for i in range(1, 5)] == [1, 1, 1, 1]


def test_displacement_is_the_share_asked_for_and_nothing_crosses_the_border():
    ramp = np.arange(400.0) * np.ones((200, 1))
    moves = np.stack([only(shape=0.02)(ramp, rng=seed) - ramp for seed in range(40)])
    assert np.sqrt(np.mean(moves**2)) == pytest.approx(0.02 * 400, rel=0.1)
    assert np.abs(moves[..., [0, -1]]).max() < 0.3
    smooth = gaussian_filter(moves[0], 2)
    np.testing.assert_allclose(moves[0][9:-9, 9:-9], smooth[9:-9, 9:-9], atol=0.1)


@pytest.mark.parametrize("name", list(NOTHING))
@pytest.mark.parametrize("bounds", [(-0.1, 0.01), (0.02, 0.01), (0, np.nan), (0, np.inf)])
def test_ranges_rise_from_0(name, bounds):
    with pytest.raises(
        ValueError, match=rf"Expected the (low|high) end of {name} .* a rising range"
    ):
        Randomise(**{name: bounds})


def test_shape_that_would_fold():
    with pytest.raises(ValueError, match=r"high end of shape from 0 to 0.03, got 0.2"):
        Randomise(shape=(0, 0.2))


@pytest.mark.parametrize(
    ("image", "labels", "message"),
    [
        (np.ones(8), None, r"image of shape \(Y, X\) or \(Z, Y, X\) .* got \(8,\)"),
        (-np.ones((8, 8)), None, "image without pixels below 0, got -1"),
        (np.full((8, 8), np.nan), None, "got 64 of 64 NaN or infinite"),
        (
            np.ones((8, 8)),
            np.ones((8, 9), int),
            r"of shape \(8, 8\), that of the image, got \(8, 9\)",
        ),
        (np.ones((8, 8)), np.ones((8, 8)), "labels as labels, whole numbers, got float64"),
    ],
)
def test_bad_input(image, labels, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Randomise()(image, labels, rng=0)
