"""Autoencoders: an image squeezed through a few numbers, and rebuilt from them.

The *encoder* halves the image three times and ends in a handful of numbers, the *code*. The
*decoder* goes the same way back. What the code cannot hold is lost, so the network keeps what most
images of its training have in common.

Used in chapter 4, *Networks that make things up*.

References
----------
.. [1] G. E. Hinton, R. R. Salakhutdinov, "Reducing the dimensionality of data with neural
   networks", Science 313, 504-507 (2006). doi:10.1126/science.1127647
.. [2] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
   doi:10.48550/arXiv.1312.6114
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from aimicro.checks import whole
from aimicro.models.network import Network

HALVINGS = 3


class Autoencoder(Network):
    """Squeeze images of one size through a code, and rebuild them.

    Parameters
    ----------
    side : int
        Height and width of the images in pixels; divides by 8.
    code : int
        How many numbers stand for an image.
    channels : int
        Feature channels at full size; every halving doubles them.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a size that cannot be built, and a `side` that does not divide by 8.

    Notes
    -----
    Train it with the objective ``"mse"`` on images that are also their own targets.

    Used in chapter 4, *Networks that make things up*.

    Examples
    --------
    >>> network = Autoencoder(side=32, code=8, channels=4)
    >>> images = torch.zeros(5, 1, 32, 32)
    >>> network.encode(images).shape, network(images).shape
    (torch.Size([5, 8]), torch.Size([5, 1, 32, 32]))
    """

    ndim, in_channels, out_channels = 2, 1, 1
    numbers_per_code = 1  # that the encoder gives for each number of the code

    def __init__(self, side: int = 32, code: int = 8, channels: int = 16) -> None:
        super().__init__()
        shrink = 2**HALVINGS
        if whole("side", side, low=shrink) % shrink:
            raise ValueError(
                f"Expected a side that divides by {shrink}, got {side}. Crop or pad the images."
            )
        self.divisor = self.receptive_radius = side
        widths = [whole("channels", channels, low=1) * 2**level for level in range(HALVINGS + 1)]
        inner = (widths[-1], side // shrink, side // shrink)
        self.code = whole("code", code, low=1)
        numbers = self.code * self.numbers_per_code
        self.shrink = nn.Sequential(
            *convolution(1, widths[0]),
            *(layer for i, o in pairwise(widths) for layer in convolution(i, o, stride=2)),
        )
        self.squeeze = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * inner[1] ** 2, numbers))
        self.unfold = nn.Sequential(
            nn.Linear(code, widths[-1] * inner[1] ** 2), nn.ReLU(), nn.Unflatten(1, inner)
        )
        self.enlarge = nn.Sequential(
            *(
                layer
                for o, i in zip(widths[-2::-1], widths[:0:-1], strict=True)
                for layer in (nn.Upsample(scale_factor=2), *convolution(i, o))
            ),
            nn.Conv2d(widths[0], 1, kernel_size=3, padding=1),
        )

    def encode(self, x: Tensor) -> Tensor:  # (B, 1, 32, 32)
        """Squeeze images into codes.

        Parameters
        ----------
        x : Tensor (B, 1, side, side)
            Images, in the scale of the network.

        Returns
        -------
        Tensor (B, code)
            A few numbers for each; of a variational autoencoder, the mean of each cloud.
        """
        x = self.shrink(x)  # (B, 16, 32, 32), (B, 32, 16, 16), (B, 64, 8, 8), (B, 128, 4, 4)
        code: Tensor = self.squeeze(x)  # (B, 8), and of a cloud its spread as well
        return code[:, : self.code]

    def decode(self, code: Tensor) -> Tensor:  # (B, 8)
        """Make images of codes, whether an image ever had them or not.

        Parameters
        ----------
        code : Tensor (B, code)
            Codes.

        Returns
        -------
        Tensor (B, 1, side, side)
            Images, in the scale of the network.
        """
        x: Tensor = self.unfold(code)  # (B, 128, 4, 4)
        x = self.enlarge(x)  # (B, 64, 8, 8), (B, 32, 16, 16), (B, 16, 32, 32), (B, 1, 32, 32)
        return x

    def forward(self, x: Tensor) -> Any:
        """Rebuild images."""
        return self.decode(self.encode(x))


class VariationalAutoencoder(Autoencoder):
    r"""An autoencoder whose codes are clouds, drawn together to one normal distribution.

    The encoder gives a mean :math:`\mu` and a spread :math:`\sigma` for each number of the code. In
    training the decoder sees a random point of that cloud, so it must make a sensible image of
    every code nearby. A term of the objective keeps the clouds near the standard normal
    distribution. So a code drawn from that is one of which an image can be made. Its parameters,
    and what it refuses, are those of `Autoencoder`.

    Notes
    -----
    Train it with `aimicro.train.variational`.

    Used in chapter 4, *Networks that make things up*.

    Examples
    --------
    >>> network = VariationalAutoencoder(side=16, code=4, channels=4)
    >>> network.eval().draw(3).shape
    torch.Size([3, 1, 16, 16])
    """

    numbers_per_code = 2  # mean and logarithm of the variance

    def clouds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squeeze images into clouds.

        Parameters
        ----------
        x : Tensor (B, 1, side, side)
            Images, in the scale of the network.

        Returns
        -------
        mean, log_variance : Tensor (B, code)
            Means, and logarithms of the variances, of the numbers of each code.
        """
        mean, log_variance = self.squeeze(self.shrink(x)).chunk(2, dim=1)
        return mean, log_variance

    def draw(self, n: int) -> Tensor:
        """Make images of codes that are drawn at random; PyTorch's seed decides which.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        Tensor (n, 1, side, side)
            Images, in the scale of the network.
        """
        device = next(self.parameters()).device
        return self.decode(torch.randn(whole("n", n, low=1), self.code, device=device))

    def forward(self, x: Tensor) -> Any:
        """Rebuild images; in training from a random point of each cloud, and with the clouds."""
        mean, log_variance = self.clouds(x)
        if not self.training:
            return self.decode(mean)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decode(code), mean, log_variance


def convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """A 3-wide convolution and a ReLU; a stride of 2 halves the image."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1), nn.ReLU()
