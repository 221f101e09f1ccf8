import pytest
import torch

from aimicro.models import Autoencoder, VariationalAutoencoder


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("network_class", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize(("side", "code"), [(32, 8), (24, 1), (8, 3)])
def test_an_image_becomes_a_code_and_an_image(network_class, side: int, code: int) -> None:  # type: ignore[no-untyped-def]
    network = network_class(side=side, code=code, channels=4).eval()
    images = torch.randn(5, 1, side, side)
    assert network.encode(images).shape == (5, code)
    assert network(images).shape == (5, 1, side, side)
    assert torch.equal(network(images), network.decode(network.encode(images)))


def test_clouds_have_the_spread_that_the_encoder_says() -> None:
    """Codes of many copies of one image, seen through a decoder that hands them through."""
    network = VariationalAutoencoder(side=8, code=2, channels=2).train()
    image = torch.randn(1, 1, 8, 8)
    mean, log_variance = network.clouds(image)
    network.decode = lambda code: code  # type: ignore[method-assign]
    codes, means, _ = network(image.expand(20000, -1, -1, -1))
    assert torch.allclose(means, mean.expand_as(means), atol=1e-5)
    assert torch.allclose(codes.mean(0), mean[0], atol=0.03)
    assert torch.allclose(codes.std(0), (log_variance[0] / 2).exp(), rtol=0.03)


def test_in_evaluation_nothing_is_left_to_chance() -> None:
    network = VariationalAutoencoder(side=16, code=4, channels=2)
    images = torch.randn(2, 1, 16, 16)
    assert not torch.equal(network(images)[0], network(images)[0])
    network.eval()
    assert torch.equal(network(images), network(images))


def test_the_seed_decides_what_is_drawn() -> None:
    network = VariationalAutoencoder(side=16, code=4, channels=2).eval()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(network.draw(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 30}, "Expected a side that divides by 8, got 30"),
        ({"side": 4}, "Expected side"),
        ({"code": 0}, "Expected code"),
        ({"channels": 1.5}, "Expected channels as a whole number"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        Autoencoder(**arguments)
    with pytest.raises(ValueError, match="Expected n"):
        VariationalAutoencoder(side=8, channels=1).draw(0)
