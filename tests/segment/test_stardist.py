import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import expit
from skimage.draw import line, polygon

from aimicro import data, simulate
from aimicro.metrics import match
from aimicro.segment import stardist

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

RECORDED = Path(__file__).parent / "recorded" / "stardist.json"
FIELDS = (0, 3, 6)
CROP = (slice(0, 220), slice(0, 348))
SAMPLES = 40


# ---- label images, and what a network might say of them


def crops(truth: Sequence[Labels]) -> list[Labels]:
    """Parts of three fields of real nuclei."""
    return [np.ascontiguousarray(truth[field][CROP]) for field in FIELDS]


def predicted(labels: Labels, noise: float) -> Floats:
    """Targets with errors, smooth ones and others, as a network makes them."""
    rng = np.random.default_rng(5)
    target = stardist.targets(labels)
    smooth = ndimage.gaussian_filter(rng.normal(size=target.shape), (1, 2, 2))
    errors = smooth / smooth.std() + 0.3 * rng.normal(size=target.shape)
    # Logits, no two of them the same. None in the background: the published program keeps each
    # polygon that covers no whole pixel, because nothing can share an area with it.
    target[0] = 10 * (target[0] + noise * errors[0] * (labels > 0) - 0.5)
    target[1:] = np.maximum(target[1:] * (1 + noise * errors[1:]), 0)
    return target


def sampled(labels: Labels) -> npt.NDArray[np.intp]:
    """Some pixels of objects, as numbers in the flat image."""
    return np.random.default_rng(1).choice(np.flatnonzero(labels), SAMPLES, replace=False)


def ellipse(
    axes: tuple[float, float], turn: float, n_rays: int = 32, shape: tuple[int, int] = (100, 104)
) -> tuple[Labels, Floats]:
    """Label of an ellipse and, from each pixel in it, the exact lengths of rays."""
    (y, x), centre = np.indices(shape), (50.3, 51.6)
    turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    scale = turned / np.array(axes)[:, None]  # in these coordinates it is the unit circle
    place = np.tensordot(scale, [y - centre[0], x - centre[1]], axes=1)
    angle = np.arange(n_rays) * 2 * math.pi / n_rays
    ray = scale @ [np.sin(angle), np.cos(angle)]
    a, c = (ray**2).sum(axis=0)[:, None, None], (place**2).sum(axis=0) - 1
    b = np.tensordot(ray.T, place, axes=1)
    return (c <= 0).astype(np.int32), (-b + np.sqrt(np.maximum(b**2 - a * c, 0))) / a


# ---- rays and probability


@pytest.mark.parametrize(
    ("axes", "turn"),
    [((20, 20), 0), ((12, 25), 0.4), ((30, 45), 1.1), ((8, 9), 2), ((10, 30), 0.7)],
)
def test_rays_of_ellipses_are_their_analytic_lengths(axes, turn) -> None:
    """Within a pixel; where a ray meets the staircase of pixels at a flat angle, a bit more.

    The published program measures the same lengths, see below.
    """
    labels, exact = ellipse(axes, turn)
    target = stardist.targets(labels)
    error = np.abs(target[1:] - exact)
    inner, all_of_it = error[:, target[0] > 0.5], error[:, labels > 0]
    assert (inner < 1).mean() > 0.97
    assert inner.max() < 1.9
    assert (all_of_it < 1).mean() > 0.95
    assert all_of_it.mean() < 0.45


def walked(labels: Labels, n_rays: int) -> npt.NDArray[np.float64]:
    """Lengths of rays, one pixel and one step after the other."""
    lengths = np.zeros((n_rays, *labels.shape))
    for y, x in zip(*np.nonzero(labels), strict=True):
        for k in range(n_rays):
            angle = 2 * math.pi * k / n_rays
            dy, dx = math.sin(angle), math.cos(angle)
            steps = 0
            while True:
                i = y + int(np.rint(round((steps + 1) * dy, 6)))
                j = x + int(np.rint(round((steps + 1) * dx, 6)))
                outside = not (0 <= i < labels.shape[0] and 0 <= j < labels.shape[1])
                if outside or labels[i, j] != labels[y, x]:
                    break
                steps += 1
            lengths[k, y, x] = steps + 0.5 / max(abs(dy), abs(dx))
    return lengths


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), n_rays=st.sampled_from([3, 5, 8, 12, 32]))
def test_rays_follow_their_definition(seed: int, n_rays: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 2))
    coarse = rng.integers(0, 4, shape).astype(np.int32)
    labels = coarse.repeat(rng.integers(1, 3), axis=0).repeat(rng.integers(1, 4), axis=1)
    target = stardist.targets(labels, n_rays=n_rays)
    np.testing.assert_allclose(target[1:], walked(labels, n_rays), rtol=1e-6)


