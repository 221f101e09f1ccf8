import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label, maximum
from scipy.special import logit

from aimicro import data, simulate
from aimicro.metrics import average_precision
from aimicro.segment.unet import border_weights, segment, targets

RNG = np.random.default_rng(0)


def touching(*shape: int, n: int, radius: float) -> np.ndarray:
    """Nuclei, some of which touch each other or the border of the image, with gaps in the ids."""
    _, labels = simulate.nuclei(shape, n=n, radius_um=radius, pixel_size_um=1, rng=1)
    return labels * 3


FLAT, DEEP = touching(96, 110, n=28, radius=8), touching(20, 40, 44, n=6, radius=8)


# ---- what is learned


def test_inside_is_one_and_outside_zero() -> None:
    for labels in (FLAT, DEEP, FLAT.astype(np.uint16), FLAT.astype(np.int64) << 40):
        found = targets(labels)
        assert found.dtype == np.float32
        assert np.array_equal(found, (labels > 0)[np.newaxis])


@pytest.mark.parametrize("labels", [FLAT, DEEP], ids=["image", "volume"])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_border_is_what_is_near_the_end_of_an_object(labels: np.ndarray, width: int) -> None:
    """By distance transforms, one for each object; beyond the image nothing ends."""
    expected = np.zeros(labels.shape, bool)
    for number in np.unique(labels)[1:]:
        mask = labels == number
        expected |= mask & (distance_transform_edt(mask) <= width)
    background, inside, border = targets(labels, borders=width)
    assert np.array_equal(border, expected)
    assert np.array_equal(background, labels == 0)
    assert np.array_equal(inside, (labels > 0) & ~expected)


def test_image_border_is_no_outline() -> None:
    """So a patch is taught what the whole image would be, but for what it cannot see."""
    assert targets(np.ones((5, 6), int), borders=2)[1].all()
    whole, patch = (targets(labels, borders=2) for labels in (FLAT, FLAT[10:60, 10:60]))
    assert np.array_equal(patch[:, 2:-2, 2:-2], whole[:, 12:58, 12:58])


def test_border_may_be_flat_where_planes_are_far_apart() -> None:
    plane_by_plane = [targets(plane, borders=2) for plane in DEEP]
    assert np.array_equal(targets(DEEP, borders=(0, 2, 2)), np.stack(plane_by_plane, axis=1))
    assert np.array_equal(targets(DEEP, borders=(2, 2, 2)), targets(DEEP, borders=2))


def test_turning_labels_turns_the_target() -> None:
    turned = targets(np.rot90(FLAT), borders=2)
    assert np.array_equal(turned, np.rot90(targets(FLAT, borders=2), axes=(1, 2)))


@pytest.mark.parametrize(
    "labels", [FLAT, DEEP[::4], np.where(FLAT, FLAT, 1)], ids=["image", "volume", "full"]
)
@pytest.mark.parametrize(("w0", "sigma"), [(10, 5), (4, 1.5)])
def test_weights_follow_the_formula(labels: np.ndarray, w0: float, sigma: float) -> None:
    ids = [number for number in np.unique(labels) if number]
    distances = np.sort([distance_transform_edt(labels != number) for number in ids], axis=0)
    gap = distances[0] + distances[1]
    expected = 1 + w0 * np.exp(-(gap**2) / (2 * sigma**2))
    found = border_weights(labels, w0=w0, sigma=sigma)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=w0 / 2900)


def test_without_two_objects_there_is_no_gap() -> None:
    assert (border_weights(np.zeros((4, 5), int)) == 1).all()
    assert (border_weights(np.eye(5, dtype=int)) == 1).all()


def test_contacts_weigh_most() -> None:
    weights = border_weights(np.kron([[1, 2]], np.ones((6, 30), int)), sigma=2)
    assert weights.argmax(axis=1) == pytest.approx(29)
    assert weights[:, [29, 30]] == pytest.approx(1 + 10 * np.exp(-1 / 8))
    assert (weights[:, [0, 59]] == 1).all()


# ---- and back


