"""Objects found window by window: those of the whole image, none cut, none found twice."""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.ndimage import label as components
from scipy.spatial import cKDTree

from aimicro.segment import (
    Window,
    WindowObjects,
    by_windows,
    cellpose,
    stardist,
    unet,
    watershed_by_distance,
)

Labels = np.ndarray[Any, Any]


def crowded(shape: tuple[int, ...], *, seed: int, radius: float = 9, n: int = 120) -> Labels:
    """Discs around random points; where two meet, each pixel belongs to the nearer one."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, shape, (n, len(shape)))
    places = np.moveaxis(np.indices(shape), 0, -1)
    distance, nearest = cKDTree(points).query(places)
    return np.where(distance < radius * rng.uniform(0.5, 1, n)[nearest], nearest + 1, 0)


def noise(shape: tuple[int, ...], *, seed: int) -> np.ndarray[Any, Any]:
    """Errors of a network: as smooth as what it sees."""
    rough = np.random.default_rng(seed).standard_normal(shape)
    smooth = np.stack([gaussian_filter(channel, 2) for channel in rough])
    return smooth / smooth.std()


def joined(objects: Iterable[WindowObjects], shape: tuple[int, ...]) -> Labels:
    """The labels of all windows in one image; no pixel may belong to two objects."""
    labels = np.zeros(shape, np.int32)
    covered = np.zeros(shape, int)
    last = 0
    for found in objects:
        covered[found.core] += 1
        ids = np.unique(found.labels[found.labels > 0])
        assert ids.tolist() == list(range(last + 1, last + 1 + len(ids)))
        last += len(ids)
        part = labels[found.window.box]
        assert not (part[found.labels > 0]).any()
        part[found.labels > 0] = found.labels[found.labels > 0]
    assert (covered == 1).all()
    return labels


def assert_same(found: Labels, expected: Labels) -> None:
    """Equal up to ids."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert [0, 0] in pairs.T.tolist() or not (found == 0).any()


def mask(labels: Labels, seed: int) -> np.ndarray[Any, Any]:
    return 4 * unet.targets(labels) - 2 + noise((1, *labels.shape), seed=seed)


def borders(labels: Labels, seed: int) -> np.ndarray[Any, Any]:
    return 4 * unet.targets(labels, borders=1) + noise((3, *labels.shape), seed=seed)


def rays(labels: Labels, seed: int) -> np.ndarray[Any, Any]:
    target = stardist.targets(labels, n_rays=16)
    target[0] = 6 * target[0] - 2
    return target + (target[1] > 0) * noise(target.shape, seed=seed)


def flows(labels: Labels, seed: int) -> np.ndarray[Any, Any]:
    target = cellpose.targets(labels)
    target[2] = 8 * target[2] - 4
    return target + 2 * noise(target.shape, seed=seed)


def waterfalls(output: np.ndarray[Any, Any]) -> Labels:
    return watershed_by_distance(output[0] > 0)


WAYS = {
    "unet": (mask, unet.segment),
    "borders": (borders, unet.segment),
    "stardist": (rays, stardist.segment),
    "cellpose": (flows, cellpose.segment),
    "classical": (mask, waterfalls),
}


@functools.cache
def crowd(way: str, seed: int) -> tuple[np.ndarray[Any, Any], Labels]:
    """What a network says of crowded objects that touch, and their labels found at once."""
    output_of, segment = WAYS[way]
    output = output_of(crowded((230, 260), seed=seed), seed).astype(np.float32)
    return output, segment(output)


def found_by(way: str, output: np.ndarray[Any, Any], **how: Any) -> Labels:
    segment = WAYS[way][1]
    if way == "cellpose":
        return joined(cellpose.by_windows(output, **how), output.shape[1:])
    return joined(by_windows(output, lambda part, _: segment(part), **how), output.shape[1:])


@pytest.mark.parametrize(("core", "margin"), [((64, 50), 36), ((97, 300), (48, 60))])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_labels_are_those_of_the_whole_image(
    way: str, seed: int, core: tuple[int, int], margin: int
) -> None:
    """Some objects lie over many cores, and a network errs."""
    output, whole = crowd(way, seed)
    assert whole.max() > 30
    assert_same(found_by(way, output, core=core, margin=margin), whole)


def in_touch(output: np.ndarray[Any, Any], _: Window) -> Labels:
    return np.asarray(components(output)[0])


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.one_of(
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
        st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9)),
    ),
    core=st.integers(1, 12),
    margin=st.integers(1, 5),
    share=st.floats(0, 0.7),
)
@settings(deadline=None, max_examples=60)
def test_pieces_are_whole_however_the_image_is_cut(
    seed: int, shape: tuple[int, ...], core: int, margin: int, share: float
) -> None:
    """Also snakes through the whole image, and objects in the holes of others."""
    image = np.random.default_rng(seed).random(shape) < share
    cores = (core,) * len(shape)
    found = joined(by_windows(image, in_touch, core=cores, margin=margin), shape)
    assert_same(found, components(image)[0])