def test_rays_longer_than_a_byte_counts_and_than_what_is_done_at_once() -> None:
    bar = np.zeros((400, 400), np.int32)
    bar[2:-2, 20:380] = 1
    target = stardist.targets(bar, n_rays=4)
    assert target[1:, 100, 50].tolist() == [329.5, 297.5, 30.5, 98.5]


def test_the_probability_is_the_distance_to_the_nearest_other_pixel(
    fields: list[Labels],
) -> None:
    labels = fields[0][40:90, 60:110]
    probability = stardist.targets(labels, n_rays=3)[0]
    for number in np.unique(labels[labels > 0]):
        inside, other = np.argwhere(labels == number), np.argwhere(labels != number)
        nearest = np.sqrt(((inside[:, None] - other) ** 2).sum(axis=-1).min(axis=1))
        np.testing.assert_allclose(probability[tuple(inside.T)], nearest / nearest.max(), rtol=1e-6)
    assert (probability[labels == 0] == 0).all()


def test_an_object_that_fills_the_image_ends_at_its_frame() -> None:
    target = stardist.targets(np.full((5, 5), 9), n_rays=4)
    assert target[0, 2].tolist() == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert target[1:, 2, 2].tolist() == [2.5] * 4


# ---- polygons


@pytest.fixture(scope="module")
def fields(real_nuclei: data.Collection) -> list[Labels]:
    return crops(real_nuclei.truth)


def star_shaped(labels: Labels, found: stardist.Polygons) -> set[int]:
    """Objects of some size that a polygon's point sees as a whole, along lines of pixels."""
    seen = set()
    for y, x in found.points:
        own = np.pad(labels == labels[y, x], 1).astype(np.int32)
        box = ndimage.find_objects(own)[0]
        mask, corner = own[box] > 0, [side.start - 1 for side in box]
        border = np.argwhere(mask & ~ndimage.binary_erosion(mask))
        if mask.sum() >= 100 and all(
            mask[line(y - corner[0], x - corner[1], *end)].all() for end in border
        ):
            seen.add(int(labels[y, x]))
    return seen


def test_polygons_from_true_rays_are_the_labels(fields: list[Labels]) -> None:
    """With 64 rays, all that are star-shaped with an IoU of 0.95 or more; with 32 nearly all."""
    simulated = [
        simulate.specimens.nuclei((256, 256), n=25, radius_um=radius, rng=seed)[1]
        for seed, radius in enumerate((3.0, 5.0))
    ]
    scores: dict[int, list[float]] = {32: [], 64: []}
    objects = 0
    for labels in [*fields[1:], *simulated]:
        star = None
        objects += len(np.unique(labels[labels > 0]))
        for n_rays in scores:
            found = stardist.polygons(stardist.targets(labels, n_rays=n_rays), logits=False)
            star = star_shaped(labels, found) if star is None else star
            pairs = match(labels, found.paint(labels.shape), threshold=0.3).pairs
            score = dict(zip(pairs.truth.tolist(), pairs.score.tolist(), strict=True))
            scores[n_rays] += [score[number] for number in star]
    assert len(scores[64]) > 0.85 * objects > 100
    assert min(scores[64]) >= 0.95
    assert min(scores[32]) >= 0.93
    assert np.mean(np.array(scores[32]) >= 0.95) > 0.95


# ---- against the published program