@pytest.mark.parametrize("borders", [1, 2])
def test_true_classes_give_real_nuclei_back(borders: int, real_nuclei: data.Collection) -> None:
    """Those that have an inside, and in one piece, when the outline is taken from them."""
    for labels in real_nuclei.truth[:3]:
        pieces, n = label(targets(labels, borders=borders)[1])
        ids, counts = np.unique(maximum(labels, pieces, range(1, n + 1)), return_counts=True)
        truth = np.where(np.isin(labels, ids[counts == 1]), labels, 0)
        assert len(ids) > 0.95 * (len(np.unique(labels)) - 1)
        found = segment(targets(truth, borders=borders), logits=False)
        assert np.array_equal(found > 0, truth > 0)
        at_75, at_90 = average_precision(truth, found, thresholds=[0.75, 0.9])
        assert at_75 == 1
        assert at_90 > 0.97


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2), st.lists(st.integers(6, 15), min_size=2, max_size=5), st.data())
def test_touching_blocks_come_apart_at_full_size(
    borders: int, columns: list[int], drawn: st.DataObject
) -> None:
    """Columns of blocks of any size side by side, some of them missing."""
    labels, corner = np.zeros((40, sum(columns)), np.int32), 0
    for width in columns:
        heights = drawn.draw(st.lists(st.integers(6, 15), min_size=1, max_size=4))
        for top, height in zip(np.cumsum([0, *heights]), heights, strict=False):
            if height < len(labels) - top and drawn.draw(st.booleans()):
                labels[top : top + height, corner : corner + width] = labels.max() + 1
        corner += width
    found = segment(targets(labels, borders=borders), logits=False)
    assert average_precision(labels, found, thresholds=0.75) == 1
    assert np.array_equal(found > 0, labels > 0)


def test_volume_comes_back() -> None:
    found = segment(targets(DEEP, borders=1), logits=False)
    assert found.shape == DEEP.shape
    assert average_precision(DEEP, found, thresholds=0.75) == 1


def test_objects_that_do_not_touch_need_no_borders() -> None:
    labels = np.zeros((9, 12), np.int32)
    labels[1:4, 1:5], labels[4:8, 5:9] = 7, 2  # corner to corner
    for target in (targets(labels), targets(labels)[0]):
        found = segment(target, logits=False)
        assert found.dtype == np.int32
        assert average_precision(labels, found, thresholds=1.0) == 1


def test_thin_objects_are_kept_as_they_are() -> None:
    labels = np.zeros((12, 12), np.int32)
    labels[2, 1:9], labels[5:11, 2:8] = 1, 2
    classes = targets(labels, borders=1)
    assert not classes[1][labels == 1].any()
    assert average_precision(labels, segment(classes, logits=False), thresholds=1.0) == 1


def test_objects_meet_where_the_inside_is_least_likely() -> None:
    inside = np.array([[0.9, 0.9, 0.4, 0.3, 0.1, 0.9, 0.9]])
    found = segment(np.stack([0 * inside, inside, 1 - inside]), logits=False)
    assert found[0, [0, 1, 2, 3, 5, 6]].tolist() == [1, 1, 1, 1, 2, 2]


def test_a_higher_seed_threshold_cuts_more() -> None:
    inside = np.array([[0.95, 0.9, 0.7, 0.6, 0.7, 0.9, 0.95]])
    classes = np.stack([0 * inside, inside, 1 - inside])
    counts = [
        segment(classes, seed_threshold=seed, logits=False).max() for seed in (0.5, 0.65, 0.8, 0.97)
    ]
    assert counts == [1, 2, 2, 1]  # the last has no seed, and is whole
    assert (segment(classes, seed_threshold=0.8, logits=False) > 0).all()


@pytest.mark.parametrize("shape", [(20, 30), (6, 20, 30)])
def test_logits_and_probabilities_agree(shape: tuple[int, ...]) -> None:
    chances = RNG.uniform(0.01, 0.99, (1, *shape))
    assert np.array_equal(segment(logit(chances)), segment(chances, logits=False))
    classes = RNG.dirichlet((1, 1, 1), shape)
    classes = np.moveaxis(classes, -1, 0)
    shifted = np.log(classes) + RNG.normal(size=shape)  # which a softmax does not see
    assert np.array_equal(segment(shifted), segment(classes, logits=False))


