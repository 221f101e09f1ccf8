"""RLN, the Richardson-Lucy network: the steps of Richardson and Lucy, with learned blurs.

The names follow Li et al. An iteration of Richardson and Lucy blurs an estimate (*forward
projection*, FP), divides the image by it (DV), spreads the quotient back (*backward projection*,
BP), and multiplies the estimate by what comes out (*update*). Here both projections are small
stacks of convolutions, and their weights are learned from pairs: nobody tells the network a PSF.
H1 is such an iteration on a coarse grid, where a few convolutions reach far; what it spreads back
is brought to the grid of the image. H2 is one on that grid, and improves what H1 has found. H3
merges the two estimates.

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

LAYERS: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module]]] = {
    2: (nn.Conv2d, nn.ConvTranspose2d, nn.AvgPool2d),
    3: (nn.Conv3d, nn.ConvTranspose3d, nn.AvgPool3d),
}
_LEAST = 1e-3  # light below which a division would make noise of nothing


class Projection(nn.Module):
    """Convolutions of an image into several channels above 0; a third one sees both before it."""

    def __init__(self, ndim: int, channels: int, depth: int) -> None:
        super().__init__()
        conv, *_ = LAYERS[ndim]
        self.convs = nn.ModuleList(
            conv(inputs, channels, kernel_size=3, padding=1)
            for inputs in (1, channels, 2 * channels)[:depth]
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X) -> (B, channels, Z, Y, X)
        """Project a batch."""
        seen = [F.softplus(self.convs[0](x))]
        seen.append(F.softplus(self.convs[1](seen[0])))
        if len(self.convs) == 2:
            return seen[1]
        return F.softplus(self.convs[2](torch.cat(seen, dim=1)))


def mean(x: Tensor) -> Tensor:
    """The mean of all channels, as one."""
    return x.mean(dim=1, keepdim=True)


class RLN(Network):
    """Richardson-Lucy network for images (2D) and volumes (3D).

    Parameters
    ----------
    ndim : int
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    channels : int
        Feature channels of the convolutions, 2 or more; forward projections have half as many.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, or fewer than 2 channels.

    Notes
    -----
    The network divides and multiplies, so it needs light from 0 up: scale images without an
    offset, for example ``Scaling(Linear(0, peak), Linear(0, peak))``. What is below 0 counts as 0.

    The published network is for volumes, has as many weights, and normalises batches. This one does
    not, for the reason that is told at `UNet`.

    Used in chapter 6, *Deep deconvolution*.

    Examples
    --------
    >>> import torch
    >>> network = RLN(ndim=3, channels=8)
    >>> sum(parameter.numel() for parameter in network.parameters())
    15900
    >>> network(torch.zeros(1, 1, 4, 16, 16)).shape
    torch.Size([1, 1, 4, 16, 16])
    """

    def __init__(self, ndim: int = 2, channels: int = 8) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = self.out_channels = 1
        self.divisor = 2
        whole("channels", channels, low=2)
        half = channels // 2
        conv, up, pool = LAYERS[ndim]
        self.pool = pool(2)
        self.fp1, self.bp1 = Projection(ndim, half, 3), Projection(ndim, channels, 3)
        self.up = up(channels, half, kernel_size=2, stride=2)
        self.smooth = conv(half, half, kernel_size=3, padding=1)
        self.fp2, self.bp2 = Projection(ndim, half, 2), Projection(ndim, channels, 2)
        self.h3 = nn.ModuleList(
            conv(inputs, channels, kernel_size=3, padding=1)
            for inputs in (1, channels + 2, 2 * channels)
        )
        # H1: six convolutions of coarse pixels, 2 wide, 1 for the halving, 1 fine; three in H3.
        self.receptive_radius = 2 * 6 + 1 + 1 + 3

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X), from 0 up
        """Restore a batch of volumes, or of images, whose Z is then missing below."""
        x = x.clamp(min=0)
        coarse = self.pool(x)  # (B, 1, Z/2, Y/2, X/2)
        quotient = coarse / (mean(self.fp1(coarse)) + coarse + _LEAST)  # H1: FP and DV
        back = F.softplus(self.up(self.bp1(quotient)))  # BP, to the fine grid: (B, 4, Z, Y, X)
        first = x * mean(F.softplus(self.smooth(back)))  # update: (B, 1, Z, Y, X)
        quotient = x / (mean(self.fp2(x)) + x + _LEAST)  # H2: FP and DV
        second = first * (1 + mean(self.bp2(quotient)))  # BP and update: (B, 1, Z, Y, X)
        features = F.softplus(self.h3[0](second))  # H3: (B, 8, Z, Y, X)
        merged = torch.cat([features, second, first], dim=1)  # (B, 10, Z, Y, X)
        merged = torch.cat([features, F.softplus(self.h3[1](merged))], dim=1)  # (B, 16, Z, Y, X)
        return mean(F.softplus(self.h3[2](merged)))  # (B, 1, Z, Y, X)
