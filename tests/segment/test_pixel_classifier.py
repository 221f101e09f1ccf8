"""The classifier against scikit-learn's forest, its parts, autocontext, objects, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label
from sklearn.ensemble import RandomForestClassifier

from aimicro.segment import pixel_classifier
from aimicro.segment._parts import parts
from aimicro.segment.features import features, smooth
from aimicro.segment.pixel_classifier import PixelClassifier, segment
from aimicro.simulate import scribble, tissue

SIGMAS = (1, 2, 4)


def field(shape, seed, noise=0.7):
    """Blobs in noise: image, and classes 1 and 2."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=shape), 5)
    classes = 1 + (smooth > np.percentile(smooth, 70)).astype(np.int32)
    return (classes + random.normal(0, noise, shape)).astype(np.float32), classes


def painted(shape, seed, noise=0.7, **options):
    image, classes = field(shape, seed, noise)
    options = {"n_strokes": 4, "length_px": 15, **options}
    return image, scribble(classes, rng=seed, **options), classes


@pytest.mark.parametrize("shape", [(80, 90), (12, 40, 40)])
def test_scores_of_scikit_learns_forest_on_the_same_features(shape):
    image, strokes, _ = painted(shape, 0)
    other, truth = field(shape, 1)
    ours = PixelClassifier.fit(image, strokes, sigmas=SIGMAS, rng=0, n_trees=50)
    described = np.moveaxis(features(image, sigmas=SIGMAS), 0, -1)
    theirs = RandomForestClassifier(50, random_state=1).fit(
        described[strokes > 0], strokes[strokes > 0]
    )
    rows = features(other, sigmas=SIGMAS).reshape(described.shape[-1], -1).T
    probabilities = ours.probabilities(other)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (2, *shape)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    expected = theirs.predict(rows).reshape(shape)
    scores = [(found == truth).mean() for found in (1 + probabilities.argmax(axis=0), expected)]
    assert min(scores) > 0.85
    assert abs(scores[0] - scores[1]) < 0.01


@pytest.mark.parametrize("autocontext", [False, True])
@pytest.mark.parametrize("shape", [(30, 110), (8, 20, 40)])
def test_part_by_part_as_at_once(monkeypatch, shape, autocontext):
    """But for pixels on the edge of a decision, which the last digit of a feature may turn."""
    image, strokes, _ = painted(shape, 2)
    options = {"sigmas": [1, 2], "n_trees": 5, "autocontext": autocontext, "rng": 3}
    whole = PixelClassifier.fit(image, strokes, **options).probabilities(image)
    monkeypatch.setattr(pixel_classifier, "_MOST_BYTES", 4 * image.size * 16 / 3)
    in_parts = PixelClassifier.fit(image, strokes, **options).probabilities(image)
    assert (np.abs(whole - in_parts) > 1e-6).mean() < 0.02


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 5)), min_size=2, max_size=3),
       st.integers(20, 3000))  # fmt: skip
def test_every_pixel_is_in_one_part_and_sees_its_surroundings(axes, most):
    shape, reach = (tuple(each) for each in zip(*axes, strict=True))
    times = np.zeros(shape, int)
    places = np.indices(shape)
    for own, seen, inner in parts(shape, reach, most):
        times[own] += 1
        np.testing.assert_array_equal(places[(slice(None), *seen)][(slice(None), *inner)],
                                      places[(slice(None), *own)])  # fmt: skip
        for axis, (o, s) in enumerate(zip(own, seen, strict=True)):
            assert s.start == max(o.start - reach[axis], 0)
            assert s.stop == min(o.stop + reach[axis], shape[axis])
    assert (times == 1).all()


def test_a_seed_gives_the_same_classifier_again():
    image, strokes, _ = painted((50, 50), 0)
    one, same, other = (
        PixelClassifier.fit(image, strokes, n_trees=5, autocontext=True, rng=seed)
        for seed in (0, np.random.default_rng(0), 1)
    )
    np.testing.assert_array_equal(one.probabilities(image), same.probabilities(image))
    assert (one.probabilities(image) != other.probabilities(image)).any()


def test_several_images_teach_as_one_does():
    """The same pixels in two images; in the second nothing else is painted."""
    image, strokes, _ = painted((50, 60), 0)
    first, second = np.where(strokes == 1, strokes, 0), np.where(strokes == 2, strokes, 0)
    empty = np.zeros_like(strokes)
    one = PixelClassifier.fit(image, strokes, n_trees=20, rng=0).probabilities(image)
    two = PixelClassifier.fit(
        [image, image, image], [first, empty, second], n_trees=20, rng=0
    ).probabilities(image)
    assert np.abs(one - two).mean() < 0.05
    PixelClassifier.fit([image] * 3, [first, empty, second], n_trees=2, autocontext=True, rng=0)


def test_channels_that_only_together_tell_the_classes():
    random = np.random.default_rng(0)
    signs = random.choice([-1.0, 1.0], size=(2, 8, 8))
    image = np.kron(signs, np.ones((8, 8))) + random.normal(0, 0.1, (2, 64, 64))
    classes = np.kron(np.where(signs.prod(axis=0) > 0, 1, 2), np.ones((8, 8), int))
    strokes = scribble(classes, n_strokes=10, length_px=8, rng=0)
    options = {"sigmas": [0.7], "n_trees": 30, "rng": 0}
    both = PixelClassifier.fit(image, strokes, channels=True, **options)
    one = PixelClassifier.fit(image[0], strokes, **options)
    assert (1 + both.probabilities(image).argmax(axis=0) == classes).mean() > 0.85
    assert (1 + one.probabilities(image[0]).argmax(axis=0) == classes).mean() < 0.8


def brier(probabilities, classes):
    """Mean squared error of the probability of class 2."""
    return float(np.mean((probabilities[1] - (classes == 2)) ** 2))


def test_autocontext_must_not_learn_from_what_a_forest_says_of_its_own_strokes():
    """Taught that way, the second forest trusts the first one too much on new images."""
    scores = []
    for seed in range(4):
        image, strokes, _ = painted((70, 70), seed, noise=4)
        other, truth = field((70, 70), seed + 50, noise=4)
        options = {"sigmas": SIGMAS, "n_trees": 20, "rng": seed}
        ours = PixelClassifier.fit(image, strokes, autocontext=True, **options)
        plain = PixelClassifier.fit(image, strokes, **options)

        def told(image, plain=plain):
            said = plain.probabilities(image)
            near = [smooth(said, sigma, (1.0, 1.0)) for sigma in SIGMAS]
            return np.moveaxis(np.concatenate([features(image, sigmas=SIGMAS), said, *near]), 0, -1)

        second = RandomForestClassifier(20, random_state=seed)
        second.fit(told(image)[strokes > 0], strokes[strokes > 0])
        sure = second.predict_proba(told(other).reshape(truth.size, -1)).T.reshape(2, *truth.shape)
        scores.append([brier(p, truth) for p in (ours.probabilities(other), sure)])
    ours, sure = np.mean(scores, axis=0)
    assert ours < 0.95 * sure


def tissue_field(seed):
    """Cells dimmer with depth, skin as bright, photons: image, classes 1 rest, 2 cells, 3 skin."""
    shape = (160, 160)
    specimen, random = tissue(shape, n=3, rng=seed), np.random.default_rng(seed)
    skin = specimen.skin > 0.02
    depth_um = 0.5 * ndimage.distance_transform_edt(~skin)
    light = ndimage.gaussian_filter(specimen.image * np.exp(-depth_um / 60), 1)
    image = random.poisson(40 * light + 3) + random.normal(0, 1, shape)
    return image, np.where(skin, 3, 1 + (specimen.labels > 0)).astype(np.int32)


def test_a_class_for_the_skin_and_larger_filters_tell_cells_from_skin():
    image, classes = tissue_field(0)
    strokes = scribble(classes, n_strokes=4, length_px=20, rng=0)
    forgot = np.where(strokes == 3, 0, strokes)
    options = {"n_trees": 20, "rng": 0}
    two = PixelClassifier.fit(image, forgot, sigmas=(0.7, 1, 1.6), **options)
    three = PixelClassifier.fit(image, strokes, autocontext=True, **options)
    taken = []
    for seed in (1, 2):
        other, truth = tissue_field(seed)
        skin = truth == 3
        taken.append([(c.probabilities(other)[1] > 0.5)[skin].mean() for c in (two, three)])
    confused, told_apart = np.mean(taken, axis=0)
    assert confused > 0.2
    assert told_apart < confused / 3


@pytest.mark.parametrize("shape", [(40, 50), (9, 20, 20)])
def test_objects_of_true_probabilities_are_the_objects(shape):
    _, classes = field(shape, 3)
    truth = label(classes == 2)
    found = segment(np.stack([classes == 1, classes == 2]).astype(np.float32), of_class=2)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, truth)
    sizes = np.bincount(truth.ravel())[1:]
    kept = segment([classes == 1, classes == 2], of_class=2, min_size_px=int(sizes.max()))
    assert np.bincount(kept.ravel())[1:].tolist() == [m for m in sizes if m == sizes.max()]