def test_threshold_and_smallest_size_decide_what_is_an_object() -> None:
    chances = np.array([[0.6, 0.6, 0.1, 0.8, 0.1, 0.9, 0.9, 0.9]])
    found = [
        segment(chances, threshold=threshold, min_pixels=least, logits=False)[0].tolist()
        for threshold, least in ((0.5, 0), (0.5, 2), (0.7, 1), (0.5, 4))
    ]
    assert found[0] == [1, 1, 0, 2, 0, 3, 3, 3]
    assert found[1] == [1, 1, 0, 0, 0, 2, 2, 2]
    assert found[2] == [0, 0, 0, 1, 0, 2, 2, 2]
    assert found[3] == [0] * 8


def test_nothing_is_found_where_nothing_is() -> None:
    for output in (np.full((1, 8, 8), -50.0), np.stack([np.full((8, 8), c) for c in (50, 0, 0)])):
        assert not segment(output).any()
    assert not targets(np.zeros((8, 8), int), borders=2)[1:].any()
    assert (segment(np.full((8, 8), 50)) == 1).all()


# ---- bad input


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        (np.ones((4, 4)), {}, "as labels, whole numbers, got float64"),
        (np.ones((4, 4), bool), {}, "a number for each object, got a mask"),
        (np.ones((2, 3, 4, 4), int), {}, r"of shape \(Y, X\) or \(Z, Y, X\)"),
        (np.full((4, 4), -1), {}, "from 0 .background. up, got -1"),
        (FLAT, {"borders": -1}, "Expected borders of 0 or more, got -1"),
        (FLAT, {"borders": 1.5}, "Expected borders as a whole number of 0 or more, got 1.5"),
        (FLAT, {"borders": True}, "Expected borders as a whole number of 0 or more, got True"),
        (FLAT, {"borders": (1, 2, 2)}, "Expected borders as one number or 2"),
    ],
)
def test_bad_labels_are_refused(labels: np.ndarray, arguments: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        targets(labels, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"w0": -1}, "Expected w0 of 0 or more"), ({"sigma": 0}, "Expected sigma above 0 px, got 0")],
)
def test_bad_weights_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        border_weights(FLAT, **arguments)


@pytest.mark.parametrize(
    ("output", "arguments", "message"),
    [
        (np.zeros((2, 3, 8, 8)), {}, r"of 1 channel, or 3 .*, got 2 in shape \(2, 3, 8, 8\)"),
        (np.full((8, 8), np.nan), {}, "finite pixels, got 64 of 64"),
        (np.zeros(8), {}, "Expected output of shape"),
        (np.full((8, 8), 3.0), {"logits": False}, "from 0 to 1, got 3 to 3. Leave out logits"),
        (np.full((3, 8, 8), 0.5), {"logits": False}, "with a sum of 1, got 1.5 to 1.5"),
        (np.zeros((8, 8)), {"threshold": 1}, "Expected threshold above 0 to below 1, got 1"),
        (np.zeros((8, 8)), {"seed_threshold": 0}, "seed_threshold above 0 to below 1, got 0"),
        (np.zeros((8, 8)), {"min_pixels": -1}, "Expected min_pixels of 0 or more, got -1"),
    ],
)
def test_bad_outputs_are_refused(output: np.ndarray, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segment(output, **arguments)


def test_a_waist_is_cut_only_where_it_is_asked_for() -> None:
    y, x = np.mgrid[:40, :64]
    two = (np.hypot(y - 20, x - 20) < 14) | (np.hypot(y - 20, x - 44) < 14)
    said = targets(two.astype(np.int32), borders=2)
    assert segment(said, logits=False).max() == 1
    assert segment(said, logits=False, waist_depth=50).max() == 1
    cut = segment(said, logits=False, waist_depth=0.5)
    assert cut.max() == 2
    assert np.array_equal(cut > 0, two)
    assert len(np.unique(cut[:, :28][two[:, :28]])) == 1
    with pytest.raises(ValueError, match="depth"):
        segment(said, logits=False, waist_depth=-1)
