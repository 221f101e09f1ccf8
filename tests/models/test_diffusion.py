import numpy as np
import pytest
import torch
from torch import Tensor

from aimicro.models import Diffusion, signal_and_noise
from aimicro.predict import predict_draws


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Perfect(Diffusion):
    """Knows that all pixels are normal, with this mean and deviation, and answers what follows."""

    mean, deviation = 2.0, 0.5

    def forward(self, x: Tensor) -> Tensor:
        draft, level = x[:, 1:2], x[:, 2:3]
        signal, noise = signal_and_noise(level)
        gain = signal * self.deviation**2 / (signal**2 * self.deviation**2 + noise**2)
        return self.mean + gain * (draft - signal * self.mean)


def test_signal_and_noise_keep_the_variance() -> None:
    signal, noise = signal_and_noise(torch.linspace(0, 1, 11, dtype=torch.float64))
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(11, dtype=torch.float64))
    assert (signal.diff() < 0).all()
    assert signal[0] == 1
    assert noise[0] == 0
    assert noise[-1] == 1


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_with_perfect_answers_the_draws_have_the_true_mean_and_spread(eta: float) -> None:
    drawn = Perfect(channels=1, depth=1).draw(torch.zeros(4, 1, 64, 64), steps=200, eta=eta)
    assert float(drawn.mean()) == pytest.approx(2.0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.5, rel=0.05)


def test_without_fresh_noise_the_first_draft_decides() -> None:
    """The draws are the first drafts, scaled: pixels keep their order."""
    network, image = Perfect(channels=1, depth=1), torch.zeros(1, 1, 8, 8)
    torch.manual_seed(3)
    first = torch.randn(1, 1, 8, 8).flatten().argsort()
    torch.manual_seed(3)
    assert torch.equal(network.draw(image, eta=0.0).flatten().argsort(), first)


def test_one_step_is_the_mean() -> None:
    drawn = Perfect(channels=1, depth=1).draw(torch.zeros(1, 1, 8, 8), steps=1)
    torch.testing.assert_close(drawn, torch.full((1, 1, 8, 8), 2.0))


@pytest.mark.parametrize(("ndim", "shape"), [(2, (8, 12)), (3, (4, 8, 6))])
def test_draws_have_the_size_of_the_image(ndim: int, shape: tuple[int, ...]) -> None:
    network = Diffusion(ndim=ndim, in_channels=2, out_channels=3, channels=2, depth=1)
    assert network.draw(torch.zeros(5, 2, *shape), steps=2).shape == (5, 3, *shape)


def test_draws_of_arrays_repeat_and_leave_the_seed_alone() -> None:
    network = Diffusion(channels=2, depth=1)
    image = np.random.default_rng(0).random((8, 12))
    before = torch.get_rng_state()
    first, again = (predict_draws(network, image, n=3, rng=1, steps=3) for _ in range(2))
    other = predict_draws(network, image, n=3, rng=2, steps=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.shape == (3, 8, 12)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "Expected steps"),
        ({"eta": 1.5}, "Expected eta from 0 to 1, got 1.5"),
        ({"eta": -0.1}, "Expected eta"),
    ],
)
def test_draws_that_cannot_be_are_refused(arguments, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        Diffusion(channels=1, depth=1).draw(torch.zeros(1, 1, 4, 4), **arguments)


@pytest.mark.parametrize(
    ("image", "n", "message"),
    [
        (np.zeros((8, 9)), 2, "divide by 2"),
        (np.zeros((2, 8, 8)), 2, "1 channels"),
        (np.zeros((8, 8)), 0, "Expected n"),
        (np.full((8, 8), np.nan), 2, "finite"),
    ],
)
def test_images_that_do_not_fit_are_refused(image, n: int, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        predict_draws(Diffusion(channels=1, depth=1), image, n=n, rng=0)


def test_networks_that_cannot_draw_are_refused() -> None:
    with pytest.raises(TypeError, match="Expected a network that draws"):
        predict_draws(torch.nn.Identity(), np.zeros((8, 8)), rng=0)  # type: ignore[arg-type]
