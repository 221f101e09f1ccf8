import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.train.scaling import Linear, Percentile, Scaling

RNG = np.random.default_rng(0)


class TestLinear:
    @settings(max_examples=40, deadline=None)
    @given(offset=st.floats(-1e4, 1e4), scale=st.floats(1e-2, 1e4), seed=st.integers(0, 99))
    def test_has_mean_0_and_spread_1_and_can_be_undone(
        self, offset: float, scale: float, seed: int
    ) -> None:
        image = np.random.default_rng(seed).normal(offset, scale, size=(20, 30))
        linear = Linear.of([image[:10], image[10:]])
        normal = linear.apply(image)
        assert normal.mean() == pytest.approx(0, abs=1e-4)
        assert normal.std() == pytest.approx(1, rel=1e-4)
        np.testing.assert_allclose(linear.undo(normal), image, atol=1e-4 * (scale + abs(offset)))

    def test_a_constant_image_keeps_its_unit(self) -> None:
        assert Linear.of([np.full((3, 3), 7)]) == Linear(offset=7, scale=1)

    @pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", "f4", "?"])
    def test_is_measured_over_images_of_any_type_and_size(self, dtype: str) -> None:
        images = [
            RNG.gamma(2, 20, shape).round(-1).astype(dtype) for shape in ((700, 900), (3, 40, 50))
        ]
        pixels = np.concatenate([image.ravel() for image in images]).astype(float)
        assert Linear.of(images).offset == pytest.approx(pixels.mean(), rel=1e-12)
        assert Linear.of(images).scale == pytest.approx(pixels.std(), rel=1e-12)

    def test_needs_no_copy_of_the_images(self) -> None:
        images = [np.zeros((2000, 2000), np.uint8), np.ones((2000, 2000), np.uint8)]
        tracemalloc.start()
        Linear.of(images)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < images[0].nbytes * 2

    @pytest.mark.parametrize(
        ("offset", "dtype"), [(2**31, np.uint32), (10_000_000, np.float64), (2**40, np.int64)]
    )
    def test_keeps_a_small_contrast_on_a_large_offset(self, offset: int, dtype: type) -> None:
        image = np.arange(256).reshape(16, 16)
        linear = Linear.of([(image + offset).astype(dtype)])
        assert linear.scale == pytest.approx(image.std(), rel=1e-9)
        expected = Linear.of([image]).apply(image)
        np.testing.assert_allclose(
            linear.apply((image + offset).astype(dtype)), expected, rtol=1e-6
        )

    def test_is_the_same_for_each_image(self) -> None:
        assert Linear(3, 4).for_image(np.zeros((2, 2))) == Linear(3, 4)

    @pytest.mark.parametrize("values", [(np.nan, 1), (0, 0), (0, -1), (0, np.inf)])
    def test_refuses_numbers_that_make_no_scale(self, values: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="Look for NaN, infinite or extreme pixels"):
            Linear(*values)


class TestPercentile:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
    def test_is_the_published_formula(self, dtype: str) -> None:
        image = (RNG.gamma(2, 20, size=(7, 30, 31))).astype(dtype)
        low, high = np.quantile(image.astype(float), (0.02, 0.999))
        normal = Percentile(2, 99.9).for_image(image).apply(image)
        published = (image - low) / (high - low + 1e-6)
        np.testing.assert_allclose(normal, published, rtol=1e-5, atol=1e-6)
        assert normal.dtype == np.float32
        assert normal.min() < 0
        assert normal.max() > 1  # nothing is clipped

    def test_has_no_unit_that_is_too_small(self) -> None:
        """Images normalised to a sum of 1, or in volts."""
        image = RNG.random((40, 40))
        expected = Percentile().for_image(image).apply(image)
        for unit in (1e-7, 1e-12, 1e12):
            came = Percentile().for_image(image * unit).apply(image * unit)
            np.testing.assert_allclose(came, expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("value", [0, 7, 0.1, 65535, 1e-9, -3])
    def test_of_a_constant_image_makes_it_zero(self, value: float) -> None:
        image = np.full((5, 9, 9), value)
        for kind in (image, image.astype(np.float32)):
            assert not Percentile().for_image(kind).apply(kind).any()

    def test_of_a_mask(self) -> None:
        mask = np.eye(8) > 0
        np.testing.assert_allclose(Percentile(0, 100).for_image(mask).apply(mask), mask, atol=2e-6)

    @pytest.mark.parametrize("ends", [(2, 2), (99, 1), (-1, 50), (2, 101), (np.nan, 50)])
    def test_out_of_order_is_refused(self, ends: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="Expected percentiles from 0 to 100, low below high"):
            Percentile(*ends)

    def test_of_an_image_with_a_few_bright_pixels_is_refused(self) -> None:
        image = np.full((64, 64), 7)
        image[3, 3] = 9
        with pytest.raises(ValueError, match=r"got 7 in all but a few pixels.*Crop the image"):
            Percentile().for_image(image)


def test_scaling_leaves_intensities_alone_by_default() -> None:
    assert Scaling() == Scaling(Linear(0, 1), Linear(0, 1))


@pytest.mark.parametrize("output", [Linear(3, 4), Percentile(1, 99), None])
def test_scaling_can_be_stored(output: Linear | Percentile | None) -> None:
    scaling = Scaling(Percentile(2, 98), output)
    assert Scaling.from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling
