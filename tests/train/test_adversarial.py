import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.models import Discriminator, UNet
from aimicro.train import ArrayPatches, Checkpoint, adversarial, fit
from aimicro.train.intensity_losses import mae, mse
from aimicro.train.preparation import check_alone

X, TARGET = torch.rand(2, 4, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def patches() -> ArrayPatches:
    rng = np.random.default_rng(0)
    clean = rng.random((6, 16, 16))
    noisy = clean + rng.normal(0, 0.5, clean.shape)
    return ArrayPatches(list(noisy), list(clean), patch_size=(16, 16), batch_size=4)


def weights_of(network: torch.nn.Module) -> list[torch.Tensor]:
    return [weights.detach().clone() for weights in network.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("conditional", [True, False])
def test_it_is_the_loss_and_the_surprise_of_the_detective(conditional: bool) -> None:
    detective = Discriminator(in_channels=1 + conditional, channels=4, depth=1)
    network = UNet(channels=2, depth=1)
    found = adversarial(detective, mse, weight=0.3, conditional=conditional)(network, X, TARGET)
    answer = network(X)  # judged by the detective as it is after its step
    logits = detective(torch.cat([X, answer], dim=1) if conditional else answer)
    fooling = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    torch.testing.assert_close(found, mse(answer, TARGET) + 0.3 * fooling)


def test_the_detective_learns_and_the_network_gets_gradients_of_its_own_part() -> None:
    detective, network = Discriminator(channels=4, depth=1), UNet(channels=2, depth=1)
    objective = adversarial(detective, weight=1)
    before = weights_of(detective)
    loss = objective(network, X, TARGET)
    learned = weights_of(detective)
    assert not same(before, learned)
    assert all(weights.grad is None for weights in network.parameters())  # from its step: nothing
    grads = [weights.grad.clone() for weights in detective.parameters()]
    loss.backward()
    assert all(weights.grad.abs().sum() > 0 for weights in network.head.parameters())
    assert same(grads, [weights.grad for weights in detective.parameters()])
    assert same(learned, weights_of(detective))


def test_it_begins_to_tell_apart() -> None:
    """A network that never changes, and says 0 everywhere, is soon found out."""

    class Dark(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

    detective = Discriminator(channels=8, depth=1)
    objective = adversarial(detective, learning_rate=0.01)
    for _ in range(100):
        objective(Dark(), X, TARGET)
    assert (detective(torch.cat([X, TARGET], dim=1)) > 0).float().mean() > 0.9
    assert (detective(torch.cat([X, Dark()(X)], dim=1)) < 0).float().mean() > 0.9


def test_nobody_learns_in_validation() -> None:
    detective, network = Discriminator(channels=4, depth=1), UNet(channels=2, depth=1)
    objective, before = adversarial(detective), weights_of(detective)
    with torch.no_grad():
        assert objective(network.train(), X, TARGET) == mae(network(X), TARGET)
    assert objective(network.eval(), X, TARGET) == mae(network(X), TARGET)
    assert same(before, weights_of(detective))


def test_a_validation_leaves_the_training_as_it_is() -> None:
    training, found = patches(), []
    start, first = UNet(channels=2, depth=1), Discriminator(channels=2, depth=1)
    for validation, every in ((None, 8), (training, 2)):
        network, detective = copy.deepcopy(start), copy.deepcopy(first)
        fit(
            network,
            training,
            steps=8,
            validation=validation,
            validate_every=every,
            objective=adversarial(detective),
        )
        found.append(weights_of(detective))
    assert same(*found)
    assert not same(found[0], weights_of(first))


def test_it_repeats_bit_for_bit() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        network, detective = UNet(channels=2, depth=1), Discriminator(channels=2, depth=1)
        history = fit(network, patches(), steps=6, objective=adversarial(detective))
        found.append([*weights_of(network), *weights_of(detective)])
    assert same(*found)
    assert np.isfinite(history.train_loss).all()


def test_without_weight_the_network_learns_as_without_a_detective() -> None:
    start, found = UNet(channels=2, depth=1), []
    for objective in ("mae", adversarial(Discriminator(channels=2, depth=1), weight=0)):
        network = copy.deepcopy(start)
        fit(network, patches(), steps=6, objective=objective)
        found.append(weights_of(network))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_it_is_not_resumed_but_its_best_weights_are_stored(tmp_path) -> None:
    objective = adversarial(Discriminator(channels=2, depth=1))
    path = tmp_path / "gan.safetensors"
    with pytest.raises(ValueError, match=r"no checkpoint to resume for the objective adversarial"):
        fit(
            UNet(channels=2, depth=1),
            patches(),
            steps=2,
            objective=objective,
            checkpoint=Checkpoint(path, resume=True),
        )
    fit(
        UNet(channels=2, depth=1),
        patches(),
        steps=2,
        objective=objective,
        checkpoint=Checkpoint(path),
    )
    assert path.exists()


def test_processes_do_not_share_it() -> None:
    objective = adversarial(Discriminator(channels=2, depth=1))
    with pytest.raises(ValueError, match=r"Expected one process .*got 2"):
        check_alone("adversarial", objective, None, 2)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected weight of 0 or more, got -1"):
        adversarial(Discriminator(), weight=-1)
    with pytest.raises(ValueError, match="Expected learning_rate above 0, got 0"):
        adversarial(Discriminator(), learning_rate=0)
    with pytest.raises(ValueError, match=r"takes 2 channels, those of input and answer.*for 1"):
        adversarial(Discriminator(in_channels=1))(UNet(channels=2, depth=1), X, TARGET)
