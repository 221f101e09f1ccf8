import numpy as np
import pytest
import torch

from aimicro.models import Network, UNet
from aimicro.train import (
    LOSSES,
    OBJECTIVES,
    ArrayPatches,
    fit,
    supervised,
    variational,
)

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_supervised_objectives_are_the_losses() -> None:
    x, target = torch.rand(2, 2, 4, 12, 12)
    for name, loss in LOSSES.items():
        assert OBJECTIVES[name](torch.nn.Identity(), x, target) == loss(x, target)
        assert supervised(loss)(torch.nn.Identity(), x, target) == loss(x, target)


class Autoencoder(Network):
    """A code of two numbers for a patch of 4 x 4."""

    ndim, in_channels, out_channels, divisor, receptive_radius = 2, 1, 1, 4, 4

    def __init__(self) -> None:
        super().__init__()
        self.encode = torch.nn.Linear(16, 4)
        self.decode = torch.nn.Linear(2, 16)

    def forward(self, x: torch.Tensor):  # type: ignore[no-untyped-def]
        mean, log_variance = self.encode(x.flatten(1)).chunk(2, dim=1)
        if not self.training:
            return self.decode(mean).view_as(x)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decode(code).view_as(x), mean, log_variance


def test_variational_adds_the_divergence_of_the_codes() -> None:
    mean, log_variance = torch.randn(3, 2), torch.randn(3, 2)
    x = torch.rand(3, 1, 4, 4)
    normal, code = (
        torch.distributions.Normal(torch.zeros(3, 2), torch.ones(3, 2)),
        torch.distributions.Normal(mean, (log_variance / 2).exp()),
    )
    divergence = torch.distributions.kl_divergence(code, normal).sum() / x.numel()
    found = variational(beta=0.3)(lambda x: (x + 1, mean, log_variance), x, x)  # type: ignore[arg-type]
    assert float(found) == pytest.approx(1 + 0.3 * float(divergence), rel=1e-5)
    assert float(variational()(lambda x: x + 2, x, x)) == pytest.approx(4)  # type: ignore[arg-type]


def test_an_autoencoder_learns_two_numbers_for_a_patch() -> None:
    y, x = np.mgrid[:4, :4]
    images = [a * y + b * x for a, b in RNG.normal(size=(50, 2))]
    training = ArrayPatches(images, None, patch_size=(4, 4), batch_size=32, augment=False)
    spread, losses = [], []
    for beta in (1e-3, 3):
        network = Autoencoder()
        objective = variational(beta)
        settings = {"learning_rate": 0.02, "objective": objective, "precision": "float32"}
        history = fit(network, training, steps=300, validation=training, **settings)  # type: ignore[arg-type]
        codes = network.encode(torch.from_numpy(training.batch(0)[0]).flatten(1))[:, :2]
        spread.append(float(codes.detach().std()))
        losses.append(history.validation_loss[-1])
    assert losses[0] < 0.05  # 1 with a code that says nothing
    assert losses[0] < losses[1] < 0.3
    assert spread[1] < 1.2 < spread[0]  # the divergence draws the codes to a spread of 1


def test_a_loss_is_told_how_to_become_an_objective() -> None:
    training = ArrayPatches([np.eye(8)], None, patch_size=(8, 8), batch_size=1)
    with pytest.raises(TypeError, match=r"got mse with other arguments.*supervised\(loss\)"):
        fit(UNet(channels=2, depth=1), training, steps=1, objective=LOSSES["mse"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objective", "arguments", "message"),
    [
        (variational, {"beta": -1}, "Expected beta of 0 or more, got -1"),
    ],
)
def test_bad_arguments_are_refused(objective, arguments, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        objective(**arguments)
