"""The patch classifier: look at a window around a pixel, and say what the pixel in its middle is.

This is how networks first segmented micrographs: convolutions and pooling shrink a window until
one answer is left, and the window slides over the image, pixel by pixel. Two neighbouring windows
share nearly all their pixels, and nearly all the work is done again. `forward` gives the same
answers for all pixels in one go: where pooling would skip every other pixel, the later layers
skip them instead (*dilation*), and nothing is computed twice.

Used in chapter 2, *AI primer*.

References
----------
.. [1] D. Cireşan, A. Giusti, L. M. Gambardella, J. Schmidhuber, "Deep neural networks segment
   neuronal membranes in electron microscopy images", NeurIPS 2012.
.. [2] A. Giusti et al., "Fast image scanning with deep max-pooling convolutional neural
   networks", ICIP 2013. arXiv:1302.1700
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network


class PatchClassifier(Network):
    """Classify every pixel from a window around it.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; classes, or 1 for a logit of the foreground.
    channels : int
        Feature channels of the first level; every further level has twice as many.
    depth : int
        How often the window is halved: it is 9, 21 or 45 pixels wide for 1, 2 or 3.

    Attributes
    ----------
    window : int
        Width of the window in pixels.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a size that cannot be built.

    Notes
    -----
    Beyond the edges the outermost pixels are repeated, so that those too have a whole window.

    Used in chapter 2, *AI primer*.

    Examples
    --------
    >>> import torch
    >>> network = PatchClassifier(channels=4, depth=2)
    >>> network.window
    21
    >>> network.classify(torch.zeros(5, 1, 21, 21)).shape  # five windows, five answers
    torch.Size([5, 1])
    >>> network(torch.zeros(1, 1, 64, 60)).shape  # an answer for every pixel
    torch.Size([1, 1, 64, 60])
    """

    ndim = 2

    def __init__(
        self, in_channels: int = 1, out_channels: int = 1, channels: int = 16, depth: int = 2
    ) -> None:
        super().__init__()
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        widths = [
            whole("channels", channels, low=1) * 2**n for n in range(whole("depth", depth, low=1))
        ]
        self.levels = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel_size=3)
            for inputs, outputs in zip([in_channels, *widths], widths, strict=False)
        )
        self.hidden = nn.Conv2d(widths[-1], widths[-1], kernel_size=3)
        self.head = nn.Conv2d(widths[-1], out_channels, kernel_size=1)
        self.window = 3 * (2 ** (depth + 1)) - 3  # before each level twice the width, and 3
        self.receptive_radius = self.window // 2

    def classify(self, x: Tensor) -> Tensor:  # (B, C, window, window)
        """Classify the pixel in the middle of each window; the comments follow one of 21 pixels.

        Parameters
        ----------
        x : Tensor (B, C, window, window)
            Windows, each around one pixel.

        Returns
        -------
        Tensor (B, classes)
            Logits.
        """
        for level in self.levels:
            x = F.relu(level(x))  # (B, 16, 19, 19), (B, 32, 7, 7)
            x = F.max_pool2d(x, kernel_size=3, stride=2)  # (B, 16, 9, 9), (B, 32, 3, 3)
        x = F.relu(self.hidden(x))  # (B, 32, 1, 1)
        x = self.head(x)[..., 0, 0]  # (B, 1)
        return x

    def forward(self, x: Tensor) -> Tensor:  # (B, C, Y, X)
        """Classify all pixels: what `classify` says of the window around each."""
        x = F.pad(x, 4 * [self.receptive_radius], mode="replicate")
        step = 1  # between the pixels that a layer looks at
        for level in self.levels:
            x = F.relu(dilated(level, x, step))
            x = F.max_pool2d(x, kernel_size=3, stride=1, dilation=step)
            step *= 2
        x = F.relu(dilated(self.hidden, x, step))
        x = self.head(x)  # (B, 1, Y, X)
        return x


def dilated(layer: Any, x: Tensor, step: int) -> Tensor:
    """Use the weights of a convolution on pixels that lie `step` apart."""
    return F.conv2d(x, layer.weight, layer.bias, dilation=step)
