"""The U-Net: down to see far, up to place it exactly, bridges to keep the detail.

The names follow Ronneberger et al.: a *contracting* path of double convolutions and pooling, an
*expanding* path of upsampling and double convolutions, and a copy of each contracting level that
is concatenated on the way up. With `residual` the network predicts the *difference* between its
input and the clean image and adds its input back, as CARE does.

Used in chapter 6, *Denoising*.

References
----------
.. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
   segmentation", MICCAI 2015. doi:10.1007/978-3-319-24574-4_28
.. [2] Ö. Çiçek et al., "3D U-Net: learning dense volumetric segmentation from sparse annotation",
   MICCAI 2016. doi:10.1007/978-3-319-46723-8_49
.. [3] M. Weigert et al., "Content-aware image restoration: pushing the limits of fluorescence
   microscopy", Nature Methods 15, 1090-1097 (2018). doi:10.1038/s41592-018-0216-7
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, whole
from aimicro.models.network import Network

LAYERS: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module]]] = {
    2: (nn.Conv2d, nn.MaxPool2d, nn.Dropout2d),
    3: (nn.Conv3d, nn.MaxPool3d, nn.Dropout3d),
}


def double_convolution(ndim: int, inputs: int, outputs: int) -> nn.Sequential:
    """Two 3-wide convolutions, each followed by a ReLU; the image keeps its size."""
    conv, *_ = LAYERS[ndim]
    return nn.Sequential(
        conv(inputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        conv(outputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    )


class UNet(Network):
    """U-Net for images (2D) and volumes (3D).

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
    residual : bool
        Add the input to the output, so that an untrained network hands the image through. A good
        start where little is to be changed; where noise is strong, all of it must first be
        cancelled, and the plain network learns faster. Needs as many output as input channels.
    dropout : float
        Probability with which, during training, a feature channel is set to zero, at the bottom
        and in the expanding path. `aimicro.predict.predict_with_dropout` does so at prediction.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, a size that cannot be built, or a `dropout` that
        is not from 0 to below 1.

    Notes
    -----
    There is no batch normalisation: it ties the result to the statistics of a batch, which a
    microscopist who applies the network to one bright and one dim image does not want.

    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> import torch
    >>> network = UNet(channels=8, depth=2)
    >>> network(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    >>> network.divisor, network.receptive_radius
    (4, 23)
    """

    def __init__(
        self,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 32,
        depth: int = 3,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        self.divisor = 2 ** whole("depth", depth, low=1)
        self.receptive_radius = receptive_radius(depth)
        self.residual = residual
        widths = [whole("channels", channels, low=1) * 2**level for level in range(depth + 1)]
        self.contract = nn.ModuleList(
            double_convolution(ndim, inputs, outputs)
            for inputs, outputs in zip([in_channels, *widths[:-2]], widths[:-1], strict=True)
        )
        self.bottom = double_convolution(ndim, widths[-2], widths[-1])
        self.expand = nn.ModuleList(
            double_convolution(ndim, below + level, level)
            for below, level in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        conv, pool, drop = LAYERS[ndim]
        self.head = conv(widths[0], out_channels, kernel_size=1)
        self.pool = pool(2)
        # Whole channels, since a neighbour tells almost what a single silenced pixel would.
        self.drop = drop(number("dropout", dropout, low=0, below=1, hint="Try 0.1."))
        if residual:
            start_as_identity(self)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, [Z,] Y, X)
        """Restore a batch of images; the comments follow one of 64 x 64 pixels."""
        image, bridges = x, []
        for level in self.contract:
            x = level(x)  # (B, 32, 64, 64), then (B, 64, 32, 32), (B, 128, 16, 16)
            bridges.append(x)
            x = self.pool(x)  # (B, 32, 32, 32), then (B, 64, 16, 16), (B, 128, 8, 8)
        x = self.drop(self.bottom(x))  # (B, 256, 8, 8)
        for level, bridge in zip(self.expand, reversed(bridges), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")  # (B, 256, 16, 16)
            x = level(torch.cat([bridge, x], dim=1))  # (B, 128, 16, 16), ..., (B, 32, 64, 64)
            x = self.drop(x)
        x = self.head(x)  # (B, 1, 64, 64)
        return image + x if self.residual else x


def receptive_radius(depth: int) -> int:
    """How far, in pixels, the network sees.

    Each level has two 3-wide convolutions down and two up (the bottom two in all), and one of its
    pixels is ``2**level`` wide; halving and doubling add the width of one coarse pixel.
    """
    convolutions = sum(4 * 2**level for level in range(depth)) + 2 * 2**depth
    return int(convolutions + 2**depth - 1)


def start_as_identity(network: UNet) -> None:
    """Hand the image through before training: the first thing learned is what to change."""
    if network.in_channels != network.out_channels:
        raise ValueError(
            "Expected as many output as input channels for a residual network, got "
            f"{network.out_channels} and {network.in_channels}. Set residual=False."
        )
    for parameter in network.head.parameters():
        nn.init.zeros_(parameter)
