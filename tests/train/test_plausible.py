import numpy as np
import pytest

from aimicro.io import digest
from aimicro.simulate.pairs import simulate_pair
from aimicro.train.plausible import looks_like_labels, usual_range

RNG = np.random.default_rng(0)


class TestDigest:
    @pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "f4", "f8"])
    def test_is_that_of_the_pixels_whatever_their_layout(self, dtype: str) -> None:
        image = RNG.integers(0, 200, (9, 700, 400)).astype(dtype)
        for view in (image, image[::-1, :, 3::2], image.T):
            assert digest(view) == digest(np.ascontiguousarray(view).astype(view.dtype))
            assert digest(view) == digest(view.astype(view.dtype.newbyteorder("=")))

    def test_is_that_of_a_copy_in_another_type(self) -> None:
        image = RNG.poisson(300, (40, 30)).astype(np.uint16)
        assert len({digest(image.astype(kind)) for kind in ("u2", "i4", "f4", "f8")}) == 1

    def test_tells_pixels_and_shapes_apart(self) -> None:
        image = np.arange(64, dtype=np.uint16).reshape(8, 8)
        other = image.copy()
        other[7, 7] += 1
        images = image, other, image.reshape(4, 16), image / 2, image.T
        assert len({digest(each) for each in images}) == len(images)


class TestUsualRange:
    @pytest.mark.parametrize("value", [1e9, -1e9, -3.4e38, 2.0**32 - 1])
    @pytest.mark.parametrize("n", [1, 64, 384])
    def test_leaves_out_what_lies_far_beyond_it(self, value: float, n: int) -> None:
        image = RNG.normal(50, 9, (64, 64))
        expected = image.ravel()[n:].min(), image.ravel()[n:].max()
        image.ravel()[:n] = value
        assert usual_range(image) == pytest.approx(expected)

    def test_on_both_sides(self) -> None:
        image = RNG.normal(50, 9, (64, 64))
        expected = image.ravel()[2:].min(), image.ravel()[2:].max()
        image.ravel()[:2] = 1e9, -1e9
        assert usual_range(image) == pytest.approx(expected)

    def test_one_extreme_hides_no_other(self) -> None:
        image = RNG.normal(50, 9, (64, 64))
        expected = image.ravel()[3:].min(), image.ravel()[3:].max()
        image.ravel()[:3] = 1e9, 1e15, -1e30
        assert usual_range(image) == pytest.approx(expected)

    @pytest.mark.parametrize("structure", ["filaments", "mitochondria", "vesicles"])
    def test_of_a_specimen_without_noise_is_all(self, structure: str) -> None:
        pair = simulate_pair("deconvolve", structure=structure, shape=(12, 64, 64), rng=0)
        assert usual_range(pair.truth) is usual_range(pair.raw) is None

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_of_what_a_camera_gives_is_all(self, dtype: type) -> None:
        image = RNG.poisson(3, (128, 128)).astype(dtype)
        for value in (0, np.iinfo(np.uint8).max):
            image[4, 5] = value  # a hot pixel
            assert usual_range(image) is None
        assert usual_range(np.full((8, 8), 7, dtype)) is None


class TestLabels:
    def test_are_flat_inside_and_jump_at_their_borders(self) -> None:
        ids = RNG.permutation(np.arange(1, 26)).reshape(5, 5)
        assert looks_like_labels(np.kron(ids, np.ones((12, 12), np.int32)))
        assert looks_like_labels(np.kron(ids * (ids > 9), np.ones((3, 9, 9), np.uint16)))
        assert looks_like_labels(np.kron(np.eye(3, dtype=np.uint8), np.ones((9, 9), np.uint8)))

    @pytest.mark.parametrize("radii", [(9, 9), (12, 5), (5, 12)])
    def test_are_those_of_two_cells_too(self, radii: tuple[int, int]) -> None:
        """The border of the first is a step of one, like one of a smooth image."""
        y, x = np.indices((48, 48))
        labels = np.zeros((48, 48), np.uint16)
        for number, radius in enumerate(radii, start=1):
            labels[(y - 24) ** 2 + (x - 24 * number + 10) ** 2 < radius**2] = number
        assert looks_like_labels(labels)

    @pytest.mark.parametrize("photons", [0.05, 0.2, 1, 30, 1000])
    def test_are_no_counts(self, photons: float) -> None:
        assert not looks_like_labels(RNG.poisson(photons, (64, 64)))

    def test_are_neither_smooth_nor_constant_nor_masks(self) -> None:
        smooth = 20 + 10 * np.sin(np.indices((64, 64)) / 20).sum(axis=0)
        assert not looks_like_labels(smooth.astype(np.uint8))
        assert not looks_like_labels(np.full((9, 9), 7))
        assert not looks_like_labels(np.eye(9) > 0)
        assert not looks_like_labels(np.kron([[0.0, 3.0]], np.ones((9, 9))))
