import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim, export

from aimicro.models import (
    ARCHITECTURES,
    RCAN,
    Network,
    PatchClassifier,
    SegNet,
    StarDist,
    UNet,
    check_input,
)


class Sharpen(Network):
    """The least that a network needs."""

    def __init__(self, width: int, strength: float = 0.5) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.out_channels = 2, 1, 1
        self.receptive_radius = width // 2
        self.conv = nn.Conv2d(1, 1, width, padding=width // 2)
        self.strength = strength

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.strength * self.conv(x)


def test_a_network_records_how_it_was_built_and_where_its_class_is() -> None:
    network = Sharpen(np.int64(3))  # type: ignore[arg-type]
    assert network.config == {"width": 3, "strength": 0.5}
    assert type(network.config["width"]) is int
    assert ARCHITECTURES["Sharpen"] is Sharpen
    assert ARCHITECTURES["UNet"] is UNet
    assert ARCHITECTURES["RCAN"] is RCAN
    assert Sharpen(5, strength=2).config == {"width": 5, "strength": 2}
    with pytest.raises(TypeError, match="width"):
        Sharpen()  # type: ignore[call-arg]


@pytest.mark.parametrize("cls", [UNet, RCAN, SegNet, PatchClassifier, StarDist])
def test_config_has_every_argument(cls: type[Network]) -> None:
    config = cls(channels=8).config
    assert config["channels"] == 8
    assert list(config) == list(cls.__init__.__annotations__)[:-1]
    assert cls(**config).config == config


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]
)
def test_a_copy_is_the_same_network(again) -> None:  # type: ignore[no-untyped-def]
    network = Sharpen(3, 0.1)
    copied = again(network)
    image = torch.randn(1, 1, 8, 8)
    assert copied.config == network.config
    assert torch.equal(copied(image), network(image))


@pytest.mark.parametrize(
    "network",
    [UNet(channels=2, depth=2), RCAN(ndim=2, channels=4, blocks=1, groups=2, reduction=2)],
)
def test_a_network_can_be_exported_with_free_height_and_width(network: Network) -> None:
    network.eval()
    height, width = (network.divisor * Dim(name, min=2, max=64) for name in ("h", "w"))
    example = torch.randn(1, 1, 8 * network.divisor, 6 * network.divisor)
    exported = export(network, (example,), dynamic_shapes=({2: height, 3: width},)).module()
    other = torch.randn(1, 1, 3 * network.divisor, 10 * network.divisor)
    torch.testing.assert_close(exported(other), network(other))


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (UNet(channels=2, depth=3), (1, 1, 20, 32), r"axes Y, X that divide by 8, got \(20, 32\)"),
        (
            UNet(channels=2, depth=3),
            (1, 32, 32),
            r"\(B, C, Y, X\) with 1 channels .* \(1, 32, 32\)",
        ),
        (UNet(channels=2, depth=3), (1, 1, 8, 32, 32), r"a batch \(B, C, Y, X\)"),
        (UNet(channels=2, depth=1, in_channels=2), (1, 3, 8, 8), "with 2 channels"),
        (RCAN(channels=4, reduction=2), (1, 2, 4, 16, 16), r"\(B, C, Z, Y, X\) with 1 channels"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(
    network: Network, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_input(network, shape)


def test_a_batch_that_fits_is_taken() -> None:
    check_input(UNet(channels=2, depth=3), (4, 1, 16, 8))
    check_input(RCAN(channels=4, reduction=2), (1, 1, 3, 7, 5))
    check_input(nn.Identity(), (1, 5, 3, 7))
