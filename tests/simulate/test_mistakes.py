"""Each mistake is the one that was asked for, of the size that was asked for, and no other."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.io import imread
from skimage.measure import label

from aimicro.simulate import mistakes

RNG = 5


@pytest.fixture(scope="module")
def nuclei(shared_data):
    path = sorted((shared_data / "bbbc039_nuclei" / "masks_png").glob("*.png"))[0]
    return label(imread(path)[:260, :300, 0]).astype(np.uint16)


@pytest.fixture(scope="module")
def volume():
    """Twelve balls, numbered with gaps."""
    labels = np.zeros((24, 60, 80), np.int64)
    grid = np.indices(labels.shape)
    for k, (z, y, x) in enumerate(np.ndindex(1, 3, 4)):
        centre = np.reshape([12 + z, 10 + 20 * y, 10 + 20 * x], (3, 1, 1, 1))
        labels[((grid - centre) ** 2).sum(axis=0) <= 36 + k] = 3 + 7 * k
    return labels


@pytest.fixture(params=["nuclei", "volume"])
def labels(request):
    return request.getfixturevalue(request.param)


def names(labels):
    return set(np.unique(labels).tolist()) - {0}


CALLS = {
    "shift": lambda x: mistakes.shift(x, 2),
    "grow": lambda x: mistakes.grow(x, 1.5),
    "shrink": lambda x: mistakes.grow(x, -1.5),
    "punch_holes": lambda x: mistakes.punch_holes(x, fraction=0.5, radius=2, rng=RNG),
    "merge": lambda x: mistakes.merge(x, fraction=0.3, rng=RNG),
    "split": lambda x: mistakes.split(x, fraction=0.4, rng=RNG),
    "miss": lambda x: mistakes.miss(x, fraction=0.5, rng=RNG),
    "invent": lambda x: mistakes.invent(x, n=3, radius=2, rng=RNG),
    "rough_outline": lambda x: mistakes.rough_outline(x, amplitude=1.5, rng=RNG),
}
NOTHING = {
    "shift": lambda x: mistakes.shift(x, 0),
    "grow": lambda x: mistakes.grow(x, 0),
    "punch_holes": lambda x: mistakes.punch_holes(x, fraction=0, radius=5, rng=RNG),
    "merge": lambda x: mistakes.merge(x, fraction=0, rng=RNG),
    "split": lambda x: mistakes.split(x, fraction=0, rng=RNG),
    "miss": lambda x: mistakes.miss(x, fraction=0, rng=RNG),
    "invent": lambda x: mistakes.invent(x, n=0, radius=5, rng=RNG),
    "rough_outline": lambda x: mistakes.rough_outline(x, amplitude=0, rng=RNG),
}


# ---- all of them


@pytest.mark.parametrize("name", CALLS)
def test_the_truth_stays_as_it_is_and_the_result_can_be_repeated(labels, name):
    before = labels.copy()
    result = CALLS[name](labels)
    np.testing.assert_array_equal(labels, before)
    assert result.dtype == np.int32
    assert result.shape == labels.shape
    assert (result != labels).any()
    np.testing.assert_array_equal(CALLS[name](labels.tolist()), result)


@pytest.mark.parametrize("name", NOTHING)
def test_a_mistake_of_size_zero_is_none(labels, name):
    np.testing.assert_array_equal(NOTHING[name](labels), labels)


@pytest.mark.parametrize("name", CALLS)
def test_an_empty_image_has_nothing_to_spoil(name):
    result = CALLS[name](np.zeros((30, 30), np.uint8))
    assert len(names(result)) == (3 if name == "invent" else 0)


def test_a_larger_fraction_spoils_the_same_objects_and_more(labels):
    for spoil in (
        lambda f: mistakes.miss(labels, fraction=f, rng=RNG),
        lambda f: mistakes.miss(labels, fraction=f, rng=RNG, smallest_first=True),
        lambda f: mistakes.punch_holes(labels, fraction=f, radius=2, rng=RNG),
    ):
        some, more = (spoil(f) != labels for f in (0.3, 0.6))
        assert some.any()
        assert (some <= more).all()
        assert more.sum() > some.sum()


# ---- each of them


def test_shift_moves_and_loses_what_leaves(labels):
    steps = (1, -2, 3)[-labels.ndim :]
    moved = mistakes.shift(labels, steps)
    np.testing.assert_array_equal(ndimage.shift(labels, steps, order=0), moved)
    np.testing.assert_array_equal(
        mistakes.shift(labels, 4), mistakes.shift(labels, [4] * labels.ndim)
    )
    assert not mistakes.shift(labels, (*(0,) * (labels.ndim - 1), 500)).any()


def test_grow_and_shrink_move_outlines_by_a_distance():
    disc = np.hypot(*(np.indices((61, 61)) - 30)) <= 15
    for by in (-4, -1, 2, 5):
        area = np.count_nonzero(mistakes.grow(disc.astype(int), by))
        assert area == pytest.approx(np.pi * (15 + by) ** 2, rel=0.05)


def test_grown_objects_stop_where_they_meet_and_none_peels_at_the_border_of_the_image(labels):
    larger = mistakes.grow(labels, 6)
    assert names(larger) == names(labels)
    np.testing.assert_array_equal(larger[labels > 0], labels[labels > 0])
    smaller = mistakes.grow(labels, -1)
    kept = smaller > 0
    np.testing.assert_array_equal(smaller[kept], labels[kept])
    for axis in range(labels.ndim):  # a neighbour of another label leaves no pixel on either side
        a, b = (np.take(smaller, np.arange(k, k + labels.shape[axis] - 1), axis) for k in (0, 1))
        assert not ((a != b) & (a > 0) & (b > 0)).any()
    full = np.ones((5, 5), int)
    np.testing.assert_array_equal(mistakes.grow(full, -2), full)


def test_holes_are_inside_and_of_the_radius(labels):
    holed = mistakes.punch_holes(labels, fraction=1, radius=2, rng=RNG)
    assert names(holed) == names(labels)
    holes, n = ndimage.label((labels > 0) & (holed == 0))
    assert n > 0.5 * len(names(labels))
    ball = np.count_nonzero(np.linalg.norm(np.indices((7,) * labels.ndim) - 3, axis=0) <= 2)
    assert np.bincount(holes.ravel())[1:].max() == ball
    outside = np.pad(labels == 0, 1, constant_values=True)
    touching = ndimage.binary_dilation(outside)[(slice(1, -1),) * labels.ndim]
    assert not (touching & (holes > 0)).any()
    half = mistakes.punch_holes(labels, fraction=0.5, radius=2, rng=RNG)
    changed = names(labels[half != labels])
    assert len(changed) == pytest.approx(0.5 * len(names(labels)), abs=0.1 * len(names(labels)))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1])
def test_merge_leaves_so_many_labels_fewer_and_joins_what_it_merges(labels, fraction):
    n = len(names(labels))
    merged = mistakes.merge(labels, fraction=fraction, rng=RNG)
    assert len(names(merged)) == n - min(round(fraction * n), n - 1)
    assert names(merged) <= names(labels)
    assert (merged[labels > 0] > 0).all()
    bridges = (merged > 0) & (labels == 0)
    assert bridges.mean() < 0.05
    for name in names(merged):
        was_in_one_piece = all(
            ndimage.label(labels == part)[1] == 1 for part in names(labels[merged == name])
        )
        assert ndimage.label(merged == name)[1] == 1 or not was_in_one_piece


def test_merge_takes_the_nearest():
    row = np.zeros((7, 40), int)
    row[2:5, 2:6], row[2:5, 9:14], row[2:5, 30:34] = 1, 2, 3
    for seed in range(6):
        joined = mistakes.merge(row, fraction=1 / 3, rng=seed)
        pair = {frozenset(names(row[joined == name])) for name in names(joined)}
        assert pair in ({frozenset({1, 2}), frozenset({3})}, {frozenset({1}), frozenset({2, 3})})
        lost = names(row) - names(joined)
        assert (frozenset({2, 3}) in pair) == (lost == {3})
        if lost != {3}:  # a bridge three pixels wide over the gap of three, its ends included
            assert 9 <= np.count_nonzero((joined > 0) & (row == 0)) <= 11


def test_split_cuts_across_the_long_axis_and_loses_no_pixel(labels):
    n = len(names(labels))
    cut = mistakes.split(labels, fraction=0.5, rng=RNG)
    np.testing.assert_array_equal(cut > 0, labels > 0)
    assert len(names(cut)) == n + round(0.5 * n)
    for name in names(cut):
        assert len(names(labels[cut == name])) == 1
    bar = np.zeros((9, 30), int)
    bar[2:7, 4:24] = 6
    left, right = mistakes.split(bar, fraction=1, rng=RNG)[4, [4, 23]]
    assert {left, right} == {6, 7}
    halves = mistakes.split(bar, fraction=1, rng=RNG)
    assert (halves[2:7, 4:14] == left).all()
    assert (halves[2:7, 14:24] == right).all()
    speck = np.zeros((4, 4), int)
    speck[1, 1] = 1
    np.testing.assert_array_equal(mistakes.split(speck, fraction=1, rng=RNG), speck)


def test_miss_leaves_out_so_many_and_nothing_else(labels):
    n = len(names(labels))
    left = mistakes.miss(labels, fraction=0.25, rng=RNG)
    assert len(names(left)) == n - round(0.25 * n)
    np.testing.assert_array_equal(left[left > 0], labels[left > 0])
    few = mistakes.miss(labels, fraction=0.25, rng=RNG, smallest_first=True)
    sizes = {name: np.count_nonzero(labels == name) for name in names(labels)}
    missed = names(labels) - names(few)
    assert max(sizes[m] for m in missed) <= min(sizes[k] for k in names(few))
    assert not mistakes.miss(labels, fraction=1, rng=RNG).any()


def test_invented_objects_touch_nothing(labels):
    more = mistakes.invent(labels, n=4, radius=3, rng=RNG)
    np.testing.assert_array_equal(more[labels > 0], labels[labels > 0])
    top = int(labels.max())
    assert names(more) - names(labels) == set(range(top + 1, top + 5))
    ball = np.count_nonzero(np.linalg.norm(np.indices((9,) * labels.ndim) - 4, axis=0) <= 3)
    for name in range(top + 1, top + 5):
        assert np.count_nonzero(more == name) == ball
    _, before = ndimage.label(labels > 0)
    _, after = ndimage.label(np.pad(more > 0, 1))
    assert after == before + 4


def test_a_rough_outline_wanders_by_its_amplitude():
    rows = np.zeros((200, 400), int)
    rows[:100] = 1
    for amplitude in (1.0, 2.0):
        rough = mistakes.rough_outline(rows, amplitude=amplitude, rng=RNG)
        edge = rough.sum(axis=0)
        assert edge.mean() == pytest.approx(100, abs=0.5)
        assert edge.std() == pytest.approx(amplitude, rel=0.3)
        assert np.abs(np.diff(edge)).mean() < 0.5 * amplitude  # smooth, not noise


def test_rough_outlines_keep_sizes_on_average(labels):
    rough = mistakes.rough_outline(labels, amplitude=1, rng=RNG)
    assert names(rough) <= names(labels)
    assert np.count_nonzero(rough) == pytest.approx(np.count_nonzero(labels), rel=0.03)


# ---- bad input


@pytest.mark.parametrize("name", CALLS)
def test_bad_labels_are_named(name):
    good = np.eye(5, dtype=int)
    with pytest.raises(TypeError, match=r"Expected labels as labels.*got a mask"):
        CALLS[name](good > 0)
    with pytest.raises(TypeError, match="got float64"):
        CALLS[name](good * 1.0)
    with pytest.raises(ValueError, match=r"\(Y, X\) or \(Z, Y, X\) with pixels in it, got \(5,"):
        CALLS[name](good[0])
    with pytest.raises(
        ValueError, match=r"Expected labels as labels from 0 \(background\) up, got -1"
    ):
        CALLS[name](good - 1)
    with pytest.raises(ValueError, match="Number them again"):
        CALLS[name](good * 2**31)


def test_bad_sizes_are_named():
    good = np.eye(5, dtype=int)
    for bad in (-0.1, 1.1, np.nan):
        for spoil in (mistakes.merge, mistakes.split, mistakes.miss):
            with pytest.raises(ValueError, match="Expected fraction from 0 to 1, got"):
                spoil(good, fraction=bad, rng=RNG)
        with pytest.raises(ValueError, match="Expected fraction from 0 to 1, got"):
            mistakes.punch_holes(good, fraction=bad, radius=1, rng=RNG)
    for bad in (0.5, (1, 2, 3), (0.5, 1), True):
        with pytest.raises(ValueError, match="Expected whole pixels"):
            mistakes.shift(good, bad)
    with pytest.raises(ValueError, match="Expected by as a finite number, got inf"):
        mistakes.grow(good, np.inf)
    with pytest.raises(ValueError, match="Expected radius of 0 or more, got -1"):
        mistakes.punch_holes(good, fraction=1, radius=-1, rng=RNG)
    with pytest.raises(ValueError, match="Expected radius of 0 or more, got nan"):
        mistakes.invent(good, n=1, radius=np.nan, rng=RNG)
    with pytest.raises(TypeError, match=r"Expected n as a whole number of 0 or more, got 1.5"):
        mistakes.invent(good, n=1.5, radius=1, rng=RNG)
    with pytest.raises(ValueError, match="room for 9 objects of radius 3 in the background, got 0"):
        mistakes.invent(good, n=9, radius=3, rng=RNG)
    with pytest.raises(ValueError, match="Expected amplitude of 0 or more, got -1"):
        mistakes.rough_outline(good, amplitude=-1, rng=RNG)
