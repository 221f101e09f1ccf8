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


def double_convolution(ndim: int, inputs: int, outputs: int) -> nn.Sequential:
    """Two 3-wide convolutions, each followed by a ReLU; the image keeps its size."""
    conv = nn.Conv2d if ndim == 2 else nn.Conv3d
    return nn.Sequential(
        conv(inputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        conv(outputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """U-Net for images (2D) and volumes (3D).

    Parameters
    ----------
    ndim
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    in_channels, out_channels
        Channels of the input and of the output.
    channels
        Feature channels of the finest level; every level down has twice as many.
    depth
        How often the image is halved. Every axis must divide by ``2**depth``.
    residual
        Add the input to the output, so that an untrained network hands the image through. A good
        start where little is to be changed; where noise is strong, all of it must first be
        cancelled, and the plain network learns faster. Needs as many output as input channels.
    dropout
        Probability with which, during training, a feature channel is set to zero, at the bottom
        and in the expanding path. `aimicro.predict.predict_with_dropout` does so at prediction.

    Raises
    ------
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
        if ndim not in (2, 3):
            raise ValueError(f"Expected ndim 2 (images) or 3 (volumes), got {ndim}.")
        sizes = {"in_channels": in_channels, "out_channels": out_channels}
        sizes |= {"channels": channels, "depth": depth}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"Expected {name} of 1 or more, got {size}.")
        if residual and in_channels != out_channels:
            raise ValueError(
                "Expected as many output as input channels for a residual network, got "
                f"{out_channels} and {in_channels}. Set residual=False."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"Expected dropout from 0 to below 1, got {dropout}. Try 0.1.")
        # Everything that is needed to build the same network again; stored beside the weights.
        self.config = {
            "ndim": ndim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "channels": channels,
            "depth": depth,
            "residual": residual,
            "dropout": dropout,
        }
        self.ndim, self.depth, self.residual = ndim, depth, residual
        widths = [channels * 2**level for level in range(depth + 1)]
        self.contract = nn.ModuleList(
            double_convolution(ndim, inputs, outputs)
            for inputs, outputs in zip([in_channels, *widths[:-2]], widths[:-1], strict=True)
        )
        self.bottom = double_convolution(ndim, widths[-2], widths[-1])
        self.expand = nn.ModuleList(
            double_convolution(ndim, below + level, level)
            for below, level in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        head = nn.Conv2d if ndim == 2 else nn.Conv3d
        self.head = head(widths[0], out_channels, kernel_size=1)
        self.pool = nn.MaxPool2d(2) if ndim == 2 else nn.MaxPool3d(2)
        # Whole channels, since a neighbour tells almost what a single silenced pixel would.
        self.drop = nn.Dropout2d(dropout) if ndim == 2 else nn.Dropout3d(dropout)
        if residual:
            # Start as the identity: the first thing learned is what to change.
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    @property
    def divisor(self) -> int:
        """The number by which every axis of the input must divide."""
        return int(2**self.depth)

    @property
    def receptive_radius(self) -> int:
        """How far, in pixels, an input pixel can be from an output pixel that it changes.

        Each level has two 3-wide convolutions down and two up (the bottom two in all), and one of
        its pixels is ``2**level`` wide; halving and doubling add the width of one coarse pixel.
        """
        convolutions = sum(4 * 2**level for level in range(self.depth)) + 2 * 2**self.depth
        return int(convolutions + self.divisor - 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, [Z,] Y, X)
        """Restore a batch of images; the comments follow one of 64 x 64 pixels."""
        if x.dim() != self.ndim + 2 or any(size % self.divisor for size in x.shape[2:]):
            raise ValueError(
                f"Expected {self.ndim + 2} axes whose last {self.ndim} divide by {self.divisor}, "
                f"got {tuple(x.shape)}. Use aimicro.predict.predict, which pads, or crop the image."
            )
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
