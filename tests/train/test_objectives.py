import numpy as np
import pytest
import torch

from aimicro.models import Network, UNet
from aimicro.train import (
    LOSSES,
    OBJECTIVES,
    ArrayPatches,
    blind_spot,
    fit,
    supervised,
    variational,
)
from aimicro.train.objectives import _spots

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Noted(torch.nn.Module):
    """Hands its input through, and keeps it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x.detach().clone()
        return x


def test_supervised_objectives_are_the_losses() -> None:
    x, target = torch.rand(2, 2, 4, 12, 12)
    for name, loss in LOSSES.items():
        assert OBJECTIVES[name](torch.nn.Identity(), x, target) == loss(x, target)
        assert supervised(loss)(torch.nn.Identity(), x, target) == loss(x, target)


@pytest.mark.parametrize("shape", [(3, 1, 20, 30), (2, 2, 6, 10, 12)])
def test_blind_spots_hold_a_neighbour(shape: tuple[int, ...]) -> None:
    """Pixels are numbered, so that the replaced ones tell where they come from."""
    n = int(np.prod(shape[2:]))
    x = torch.arange(float(n)).reshape(1, 1, *shape[2:]).expand(shape).contiguous()
    network = Noted()
    loss = blind_spot(fraction=0.05, radius=2)(network, x, torch.full_like(x, np.nan))
    seen, original = network.seen.numpy(), x.numpy()
    for patch, truth in zip(seen, original, strict=True):
        assert all(np.array_equal(patch[0], channel) for channel in patch)
        changed = np.flatnonzero(patch[0] != truth[0])
        assert len(changed) == round(0.05 * n)  # never by itself
        to, by = (
            np.array(np.unravel_index(index, shape[2:]))
            for index in (changed, patch[0].ravel()[changed].astype(int))
        )
        assert np.abs(to - by).max() == 2
    errors = (seen - original)[seen != original] ** 2
    assert float(loss) == pytest.approx(errors.mean(), rel=1e-5)


def test_every_neighbour_is_as_likely_also_at_the_border() -> None:
    x = torch.zeros(4000, 1, 3, 4)
    places, neighbours = (index[:, 0] for index in _spots(x, 1.0, 1))
    for place, expected in (
        (0, {1, 4, 5}),  # a corner
        (5, {0, 1, 2, 4, 6, 8, 9, 10}),
        (11, {6, 7, 10}),
    ):
        found = neighbours[places == place]
        values, counts = found.unique(return_counts=True)
        assert set(values.tolist()) == expected
        assert counts.numpy() == pytest.approx(4000 / len(expected), rel=0.15)


def test_blind_spots_denoise_without_truth() -> None:
    x = np.arange(32) * np.ones((32, 1))
    waves = np.sin(x / 3 + RNG.uniform(0, 6, size=(24, 1, 1))).astype(np.float32)
    noisy = waves + RNG.normal(0, 0.5, waves.shape).astype(np.float32)
    network = UNet(channels=8, depth=1)
    training = ArrayPatches(list(noisy[:20]), None, patch_size=(32, 32))
    fit(network, training, steps=200, objective="blind_spot", precision="float32", device="cpu")
    scale = network.scaling.input
    with torch.no_grad():
        restored = network(torch.from_numpy(scale.apply(noisy[20:]))[:, None])[:, 0]
    error = np.mean((network.scaling.output.undo(restored.numpy()) - waves[20:]) ** 2)
    assert error < 0.25 / 2  # the noisy images have 0.25


def test_validation_of_blind_spots_is_the_same_each_time() -> None:
    noisy = RNG.random((2, 16, 16))
    training = ArrayPatches(list(noisy), None, patch_size=(16, 16), batch_size=2)
    settings = {"objective": blind_spot(0.1, 2), "learning_rate": 1e-12, "precision": "float32"}
    history = fit(
        UNet(channels=2, depth=1),
        training,
        validation=training,
        steps=4,
        validate_every=1,
        **settings,  # type: ignore[arg-type]
    )
    assert history.validation_loss == pytest.approx([history.validation_loss[0]] * 4, rel=1e-6)
    assert len(set(np.round(history.train_loss, 4))) == 4


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
        (blind_spot, {"fraction": 0}, "Expected fraction above 0 to 1, got 0"),
        (blind_spot, {"radius": 0.5}, "Expected radius as a whole number"),
        (variational, {"beta": -1}, "Expected beta of 0 or more, got -1"),
    ],
)
def test_bad_arguments_are_refused(objective, arguments, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        objective(**arguments)
