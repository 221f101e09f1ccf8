"""RLN, the Richardson-Lucy network: one iteration of Richardson and Lucy, with learned blurs.

The names follow Li et al. An iteration of Richardson and Lucy blurs an estimate (*forward
projection*, FP), divides the image by it (DV), spreads the quotient back (*backward projection*,
BP), and multiplies the estimate by what comes out (*update*). Here both projections are small
stacks of convolutions, and their weights are learned from pairs: nobody tells the network a PSF.
Three parts follow each other: H1 makes an estimate on a coarse grid, where a few convolutions reach
far, H2 one on the grid of the image, and H3 merges the two.

Used in chapter 6, *Deep deconvolution*.

References
----------
.. [1] Y. Li et al., "Incorporating the image formation process into deep learning improves network
   performance", Nature Methods 19, 1427-1437 (2022). doi:10.1038/s41592-022-01652-7
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network

_LEAST = 1e-3  # light below which a division would make noise of nothing


def projection(ndim: int, channels: int) -> nn.Sequential:
    """Two convolutions from one image to several channels, all of them above 0."""
    conv = nn.Conv2d if ndim == 2 else nn.Conv3d
    return nn.Sequential(
        conv(1, channels, kernel_size=3, padding=1),
        nn.Softplus(),
        conv(channels, channels, kernel_size=3, padding=1),
        nn.Softplus(),
    )


class RichardsonLucyStep(nn.Module):
    """One iteration, which starts from the image itself."""

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        self.forward_projection = projection(ndim, channels)
        self.backward_projection = projection(ndim, channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X)
        """Improve the estimate once."""
        blurred = self.forward_projection(x).mean(dim=1, keepdim=True)  # FP: (B, 1, Z, Y, X)
        quotient = x / (blurred + _LEAST)  # DV: (B, 1, Z, Y, X)
        correction: Tensor = self.backward_projection(quotient)  # BP: (B, 8, Z, Y, X)
        return x * correction.mean(dim=1, keepdim=True)  # update: (B, 1, Z, Y, X)


class RLN(Network):
    """Richardson-Lucy network for images (2D) and volumes (3D).

    Parameters
    ----------
    ndim : int
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    channels : int
        Feature channels of every convolution.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, or no channels.

    Notes
    -----
    The network divides and multiplies, so it needs light from 0 up: scale images without an
    offset, for example ``Scaling(Linear(0, peak), Linear(0, peak))``. What is below 0 counts as 0.

    The published network is for volumes, has some 16,000 weights, and normalises batches. This one
    does not, for the reason that is told at `UNet`.

    Used in chapter 6, *Deep deconvolution*.

    Examples
    --------
    >>> import torch
    >>> network = RLN(ndim=3, channels=8)
    >>> sum(parameter.numel() for parameter in network.parameters())
    13912
    >>> network(torch.zeros(1, 1, 4, 16, 16)).shape
    torch.Size([1, 1, 4, 16, 16])
    """

    def __init__(self, ndim: int = 2, channels: int = 8) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = self.out_channels = 1
        self.divisor = 2
        whole("channels", channels, low=1)
        conv = nn.Conv2d if ndim == 2 else nn.Conv3d
        self.pool = nn.AvgPool2d(2) if ndim == 2 else nn.AvgPool3d(2)
        self.h1 = RichardsonLucyStep(ndim, channels)
        self.h2 = RichardsonLucyStep(ndim, channels)
        self.h3 = nn.ModuleList(
            conv(inputs, channels, kernel_size=3, padding=1)
            for inputs in (2, channels + 2, 2 * channels)
        )
        # H1: four convolutions of coarse pixels, 2 wide, and 1 for the halving; three in H3.
        self.receptive_radius = 2 * 4 + 1 + 3

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X), from 0 up
        """Restore a batch of volumes, or of images, whose Z is then missing below."""
        x = x.clamp(min=0)
        coarse = self.h1(self.pool(x))  # (B, 1, Z/2, Y/2, X/2)
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")  # (B, 1, Z, Y, X)
        estimates = torch.cat([coarse, self.h2(x)], dim=1)  # (B, 2, Z, Y, X)
        first = F.softplus(self.h3[0](estimates))  # (B, 8, Z, Y, X)
        second = F.softplus(self.h3[1](torch.cat([first, estimates], dim=1)))  # (B, 8, Z, Y, X)
        merged: Tensor = self.h3[2](torch.cat([first, second], dim=1))  # (B, 8, Z, Y, X)
        return merged.mean(dim=1, keepdim=True)  # (B, 1, Z, Y, X)
