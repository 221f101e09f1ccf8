"""Images in files, read strip by strip: what is found is what is found in the whole image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from aimicro.inspect import (
    landmarks,
    levels,
    likeness,
    measure_objects,
    middle_of,
    noise_boxes,
    photon_transfer,
    saturation,
    shift_between,
    thumbnail,
)
from aimicro.io import zeros_on_disk
from aimicro.train.plausible import looks_like_labels

SHAPES = [(150, 130), (4, 60, 70)]


def cells(shape: tuple[int, ...]) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(7).random(shape), 3)
    return (smooth - smooth.min()) / np.ptp(smooth)


def recorded(shape: tuple[int, ...]) -> np.ndarray:
    counts = 100 + 4 * np.random.default_rng(0).poisson(100 * cells(shape) + 5)
    return np.minimum(counts, int(np.percentile(counts, 99))).astype(np.uint16)


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    labels = ndimage.label(cells(shape) > 0.5)[0].astype(np.uint16)
    labels[labels == 3] = 2  # in two pieces
    labels[..., 20:29, 20:29] = 99
    labels[..., 23:25, 23:25] = 0
    return labels


def objects(labels: Any) -> list[list[float]]:
    return [np.asarray(each).tolist() for each in vars(measure_objects(labels)).values()]


MEASURES: list[tuple[Callable[[Any], Any], Callable[[tuple[int, ...]], np.ndarray]]] = [
    (landmarks, recorded),
    (levels, recorded),
    (saturation, recorded),
    (saturation, lambda shape: recorded(shape).astype(np.float32) / 7),
    (thumbnail, recorded),
    (lambda image: thumbnail(image, foreground=True), drawn),
    (objects, drawn),
    (looks_like_labels, drawn),
    (looks_like_labels, recorded),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("measure", "image"), MEASURES)
def test_strips_make_no_difference(
    measure: Callable[[Any], Any],
    image: Callable[[tuple[int, ...]], np.ndarray],
    shape: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = image(shape)
    expected = measure(whole)
    assert expected is not None
    monkeypatch.setattr("aimicro.io.large._PART", 5 * shape[-1] + 1)
    mapped = zeros_on_disk(shape, whole.dtype.newbyteorder(">"), tmp_path)
    mapped[...] = whole
    found = measure(mapped)
    if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, atol=1e-6)
    else:
        np.testing.assert_equal(found, expected)


def test_binned_planes_have_the_same_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.pad(recorded((250, 190)), 20, constant_values=120)
    whole = thumbnail(image)
    monkeypatch.setattr("aimicro.inspect.copies._FINE", 101)
    monkeypatch.setattr("aimicro.io.large._PART", 7 * 230)
    assert likeness([thumbnail(image)], [whole])[0, 0, 0] > 0.99


@pytest.mark.parametrize("shape", [(400, 700), (3, 300, 400), (19, 90, 80), (120, 3000)])
def test_parts_of_a_large_image_tell_its_gain(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a plane with more pixels than are looked at, which once had none at all."""
    monkeypatch.setattr("aimicro.inspect.noise._LARGEST", 2**16)
    monkeypatch.setattr("aimicro.inspect.noise._FIELD", 100)
    light = ndimage.gaussian_filter(np.random.default_rng(1).random(shape), 6, axes=(-2, -1))
    light = 60 * (light - light.min()) / np.ptp(light)
    image = 100 + 2.0 * np.random.default_rng(2).poisson(light)
    seen = np.zeros(shape, int)
    for box in noise_boxes(shape):
        seen[box] += 1
    assert seen.max() == 1
    assert 0.04 < seen.mean() < 0.9
    found = photon_transfer(np.where(seen, image, 0.0))
    assert found is not None
    assert found == photon_transfer(image)
    assert found.gain == pytest.approx(2, rel=0.15)


def test_the_middle_tells_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aimicro.inspect.registration._LARGEST", 2**14)
    image = recorded((300, 280))
    moved = np.roll(image, (2, -3), axis=(0, 1))
    middle = middle_of(image.shape)
    assert image[middle].shape == (128, 128)
    found = shift_between(moved, image)
    assert found == shift_between(moved[middle], image[middle])
    assert found.offset == pytest.approx((-2, 3), abs=0.2)
