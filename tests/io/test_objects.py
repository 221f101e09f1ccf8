"""Objects and their boxes, found strip by strip, as SciPy finds them in the whole image."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from aimicro.io import boxes_of, converted, strips, zeros_on_disk
from aimicro.io.objects import groups

SHAPES = [(90, 70), (6, 41, 30)]


def scattered(shape: tuple[int, ...]) -> np.ndarray:
    """Objects with ids in any order, some of them in several pieces."""
    rng = np.random.default_rng(0)
    labels = ndimage.label(ndimage.gaussian_filter(rng.random(shape), 1.5) > 0.52)[0]
    return np.concatenate([[0], rng.permutation(3 * labels.max())[: labels.max()] + 1])[labels]


@pytest.mark.parametrize("part", [1, 300, 2**18])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint16, ">u4", np.int64])
def test_boxes_are_those_of_scipy(
    shape: tuple[int, ...], part: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimicro.io.large._PART", part)
    labels = scattered(shape)
    found = boxes_of(labels.astype(dtype))
    expected = [box for box in ndimage.find_objects(labels) if box]
    assert len(expected) > 9
    assert [found.box(place) for place in range(len(found.ids))] == expected
    np.testing.assert_array_equal(found.ids, np.unique(labels)[1:])
    np.testing.assert_array_equal(found.sizes, np.bincount(labels.ravel())[found.ids])


def test_no_objects() -> None:
    found = boxes_of(np.zeros((4, 5), np.uint8))
    assert found.ids.size == 0
    assert found.starts.shape == (0, 2)
    assert list(groups(found, most=9)) == []


@pytest.mark.parametrize("most", [1, 700, 10**6])
@pytest.mark.parametrize("shape", SHAPES)
def test_groups_have_each_object_once_and_whole(
    shape: tuple[int, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimicro.io.objects._EMPTY", 500)
    labels = scattered(shape)
    boxes, again = boxes_of(labels), np.zeros_like(labels)
    found = list(groups(boxes, most=most))
    for first, last, box in found:
        near = labels[box]
        again[box] += np.where((near >= first) & (near <= last), near, 0)
    np.testing.assert_array_equal(again, labels)
    assert len(found) == len(boxes.ids) if most == 1 else len(found) < len(boxes.ids)


@pytest.mark.parametrize("around", [0, 1, 6])
@pytest.mark.parametrize("shape", SHAPES)
def test_strips_have_each_row_once(
    shape: tuple[int, ...], around: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimicro.io.large._PART", 4 * shape[-1])
    image = np.arange(np.prod(shape)).reshape(shape)
    found = list(strips(image, around=around))
    np.testing.assert_array_equal(
        np.concatenate([strip.pixels[strip.own] for strip in found]), image.reshape(-1, shape[-1])
    )
    for plane, first, own, pixels in found:
        start = max(0, first - around)
        np.testing.assert_array_equal(pixels, image[plane][start : first + 4 + around])
        assert own.start == first - start


@pytest.mark.parametrize("large", [10, 10**6])
def test_a_copy_in_another_type(
    large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimicro.io.large.LARGE", large)
    monkeypatch.setattr("aimicro.io.large._PART", 50)
    image = zeros_on_disk((30, 20), ">f4", tmp_path)
    image[...] = np.arange(600).reshape(30, 20)
    copy = converted(image.T, np.int32, tmp_path, change=lambda part: 2 * part)
    assert isinstance(copy, np.memmap) == (large == 10)
    np.testing.assert_array_equal(copy, 2 * np.arange(600).reshape(30, 20).T)
