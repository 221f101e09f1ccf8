import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimicro.inspect import registration, shift_between


def specimen(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9))
def test_whole_shifts_are_found_under_noise(y: int, x: int) -> None:
    truth = specimen((96, 80))
    moved = np.roll(truth, (y, x), axis=(0, 1))
    noisy = moved + np.random.default_rng(1).normal(0, truth.std(), truth.shape)
    found = shift_between(noisy, truth)
    assert found.offset == pytest.approx((-y, -x), abs=0.3)


def test_fraction_of_a_pixel_and_slices() -> None:
    truth = specimen((12, 64, 64))
    moved = ndimage.shift(truth, (1, 2.5, -0.6), order=3, mode="wrap")
    assert shift_between(moved, truth).offset == pytest.approx((-1, -2.5, 0.6), abs=0.11)


def test_contrast_may_be_reversed_and_illumination_uneven() -> None:
    truth = specimen((96, 96))
    y = np.linspace(0, 20 * truth.std(), 96)[:, np.newaxis]
    found = shift_between(y - np.roll(truth, 3, axis=0), truth)
    assert found.offset == pytest.approx((-3, 0), abs=0.11)
    assert found.correlation < -0.9 < found.in_place


def test_nothing_to_compare() -> None:
    assert shift_between(np.ones((32, 32)), specimen((32, 32))) == ((0, 0), 0, 0)


def test_large_images_by_their_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_LARGEST", 2**13)
    truth = specimen((300, 200))
    found = shift_between(np.roll(truth, 5, axis=1), truth)
    assert found.offset == pytest.approx((0, -5), abs=0.3)  # what entered at its edges counts


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected images of one shape.*Crop"):
        shift_between(np.ones((32, 32)), np.ones((32, 33)))
