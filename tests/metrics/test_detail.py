import numpy as np
import pytest

from aimicro.metrics import Strayed, crests, strayed, valley


@pytest.mark.parametrize(
    ("profile", "depth"),
    [
        ([0, 4, 1, 4, 0], 0.75),
        ([0, 4, 3, 5, 0], 0.25),  # against the lower of both
        ([0, 4, 0, 5, 0], 1.0),
        ([0, 4, -1, 5, 0], 1.0),  # darker than the background is dark
        ([0, 1, 5, 1, 0], 0.0),
        ([5, 1, 0, 1, 5], 1.0),  # peaks at the ends
        ([0, 5, 5, 5, 0], 0.0),  # a plateau is one peak
        ([0, 5, 1, 2, 0], 0.0),  # too faint to be a second one
        ([0, 2, 0, 6, 3, 6, 0], 0.5),  # the two highest
        ([0, 0, 0], 0.0),
        ([-3, -1, -2, -1, -3], 0.0),
    ],
)
def test_valley(profile: list[float], depth: float) -> None:
    assert valley(profile) == pytest.approx(depth)


def test_valley_does_not_depend_on_unit_or_direction() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        profile = rng.random(20)
        assert valley(3 * profile) == pytest.approx(valley(profile))
        assert valley(profile[::-1]) == pytest.approx(valley(profile))


def test_two_airy_spots_at_the_distance_of_rayleigh() -> None:
    from scipy.special import j1

    x = np.linspace(-6, 10, 4001)

    def airy(v: np.ndarray) -> np.ndarray:
        v = np.where(np.abs(v) < 1e-9, 1e-9, v)
        return (2 * j1(v) / v) ** 2

    assert valley(airy(x) + airy(x - 3.8317)) == pytest.approx(0.265, abs=0.005)


@pytest.mark.parametrize(
    ("profile", "error"),
    [(["a", "b", "c"], TypeError), ([1, 2], ValueError), ([[1, 2, 3]], ValueError),
     ([1, np.nan, 2], ValueError)],
)  # fmt: skip
def test_valley_refuses(profile: list, error: type[Exception]) -> None:
    with pytest.raises(error, match="profile"):
        valley(profile)


def test_crests_of_lines_in_all_directions() -> None:
    image = np.eye(9) * 5
    assert (crests(image, floor=1) == (image > 0)).all()
    assert (crests(image[::-1], floor=1) == (image[::-1] > 0)).all()
    row = np.zeros((9, 9))
    row[4] = 3
    assert (crests(row, floor=1) == (row > 0)).all()
    assert (crests(row.T, floor=1) == (row.T > 0)).all()


def test_crests_need_the_floor_and_a_difference() -> None:
    spot = np.zeros((9, 9))
    spot[4, 4] = 3
    assert crests(spot, floor=1).sum() == 1
    assert not crests(spot, floor=4).any()
    # On even ground only the border is higher than what is outside.
    assert not crests(np.ones((9, 9)), floor=0)[1:-1, 1:-1].any()


def test_crests_agree_with_a_loop() -> None:
    image = np.random.default_rng(1).integers(0, 6, (12, 15)).astype(float)
    padded = np.pad(image, 1, constant_values=-np.inf)
    expected = np.zeros(image.shape, bool)
    for y, x in np.ndindex(image.shape):
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            before, after = padded[1 + y - dy, 1 + x - dx], padded[1 + y + dy, 1 + x + dx]
            if image[y, x] >= 2 and image[y, x] > before and image[y, x] >= after:
                expected[y, x] = True
    assert (crests(image, floor=2) == expected).all()


def test_strayed_counts_both_ways() -> None:
    truth, estimate = np.zeros((2, 20, 30))
    truth[:, 5] = truth[:, 15] = 1
    estimate[:, 6] = 1
    assert strayed(estimate, truth, floor=0.5, reach_px=1) == Strayed(0.0, 0.5)
    assert strayed(truth, estimate, floor=0.5, reach_px=1) == Strayed(0.5, 0.0)
    assert strayed(estimate, truth, floor=0.5, reach_px=0) == Strayed(1.0, 1.0)


def test_strayed_of_itself_and_of_nothing() -> None:
    image = np.random.default_rng(2).random((20, 20))
    empty = np.zeros((20, 20))
    assert strayed(image, image, floor=0.3, reach_px=0) == Strayed(0.0, 0.0)
    assert strayed(image, empty, floor=0.3, reach_px=50) == Strayed(1.0, 0.0)
    assert strayed(empty, image, floor=0.3, reach_px=50) == Strayed(0.0, 1.0)
    assert strayed(empty, empty, floor=0.3, reach_px=1) == Strayed(0.0, 0.0)


def test_a_fainter_line_still_matches() -> None:
    truth, estimate = np.zeros((2, 9, 9))
    truth[:, 4], estimate[:, 4] = 0.6, 1
    assert strayed(estimate, truth, floor=0.9, reach_px=0).invented == 0
    truth[:, 4] = 0.3
    assert strayed(estimate, truth, floor=0.9, reach_px=0).invented == 1


def test_strayed_refuses() -> None:
    with pytest.raises(ValueError, match="one shape"):
        strayed(np.zeros((4, 4)), np.zeros((4, 5)), floor=1, reach_px=1)
    with pytest.raises(ValueError, match="reach_px"):
        strayed(np.zeros((4, 4)), np.zeros((4, 4)), floor=1, reach_px=-1)
    with pytest.raises(ValueError, match="Y, X"):
        crests(np.zeros((4, 4, 4)), floor=1)
    with pytest.raises(ValueError, match="finite"):
        crests(np.full((4, 4), np.nan), floor=1)