def test_equal_to_the_published_program(fields: list[Labels]) -> None:
    recorded = json.loads(RECORDED.read_text())
    assert len(recorded["fields"]) == len(fields)
    for labels, theirs in zip(fields, recorded["fields"], strict=True):
        target = stardist.targets(labels)
        some = target.reshape(len(target), -1)[:, sampled(labels)]
        np.testing.assert_allclose(some.T, theirs["targets"], rtol=2e-6)
        sums = target.sum(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(sums, theirs["sums"], rtol=1e-6)
        for noise, chosen in theirs["chosen"].items():
            found = stardist.polygons(predicted(labels, float(noise)))
            assert found.points.tolist() == chosen["points"]
            areas = np.bincount(found.paint(labels.shape).ravel())
            assert areas.tolist() == chosen["areas"]


# ---- suppression


def stars(seed: int, n: int) -> tuple[Floats, list[tuple[int, int]]]:
    """Output with n candidates of odd shapes, the most probable first, and where they are."""
    rng = np.random.default_rng(seed)
    output = np.zeros((13, 48, 48), np.float32)
    pixels = rng.choice(32 * 32, n, replace=False)
    places = [(8 + int(p) // 32, 8 + int(p) % 32) for p in pixels]
    for rank, (y, x) in enumerate(places):
        output[0, y, x] = 1 - rank / 100
        output[1:, y, x] = rng.uniform(3, 8) * rng.uniform(0.6, 1.3, 12)
    return output, places


def finely(point: tuple[int, int], distances: Floats) -> npt.NDArray[np.bool_]:
    """A polygon on a grid of 8 points in each pixel along both axes."""
    angle = np.arange(len(distances)) * 2 * math.pi / len(distances)
    y, x = point[0] + distances * np.sin(angle), point[1] + distances * np.cos(angle)
    grid = np.zeros((48 * 8, 48 * 8), np.bool_)
    grid[polygon(y * 8, x * 8, grid.shape)] = True
    return grid


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.0, 0.2, 0.4, 0.7, 1.0]))
def test_what_is_kept_follows_the_definition(seed: int, threshold: float) -> None:
    """By areas on a fine grid; where they are within 0.02 of the threshold, both may be right."""
    output, places = stars(seed, 7)
    masks = [finely(place, output[1:, *place]) for place in places]
    found = stardist.polygons(output, overlap_threshold=threshold, logits=False)
    chosen = {tuple(point) for point in found.points.tolist()}
    kept: list[npt.NDArray[np.bool_]] = []
    for place, mask in zip(places, masks, strict=True):
        shared = [(mask & one).sum() / min(mask.sum(), one.sum()) for one in kept]
        if place in chosen:
            assert max(shared, default=0) <= threshold + 0.02
            kept.append(mask)
        else:
            assert max(shared) > threshold - 0.02


def test_the_more_probable_one_comes_first_and_lies_on_top() -> None:
    output = np.zeros((33, 40, 60), np.float32)
    for x, probability in ((20, 0.7), (34, 0.9)):
        output[0, 20, x] = probability
        output[1:, 20, x] = 10.2
    found = stardist.polygons(output, logits=False)
    assert found.points.tolist() == [[20, 34], [20, 20]]
    assert found.probability.tolist() == pytest.approx([0.9, 0.7])
    painted = stardist.segment(output, logits=False)
    assert painted[20, 27] == 1
    assert painted[20, 15] == 2
    assert painted.dtype == np.int32
    np.testing.assert_allclose(found.corners[0, 8], [30.2, 34], atol=1e-5)
    assert len(stardist.polygons(output, logits=False, overlap_threshold=0.1)) == 1


def test_logits_and_probabilities_give_the_same(fields: list[Labels]) -> None:
    output = predicted(fields[0][:128, :128], 0.05)
    probable = output.copy()
    probable[0] = expit(output[0])
    one, other = stardist.polygons(output), stardist.polygons(probable, logits=False)
    assert len(one) > 5
    assert one.points.tolist() == other.points.tolist()
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)
    np.testing.assert_array_equal(one.distances, other.distances)


def test_logits_too_large_for_a_probability_still_tell_which_is_first() -> None:
    output = np.full((5, 9, 9), -9, np.float32)
    output[1:] = 2
    output[0, 4, 3:6] = 40, 90, 50
    assert stardist.polygons(output).points.tolist() == [[4, 4]]
    assert stardist.polygons(output).probability.tolist() == [1]


# ---- properties


def test_ids_do_not_matter(fields: list[Labels]) -> None:
    labels = fields[2][:80, :80]
    names = np.random.default_rng(0).permutation(2**31 - 1 - np.arange(labels.max() + 1))
    names[0] = 0
    expected = stardist.targets(labels)
    for dtype in (np.int64, np.uint32, ">i4"):
        np.testing.assert_array_equal(stardist.targets(names[labels].astype(dtype)), expected)
    small = names.argsort().argsort()  # the same names, from 0 to the number of objects
    np.testing.assert_array_equal(stardist.targets(small[labels].astype(np.uint16)), expected)


def test_more_ids_than_sixteen_bits_hold() -> None:
    """The published program takes the ids 1 and 65,537 for one object."""
    labels = np.ones((300, 300), np.int32)
    labels[:, 150:] = 65537
    assert stardist.targets(labels, n_rays=4)[1, 7, [0, 149, 150]].tolist() == [149.5, 0.5, 149.5]


