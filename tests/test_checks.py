"""The one place that says what arguments must be."""

import math

import numpy as np
import pytest

from aimicro import checks


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), np.array(3)])
def test_every_kind_of_number_is_a_number(value: object) -> None:
    assert checks.number("x", value, low=3, high=3) == 3.0
    assert checks.per_axis("x", value, 2) == (3.0, 3.0)


@pytest.mark.parametrize("value", [True, "3", None, [3], 3j, np.array([3, 3])])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="Expected x as a finite number, got"):
        checks.number("x", value)


@pytest.mark.parametrize(
    ("bounds", "value", "says"),
    [
        ({"low": 0.1, "high": 10, "unit": "µm"}, 520, "from 0.1 to 10 µm, got 520"),
        ({"above": 0}, 0, "above 0, got 0"),
        ({"low": 0, "below": 1}, 1, "from 0 to below 1, got 1"),
        ({"high": 5}, 6, "of at most 5, got 6"),
        ({"low": 2}, 1, "of 2 or more, got 1"),
        ({"below": 2}, 2, "below 2, got 2"),
        ({}, math.nan, "as a finite number, got nan"),
        ({"above": 0}, math.inf, "above 0, got inf"),
    ],
)
def test_bounds_are_named(bounds: dict[str, float], value: float, says: str) -> None:
    with pytest.raises(ValueError, match=f"Expected x {says}. Do this."):
        checks.number("x", value, hint="Do this.", **bounds)


@pytest.mark.parametrize("value", [250 / 3, 3.0, True, "3", None])
def test_what_is_not_whole_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="Expected steps as a whole number of 1 or more, got"):
        checks.whole("steps", value, low=1)


def test_whole_numbers_have_bounds() -> None:
    assert checks.whole("n", np.int64(3), low=1, high=3) == 3
    with pytest.raises(ValueError, match="Expected n from 1 to 3, got 4"):
        checks.whole("n", 4, low=1, high=3)
    with pytest.raises(ValueError, match="Expected n of 1 or more, got 0"):
        checks.whole("n", 0, low=1)


def test_a_number_for_each_axis_or_one_for_all() -> None:
    assert checks.per_axis("tile", np.array([8, 4]), 2, whole_from=1) == (8, 4)
    with pytest.raises(ValueError, match=r"one number or 3, one for each axis \(z, y, x\), got"):
        checks.per_axis("voxel_size_um", (0.2, 0.1), 3)
    with pytest.raises(ValueError, match="Expected voxel_size_um above 0 µm, got -1"):
        checks.per_axis("voxel_size_um", (1, -1), 2, unit="µm")
    with pytest.raises(TypeError, match=r"as a whole number of 1 or more, got 1\.5"):
        checks.per_axis("tile", (1.5, 4), 2, whole_from=1)


def test_the_nearest_word_is_named() -> None:
    assert checks.one_of("loss", "mse", {"mse": 1, "mae": 2}) == "mse"
    with pytest.raises(ValueError, match=r"one of mse, mae, got 'msa'\. Did you mean ms"):
        checks.one_of("loss", "msa", ["mse", "mae"])
    with pytest.raises(ValueError, match=r"got 7\.$"):
        checks.one_of("loss", 7, ["mse", "mae"])


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (np.zeros((2, 2), complex), TypeError, "image of real numbers, got complex128"),
        (np.array([["a"]]), TypeError, "image of real numbers, got <U1"),
        (np.zeros(3), ValueError, r"of shape \(Y, X\) or \(Z, Y, X\) with pixels in it"),
        (np.zeros((0, 3)), ValueError, "with pixels in it"),
        ([np.zeros((2, 2))] * 3, TypeError, "as one image, got a list of 3. Give one at a time"),
        ((np.zeros((2, 2)),), TypeError, "as one image, got a tuple of 1"),
        (np.array([[0.0, np.nan]]), ValueError, "finite pixels, got 1 of 2 NaN or infinite"),
    ],
)
def test_what_is_no_image_is_refused(values: object, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        checks.image("truth", values)  # type: ignore[arg-type]


def test_pixels_below_the_lowest_are_refused() -> None:
    with pytest.raises(ValueError, match="without pixels below 0, got -2"):
        checks.image("specimen", np.array([[1, -2]]), low=0)


def test_an_image_is_not_copied() -> None:
    pixels = np.ones((3, 4), np.uint16)
    assert checks.image("x", pixels) is pixels
    assert checks.labels("x", pixels) is pixels


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (np.ones((2, 2), bool), TypeError, "got a mask of true and false"),
        (np.ones((2, 2)), TypeError, "whole numbers, got float64"),
        (np.array([[0, -1]]), ValueError, r"from 0 \(background\) up, got -1"),
    ],
)
def test_what_is_no_label_image_is_refused(values: object, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        checks.labels("truth", values)  # type: ignore[arg-type]


def test_a_film_has_time_first_and_may_be_a_list_of_frames() -> None:
    frames = [np.ones((2, 3), np.uint8)] * 4
    assert checks.labels("labels", frames, ndim=(3, 4), film=True).shape == (4, 2, 3)
    with pytest.raises(ValueError, match=r"shape \(T, Y, X\) or \(T, Z, Y, X\) .*, got \(2, 3\)"):
        checks.labels("labels", frames[0], ndim=(3, 4), film=True)


def test_intensities_are_no_mask_and_come_in_double_precision() -> None:
    pixels = np.ones((2, 3), np.float32)
    assert checks.intensities("image", pixels).dtype == np.float64
    assert checks.intensities("image", 3, ndim=None) == 3
    with pytest.raises(TypeError, match="image as intensities, got a mask"):
        checks.intensities("image", pixels > 0)
    with pytest.raises(ValueError, match="any length with pixels in it, got"):
        checks.intensities("image", np.zeros((0, 1, 1, 1, 1, 1)), ndim=None)


def test_an_array_is_one_image_and_a_list_is_many() -> None:
    stack = np.ones((3, 4, 4))
    assert [len(x) for x in checks.same_number(images=stack, truths=stack)] == [1, 1]
    assert [len(x) for x in checks.same_number(images=list(stack), truths=tuple(stack))] == [3, 3]
    for images, found in ((list(stack), "3 images and 1 truths"), ([], "0 images and 1 truths")):
        with pytest.raises(ValueError, match=f"{found}.*make a stack of them a list"):
            checks.same_number(images=images, truths=stack)


@pytest.mark.parametrize("values", [[], [0, 7], [2**24]])
def test_whole_numbers_become_integers(values: list[float]) -> None:
    found = checks.whole_as_integers(np.array(values, np.float32))
    assert (found.dtype, found.tolist()) == (np.int64, values)


@pytest.mark.parametrize("values", [[0.5], [math.nan], [math.inf], [2**24 + 2]])
def test_what_may_not_be_whole_stays_as_it_is(values: list[float]) -> None:
    """Above 2**24 float32 holds even numbers only: two ids may have become one."""
    floats = np.array(values, np.float32)
    assert checks.whole_as_integers(floats) is floats
