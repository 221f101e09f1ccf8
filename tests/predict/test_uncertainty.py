import numpy as np
import pytest
import torch
from torch import nn

from aimicro.models import UNet
from aimicro.predict import predict, predict_tta, predict_with_dropout

RNG = np.random.default_rng(0)


class Shift(nn.Module):
    """Looks one pixel to the left: as far from turning along with the image as can be."""

    receptive_radius = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.roll(x, 1, dims=-1)


class Fragile(nn.Module):
    """Has dropout, and breaks at its third call."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.other, self.calls = nn.Dropout(0.5), nn.Identity(), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("broken")
        return self.drop(x)


def unet(dropout: float = 0.3, ndim: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(ndim=ndim, channels=8, depth=1, dropout=dropout)


# ---- turned


@pytest.mark.parametrize("shape", [(20, 34), (5, 12, 16)])
def test_results_are_turned_back(shape: tuple[int, ...]) -> None:
    image = RNG.random(shape).astype(np.float32)
    stack = predict_tta(nn.Identity(), image)
    assert stack.shape == (8, *shape)
    assert all(np.array_equal(result, image) for result in stack)


def test_each_of_the_eight_is_another_one() -> None:
    """What is to the left in a turned image comes from four sides, from each of them twice."""
    image = RNG.random((12, 12)).astype(np.float32)
    stack = predict_tta(Shift(), image)
    assert np.array_equal(stack[0], np.roll(image, 1, axis=1))
    moved = [np.roll(image, by, axis=axis) for by in (-1, 1) for axis in (0, 1)]
    assert [sum(np.array_equal(s, m) for s in stack) for m in moved] == [2, 2, 2, 2]


def test_volume_is_never_turned_upside_down() -> None:
    class Below(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.roll(x, 1, dims=2)

    volume = RNG.random((6, 8, 10)).astype(np.float32)
    for result in predict_tta(Below(), volume):
        assert np.array_equal(result, np.roll(volume, 1, axis=0))


def test_tiles_do_not_change_the_turned_results() -> None:
    image, network = RNG.random((70, 54)), unet(0)
    whole = predict_tta(network, image)
    np.testing.assert_allclose(predict_tta(network, image, tile=48), whole, atol=1e-5)
    assert np.ptp(whole, axis=0).max() > 1e-3
    assert np.array_equal(whole[0], predict(network, image))


def test_channels_stay_channels() -> None:
    torch.manual_seed(0)
    network, image = UNet(channels=4, depth=1, out_channels=2, dropout=0.1), RNG.random((16, 24))
    assert predict_tta(network, image).shape == (8, 2, 16, 24)
    assert predict_with_dropout(network, image, n=3, rng=0).shape == (3, 2, 16, 24)


# ---- dropout


@pytest.mark.parametrize(("ndim", "shape"), [(2, (16, 20)), (3, (4, 8, 12))])
def test_samples_differ_and_a_seed_repeats_them(ndim: int, shape: tuple[int, ...]) -> None:
    image, network = RNG.random(shape), unet(ndim=ndim)
    stack = predict_with_dropout(network, image, n=4, rng=1)
    assert stack.shape == (4, *shape)
    assert stack.std(axis=0).max() > 0
    assert len({result.tobytes() for result in stack}) == 4
    assert np.array_equal(stack, predict_with_dropout(network, image, n=4, rng=1))
    assert not np.array_equal(stack, predict_with_dropout(network, image, n=4, rng=2))
    generator = np.random.default_rng(1)
    assert np.array_equal(stack, predict_with_dropout(network, image, n=4, rng=generator))


def test_mean_of_a_dropout_layer_is_its_input() -> None:
    image = np.ones((30, 30), np.float32)
    stack = predict_with_dropout(nn.Sequential(nn.Dropout(0.25)), image, n=20, rng=0)
    assert stack.mean() == pytest.approx(1, abs=0.02)
    assert np.unique(stack).tolist() == pytest.approx([0, 4 / 3])
    assert (stack == 0).mean() == pytest.approx(0.25, abs=0.015)


def test_a_sample_is_one_thinned_network_in_all_tiles() -> None:
    image, network = RNG.random((60, 52)), unet()
    whole = predict_with_dropout(network, image, n=3, rng=0)
    tiled = predict_with_dropout(network, image, n=3, rng=0, tile=40)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_only_dropout_wakes_up() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout2d(0.5))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stack = predict_with_dropout(network, np.full((8, 8), 3.0), n=10, rng=0)
    assert set(np.unique(stack).round(3)) == {0, 6}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_modes_and_random_numbers_are_as_before() -> None:
    network = unet()
    network.train()
    network.bottom.eval()
    modes = [layer.training for layer in network.modules()]
    state = torch.random.get_rng_state()
    predict_with_dropout(network, np.ones((16, 16)), n=2, rng=0)
    assert [layer.training for layer in network.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    first, second = (predict(network, np.ones((16, 16))) for _ in range(2))
    assert np.array_equal(first, second)


def test_modes_come_back_after_an_error() -> None:
    network = Fragile().eval()
    with pytest.raises(RuntimeError, match="broken"):
        predict_with_dropout(network, np.ones((16, 16)), n=5, rng=0)
    assert not any(layer.training for layer in network.modules())
    assert np.array_equal(predict(network, np.ones((16, 16))), np.ones((16, 16)))


@pytest.mark.parametrize("network", [nn.Identity(), unet(0.0)])
def test_network_without_dropout_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"Expected a network with dropout.*UNet\(dropout=0.1\)"):
        predict_with_dropout(network, np.ones((16, 16)), rng=0)


@pytest.mark.parametrize("n", [0, -2])
def test_samples_must_be_counted(n: int) -> None:
    with pytest.raises(ValueError, match=f"n of 1 or more, got {n}"):
        predict_with_dropout(unet(), np.ones((16, 16)), n=n, rng=0)


def test_images_are_checked_as_for_predict() -> None:
    for image in (np.ones(5), np.full((16, 16), np.nan)):
        with pytest.raises(ValueError, match=r"Expected a real image|Expected finite pixels"):
            predict_tta(nn.Identity(), image)
        with pytest.raises(ValueError, match=r"Expected a real image|Expected finite pixels"):
            predict_with_dropout(unet(), image, rng=0)
