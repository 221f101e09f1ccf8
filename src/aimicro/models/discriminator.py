"""The discriminator: a detective who says, patch by patch, whether an image is real or made.

Convolutions that halve the image lead to a small map of answers. Each answer judges one window of
the image and knows nothing of the rest, so that what is learned is how a *piece* of a real image
looks: its noise, its edges, its filaments. It is the loss of a generative adversarial network.

Used in chapter 4, *What a loss rewards*.

References
----------
.. [1] I. J. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014. arXiv:1406.2661
.. [2] P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros, "Image-to-image translation with conditional
   adversarial networks", CVPR 2017, 5967-5976. doi:10.1109/CVPR.2017.632
"""

from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network
from aimicro.models.unet import LAYERS


class Discriminator(Network):
    """Say of each window of an image whether it looks real.

    Parameters
    ----------
    ndim : int
        2 for `(B, C, Y, X)`, 3 for `(B, C, Z, Y, X)`.
    in_channels : int
        Channels of what is judged: 2 for an image with what was made of it, as
        `aimicro.train.adversarial` shows them by default, 1 for the second alone.
    channels : int
        Feature channels of the first level; every further level has twice as many.
    depth : int
        How often the image is halved. Every axis must divide by ``2**depth``.

    Attributes
    ----------
    window : int
        Width in pixels of what one answer judges: 8, 18 or 38 for a depth of 1, 2 or 3.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a number of axes other than 2 or 3, and a size that cannot be built.

    Notes
    -----
    Unlike the other networks it returns a map that is smaller than the image, by ``2**depth``
    along each axis. Other than published, there is no batch normalisation, and it is small.

    Used in chapter 4, *What a loss rewards*.

    Examples
    --------
    >>> import torch
    >>> detective = Discriminator(channels=8, depth=2)
    >>> detective(torch.zeros(1, 2, 64, 64)).shape  # a logit for each window: real if above 0
    torch.Size([1, 1, 16, 16])
    >>> detective.window
    18
    """

    out_channels = 1

    def __init__(
        self, ndim: int = 2, in_channels: int = 2, channels: int = 16, depth: int = 2
    ) -> None:
        super().__init__()
        self.ndim = whole("ndim", ndim, low=2, high=3, hint="2 is for images, 3 for volumes.")
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.divisor = 2 ** whole("depth", depth, low=1)
        widths = [whole("channels", channels, low=1) * 2**level for level in range(depth)]
        conv, *_ = LAYERS[ndim]
        self.levels = nn.ModuleList(
            conv(inputs, outputs, kernel_size=4, stride=2, padding=1)
            for inputs, outputs in zip([in_channels, *widths], widths, strict=False)
        )
        self.head = conv(widths[-1], 1, kernel_size=3, padding=1)
        self.window = 5 * 2**depth - 2  # 3 of the head; before each level twice the width, and 2
        self.receptive_radius = self.window // 2

    def forward(self, x: Tensor) -> Tensor:  # (B, C, [Z,] Y, X)
        """Judge a batch of images; the comments follow one of 64 x 64 pixels."""
        for level in self.levels:
            x = F.leaky_relu(level(x), 0.2)  # (B, 16, 32, 32), then (B, 32, 16, 16)
        x = self.head(x)  # (B, 1, 16, 16)
        return x
