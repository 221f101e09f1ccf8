import pytest
import torch
from torch.nn import functional as F

from aimicro.models import Discriminator
from aimicro.train import load_model, save_model
from aimicro.train.scaling import Linear, Scaling


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_one_answer_for_each_window(ndim: int, depth: int) -> None:
    network = Discriminator(ndim, in_channels=3, channels=2, depth=depth)
    found = network(torch.rand(2, 3, *[16] * ndim))
    assert found.shape == (2, 1, *[16 // 2**depth] * ndim)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_window_is_exact(depth: int) -> None:
    network = Discriminator(in_channels=1, channels=2, depth=depth).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that nothing cancels
    image = torch.rand(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    middle = 64 // 2**depth
    network(image)[0, 0, middle, middle].backward()
    seen = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert int(seen.max() - seen.min()) + 1 == network.window <= 2 * network.receptive_radius + 1


def test_it_learns_to_tell_sharp_from_blurred() -> None:
    network = Discriminator(in_channels=1, channels=8, depth=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(61):
        sharp = torch.rand(8, 1, 16, 16)
        blurred = F.avg_pool2d(F.pad(sharp, [1] * 4, mode="reflect"), 3, stride=1)
        if step == 60:
            break
        optimizer.zero_grad()
        (F.softplus(-network(sharp)) + F.softplus(network(blurred))).mean().backward()
        optimizer.step()
    assert (network(sharp) > 0).float().mean() > 0.9
    assert (network(blurred) < 0).float().mean() > 0.9


def test_it_is_stored_like_any_network(tmp_path) -> None:
    network = Discriminator(channels=4, depth=1)
    network.scaling = Scaling(Linear(0, 1), Linear(0, 1))
    save_model(tmp_path / "detective.safetensors", network)
    x = torch.rand(1, 2, 8, 8)
    torch.testing.assert_close(load_model(tmp_path / "detective.safetensors")(x), network(x))


@pytest.mark.parametrize("settings", [{"depth": 0}, {"channels": 0}, {"in_channels": 0}])
def test_bad_sizes(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="of 1 or more, got 0"):
        Discriminator(**settings)


def test_bad_axes() -> None:
    with pytest.raises(ValueError, match="Expected ndim from 2 to 3, got 1"):
        Discriminator(1)
