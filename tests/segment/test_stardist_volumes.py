"""StarDist in volumes: rays all around, polyhedra, and what they share."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import Delaunay

from aimicro import simulate
from aimicro.metrics import iou, match
from aimicro.segment import stardist

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

RECORDED = Path(__file__).parent / "recorded" / "stardist_volumes.json"
SPACING = (2.0, 1.0, 1.0)
N_RAYS = 32
SAMPLES = 30


def nuclei(seed: int = 0) -> Labels:
    """Crowded nuclei in voxels that are twice as long along z."""
    size = tuple(0.5 * side for side in SPACING)
    shape = (20, 56, 56)
    return simulate.specimens.nuclei(shape, pixel_size_um=size, n=14, radius_um=4, rng=seed)[1]


def predicted(labels: Labels, noise: float, n_rays: int = N_RAYS) -> Floats:
    """Targets with errors, smooth ones and others, as a network makes them; logits."""
    rng = np.random.default_rng(5)
    target = stardist.targets(labels, n_rays=n_rays, spacing=SPACING)
    smooth = ndimage.gaussian_filter(rng.normal(size=target.shape), (1, 1, 2, 2))
    errors = smooth / smooth.std() + 0.3 * rng.normal(size=target.shape)
    target[0] = 10 * (target[0] + noise * errors[0] * (labels > 0) - 0.5)
    target[1:] = np.maximum(target[1:] * (1 + noise * errors[1:]), 0.1)
    return target


def sampled(labels: Labels) -> npt.NDArray[np.intp]:
    """Some voxels of objects, as numbers in the flat volume."""
    return np.random.default_rng(1).choice(np.flatnonzero(labels), SAMPLES, replace=False)


def outline(distances: npt.ArrayLike, spacing: Any = 1.0, point: Any = (9, 9, 9)) -> Any:
    lengths = np.asarray(distances, np.float32)[None]
    return stardist.Polygons(np.array([point]), np.ones(1, np.float32), lengths, spacing)


def steps_of(n_rays: int, spacing: Any) -> npt.NDArray[np.float64]:
    """Directions, read from an outline whose rays are all 1 long."""
    one = stardist.Polygons(
        np.zeros((1, 3), np.int32),
        np.ones(1, np.float32),
        np.ones((1, n_rays), np.float32),
        spacing,
    )
    return one.corners[0].astype(np.float64)


# ---- rays and probability


@pytest.mark.parametrize("n_rays", [5, 32, 96])
def test_directions_are_even_in_space(n_rays: int) -> None:
    """No two are closer than the others, and their sum is near 0; also where voxels are long."""
    for spacing in (1.0, SPACING, (5.0, 1.0, 1.0)):
        places = steps_of(n_rays, spacing) * spacing
        places /= np.linalg.norm(places, axis=1, keepdims=True)
        assert np.linalg.norm(places.mean(axis=0)) < 0.3 / math.sqrt(n_rays)
        nearest = np.sort(places @ places.T, axis=1)[:, -2]
        angle = np.arccos(nearest) * math.sqrt(n_rays)
        assert 1.9 < angle.min() <= angle.max() < 4.2


@pytest.mark.parametrize(
    ("axes", "spacing"), [((10, 10, 10), 1.0), ((5, 10, 10), SPACING), ((6, 9, 13), (1.5, 1, 1))]
)
def test_rays_of_ellipsoids_are_their_analytic_lengths(axes: Any, spacing: Any) -> None:
    """A ball, a ball in long voxels, and an ellipsoid; half-axes in voxels."""
    centre = np.array([12.2, 14.1, 15.3])
    places = np.moveaxis(np.indices((25, 29, 31)), 0, -1) - centre
    labels = ((places / axes) ** 2).sum(axis=-1) <= 1
    target = stardist.targets(labels.astype(np.int32), n_rays=48, spacing=spacing)
    inside = labels & (target[0] > 0.5)
    place, ray = places[inside] / axes, steps_of(48, spacing) / axes
    a, b, c = (ray**2).sum(axis=1), place @ ray.T, (place**2).sum(axis=1, keepdims=True) - 1
    exact = (-b + np.sqrt(b**2 - a * c)) / a
    error = target[1:, inside].T - exact
    assert (np.abs(error) < 1).mean() > 0.97
    assert np.abs(error).mean() < 0.45
    assert abs(error.mean()) < 0.15


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), n_rays=st.sampled_from([5, 9, 32]), long=st.sampled_from([1, 3]))
def test_rays_follow_their_definition(seed: int, n_rays: int, long: float) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, tuple(rng.integers(1, 4, 3))).astype(np.int32)
    labels = coarse.repeat(2, axis=0).repeat(rng.integers(1, 4), axis=2)
    spacing = (long, 1.0, 1.0)
    target = stardist.targets(labels, n_rays=n_rays, spacing=spacing)
    steps = steps_of(n_rays, spacing)
    for voxel in np.argwhere(labels):
        for length, step in zip(target[1:, *voxel], steps, strict=True):
            m = 0
            while True:
                place = voxel + np.rint(((m + 1) * step).round(6)).astype(int)
                if (place < 0).any() or (place >= labels.shape).any():
                    break
                if labels[tuple(place)] != labels[tuple(voxel)]:
                    break
                m += 1
            assert length == pytest.approx(m + 0.5 / np.abs(step).max(), rel=1e-5)


def test_the_probability_is_a_distance_in_space() -> None:
    labels = np.zeros((9, 12, 13), np.int32)
    labels[2:7, 1:10, 3:11] = 4
    probability = stardist.targets(labels, n_rays=5, spacing=(3, 1, 1))[0]
    inside, other = np.argwhere(labels) * (3, 1, 1), np.argwhere(labels == 0) * (3, 1, 1)
    nearest = np.sqrt(((inside[:, None] - other) ** 2).sum(axis=-1).min(axis=1))
    np.testing.assert_allclose(probability[labels > 0], nearest / nearest.max(), rtol=1e-6)
    assert not probability[labels == 0].any()


# ---- polyhedra


@pytest.mark.parametrize("spacing", [1.0, SPACING])
def test_the_polyhedron_of_a_ball_is_a_convex_hull_as_large_as_the_ball(spacing: Any) -> None:
    steps = steps_of(40, spacing)
    lengths = 8 / np.linalg.norm(steps * spacing, axis=1)
    found = outline(lengths, spacing)
    painted = found.paint((19, 19, 19)) > 0
    volume = painted.sum() * np.prod(np.broadcast_to(spacing, 3))
    assert volume == pytest.approx(4 / 3 * math.pi * 8**3, rel=0.02)
    longer = Delaunay((found.corners[0] - 9) * volume_factor(steps * spacing) + 9)
    voxels = np.moveaxis(np.indices(painted.shape), 0, -1)
    np.testing.assert_array_equal(painted, longer.find_simplex(voxels) >= 0)


def volume_factor(places: npt.NDArray[Any]) -> float:
    """By which a polyhedron with corners on a sphere must grow to hold as much as the ball."""
    places = places / np.linalg.norm(places, axis=1, keepdims=True)
    shape = Delaunay(places)
    corners = places[shape.simplices]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 6
    return float((4 / 3 * math.pi / volume) ** (1 / 3))


def test_polyhedra_from_true_rays_are_the_labels() -> None:
    """96 rays, nuclei that the frame does not cut, one by one: an IoU of 0.9 or more for each."""
    shape = (64, 96, 96)
    labels = simulate.specimens.nuclei(shape, pixel_size_um=0.5, n=12, radius_um=5, rng=1)[1]
    scores = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if all(0 < side.start < side.stop < n for side, n in zip(box, shape, strict=True)):
            one = np.pad(labels[box] == number, 1).astype(np.int32)
            found = stardist.segment(stardist.targets(one, n_rays=96), logits=False)
            scores.append(iou(found > 0, one > 0))
    assert len(scores) >= 6
    assert min(scores) >= 0.9
    assert np.mean(scores) >= 0.915


# ---- against the published program


def test_equal_to_the_published_program() -> None:
    """Rays are as many steps long, the same polyhedra are kept, and they cover the same voxels."""
    recorded = json.loads(RECORDED.read_text())
    labels = nuclei()
    target = stardist.targets(labels, n_rays=N_RAYS, spacing=SPACING)
    some = target.reshape(len(target), -1)[:, sampled(labels)].T
    steps = steps_of(N_RAYS, SPACING)
    n_steps = np.rint(some[:, 1:] - 0.5 / np.abs(steps).max(axis=1)) + 1
    # Theirs end in the middle of the first voxel outside.
    ends = np.linalg.norm(np.rint((n_steps[..., None] * steps).round(6)), axis=-1)
    theirs = np.array(recorded["targets"])
    np.testing.assert_allclose(some[:, 0], theirs[:, 0], rtol=2e-6)
    np.testing.assert_allclose(ends, theirs[:, 1:], rtol=2e-6)
    for noise, chosen in recorded["chosen"].items():
        found = stardist.polygons(predicted(labels, float(noise)), spacing=SPACING)
        assert found.points.tolist() == chosen["points"]
        volumes = np.bincount(found.paint(labels.shape).ravel())
        assert volumes.tolist() == chosen["volumes"]


# ---- suppression


def stars(seed: int, n: int) -> tuple[Floats, list[tuple[int, ...]]]:
    """Output with n candidates of odd shapes, the most probable first, and where they are."""
    rng = np.random.default_rng(seed)
    output = np.zeros((25, 20, 20, 20), np.float32)
    middle = np.unravel_index(rng.choice(8**3, n, replace=False), (8, 8, 8))
    places = [tuple(6 + int(part) for part in place) for place in zip(*middle, strict=True)]
    for rank, place in enumerate(places):
        output[0, *place] = 1 - rank / 100
        output[1:, *place] = rng.uniform(3, 5) * rng.uniform(0.7, 1.2, 24)
    return output, places


def by_tetrahedra(point: Any, distances: Floats, shape: Any) -> tuple[npt.NDArray[np.bool_], float]:
    """Voxels that lie in one of the tetrahedra of centre and face, and the volume of all."""
    steps = steps_of(len(distances), 1.0)
    corners = Delaunay(np.vstack([steps, [[0, 0, 0]]])).convex_hull
    voxels = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3) - point
    ends = steps * distances[:, None]
    inside = np.zeros(len(voxels), bool)
    for face in corners:
        parts = np.linalg.solve(ends[face].T, voxels.T)
        inside |= (parts >= -1e-9).all(axis=0) & (parts.sum(axis=0) <= 1)
    return inside.reshape(shape), float(np.abs(np.linalg.det(ends[corners])).sum() / 6)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.0, 0.2, 0.4, 0.7, 1.0]))
def test_what_is_kept_follows_the_definition(seed: int, threshold: float) -> None:
    output, places = stars(seed, 5)
    masks = [by_tetrahedra(place, output[1:, *place], (20, 20, 20)) for place in places]
    found = stardist.polygons(output, overlap_threshold=threshold, logits=False)
    chosen = {tuple(point) for point in found.points.tolist()}
    kept: list[tuple[npt.NDArray[np.bool_], float]] = []
    for place, (mask, volume) in zip(places, masks, strict=True):
        shared = [(mask & one).sum() / min(volume, other) for one, other in kept]
        if place in chosen:
            assert max(shared, default=0) <= threshold + 0.01
            kept.append((mask, volume))
        else:
            assert max(shared) > threshold - 0.01


def test_touching_nuclei_are_told_apart_and_ids_do_not_matter() -> None:
    labels = nuclei(1)
    names = np.random.default_rng(0).permutation(2**31 - 1 - np.arange(labels.max() + 1))
    names[0] = 0
    target = stardist.targets(labels, n_rays=N_RAYS, spacing=SPACING)
    renamed = stardist.targets(names[labels], n_rays=N_RAYS, spacing=SPACING)
    np.testing.assert_array_equal(renamed, target)
    found = stardist.segment(target, logits=False, spacing=SPACING)
    pairs = match(labels, found, threshold=0.5)
    assert (pairs.fp, pairs.fn) == (0, 0)


# ---- corners


def test_no_objects() -> None:
    none = stardist.targets(np.zeros((3, 6, 7), np.int32), n_rays=8)
    assert none.shape == (9, 3, 6, 7)
    assert not none.any()
    assert len(stardist.polygons(none, logits=False)) == 0
    assert not stardist.segment(none, logits=False).any()


@pytest.mark.parametrize("shape", [(1, 9, 9), (9, 1, 9), (2, 9, 9)])
def test_flat_volumes(shape: tuple[int, ...]) -> None:
    """No star, so it comes in pieces, but each of them lies in one object."""
    labels = np.zeros(shape, np.int32)
    labels[..., :4], labels[..., 6:] = 1, 2
    found = stardist.segment(stardist.targets(labels, n_rays=24), logits=False)
    pieces = np.unique(np.stack([found[labels > 0], labels[labels > 0]]), axis=1)
    assert len(np.unique(pieces[0, pieces[0] > 0])) == (pieces[0] > 0).sum() > 1
    assert not found[labels == 0].any()


def test_one_voxel_is_an_object_also_beside_another() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2, 3], labels[1, 2, 4], labels[3, 4, 5] = 200, 7, 9
    found = stardist.segment(stardist.targets(labels, n_rays=32), logits=False)
    assert ((found > 0) == (labels > 0)).all()
    assert len(np.unique(found)) == 4


def test_rays_that_are_none_or_longer_than_the_volume() -> None:
    output = np.full((9, 5, 7, 7), -5, np.float32)
    output[0, 2, 3, 3] = 3
    assert stardist.segment(output).sum() == 1
    output[1:, 2, 3, 3] = 1e30
    assert (stardist.segment(output) == 1).all()


@pytest.mark.parametrize(
    ("labels", "how", "error", "message"),
    [
        (np.ones((2, 3, 4, 5), int), {}, ValueError, "labels of one image or volume"),
        (np.ones((4, 4, 4)), {}, TypeError, "got float64"),
        (np.ones((4, 4, 4), int), {"n_rays": 4}, ValueError, "n_rays of 5 or more, got 4"),
        (np.ones((4, 4, 4), int), {"spacing": (1, 1)}, ValueError, "spacing"),
        (np.ones((4, 4, 4), int), {"spacing": (0, 1, 1)}, ValueError, "spacing"),
        (np.ones((4, 4), int), {"spacing": (2, 1)}, ValueError, "square pixels"),
    ],
)
def test_bad_labels(labels: Any, how: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        stardist.targets(labels, **how)


def test_bad_output() -> None:
    with pytest.raises(ValueError, match=r"in volumes 5 or more, got \(5, 4, 4, 4\)"):
        stardist.segment(np.ones((5, 4, 4, 4)))
    with pytest.raises(ValueError, match="spacing"):
        stardist.segment(np.ones((9, 4, 4, 4)), spacing=(1, 2))
    with pytest.raises(ValueError, match="square pixels"):
        stardist.segment(np.ones((9, 4, 4)), spacing=(1, 2))
