import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimicro.inspect import landmarks, likeness, shared_landmarks, thumbnail


def recorded(seed: int, shape: tuple[int, ...] = (128, 160)) -> np.ndarray:
    """The same cells each time, with noise of their own."""
    cells = ndimage.gaussian_filter(np.random.default_rng(7).random(shape), 4)
    cells = (cells - cells.min()) / np.ptp(cells)
    return np.random.default_rng(seed).poisson(100 * cells + 5)


def turned(image: np.ndarray, k: int) -> np.ndarray:
    return np.rot90(image.T if k > 3 else image, k % 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 7), st.integers(0, 40), st.integers(0, 40))
def test_copies_are_recognised_however_they_are_turned_and_cropped(k: int, y: int, x: int) -> None:
    image = recorded(0)
    assert shared_landmarks(landmarks(image), landmarks(turned(image[y:, x:], k))) > 0.8


@pytest.mark.parametrize("change", [lambda x: x.astype(np.uint16), lambda x: 3.7 * x - 100])
def test_contrast_and_type_do_not_matter(change) -> None:
    image = recorded(0)
    np.testing.assert_array_equal(landmarks(image), landmarks(change(image)))


def test_another_exposure_shares_no_landmark_but_its_thumbnail() -> None:
    first, second = recorded(0), recorded(1)
    assert shared_landmarks(landmarks(first), landmarks(second)) == 0
    assert likeness([thumbnail(first)], [thumbnail(second)])[0] > 0.95


def test_large_images_keep_the_same_landmarks() -> None:
    image = np.random.default_rng(0).poisson(50, (1024, 1024))
    whole = landmarks(image)
    assert whole.size == 2048
    assert shared_landmarks(whole, landmarks(image[:512, 256:])) > 0.9


def test_plateaus_and_few_levels_have_none() -> None:
    assert landmarks(np.zeros((4, 64, 64))).size == 0
    assert landmarks(np.random.default_rng(0).integers(0, 4, (128, 128))).size == 0
    assert landmarks(np.ones((3, 3))).size == 0
    assert shared_landmarks(landmarks(np.ones((8, 8))), landmarks(recorded(0))) == 0


@pytest.mark.parametrize("k", range(8))
def test_likeness_tells_the_orientation(k: int) -> None:
    image = recorded(0, (128, 128))
    alike = likeness([thumbnail(turned(image, k))], [thumbnail(image)])[:, 0, 0]
    assert alike.argmax() == k
    assert alike[k] == pytest.approx(1, abs=0.02)


def test_thumbnail_is_blind_to_illumination_and_flat_images() -> None:
    image = recorded(0) + np.linspace(0, 100, 160)
    assert likeness([thumbnail(image)], [thumbnail(recorded(0))])[0] > 0.9
    assert not thumbnail(np.full((64, 64), 1e6)).any()
    assert np.linalg.norm(thumbnail(recorded(0))) == pytest.approx(1, rel=1e-5)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="square thumbnails of one size"):
        likeness(np.ones((1, 8, 8)), np.ones((1, 9, 9)))
    with pytest.raises(ValueError, match="side"):
        thumbnail(recorded(0), side=4)
