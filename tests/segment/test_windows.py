"""Objects found window by window: those of the whole image, none cut, none found twice."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from aimicro.segment import (
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


def found_by(way: str, output: np.ndarray[Any, Any], **how: Any) -> Labels:
    segment = WAYS[way][1]
    if way == "cellpose":
        return joined(cellpose.by_windows(output, **how), output.shape[1:])
    return joined(by_windows(output, lambda part, _: segment(part), **how), output.shape[1:])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("core", "margin"), [((64, 50), 36), ((97, 300), (48, 60))])
def test_labels_are_those_of_the_whole_image(
    way: str, seed: int, core: tuple[int, int], margin: int
) -> None:
    """Crowded objects that touch, some of them over many cores; and the errors of a network."""
    output_of, segment = WAYS[way]
    labels = crowded((230, 260), seed=seed)
    output = output_of(labels, seed).astype(np.float32)
    whole = segment(output)
    assert whole.max() > 30
    assert_same(found_by(way, output, core=core, margin=margin), whole)
