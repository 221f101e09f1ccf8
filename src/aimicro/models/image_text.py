"""Image and text in one space: two encoders that put a picture and its caption in one place.

The idea is CLIP's [1]_: of a batch of images and captions, each image is to lie nearest to its own
caption, and each caption to its own image. Afterwards any caption can be asked for, also one that
no training image had. Here the image encoder is a few convolutions, and the text encoder a table
with a vector for each word: a caption is the mean of its words, in whatever order.

Used in chapter 3, *Image and text in one space*.

References
----------
.. [1] A. Radford et al., "Learning transferable visual models from natural language supervision",
   ICML 2021. doi:10.48550/arXiv.2103.00020
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network


class ImageText(Network):
    """Embeds images (2D) and captions on one sphere.

    Parameters
    ----------
    words : int
        Words of the vocabulary.
    features : int
        Dimensions of the space.
    channels : int
        Channels after the first convolution; each of the two next has twice as many.
    in_channels : int
        Channels of the image.

    Raises
    ------
    TypeError, ValueError
        For a size that is no whole number of 1 or more.

    Notes
    -----
    Used in chapter 3, *Image and text in one space*.

    Examples
    --------
    >>> network = ImageText(words=20, features=8, channels=4)
    >>> image, table, scale = network(torch.zeros(5, 1, 64, 64))
    >>> image.shape, table.shape
    (torch.Size([5, 8]), torch.Size([20, 8]))
    """

    ndim = 2

    def __init__(
        self, words: int, features: int = 32, channels: int = 16, in_channels: int = 1
    ) -> None:
        super().__init__()
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("features", features, low=1)
        widths = [whole("channels", channels, low=1) * 2**n for n in range(3)]
        self.levels = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel_size=5, stride=2, padding=2)
            for inputs, outputs in zip([in_channels, *widths], widths, strict=False)
        )
        self.head = nn.Linear(2 * widths[-1], features)
        self.table = nn.Parameter(torch.randn(whole("words", words, low=1), features))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))  # 1 / temperature
        self.receptive_radius = 2 * (1 + 2 + 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (B, 1, 64, 64)
        """Embed images, and give the table of words and the scale of the similarities with them."""
        for level in self.levels:
            x = F.relu(level(x))  # (B, 16, 32, 32), (B, 32, 16, 16), (B, 64, 8, 8)
        x = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)  # (B, 128)
        return F.normalize(self.head(x), dim=1), self.table, self.log_scale.exp()  # (B, 32)

    def read(self, bags: Tensor) -> Tensor:
        """Embed captions.

        Parameters
        ----------
        bags : Tensor
            How often each caption has each word, `(N, words)`.

        Returns
        -------
        Tensor
            `(N, features)`, of length 1; 0 for a caption of unknown words.
        """
        return F.normalize(bags @ self.table, dim=1)
