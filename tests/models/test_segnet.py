import pytest
import torch

from aimicro.models import SegNet


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("ndim", "shape"), [(2, (24, 40)), (3, (8, 16, 12))])
def test_output_has_the_size_of_the_input(ndim: int, shape: tuple[int, ...]) -> None:
    network = SegNet(ndim=ndim, in_channels=2, out_channels=3, channels=4, depth=2)
    assert network(torch.zeros(5, 2, *shape)).shape == (5, 3, *shape)


def test_parameter_count_is_that_of_the_drawing() -> None:
    """Two levels of 8 and 16 channels: two convolutions each down, the mirror image up."""
    widths = [(1, 8), (8, 8), (8, 16), (16, 16), (16, 8), (8, 8), (8, 8), (8, 8)]
    convolutions = sum(9 * inputs * outputs + outputs for inputs, outputs in widths)
    network = SegNet(channels=8, depth=2)
    assert sum(p.numel() for p in network.parameters()) == convolutions + 9


def test_values_return_to_where_they_came_from() -> None:
    """With layers that pass on what they get, only the maxima of 2 x 2 pixels are left."""
    network = SegNet(channels=1, depth=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for level in (network.encode[0], network.decode[0]):
            for layer in (level[0], level[2]):
                layer.weight[0, 0, 1, 1] = 1
        network.head.weight.fill_(1)
    image = torch.tensor([[1.0, 2.0, 0.0, 5.0], [4.0, 3.0, 7.0, 6.0]])[None, None]
    expected = torch.tensor([[0.0, 0.0, 0.0, 0.0], [4.0, 0.0, 7.0, 0.0]])
    assert torch.equal(network(image)[0, 0], expected)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_radius_is_exact(depth: int) -> None:
    """A change of one input pixel reaches as far as stated, and no further."""
    network = SegNet(channels=3, depth=depth).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that no ReLU cuts a path
    size = 16 * network.divisor
    reach = 0
    for pixel in range(size // 2, size // 2 + network.divisor):
        image = torch.rand(1, 1, size, size, dtype=torch.float64)
        changed = image.clone()
        changed[0, 0, pixel, pixel] += 100
        with torch.no_grad():
            moved = (network(changed) != network(image))[0, 0].nonzero()
        reach = max(reach, int((moved - pixel).abs().max()))
    assert reach == network.receptive_radius


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ndim": 4}, "ndim"),
        ({"depth": 0}, "depth of 1 or more, got 0"),
        ({"channels": 0}, "channels of 1 or more, got 0"),
    ],
)
def test_bad_sizes(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegNet(**settings)
