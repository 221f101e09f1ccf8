"""The SegNet: shrink to understand, remember where each maximum stood, enlarge to draw.

An encoder halves the image with max pooling and notes, for each maximum, which of its four pixels
it came from. The decoder puts every value back at that place, leaves zeros around it, and lets
convolutions fill them. Only places cross from the encoder to the decoder, no features: that
costs little memory, and it is what the U-Net does otherwise.

Used in chapter 4, *Architectures and losses*.

References
----------
.. [1] V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet: a deep convolutional encoder-decoder
   architecture for image segmentation", IEEE Transactions on Pattern Analysis and Machine
   Intelligence 39, 2481-2495 (2017). doi:10.1109/TPAMI.2016.2644615
"""

from torch import Tensor, nn

from aimicro.checks import whole
from aimicro.models.network import Network
from aimicro.models.unet import LAYERS, double_convolution

UNPOOL: dict[int, type[nn.Module]] = {2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}


class SegNet(Network):
    """SegNet for images (2D) and volumes (3D).

    Parameters
    ----------
    ndim : int
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    in_channels, out_channels : int
        Channels of the input and of the output.
    channels : int
        Feature channels of the finest level; every level down has twice as many.
    depth : int
        How often the image is halved. Every axis must divide by ``2**depth``.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, and a size that cannot be built.

    Notes
    -----
    As in this book's U-Net, and other than published, there is no batch normalisation, and each
    level has two convolutions.

    Used in chapter 4, *Architectures and losses*.

    Examples
    --------
    >>> import torch
    >>> network = SegNet(out_channels=3, channels=8, depth=2)
    >>> network(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 3, 64, 64])
    >>> network.divisor, network.receptive_radius
    (4, 15)
    """

    def __init__(
        self,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 32,
        depth: int = 3,
    ) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        self.divisor = 2 ** whole("depth", depth, low=1)
        self.receptive_radius = receptive_radius(depth)
        widths = [whole("channels", channels, low=1) * 2**level for level in range(depth)]
        self.encode = nn.ModuleList(
            double_convolution(ndim, inputs, outputs)
            for inputs, outputs in zip([in_channels, *widths], widths, strict=False)
        )
        self.decode = nn.ModuleList(
            double_convolution(ndim, inputs, outputs)
            for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], widths[0]], strict=True)
        )
        conv, pool, _ = LAYERS[ndim]
        self.pool = pool(2, return_indices=True)
        self.unpool = UNPOOL[ndim](2)
        self.head = conv(widths[0], out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, [Z,] Y, X)
        """Segment a batch of images; the comments follow one of 64 x 64 pixels."""
        places = []
        for level in self.encode:
            x, place = self.pool(level(x))  # (B, 32, 32, 32), (B, 64, 16, 16), (B, 128, 8, 8)
            places.append(place)
        for level in self.decode:
            x = self.unpool(x, places.pop())  # (B, 128, 16, 16), three of four pixels are 0
            x = level(x)  # (B, 64, 16, 16), (B, 32, 32, 32), (B, 32, 64, 64)
        x = self.head(x)  # (B, 1, 64, 64)
        return x


def receptive_radius(depth: int) -> int:
    """How far, in pixels, the network sees.

    Each level has two 3-wide convolutions down and two up, and one of its pixels is ``2**level``
    wide; halving and doubling add the width of one coarse pixel.
    """
    return int(sum(4 * 2**level for level in range(depth)) + 2**depth - 1)
