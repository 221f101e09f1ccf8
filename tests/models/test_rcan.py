import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aimicro.models import RCAN


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ndim": 3}, 1_002_621),
        ({"ndim": 3, "groups": 3}, 613_349),
        ({"ndim": 3, "blocks": 5, "groups": 5}, 1_559_141),
        ({"ndim": 2}, 337_917),
    ],
)
def test_parameter_count_is_the_published_one(settings: dict[str, int], expected: int) -> None:
    assert sum(parameter.numel() for parameter in RCAN(**settings).parameters()) == expected


def by_the_book(network: RCAN, x: torch.Tensor) -> torch.Tensor:
    """The network written as formulas, one line a layer, from its weights alone."""
    weights = network.state_dict()

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.conv3d(x, w, b, padding=w.shape[-1] // 2)

    def block(name: str, x: torch.Tensor) -> torch.Tensor:
        y = conv(f"{name}.change.2", conv(f"{name}.change.0", x).clamp(min=0))
        mean = y.mean(dim=(2, 3, 4), keepdim=True)
        attention = f"{name}.change.3.excite"
        gate = conv(f"{attention}.2", conv(f"{attention}.0", mean).clamp(min=0))
        return x + y / (1 + torch.exp(-gate))

    first = conv("head", 2 * x - 1)
    y = first
    for g in range(network.config["groups"]):
        inside = y
        for b in range(network.config["blocks"]):
            name = f"body.{b}" if network.config["groups"] == 1 else f"body.{g}.change.{b}"
            inside = block(name, inside)
        if network.config["groups"] == 1:
            y = inside
        else:
            y = y + conv(f"body.{g}.change.{network.config['blocks']}", inside)
    return 0.5 * conv("tail", first + conv("after_body", y)) + 0.5


@pytest.mark.parametrize("groups", [1, 3])
def test_network_computes_the_published_formulas(groups: int) -> None:
    network = RCAN(ndim=3, channels=8, blocks=2, groups=groups, reduction=4).double()
    x = torch.rand(2, 1, 4, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(network(x), by_the_book(network, x))


def test_one_group_has_no_convolution_of_its_own() -> None:
    with_group = sum(p.numel() for p in RCAN(groups=2).parameters())
    without = sum(p.numel() for p in RCAN(groups=1).parameters())
    block = 2 * (32 * 32 * 27 + 32) + (32 * 4 + 4) + (4 * 32 + 32)
    assert with_group - without == 3 * block + 2 * (32 * 32 * 27 + 32)


@pytest.mark.parametrize("ndim", [2, 3])
def test_convolutions_reach_as_far_as_stated_and_no_further(ndim: int) -> None:
    network = RCAN(ndim=ndim, channels=4, blocks=1, groups=2, reduction=2).double()
    for module in network.modules():  # channel attention sees everything: fix its weights
        if isinstance(module, nn.Sigmoid):
            module.register_forward_hook(lambda *args: torch.ones_like(args[2]))
    size = 2 * network.receptive_radius + 5
    image = torch.rand(1, 1, *(size,) * ndim, dtype=torch.float64, requires_grad=True)
    centre = (0, 0, *(size // 2,) * ndim)
    network(image)[centre].backward()
    assert image.grad is not None
    reached = np.abs(image.grad[0, 0].nonzero().numpy() - size // 2)
    assert reached.max() == network.receptive_radius


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ndim": 1}, "Expected ndim from 2 to 3, got 1. 2 is for images"),
        ({"blocks": 0}, "Expected blocks of 1 or more, got 0"),
        ({"channels": 4, "reduction": 8}, "reduction from 1 to 4, got 8. Channel attention"),
    ],
)
def test_impossible_networks_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RCAN(**settings)


def test_channels_in_and_out() -> None:
    network = RCAN(ndim=2, channels=4, reduction=2, in_channels=3, out_channels=2)
    assert network(torch.zeros(1, 3, 8, 9)).shape == (1, 2, 8, 9)
