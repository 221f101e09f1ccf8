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

    def project(name: str, x: torch.Tensor) -> torch.Tensor:
        seen = [softplus(conv(f"{name}.convs.0", x))]
        seen.append(softplus(conv(f"{name}.convs.1", seen[0])))
        if f"{name}.convs.2.weight" in weights:
            seen.append(softplus(conv(f"{name}.convs.2", torch.cat(seen, 1))))
        return seen[-1]

    def mean(x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True)

    coarse = F.avg_pool2d(x, 2)
    back = project("bp1", coarse / (mean(project("fp1", coarse)) + coarse + 1e-3))
    fine = F.conv_transpose2d(back, weights["up.weight"], weights["up.bias"], stride=2)
    first = x * mean(softplus(conv("smooth", softplus(fine))))
    second = first * (1 + mean(project("bp2", x / (mean(project("fp2", x)) + x + 1e-3))))
    features = softplus(conv("h3.0", second))
    more = softplus(conv("h3.1", torch.cat([features, second, first], 1)))
    return mean(softplus(conv("h3.2", torch.cat([features, more], 1))))


def test_network_computes_its_formulas() -> None:
    network = RLN(ndim=2, channels=4).double()
    x = torch.rand(2, 1, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(network(x), by_the_book(network, x))


def test_it_has_as_many_weights_as_the_published_one() -> None:
    n = sum(parameter.numel() for parameter in RLN(ndim=3).parameters())
    assert n == pytest.approx(16_000, rel=0.02)


def test_light_stays_above_zero() -> None:
    assert (RLN(ndim=2, channels=4)(torch.rand(1, 1, 8, 8) - 0.5) > 0).all()


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
        ({"channels": 1}, "Expected channels of 2 or more, got 1"),
    ],
)
def test_impossible_networks_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLN(**settings)