@pytest.mark.parametrize("n_rays", [4, 12, 32])
def test_turned_labels_have_turned_targets(fields: list[Labels], n_rays: int) -> None:
    labels = fields[1][:90, :120]
    target = stardist.targets(labels, n_rays=n_rays)
    turned = stardist.targets(np.rot90(labels), n_rays=n_rays)
    back = np.rot90(turned, -1, axes=(1, 2))
    np.testing.assert_array_equal(back[0], target[0])
    # Turned to the left, +x becomes -y: what was ray 0 is ray 3/4 n.
    np.testing.assert_allclose(np.roll(back[1:], n_rays // 4, axis=0), target[1:], rtol=1e-6)


def test_turned_output_has_turned_polygons(fields: list[Labels]) -> None:
    output = predicted(fields[1][:150, :180], 0.05)
    found = stardist.polygons(output)
    turned = np.rot90(output, axes=(1, 2)).copy()
    turned[1:] = np.roll(turned[1:], -8, axis=0)
    again = stardist.polygons(turned)
    expected = np.stack([179 - found.points[:, 1], found.points[:, 0]], axis=1)
    assert again.points.tolist() == expected.tolist()
    assert len(found) > 10


def test_no_objects() -> None:
    none = stardist.targets(np.zeros((6, 7), np.int32))
    assert none.shape == (33, 6, 7)
    assert none.dtype == np.float32
    assert not none.any()
    found = stardist.polygons(none, logits=False)
    assert len(found) == 0
    assert found.corners.shape == (0, 32, 2)
    assert not stardist.segment(none, logits=False).any()


def test_objects_at_the_frame_are_found() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[:9, :9], labels[21:, 15:25], labels[10:18, 32:] = 1, 2, 3
    found = stardist.segment(stardist.targets(labels), logits=False)
    pairs = match(labels, found, threshold=0.9)
    assert (pairs.tp, pairs.fp) == (3, 0)


def test_one_pixel_is_an_object() -> None:
    labels = np.zeros((5, 5), np.uint8)
    labels[2, 3] = 200
    found = stardist.segment(stardist.targets(labels), logits=False)
    assert (found == (labels > 0)).all()


def test_what_comes_in_is_left_as_it_was(fields: list[Labels]) -> None:
    labels = fields[0][:64, :64]
    output = stardist.targets(labels)
    copies = labels.copy(), output.copy()
    stardist.segment(output, logits=False)
    np.testing.assert_array_equal(labels, copies[0])
    np.testing.assert_array_equal(output, copies[1])


# ---- bad input


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones((8, 8)), TypeError, "got float64"),
        (np.ones((8, 8), bool), TypeError, "a mask of true and false"),
        (np.ones((8, 8, 3), np.uint8), ValueError, r"\(Y, X\).*not a colour picture"),
        (np.ones((5, 8, 8), np.int32), ValueError, "a stack of masks"),
        (np.zeros((0, 8), np.int32), ValueError, r"got \(0, 8\)"),
        (np.full((8, 8), -1), ValueError, "got -1"),
    ],
)
def test_bad_labels(bad: npt.NDArray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        stardist.targets(bad)


def test_bad_numbers_of_rays() -> None:
    labels = np.ones((8, 8), np.int32)
    with pytest.raises(ValueError, match="n_rays of 3 or more, got 2"):
        stardist.targets(labels, n_rays=2)
    with pytest.raises(TypeError, match="n_rays as a whole number"):
        stardist.targets(labels, n_rays=32.0)


def output_with(value: float) -> Floats:
    output = np.ones((5, 8, 8), np.float32)
    output[2, 3, 3] = value
    return output


@pytest.mark.parametrize("function", [stardist.polygons, stardist.segment])
@pytest.mark.parametrize(
    ("bad", "settings", "error", "message"),
    [
        (np.ones((3, 8, 8)), {}, ValueError, r"3 distances or more, got \(3, 8, 8\)"),
        (np.ones((8, 8)), {}, ValueError, r"\(1 \+ n_rays, Y, X\).*got \(8, 8\)"),
        (np.ones((1, 5, 8, 8)), {}, ValueError, "for one image"),
        (output_with(math.nan), {}, ValueError, "1 of 320 NaN or infinite"),
        (output_with(math.inf), {}, ValueError, "1 of 320 NaN or infinite"),
        (np.ones((5, 8, 8)) * 7, {"logits": False}, ValueError, "Give logits=True"),
        (np.ones((5, 8, 8)) * 1j, {}, TypeError, "complex128"),
        (output_with(1), {"probability_threshold": 1}, ValueError, "probability_threshold from 0"),
        (output_with(1), {"probability_threshold": "0.5"}, TypeError, "got '0.5'"),
        (output_with(1), {"overlap_threshold": 40}, ValueError, "overlap_threshold from 0 to 1"),
        (output_with(1), {"overlap_threshold": -0.1}, ValueError, "overlap_threshold from 0 to 1"),
    ],
)
def test_bad_output(function, bad, settings, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function(bad, **settings)


def test_distances_that_are_none_make_small_or_large_polygons() -> None:
    output = np.full((9, 12, 12), -5, np.float32)
    output[0, 6, 6] = 3
    assert stardist.polygons(output).distances.tolist() == [[np.float32(1e-3)] * 8]
    output[1:, 6, 6] = 1e30
    assert (stardist.segment(output) == 1).all()
