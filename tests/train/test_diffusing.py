import numpy as np
import pytest
import torch

from aimicro.models import Diffusion, signal_and_noise
from aimicro.train import ArrayPatches, Linear, Scaling, diffusion, fit


class Noted(torch.nn.Module):
    """Answers with the image, and keeps what it was given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x.detach().clone()
        return x[:, :1]


def test_drafts_hold_target_and_noise_as_their_level_says() -> None:
    torch.manual_seed(0)
    network, target = Noted(), torch.full((64, 1, 16, 16), 3.0)
    loss = diffusion()(network, torch.zeros_like(target), target)
    draft, level = network.seen[:, 1], network.seen[:, 2]
    assert float(loss) == 9
    flat = level[:, 0, 0]
    assert torch.equal(level, flat[:, None, None].expand_as(level))
    assert torch.equal((flat * 64).floor().sort().values, torch.arange(64.0))  # spread evenly
    signal, noise = signal_and_noise(flat)
    fresh = (draft - signal[:, None, None] * 3) / noise[:, None, None]
    assert float(fresh.mean()) == pytest.approx(0, abs=0.02)
    assert float(fresh.std()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_follows_without_doubt_is_drawn(ndim: int) -> None:
    """The truth is a linear function of the image: all draws agree with it."""
    torch.manual_seed(0)
    side = (8, 8) if ndim == 2 else (4, 4, 4)
    images = np.random.default_rng(0).normal(size=(40, 1, *[1] * ndim)) * np.ones((1, 1, *side))
    scaling = Scaling(Linear(), Linear())
    patches = ArrayPatches(
        list(images), list(-images), patch_size=side, channels="first", scaling=scaling
    )
    network = Diffusion(ndim=ndim, channels=4, depth=1)
    objective = diffusion()
    fit(
        network,
        patches,
        steps=400 if ndim == 2 else 60,
        learning_rate=1e-2,
        objective=objective,
        device="cpu",
    )
    image = torch.full((4, 1, *side), 0.7)
    drawn = network.draw(image, steps=8)
    assert float((drawn + 0.7).abs().mean()) < 0.25


def test_a_training_repeats() -> None:
    images = list(np.random.default_rng(0).random((4, 8, 8)))
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        patches = ArrayPatches(images, images, patch_size=(8, 8), batch_size=4)
        history = fit(
            Diffusion(channels=2, depth=1),
            patches,
            validation=patches,
            steps=4,
            validate_every=2,
            objective=diffusion(),
            device="cpu",
        )
        losses.append(history.validation_loss)
    assert losses[0] == losses[1]
