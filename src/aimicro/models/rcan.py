"""RCAN, a residual channel attention network: deep, at full resolution, with ways around it.

The names follow Chen et al.: a *residual channel attention block* changes its input a little and
weighs its channels, a *residual group* strings blocks together, and the network strings groups
together. Each of the three adds its input to its output, so the layers have only the difference to
learn. Nothing is downsampled.

Used in appendix A, *The network*.

References
----------
.. [1] J. Chen et al., "Three-dimensional residual channel attention networks denoise and sharpen
   fluorescence microscopy image volumes", Nature Methods 18, 678-687 (2021).
   doi:10.1038/s41592-021-01155-x
.. [2] Y. Zhang et al., "Image super-resolution using very deep residual channel attention
   networks", ECCV 2018. doi:10.1007/978-3-030-01234-2_18
"""

from torch import Tensor, nn

from aimicro.checks import whole
from aimicro.models.network import Network


def convolution(ndim: int, inputs: int, outputs: int, width: int = 3) -> nn.Conv2d | nn.Conv3d:
    """A convolution that keeps the size of the image; zeros stand for what lies outside it."""
    conv = nn.Conv2d if ndim == 2 else nn.Conv3d
    return conv(inputs, outputs, kernel_size=width, padding=width // 2)


class ChannelAttention(nn.Module):
    """Weigh each channel by a number from 0 to 1, found from the means of all channels."""

    def __init__(self, ndim: int, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1) if ndim == 2 else nn.AdaptiveAvgPool3d(1)
        self.excite = nn.Sequential(
            convolution(ndim, channels, channels // reduction, width=1),
            nn.ReLU(inplace=True),
            convolution(ndim, channels // reduction, channels, width=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Z, Y, X)
        """Dim the channels that do not help."""
        weights: Tensor = self.excite(self.squeeze(x))  # (B, 32, 1, 1, 1), through (B, 4, 1, 1, 1)
        return x * weights  # (B, 32, Z, Y, X)


class ResidualChannelAttentionBlock(nn.Module):
    """Two convolutions and channel attention, added to the input."""

    def __init__(self, ndim: int, channels: int, reduction: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            convolution(ndim, channels, channels),
            nn.ReLU(inplace=True),
            convolution(ndim, channels, channels),
            ChannelAttention(ndim, channels, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Z, Y, X)
        """Add the change that the block proposes."""
        change: Tensor = self.change(x)  # (B, 32, Z, Y, X)
        return x + change


class ResidualGroup(nn.Module):
    """Several blocks and a convolution, added to the input: the short skip connection."""

    def __init__(self, ndim: int, channels: int, reduction: int, blocks: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(ResidualChannelAttentionBlock(ndim, channels, reduction) for _ in range(blocks)),
            convolution(ndim, channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, Z, Y, X)
        """Add the change that the group proposes."""
        change: Tensor = self.change(x)  # (B, 32, Z, Y, X)
        return x + change


class RCAN(Network):
    """RCAN for images (2D) and volumes (3D).

    Parameters
    ----------
    ndim : int
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    channels : int
        Feature channels of every layer.
    blocks : int
        Residual channel attention blocks in a group.
    groups : int
        Residual groups. A single one has neither a convolution nor a skip connection of its own:
        those of the network are enough.
    reduction : int
        How many times fewer channels the channel attention has in its middle.
    in_channels, out_channels : int
        Channels of the input and of the output.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, or a size that cannot be built.

    Notes
    -----
    The network expects intensities mostly between 0 and 1, and turns them into -1 to 1.

    The channel attention takes its means over the whole image it is given. So the result depends,
    a little, on the size of the tile in which a pixel is computed.

    Used in appendix A, *The network*.

    Examples
    --------
    >>> import torch
    >>> network = RCAN(ndim=3)
    >>> sum(parameter.numel() for parameter in network.parameters())
    1002621
    >>> network(torch.zeros(1, 1, 4, 16, 16)).shape
    torch.Size([1, 1, 4, 16, 16])
    """

    def __init__(
        self,
        ndim: int = 3,
        channels: int = 32,
        blocks: int = 3,
        groups: int = 5,
        reduction: int = 8,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        whole("blocks", blocks, low=1)
        whole("groups", groups, low=1)
        hint = "Channel attention must keep one of the channels in its middle."
        whole("reduction", reduction, low=1, high=whole("channels", channels, low=1), hint=hint)
        self.head = convolution(ndim, in_channels, channels)
        if groups == 1:
            self.body = nn.Sequential(
                *(ResidualChannelAttentionBlock(ndim, channels, reduction) for _ in range(blocks))
            )
        else:
            self.body = nn.Sequential(
                *(ResidualGroup(ndim, channels, reduction, blocks) for _ in range(groups))
            )
        self.after_body = convolution(ndim, channels, channels)
        self.tail = convolution(ndim, channels, out_channels)
        # How far the convolutions reach; channel attention sees the whole image.
        self.receptive_radius = sum(
            module.kernel_size[0] // 2
            for module in self.modules()
            if isinstance(module, nn.Conv2d | nn.Conv3d)
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X), from 0 to 1
        """Restore a batch of volumes, or of images, whose Z is then missing below."""
        shallow = self.head(2 * x - 1)  # (B, 32, Z, Y, X), from the input between -1 and 1
        deep = self.after_body(self.body(shallow))  # (B, 32, Z, Y, X)
        x = self.tail(shallow + deep)  # (B, 1, Z, Y, X), the long skip connection
        return 0.5 * x + 0.5
