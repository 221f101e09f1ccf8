"""The network that reads a wavefront."""

import pytest
import torch

from aimicro.models import ARCHITECTURES, WavefrontReader


def test_one_answer_for_each_mode():
    reader = WavefrontReader(in_channels=2, out_channels=7, channels=4, side=16)
    assert reader(torch.rand(5, 2, 16, 16)).shape == (5, 7, 1, 1)
    assert ARCHITECTURES["WavefrontReader"] is WavefrontReader


def test_where_the_light_is_matters():
    torch.manual_seed(0)
    reader = WavefrontReader(in_channels=1, out_channels=1, channels=4, side=16).eval()
    image = torch.zeros(1, 1, 16, 16)
    image[..., 4, 4] = 9
    assert not torch.allclose(reader(image), reader(image.flip(3)))


def test_an_image_brighter_than_black_by_less_than_nothing_is_black():
    reader = WavefrontReader(in_channels=1, out_channels=1, channels=4, side=8)
    dark = torch.zeros(1, 1, 8, 8)
    assert torch.equal(reader(dark - 1), reader(dark))


def test_bad_input():
    with pytest.raises(ValueError, match="divides by 4"):
        WavefrontReader(side=22)
    with pytest.raises(TypeError):
        WavefrontReader(channels=2.5)
