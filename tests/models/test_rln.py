import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.models import RLN


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def by_the_book(network: RLN, x: torch.Tensor) -> torch.Tensor:
    """The network written as formulas, from its weights alone."""
    weights = network.state_dict()

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    def softplus(x: torch.Tensor) -> torch.Tensor:
        return torch.log1p(torch.exp(x))

    def step(name: str, x: torch.Tensor) -> torch.Tensor:
        def project(way: str, x: torch.Tensor) -> torch.Tensor:
            first = softplus(conv(f"{name}.{way}_projection.0", x))
            return softplus(conv(f"{name}.{way}_projection.2", first)).mean(1, keepdim=True)

        return x * project("backward", x / (project("forward", x) + 1e-3))

    coarse = step("h1", F.avg_pool2d(x, 2)).repeat_interleave(2, 2).repeat_interleave(2, 3)
    both = torch.cat([coarse, step("h2", x)], 1)
    first = softplus(conv("h3.0", both))
    second = softplus(conv("h3.1", torch.cat([first, both], 1)))
    return conv("h3.2", torch.cat([first, second], 1)).mean(1, keepdim=True)


def test_network_computes_its_formulas() -> None:
    network = RLN(ndim=2, channels=4).double()
    x = torch.rand(2, 1, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(network(x), by_the_book(network, x))


def test_a_step_leaves_darkness_dark_and_light_above_zero() -> None:
    network = RLN(ndim=2, channels=4)
    x = torch.rand(1, 1, 8, 8)
    x[..., :4] = 0
    estimate = network.h2(x)
    assert (estimate[..., :4] == 0).all()
    assert (estimate[..., 4:] > 0).all()


def test_below_zero_counts_as_zero() -> None:
    network, x = RLN(ndim=2, channels=4), torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(network(x), network(x.clamp(min=0)))


@pytest.mark.parametrize("ndim", [2, 3])
def test_it_reaches_no_further_than_stated(ndim: int) -> None:
    network = RLN(ndim=ndim, channels=2).double()
    size = 2 * network.receptive_radius + 8
    image = torch.rand(1, 1, *(size,) * ndim, dtype=torch.float64, requires_grad=True)
    farthest = 0
    for centre in (size // 2, size // 2 + 1):
        (gradient,) = torch.autograd.grad(network(image)[(0, 0, *(centre,) * ndim)], image)
        reached = np.abs(gradient[0, 0].nonzero().numpy() - centre)
        farthest = max(farthest, int(reached.max()))
    assert farthest == network.receptive_radius


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ndim": 1}, "Expected ndim from 2 to 3, got 1"),
        ({"channels": 0}, "Expected channels of 1 or more, got 0"),
    ],
)
def test_impossible_networks_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLN(**settings)
