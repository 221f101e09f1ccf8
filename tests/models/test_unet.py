import pytest
import torch

from aimicro.models import UNet


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def parameters_by_hand(ndim: int, channels: int, depth: int) -> int:
    """Count weights and biases from the drawing in the paper, not from the code."""
    kernel = 3**ndim
    widths = [channels * 2**level for level in range(depth + 1)]

    def double(inputs: int, outputs: int) -> int:
        return kernel * inputs * outputs + outputs + kernel * outputs * outputs + outputs

    down = sum(double(i, o) for i, o in zip([1, *widths[:-1]], widths, strict=True))
    up = sum(double(w + 2 * w, w) for w in widths[:-1])
    return down + up + channels + 1


@pytest.mark.parametrize(("ndim", "channels", "depth"), [(2, 32, 3), (2, 8, 1), (3, 4, 2)])
def test_parameter_count_is_that_of_the_drawing(ndim: int, channels: int, depth: int) -> None:
    network = UNet(ndim=ndim, channels=channels, depth=depth)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == parameters_by_hand(ndim, channels, depth)


@pytest.mark.parametrize(("ndim", "shape"), [(2, (24, 40)), (3, (8, 16, 12))])
def test_output_has_the_size_of_the_input(ndim: int, shape: tuple[int, ...]) -> None:
    network = UNet(ndim=ndim, in_channels=2, out_channels=3, channels=4, depth=2)
    assert network(torch.zeros(5, 2, *shape)).shape == (5, 3, *shape)


@pytest.mark.parametrize("ndim", [2, 3])
def test_untrained_residual_network_hands_the_image_through(ndim: int) -> None:
    image = torch.randn(1, 1, *(8,) * ndim)
    network = UNet(ndim=ndim, channels=4, depth=1, residual=True)
    assert torch.equal(network(image), image)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_radius_is_exact(depth: int) -> None:
    """The gradient of one output pixel reaches as far as stated, and no further."""
    network = UNet(channels=3, depth=depth).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that no ReLU cuts a path
    size = 16 * network.divisor
    reach = 0
    for centre in range(size // 2, size // 2 + network.divisor):
        image = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        network(image)[0, 0, centre, centre].backward()
        assert image.grad is not None
        reach = max(reach, int((image.grad[0, 0].nonzero() - centre).abs().max()))
    assert reach == network.receptive_radius


def test_moving_the_image_moves_the_result() -> None:
    network = UNet(channels=4, depth=2).double()
    image = torch.zeros(1, 1, 96, 96, dtype=torch.float64)
    image[..., 40:56, 40:56] = torch.randn(16, 16, dtype=torch.float64)
    moved = torch.roll(image, (network.divisor, -network.divisor), dims=(2, 3))
    expected = torch.roll(network(image), (network.divisor, -network.divisor), dims=(2, 3))
    inner = (..., slice(32, -32), slice(32, -32))
    torch.testing.assert_close(network(moved)[inner], expected[inner])


@pytest.mark.parametrize("ndim", [2, 3])
def test_dropout_silences_channels_during_training_alone(ndim: int) -> None:
    network, image = (
        UNet(ndim=ndim, channels=4, depth=1, dropout=0.5),
        torch.ones(1, 1, *(8,) * ndim),
    )
    seen = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(2)))
    assert not torch.equal(network(image), network(image))
    assert any((channel == 0).all() for features in seen for channel in features[0])
    network.eval()
    assert torch.equal(network(image), network(image))
    without = UNet(**network.config | {"dropout": 0.0})
    without.load_state_dict(network.state_dict())
    assert torch.equal(without(image), network(image))


def test_config_builds_the_same_network_again() -> None:
    network = UNet(ndim=3, channels=4, depth=1, out_channels=2, dropout=0.2)
    again = UNet(**network.config)
    again.load_state_dict(network.state_dict())
    assert again.config == network.config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ndim": 4}, "Expected ndim from 2 to 3, got 4. 2 is for images, 3 for volumes"),
        ({"channels": 0}, "Expected channels of 1 or more, got 0"),
        ({"depth": -1}, "Expected depth of 1 or more, got -1"),
        ({"dropout": 1.0}, "Expected dropout from 0 to below 1, got 1. Try 0.1"),
        (
            {"out_channels": 2, "residual": True},
            "as many output as input channels.*got 2 and 1.*residual=False",
        ),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UNet(**arguments)
