import numpy as np
import pytest

from aimicro.inspect import levels, saturation


@pytest.mark.parametrize("mean", [0.5, 8, 300])
@pytest.mark.parametrize("seed", range(3))
def test_tails_are_not_saturated(mean: float, seed: int) -> None:
    assert saturation(np.random.default_rng(seed).poisson(mean, (256, 256))) is None


@pytest.mark.parametrize("mean", [40, 300])
def test_cut_tails_are(mean: float) -> None:
    image = np.random.default_rng(1).poisson(mean, (256, 256))
    top = int(np.percentile(image, 99))
    found = saturation(np.minimum(image, top))
    assert found is not None
    assert found.level == top
    assert found.fraction == np.mean(image >= top)


@pytest.mark.parametrize("change", [lambda x: x.astype(np.float32) / 7, lambda x: 16 * x + 3])
def test_neither_unit_nor_steps_matter(change) -> None:
    image = np.random.default_rng(1).poisson(100, (256, 256))
    assert saturation(change(image)) is None
    assert saturation(change(np.minimum(image, 120))) is not None


def test_even_histogram_and_single_bright_pixel_are_not_saturated() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    assert saturation(ramp) is None
    ramp[0, 0] = 255
    assert saturation(ramp) is None
    assert saturation(np.full((64, 64), 255, np.uint8)) is None


def test_levels() -> None:
    assert levels(np.array([[100, 112], [148, 1000]], np.uint16)) == (100, 1000, 12)
    assert levels(np.array([[-3, 5]], np.int16)) == (-3, 5, 8)
    assert levels(np.array([[0.5, 1.5]])).step == 0
    with pytest.raises(ValueError, match="finite"):
        levels(np.array([[np.nan, 1.0]]))