def test_cores_part_what_touches():
    y, x = np.indices((40, 60))
    two = np.maximum(*(np.exp(-((y - 20) ** 2 + (x - c) ** 2) / 200) for c in (20, 38)))
    probabilities = np.stack([1 - two, two])
    assert segment(probabilities, of_class=2, threshold=0.3).max() == 1
    parted = segment(probabilities, of_class=2, threshold=0.3, core_threshold=0.8)
    assert parted.max() == 2
    assert parted[20, 20] != parted[20, 38]
    np.testing.assert_array_equal(parted > 0, two >= 0.3)
    assert segment(probabilities, of_class=1, threshold=0.99, core_threshold=1).max() == 0


IMAGE, STROKES, _ = painted((30, 30), 0, length_px=6)
ONE_STROKE = np.zeros((30, 30), int)
ONE_STROKE[3, 3:9], ONE_STROKE[20, 3:9], ONE_STROKE[25, 3:9] = 1, 2, 2


@pytest.mark.parametrize(
    ("images", "strokes", "options", "error", "message"),
    [
        (IMAGE, STROKES * 0, {}, ValueError, "two classes or more.*got none. Paint each class"),
        (IMAGE, STROKES == 1, {}, TypeError, "got a mask"),
        (IMAGE, (STROKES == 1).astype(int), {}, ValueError, "got 1. Paint each class, background"),
        (IMAGE, np.where(STROKES == 2, 3, STROKES), {}, ValueError, "without a gap, got 1, 3"),
        (IMAGE, STROKES.astype(float), {}, TypeError, "whole numbers, got float64"),
        (IMAGE, STROKES - 1, {}, ValueError, "from 0"),
        (IMAGE, STROKES[:9], {}, ValueError, r"shape of their image, \(30, 30\), got \(9, 30\)"),
        (IMAGE * np.nan, STROKES, {}, ValueError, "900 of 900 NaN"),
        (IMAGE[:0], STROKES, {}, ValueError, "with pixels in it"),
        ([IMAGE, IMAGE], [STROKES], {}, ValueError, "got 2 images and 1 scribbles"),
        ([IMAGE, np.stack([IMAGE] * 3)], [STROKES, np.stack([STROKES] * 3)], {}, ValueError,
         "the same axes and channels"),
        (IMAGE, STROKES, {"n_trees": 0}, ValueError, "n_trees of 1 or more"),
        (IMAGE, ONE_STROKE, {"autocontext": True}, ValueError, "two strokes.*got 1 of class 1"),
    ],
)  # fmt: skip
def test_bad_strokes(images, strokes, options, error, message):
    with pytest.raises(error, match=message):
        PixelClassifier.fit(images, strokes, rng=0, **options)


def test_an_image_of_another_kind_than_in_training():
    flat = PixelClassifier.fit(IMAGE, STROKES, n_trees=1, sigmas=[1], rng=0)
    with pytest.raises(ValueError, match=r"2D with 1 channel, got shape \(4, 30, 30\)"):
        flat.probabilities(np.zeros((4, 30, 30)))
    with pytest.raises(ValueError, match="900 of 900 NaN"):
        flat.probabilities(IMAGE * np.nan)
    with pytest.raises(ValueError, match="with pixels in it"):
        flat.probabilities(IMAGE[:0])
    coloured = PixelClassifier.fit(
        np.stack([IMAGE] * 2), STROKES, channels=True, n_trees=1, sigmas=[1], rng=0
    )
    with pytest.raises(ValueError, match=r"2D with 2 channels, got shape \(3, 30, 30\)"):
        coloured.probabilities(np.zeros((3, 30, 30)))
    with pytest.raises(ValueError, match=r"got \(30, 30\)"):
        coloured.probabilities(IMAGE)


HALF = np.full((2, 4, 4), 0.5)


@pytest.mark.parametrize(
    ("probabilities", "options", "error", "message"),
    [
        (HALF[0], {"of_class": 1}, ValueError, r"got \(4, 4\).*its axis of classes"),
        (HALF * 3, {"of_class": 1}, ValueError, "from 0 to 1, got 1.5 to 1.5"),
        (HALF * np.nan, {"of_class": 1}, ValueError, "NaN"),
        (HALF, {"of_class": 0}, ValueError, "of_class from 1 to 2, got 0. Classes begin at 1"),
        (HALF, {"of_class": 3}, ValueError, "of_class from 1 to 2, got 3"),
        (HALF, {"of_class": 1, "threshold": 0}, ValueError, "threshold above 0"),
        (HALF, {"of_class": 1, "threshold": 0.5, "core_threshold": 0.4}, ValueError,
         "core_threshold from 0.5 to 1, got 0.4"),
        (HALF, {"of_class": 1, "min_size_px": 2.5}, TypeError, "min_size_px as a whole number"),
    ],
)  # fmt: skip
def test_bad_probabilities(probabilities, options, error, message):
    with pytest.raises(error, match=message):
        segment(probabilities, **options)
