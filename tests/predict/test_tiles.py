import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimicro.models import UNet
from aimicro.predict import predict
from aimicro.predict.tiles import _tiles_along
from aimicro.train import Normalisation


def network(ndim: int = 2, depth: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(ndim=ndim, channels=4, depth=depth)


class Blur(torch.nn.Module):
    """A network whose answer SciPy knows: the mean of 5 x 5 pixels, zeros beyond the border."""

    receptive_radius = 2

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.nn.Conv2d(1, 1, kernel_size=5, padding=2, bias=False)
        torch.nn.init.constant_(self.mean.weight, 1 / 25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mean(x)


@pytest.mark.parametrize("tile", [64, 80, (72, 128)])
@pytest.mark.parametrize("shape", [(203, 301), (130, 64)])
def test_no_tile_size_changes_the_result(
    tile: int | tuple[int, int], shape: tuple[int, int]
) -> None:
    """Not even at the borders of the image, and for sizes that the network cannot halve."""
    image = np.random.default_rng(0).normal(size=shape)
    whole = predict(network(), image, tile=1000)
    np.testing.assert_allclose(predict(network(), image, tile=tile, blend=3), whole, atol=2e-6)


def test_volumes_are_tiled_along_each_axis() -> None:
    volume = np.random.default_rng(0).normal(size=(26, 50, 61))
    whole = predict(network(3, depth=1), volume, tile=100)
    tiled = predict(network(3, depth=1), volume, tile=(26, 40, 36), halo=(0, 9, 9), blend=(0, 4, 4))
    np.testing.assert_allclose(tiled, whole, atol=2e-6)


def test_a_tile_without_halo_does_change_the_result() -> None:
    """The comparison above can fail: context that is missing shows."""
    image = np.random.default_rng(0).normal(size=(128, 128))
    seams = predict(network(), image, tile=32, halo=0, blend=0) - predict(network(), image)
    assert np.abs(seams).max() > 1e-3


def test_equals_the_filter_that_the_network_is() -> None:
    image = np.random.default_rng(1).random((97, 64)).astype(np.float32)
    expected = ndimage.uniform_filter(image, size=5, mode="constant")
    np.testing.assert_allclose(predict(Blur(), image, tile=24, blend=4), expected, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(1, 400),
    tile=st.integers(1, 120),
    halo=st.integers(0, 30),
    blend=st.integers(0, 20),
    divisor=st.sampled_from([1, 2, 4, 8]),
)
def test_fades_sum_to_one_and_tiles_stay_small(
    size: int, tile: int, halo: int, blend: int, divisor: int
) -> None:
    try:
        tiles = _tiles_along(size, tile, halo, blend, divisor)
    except ValueError:
        assert size > tile
        assert tile - tile % divisor - 2 * halo - blend < divisor
        return
    total = np.zeros(size)
    for start, fade in tiles:
        assert len(fade) <= tile
        assert start % divisor == 0
        total[start : start + len(fade)] += fade
        if start:
            assert not fade[:halo].any()
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_normalisation_is_applied_and_undone() -> None:
    model = network()
    image = np.random.default_rng(2).normal(500, 40, size=(64, 64)).astype(np.float32)
    expected = predict(model, (image - 500) / 40) * 40 + 500
    model.normalisation = Normalisation(offset=500, scale=40)
    np.testing.assert_allclose(predict(model, image), expected, rtol=1e-5)


def test_integer_images_and_training_mode_are_no_trap() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), Blur()).train()
    image = np.full((32, 32), 200, np.uint8)
    restored = predict(model, image, halo=2)
    assert restored.dtype == np.float32
    assert restored[16, 16] == pytest.approx(200)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(5), r"Expected a real image \(Y, X\) or volume .*shape \(5,\)"),
        (np.zeros((2, 2, 3, 4)), r"shape \(2, 2, 3, 4\). Choose one channel"),
        (np.zeros((0, 7)), r"shape \(0, 7\)"),
        (np.zeros((4, 4), complex), "got complex128"),
        (np.array([[1, np.nan], [np.inf, 0]]), "got 2 NaN or infinite ones of 4"),
    ],
)
def test_bad_images_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict(network(), image)


def test_bad_tiles_are_refused() -> None:
    image = np.zeros((100, 100))
    with pytest.raises(ValueError, match=r"Expected tiles of 70 pixels or more .* got 48"):
        predict(network(), image, tile=48)
    with pytest.raises(ValueError, match=r"Expected one number or 2.*\(1, 2, 3\)"):
        predict(network(), image, tile=(1, 2, 3))
