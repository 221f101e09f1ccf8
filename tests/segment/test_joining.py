import numpy as np
import pytest
from scipy.spatial import ConvexHull

from aimicro import data
from aimicro.segment import SegmentationTask, foreground, watershed_by_distance
from aimicro.segment._lines import SIGHTS
from aimicro.segment.joining import Joiner, contacts

RNG = np.random.default_rng(5)
Y, X = np.mgrid[:96, :120]


def discs() -> np.ndarray:
    """Twelve discs in pairs that touch, the left one with odd ids."""
    labels = np.zeros(Y.shape, np.int32)
    for k, (cy, cx) in enumerate((y, x) for y in (16, 48, 80) for x in (20, 80)):
        labels[np.hypot(Y - cy, X - cx) < 12] = 2 * k + 1
        labels[np.hypot(Y - cy, X - cx - 22) < 11] = 2 * k + 2
    return labels


TRUTH = discs()
IMAGE = np.where(TRUTH > 0, 60.0 + 25 * (TRUTH % 2), 5) + RNG.normal(0, 1, TRUTH.shape)
CUT = np.where((TRUTH % 4 == 1) & (Y % 32 > 16), TRUTH + 100, TRUTH)
JOINER = Joiner.fit([CUT], images=[IMAGE], truths=[TRUTH])


def partition(labels: np.ndarray) -> set[bytes]:
    return {(labels == i).tobytes() for i in np.unique(labels) if i}


def test_what_is_seen_of_two_rectangles_is_what_was_drawn() -> None:
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:35], labels[5:25, 35:55] = 40, 7
    found = contacts(labels, np.choose(labels // 7, [10.0, 40, 0, 0, 0, 70]))
    assert found.pairs == [(7, 40)]
    seen = dict(zip(SIGHTS, found.sights[0], strict=True))
    assert seen["likeness of light"] == pytest.approx(0.5)
    assert seen["fill"] == pytest.approx(1)
    assert seen["fill lost"] == pytest.approx(0)
    assert seen["smaller area"] == pytest.approx(np.log(400))
    assert seen["area"] == pytest.approx(np.log(1000))
    assert seen["line to side"] == pytest.approx(1)
    assert seen["line to whole"] == pytest.approx(20 / 1000**0.5)


def test_a_line_may_be_dark() -> None:
    labels = np.repeat([[1] * 10 + [2] * 10], 12, axis=0)
    image = np.full(labels.shape, 8.0)
    image[:, 8:12] = 2
    seen = contacts(labels, image).sights[0]
    assert 0.2 < seen[1] <= seen[0] < 0.5


def test_hulls_are_those_of_the_corners_of_pixels() -> None:
    found = contacts(TRUTH, IMAGE)
    for (a, b), seen in zip(found.pairs, found.sights, strict=True):
        places = np.argwhere((a == TRUTH) | (b == TRUTH))
        ends = np.array([(y, x) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
        corners = (places[:, np.newaxis] + ends).reshape(-1, 2)
        assert seen[3] == pytest.approx(len(places) / ConvexHull(corners).volume, abs=0.03)


def test_pieces_that_only_meet_at_a_corner_or_not_at_all_do_not_touch() -> None:
    assert contacts([[1, 0, 2], [0, 3, 0]], np.ones((2, 3))).pairs == []
    assert contacts(np.zeros((4, 4), int), np.ones((4, 4))).sights.shape == (0, len(SIGHTS))


def test_false_cuts_are_joined_and_true_lines_stay() -> None:
    assert len(contacts(CUT, IMAGE).pairs) > len(contacts(TRUTH, IMAGE).pairs)
    assert partition(JOINER.join(CUT, IMAGE)) == partition(TRUTH)
    assert partition(JOINER.join(CUT, IMAGE, threshold=1)) == partition(CUT)
    groups = JOINER.join(CUT, IMAGE, threshold=0)
    assert groups.max() == 6  # all that touches
    assert set(np.unique(groups)) == set(range(7))


def test_names_directions_and_units_do_not_matter() -> None:
    names = RNG.permutation(1000)[: CUT.max() + 1] + 1
    names[0] = 0
    expected = JOINER.join(CUT, IMAGE) > 0
    assert partition(JOINER.join(names[CUT], 3 * IMAGE + 7)) == partition(TRUTH)
    turned = JOINER.join(np.rot90(CUT), np.rot90(IMAGE))
    assert partition(np.rot90(turned, -1).copy()) == partition(TRUTH)
    assert np.array_equal(expected, CUT > 0)
    far = Joiner.fit([names[CUT]], images=[IMAGE], truths=[names[TRUTH]])
    assert partition(far.join(CUT, IMAGE)) == partition(TRUTH)


def test_what_cannot_be_learned_from_or_joined_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got 6 true and 0 false|got 12 true and 0 false"):
        Joiner.fit([TRUTH], images=[IMAGE], truths=[TRUTH])
    with pytest.raises(ValueError, match="got 2"):
        Joiner.fit([CUT, CUT], images=[IMAGE], truths=[TRUTH])
    with pytest.raises(ValueError, match="2D"):
        contacts(CUT[np.newaxis], IMAGE[np.newaxis])
    with pytest.raises(ValueError, match="shape"):
        JOINER.join(CUT, IMAGE[1:])
    with pytest.raises(ValueError, match="threshold"):
        JOINER.join(CUT, IMAGE, threshold=1.5)
    with pytest.raises(TypeError, match="labels"):
        contacts(CUT > 0, IMAGE)


def test_on_real_nuclei_it_mends_a_watershed_that_cuts_too_often(
    real_nuclei: data.Collection,
) -> None:
    train, validation, _ = real_nuclei.split(5, 1, 2)
    cuts = [watershed_by_distance(foreground(image), depth=0.1) for image in train.images]
    joiner = Joiner.fit(cuts, images=train.images, truths=train.truth)
    field = SegmentationTask(name="nuclei", images=validation.images, truths=validation.truth)
    (image,) = validation.images
    cut = watershed_by_distance(foreground(image), depth=0.1)
    assert field.score([joiner.join(cut, image)]) > field.score([cut]) + 0.05
