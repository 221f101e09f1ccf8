import numpy as np
import pytest
from skimage.draw import disk
from skimage.measure import regionprops

from aimicro.inspect import measure_objects


def labels() -> np.ndarray:
    image = np.zeros((80, 90), np.uint16)
    for number, centre, radius in ((3, (20, 20), 9), (70, (50, 60), 15), (5, (20, 60), 4)):
        image[disk(centre, radius)] = number
    return image


def test_sizes_are_those_of_regionprops() -> None:
    found, expected = measure_objects(labels()), regionprops(labels())
    assert found.ids.tolist() == [region.label for region in expected] == [3, 5, 70]
    assert found.sizes.tolist() == [region.area for region in expected]
    np.testing.assert_allclose(
        found.diameters, [region.equivalent_diameter_area for region in expected]
    )
    assert found.widths.tolist() == [17, 7, 29]
    assert (len(found), found.in_pieces.size, found.with_holes.size) == (3, 0, 0)


def test_pieces_and_holes() -> None:
    image = labels()
    image[18:22, 18:22] = 0
    image[70, 5] = 5
    found = measure_objects(image)
    assert (found.with_holes.tolist(), found.in_pieces.tolist()) == ([3], [5])


def test_object_within_another_is_no_hole_and_corners_touch() -> None:
    image = np.ones((9, 9), int)
    image[3:6, 3:6] = 2
    found = measure_objects(image)  # no background at all
    assert (found.ids.tolist(), found.with_holes.size) == ([1, 2], 0)
    assert measure_objects(np.eye(4, dtype=int)).in_pieces.size == 0


def test_volume_and_empty_image() -> None:
    ball = np.sum((np.indices((21, 21, 21)) - 10) ** 2, axis=0) <= 8**2
    assert measure_objects(ball.astype(int)).diameters == pytest.approx([16], rel=0.03)
    assert len(measure_objects(np.zeros((8, 8), int))) == 0


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        measure_objects(np.zeros((8, 8)))


def test_objects_too_large_for_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((30, 40), np.uint8)
    labels[2:28, 2:38] = 1
    labels[8:20, 8:20] = 0
    labels[10:16, 10:16] = 2
    labels[12, 12] = 0
    monkeypatch.setattr("aimicro.inspect.objects._LARGEST", 100)
    found = measure_objects(labels)
    assert (found.unsearched.tolist(), found.with_holes.tolist()) == ([1], [2])
    assert found.widths.tolist() == [36, 6]
    assert measure_objects(np.zeros((4, 5), int)).widths.size == 0