def test_small_objects_are_judged_where_they_are_whole() -> None:
    image = np.zeros((6, 30), int)
    image[1, 2:6], image[3, 2:28] = 1, 1
    found = joined(by_windows(image, in_touch, core=(6, 8), margin=1, min_pixels=20), image.shape)
    assert (found == (np.arange(6) == 3)[:, None] * image).all()
    none = by_windows(image, in_touch, core=(6, 8), margin=1, min_pixels=27)
    assert not any(objects.labels.any() for objects in none)


def test_an_object_of_the_size_of_the_image_is_too_large_for_windows() -> None:
    """It is refused, and never cut; but memory is not all."""
    image = np.ones((100, 100), int)
    with pytest.raises(ValueError, match=r"window of 900 pixels .*, got one from yx = \[0, 0\] on"):
        list(by_windows(image, in_touch, core=(10, 10), margin=4, most=900))
    image[20:] = 0
    found = joined(by_windows(image, in_touch, core=(10, 10), margin=4, most=10_000), image.shape)
    assert (found == image).all()


def test_less_room_around_than_an_object_is_long_is_no_fault_at_the_limit() -> None:
    image = np.zeros((100, 100), int)
    image[4:16, 8:12] = 1
    found = joined(by_windows(image, in_touch, core=(10, 10), margin=8, most=400), image.shape)
    assert (found == image).all()


def test_only_windows_are_read() -> None:
    """Segmented are a core and its margin, and what is not read cannot be in memory."""
    seen = []

    def note(part: np.ndarray[Any, Any], window: Window) -> Labels:
        seen.append((part.shape, window.box, window.image_shape))
        return np.zeros(part.shape[1:], int)

    list(by_windows(np.zeros((3, 50, 70)), note, core=(30, 40), margin=(5, 9)))
    assert [shape for shape, *_ in seen] == [(3, 35, 49), (3, 35, 39), (3, 25, 49), (3, 25, 39)]
    assert seen[-1][1:] == ((slice(25, 50), slice(31, 70)), (50, 70))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"core": (4,)}, r"core \(Y, X\) or \(Z, Y, X\), .* got core \(4,\) and shape \(8, 9\)"),
        ({"core": (4, 4, 4)}, "Give core without channels"),
        ({"core": (4, 0)}, "core of 1 or more, got 0"),
        ({"margin": 0}, "margin of 1 or more, got 0"),
        ({"margin": (2, 2, 2)}, "margin as one number or 2"),
        ({"min_pixels": -1}, "min_pixels of 0 or more, got -1"),
        ({"most": 0}, "most of 1 or more, got 0"),
        ({"segment": lambda part, _: part[:-1]}, r"shape of the window, got \(5, 6\)"),
    ],
)
def test_bad_input(how: dict[str, Any], message: str) -> None:
    arguments = {"segment": in_touch, "core": (4, 4), "margin": 2} | how
    with pytest.raises(ValueError, match=message):
        list(by_windows(np.zeros((8, 9), int), **arguments))


def test_settings_of_cellpose_are_checked_before_the_work() -> None:
    with pytest.raises(ValueError, match="flow_threshold above 0, got 0"):
        cellpose.by_windows(np.zeros((3, 8, 8)), core=(4, 4), margin=2, flow_threshold=0)


def test_cellpose_in_three_dimensions() -> None:
    """No flow error is computed, so all is gone through once."""
    labels = crowded((24, 60, 70), seed=0, n=60)
    flow = middles(labels) - np.indices(labels.shape)
    flow *= 5 / np.maximum(np.linalg.norm(flow, axis=0), 1) * (labels > 0)
    output = np.concatenate([flow, 8.0 * (labels > 0)[np.newaxis] - 4]).astype(np.float32)
    whole = cellpose.segment(output)
    assert whole.max() > 20
    found = joined(cellpose.by_windows(output, core=(24, 30, 40), margin=(8, 20, 20)), labels.shape)
    assert_same(found, whole)


def middles(labels: Labels) -> Labels:
    """For each pixel, the centroid of its object along each axis."""
    n = np.maximum(np.bincount(labels.ravel()), 1)
    places = np.indices(labels.shape)
    return np.stack(
        [(np.bincount(labels.ravel(), weights=axis.ravel()) / n)[labels] for axis in places]
    )
