import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.models import UNet
from aimicro.train import ArrayPatches, fit, perceptual, supervised


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_it_is_the_squared_error_behind_a_convolution() -> None:
    layer = torch.nn.Conv2d(1, 3, 3)
    prediction, truth = torch.rand(2, 2, 1, 8, 8)
    found = perceptual(torch.nn.Sequential(layer), ["0"])(prediction, truth)
    torch.testing.assert_close(found, F.mse_loss(layer(prediction), layer(truth)))


def test_layers_add_up_and_a_later_relu_writes_over_none() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(inplace=True))
    a, b = torch.rand(2, 1, 1, 8, 8)
    first, second = perceptual(network, ["0"])(a, b), perceptual(network, ["1"])(a, b)
    torch.testing.assert_close(perceptual(network, ["0", "1"])(a, b), first + second)
    assert first > second > 0  # what lies below zero is cut in the second


def test_what_the_network_does_not_see_costs_nothing() -> None:
    """A kernel of sum 0 sees no brightness."""
    layer = torch.nn.Conv2d(1, 1, 3, bias=False)
    with torch.no_grad():
        layer.weight -= layer.weight.mean()
    loss = perceptual(torch.nn.Sequential(layer), ["0"])
    image = torch.rand(1, 1, 8, 8)
    assert float(loss(image + 5, image)) < 1e-9
    assert float(loss(image.flip(2), image)) > 1e-4


def test_gradients_reach_the_prediction_and_no_weights() -> None:
    network = UNet(channels=2, depth=1)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    loss = perceptual(network, ["contract.0", "bottom"])
    prediction = torch.rand(1, 1, 16, 16, requires_grad=True)
    loss(prediction, torch.rand(1, 1, 16, 16)).backward()
    assert prediction.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in network.parameters())
    assert all(weights.requires_grad for weights in network.parameters())  # only the copy is frozen
    for weights in network.parameters():
        weights.data.zero_()  # a network that is trained further does not change the loss
    again = UNet(channels=2, depth=1)
    again.load_state_dict(before)
    x, t = torch.rand(2, 1, 1, 16, 16)
    assert loss(x, t) == perceptual(again, ["contract.0", "bottom"])(x, t) > 0


def test_its_name_tells_other_weights_apart() -> None:
    one, other = UNet(channels=2, depth=1), UNet(channels=2, depth=1)
    names = [perceptual(network, ["bottom"]).__name__ for network in (one, one, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("perceptual(UNet ")


def test_a_training_makes_it_small() -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat(np.repeat(rng.random((8, 8, 8)), 4, axis=1), 4, axis=2)
    noisy = clean + rng.normal(0, 0.3, clean.shape)
    patches = ArrayPatches(list(noisy), list(clean), patch_size=(16, 16), batch_size=8)
    loss = perceptual(UNet(channels=8, depth=1), ["contract.0"])
    history = fit(
        UNet(channels=4, depth=1),
        patches,
        steps=150,
        validate_every=10,
        learning_rate=5e-3,
        objective=supervised(loss),
    )
    assert history.train_loss[-1] < history.train_loss[0] / 2


@pytest.mark.parametrize("layers", [[], ["middle"], "bottom"])
def test_unknown_layers_are_refused(layers) -> None:
    with pytest.raises(ValueError, match=r"Expected names of parts of this UNet.*contract\.0"):
        perceptual(UNet(channels=2, depth=1), layers)


def test_other_channels_are_refused() -> None:
    loss = perceptual(UNet(channels=2, depth=1), ["bottom"])
    with pytest.raises(ValueError, match="with the 1 channels that this UNet takes, got 2"):
        loss(*torch.rand(2, 1, 2, 8, 8))
