"""DFCAN, a network that weighs its channels by how their light spreads over fine and coarse.

The names follow Qiao et al.: *Fourier channel attention* (FCA) turns each channel into its spectrum
and finds one weight from all of it, where RCAN has the mean of the channel alone. A *Fourier
channel attention block* (FCAB) adds two convolutions, so weighed, to its input, and a *residual
group* strings blocks together. At the end *pixel shuffle* can deal channels out to a finer grid.

Used in chapter 6, *Super-resolution*.

References
----------
.. [1] C. Qiao et al., "Evaluation and development of deep neural networks for image
   super-resolution in optical microscopy", Nature Methods 18, 194-202 (2021).
   doi:10.1038/s41592-020-01048-5
.. [2] W. Shi et al., "Real-time single image and video super-resolution using an efficient
   sub-pixel convolutional neural network", CVPR 2016, the pixel shuffle.
   doi:10.1109/CVPR.2016.207
"""

import torch
from torch import Tensor, nn

from aimicro.checks import whole
from aimicro.models.network import Network

_GAMMA = 0.8  # the power to which the amplitudes are raised, as in the authors' programs


def convolution(inputs: int, outputs: int, width: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size of the image; zeros stand for what lies outside it."""
    return nn.Conv2d(inputs, outputs, kernel_size=width, padding=width // 2)


def spectrum(x: Tensor) -> Tensor:  # (B, 32, Y, X)
    """Amplitude of each frequency, the lowest in the middle, less far apart than they are.

    Divided by the root of the number of pixels, so that even texture has the same spectrum in a
    small image and in a large one. The Fourier transform takes no short numbers.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    amplitude = torch.fft.fft2(x, norm="ortho").abs()  # (B, 32, Y, X)
    flat = (amplitude + 1e-8) ** _GAMMA
    centred: Tensor = torch.fft.fftshift(flat, dim=(2, 3))  # (B, 32, Y, X)
    return centred


class FourierChannelAttention(nn.Module):
    """Weigh each channel by a number from 0 to 1, found from the spectra of all channels."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.look = nn.Sequential(convolution(channels, channels), nn.ReLU(inplace=True))
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Sequential(
            convolution(channels, channels // reduction, width=1),
            nn.ReLU(inplace=True),
            convolution(channels // reduction, channels, width=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Y, X)
        """Dim the channels that do not help."""
        seen = self.squeeze(self.look(spectrum(x)))  # (B, 32, 1, 1), of bands of frequencies
        weights: Tensor = self.excite(seen)  # (B, 32, 1, 1), through (B, 4, 1, 1)
        return x * weights  # (B, 32, Y, X)


class FourierChannelAttentionBlock(nn.Module):
    """Two convolutions and Fourier channel attention, added to the input."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            convolution(channels, channels),
            nn.GELU(),
            convolution(channels, channels),
            nn.GELU(),
            FourierChannelAttention(channels, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Y, X)
        """Add the change that the block proposes."""
        change: Tensor = self.change(x)  # (B, 32, Y, X)
        return x + change


class ResidualGroup(nn.Module):
    """Several blocks, added to the input."""

    def __init__(self, channels: int, reduction: int, blocks: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(FourierChannelAttentionBlock(channels, reduction) for _ in range(blocks))
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Y, X)
        """Add the change that the group proposes."""
        change: Tensor = self.change(x)  # (B, 32, Y, X)
        return x + change


class DFCAN(Network):
    """DFCAN for images (2D), smaller than the published one.

    Parameters
    ----------
    channels : int
        Feature channels of every layer; published are 64.
    blocks : int
        Fourier channel attention blocks in a group; published are 4.
    groups : int
        Residual groups; published are 4.
    reduction : int
        How many times fewer channels the attention has in its middle; published is 16.
    upscale : int
        How many times finer the grid of the output is, along each axis. With 1, as `fit` and
        `predict` expect it, the output has the pixels of the input.
    in_channels, out_channels : int
        Channels of the input and of the output.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a size that cannot be built.

    Notes
    -----
    The output has no sigmoid: the scaling that `fit` stores with a network is not bound to 0 and 1.
    The spectra are of the whole image that the network is given. So the result depends, a little,
    on the size of the tile in which a pixel is computed.

    Used in chapter 6, *Super-resolution*.

    Examples
    --------
    >>> import torch
    >>> network = DFCAN(channels=8, blocks=1, groups=1, reduction=2, upscale=2)
    >>> network(torch.zeros(1, 1, 16, 24)).shape
    torch.Size([1, 1, 32, 48])
    """

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 2,
        groups: int = 2,
        reduction: int = 8,
        upscale: int = 1,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.ndim = 2
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        self.upscale = whole("upscale", upscale, low=1)
        whole("blocks", blocks, low=1)
        whole("groups", groups, low=1)
        hint = "Channel attention must keep one of the channels in its middle."
        whole("reduction", reduction, low=1, high=whole("channels", channels, low=1), hint=hint)
        self.head = nn.Sequential(convolution(in_channels, channels), nn.GELU())
        self.body = nn.Sequential(
            *(ResidualGroup(channels, reduction, blocks) for _ in range(groups))
        )
        self.after_body = nn.Sequential(convolution(channels, channels * upscale**2), nn.GELU())
        self.shuffle = nn.PixelShuffle(upscale)
        self.tail = convolution(channels, out_channels)
        # How far the convolutions of the image reach; the attention sees the whole of it.
        self.receptive_radius = 2 * blocks * groups + 3

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Y, X)
        """Sharpen a batch of images."""
        deep = self.body(self.head(x))  # (B, 32, Y, X)
        fine = self.shuffle(self.after_body(deep))  # (B, 32, sY, sX), through (B, 32 s², Y, X)
        sharp: Tensor = self.tail(fine)  # (B, 1, sY, sX)
        return sharp
