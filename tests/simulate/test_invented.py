"""Invented nuclei: as varied as is said, repeatable, and labelled where the light is."""

import numpy as np
import pytest
from scipy import ndimage

from aimicro.simulate import invented_nuclei


@pytest.fixture(scope="module")
def pairs():
    return [invented_nuclei(rng=seed) for seed in range(60)]


def whole_radii(labels):
    """Radii of discs as large as the nuclei that no border cuts."""
    cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    ids, area = np.unique(labels, return_counts=True)
    return np.sqrt(area[~np.isin(ids, [0, *cut])] / np.pi)


def test_images_are_photons_and_each_has_labels(pairs):
    for image, labels in pairs:
        assert (image.dtype, labels.dtype) == (np.float32, np.int32)
        assert image.shape == labels.shape == (128, 128)
        assert image.min() >= 0
        assert np.array_equal(image, np.round(image))
        assert labels.max() > 0


def test_nuclei_are_brighter_than_the_ground_beside_them(pairs):
    for image, labels in pairs:
        near = ndimage.binary_dilation(labels > 0, iterations=6) & (labels == 0)
        assert image[labels > 0].mean() > image[near].mean()


def test_sizes_light_and_crowding_differ_by_the_factors_that_are_told(pairs):
    radii = [np.median(r) for _, labels in pairs if len(r := whole_radii(labels))]
    assert min(radii) < 7.5
    assert max(radii) > 18
    light = [np.percentile(image, 99.8) for image, _ in pairs]
    assert max(light) > 20 * min(light)
    covered = [(labels > 0).mean() for _, labels in pairs]
    assert min(covered) < 0.1
    assert max(covered) > 0.25


def test_some_nuclei_touch_though_fields_are_mostly_empty(pairs):
    touching = 0
    for _, labels in pairs:
        highest = ndimage.maximum_filter(labels, 3)
        lowest = ndimage.minimum_filter(np.where(labels > 0, labels, labels.max() + 1), 3)
        touching += bool(((labels > 0) & (highest > labels) & (lowest == labels)).any())
        assert (labels > 0).mean() < 0.5
    assert touching > 20


def test_the_same_seed_gives_the_same_image(pairs):
    again = invented_nuclei(rng=np.random.default_rng(3))
    assert np.array_equal(again[0], pairs[3][0])
    assert np.array_equal(again[1], pairs[3][1])
    assert not np.array_equal(pairs[3][0], pairs[4][0])


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_field_has_room(seed):
    assert invented_nuclei((64, 64), rng=seed)[1].any()


@pytest.mark.parametrize("shape", [(128,), (4, 128, 128), (63, 128), (128.5, 128)])
def test_other_shapes_are_refused(shape):
    with pytest.raises((TypeError, ValueError), match="Take 128 by 128 pixels"):
        invented_nuclei(shape, rng=0)
