import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.models import DFCAN
from aimicro.models.dfcan import FourierChannelAttention, spectrum


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("upscale", [1, 2, 3])
@pytest.mark.parametrize("size", [(16, 24), (15, 17)])
def test_output_is_finer_by_the_upscale(upscale: int, size: tuple[int, int]) -> None:
    network = DFCAN(channels=8, reduction=2, upscale=upscale, in_channels=2, out_channels=3)
    output = network(torch.rand(2, 2, *size))
    assert output.shape == (2, 3, upscale * size[0], upscale * size[1])


def by_the_book(network: DFCAN, x: torch.Tensor) -> torch.Tensor:
    """The network written as formulas, one line a layer, from its weights alone."""
    weights = network.state_dict()

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.conv2d(x, w, b, padding=w.shape[-1] // 2)

    def block(name: str, x: torch.Tensor) -> torch.Tensor:
        y = F.gelu(conv(f"{name}.change.2", F.gelu(conv(f"{name}.change.0", x))))
        fourier = np.fft.fftshift(np.fft.fft2(y.numpy()), axes=(2, 3))
        amplitude = torch.from_numpy(np.abs(fourier) / np.sqrt(y[0, 0].numel())) ** 0.8
        attention = f"{name}.change.4"
        mean = conv(f"{attention}.look.0", amplitude).clamp(min=0).mean((2, 3), keepdim=True)
        gate = conv(f"{attention}.excite.2", conv(f"{attention}.excite.0", mean).clamp(min=0))
        return x + y / (1 + torch.exp(-gate))

    y = F.gelu(conv("head.0", x))
    for g in range(network.config["groups"]):
        inside = y
        for b in range(network.config["blocks"]):
            inside = block(f"body.{g}.change.{b}", inside)
        y = y + inside
    y = F.pixel_shuffle(F.gelu(conv("after_body.0", y)), network.upscale)
    return conv("tail", y)


@pytest.mark.parametrize("upscale", [1, 2])
def test_network_computes_the_published_formulas(upscale: int) -> None:
    network = DFCAN(channels=8, blocks=2, groups=2, reduction=4, upscale=upscale).double()
    x = torch.rand(2, 1, 12, 10, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), by_the_book(network, x), atol=1e-6, rtol=1e-6)


def test_spectrum_of_a_wave_is_two_spots() -> None:
    x = torch.arange(16)
    wave = torch.cos(2 * torch.pi * 3 * x / 16).expand(1, 1, 16, 16)
    amplitude = spectrum(wave)[0, 0]
    # Half of the wave at each of ±3, times the root of 16 x 16 pixels.
    expected = torch.zeros(16, 16)
    expected[8, [8 - 3, 8 + 3]] = 8**0.8
    torch.testing.assert_close(amplitude, expected, atol=1e-3, rtol=1e-3)


def test_spectrum_of_texture_does_not_depend_on_the_size_of_the_image() -> None:
    small, large = (spectrum(torch.randn(64, 1, n, n)).mean() for n in (16, 64))
    assert abs(small / large - 1) < 0.05


def test_attention_weighs_by_the_spectrum_and_not_by_the_mean() -> None:
    attention = FourierChannelAttention(channels=2, reduction=1)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        # Each channel vouches for itself, by the mean of its spectrum.
        for k in range(2):
            attention.look[0].weight[k, k, 1, 1] = 1
            attention.excite[0].weight[k, k] = 1
            attention.excite[2].weight[k, k] = 1
    even = torch.zeros(1, 2, 32, 32)
    fine = torch.randn(32, 32)
    even[0, 0] = 1 + 0.1 * (fine - fine.mean())
    even[0, 1] = 1 + 1.0 * (fine - fine.mean())  # the same mean, ten times the texture
    weights = (attention(even) / even)[0, :, 0, 0]
    wanted = torch.sigmoid(spectrum(even).mean((2, 3)))[0]
    torch.testing.assert_close(weights, wanted)
    assert weights[1] > weights[0] + 0.05


def test_attention_ignores_where_structure_lies() -> None:
    attention = FourierChannelAttention(channels=4, reduction=2)
    x = torch.rand(1, 4, 16, 16)
    moved = attention(x.roll((3, 5), (2, 3))).roll((-3, -5), (2, 3))
    torch.testing.assert_close(attention(x), moved)


def test_a_pixel_reaches_as_far_as_told() -> None:
    network = DFCAN(channels=4, blocks=1, groups=2, reduction=2).double()
    with torch.no_grad():  # hold the attention still, which sees the whole image
        for name, parameter in network.named_parameters():
            if "excite.2.weight" in name:
                parameter.zero_()
    image = torch.rand(1, 1, 41, 41, dtype=torch.float64)
    poked = image.clone()
    poked[..., 20, 20] += 1
    moved = (network(image) != network(poked))[0, 0].nonzero()
    assert (moved - 20).abs().max() == network.receptive_radius == 7


def test_gradients_flow_in_short_numbers_too() -> None:
    network = DFCAN(channels=4, blocks=1, groups=1, reduction=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(torch.zeros(1, 1, 8, 8)).float().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"upscale": 0}, ValueError, "upscale"),
        ({"upscale": 1.5}, TypeError, "upscale"),
        ({"blocks": 0}, ValueError, "blocks"),
        ({"groups": -1}, ValueError, "groups"),
        ({"channels": 4, "reduction": 8}, ValueError, "attention"),
        ({"in_channels": 0}, ValueError, "in_channels"),
    ],
)
def test_bad_sizes_are_refused(settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DFCAN(**settings)
