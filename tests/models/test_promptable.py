import pytest
import torch

from aimicro.models import Promptable, check_input


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def small(**settings: int) -> Promptable:
    return Promptable(**{"features": 6, "channels": 2, "depth": 1} | settings)


def test_one_mask_and_one_quality_for_each_prompt() -> None:
    network = small(in_channels=2)
    masks, quality = network(torch.rand(3, 2 + 5 * 4, 24, 32))
    assert masks.shape == (3, 5, 24, 32)
    assert quality.shape == (3, 5)
    assert ((quality > 0) & (quality < 1)).all()


def test_parameter_count_is_that_of_two_unets_and_a_judge() -> None:
    """A U-Net of depth 1: two levels of c and 2 c channels, and a head."""

    def unet(inputs: int, outputs: int, c: int) -> int:
        widths = [(inputs, c), (c, c), (c, 2 * c), (2 * c, 2 * c), (3 * c, c), (c, c)]
        return sum(9 * a * b + b for a, b in widths) + c * outputs + outputs

    expected = unet(4, 6, 4) + unet(6 + 4, 4 + 8, 2) + 2 * 8 + 1
    assert sum(p.numel() for p in small().parameters()) == expected


def test_prompts_do_not_see_each_other() -> None:
    """Any order, any number at once: the answers are the same."""
    network = small().double()
    image, maps = torch.rand(1, 1, 16, 16).double(), torch.rand(1, 4, 4, 16, 16).double()
    described = network.encode(image)
    masks, quality = network.decode(described, maps)
    order = [2, 0, 3, 1]
    for found, before in zip(
        network.decode(described, maps[:, order]), (masks, quality), strict=True
    ):
        torch.testing.assert_close(found, before[:, order])
    one, _ = network.decode(described, maps[:, 1:2])
    torch.testing.assert_close(one, masks[:, 1:2])


def test_forward_is_encode_and_decode() -> None:
    network = small()
    image, maps = torch.rand(2, 1, 16, 16), torch.rand(2, 3, 4, 16, 16)
    at_once = network(torch.cat([image, maps.flatten(1, 2)], dim=1))
    for found, expected in zip(at_once, network.decode(network.encode(image), maps), strict=True):
        torch.testing.assert_close(found, expected)


def test_receptive_radius_is_never_exceeded() -> None:
    network = small().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that no ReLU cuts a path
    size, reach = 32 * network.divisor, 0
    maps = torch.zeros(1, 4, size, size, dtype=torch.float64)
    for pixel in range(size // 2, size // 2 + network.divisor):
        image = torch.rand(1, 1, size, size, dtype=torch.float64)
        changed = image.clone()
        changed[0, 0, pixel, pixel] += 100
        with torch.no_grad():
            before, after = (network(torch.cat([x, maps], 1))[0][0, 0] for x in (image, changed))
        reach = max(reach, int(((before != after).nonzero() - pixel).abs().max()))
    assert network.receptive_radius - network.divisor < reach <= network.receptive_radius


def test_every_weight_learns() -> None:
    network = small()
    masks, quality = network(torch.rand(2, 1 + 4 * 3, 16, 16))
    (masks.square().mean() + quality.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_an_image_without_prompts_and_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got an image alone\. Use aimicro"):
        small()(torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"divide by 4, got \(16, 18\)"):
        check_input(small(), (1, 1, 16, 18))


@pytest.mark.parametrize("name", ["in_channels", "features", "channels", "depth"])
def test_bad_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of 1 or more, got 0"):
        small(**{name: 0})
