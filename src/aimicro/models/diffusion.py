r"""A small denoising diffusion model, which restores an image by drawing one that it could be.

Take a true image and drown it in noise, a little more at each *level* :math:`t` from 0 to 1:

.. math:: x_t = \cos(\tfrac{\pi}{2} t)\, x_0 + \sin(\tfrac{\pi}{2} t)\, \varepsilon

The network learns to say what lies under :math:`x_t`, at any level, beside the measured image. To
draw, it starts from noise alone, asks the network what lies under it, takes a step towards the
answer, and asks again.

Used in chapter 4, *Networks that make things up*.

References
----------
.. [1] J. Ho, A. Jain, P. Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020.
   doi:10.48550/arXiv.2006.11239
.. [2] J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021.
   doi:10.48550/arXiv.2010.02502
.. [3] A. Nichol, P. Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021.
   doi:10.48550/arXiv.2102.09672
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from aimicro.checks import number, whole
from aimicro.models.network import Network
from aimicro.models.unet import UNet


def signal_and_noise(level: Tensor) -> tuple[Tensor, Tensor]:
    """How much of the image and how much noise a draft holds; their squares sum to 1.

    Parameters
    ----------
    level : Tensor
        From 0, the image, to 1, noise alone.

    Returns
    -------
    signal, noise : Tensor
        What image and noise are multiplied by: a quarter of a cosine, and of a sine.

    Notes
    -----
    For images of variance 1, drafts of all levels have variance 1.

    Used in chapter 4, *Networks that make things up*.

    Examples
    --------
    >>> [float(part) for part in signal_and_noise(torch.tensor(0.0))]
    [1.0, 0.0]
    """
    angle = level * (math.pi / 2)
    return angle.cos(), angle.sin()


class Diffusion(Network):
    """Draw images that could be the truth of a measured one.

    Parameters
    ----------
    ndim : int
        2 for images, 3 for volumes.
    in_channels, out_channels : int
        Channels of the measured image, and of what is drawn.
    channels, depth : int
        As for `UNet`.

    Raises
    ------
    TypeError, ValueError
        As for `UNet`.

    Notes
    -----
    Train it with `aimicro.train.diffusion`, draw with `draw` or `aimicro.predict.predict_draws`.
    Asked for the image rather than for the noise, the network does the same as one that restores
    with squared error, with a draft to go by.

    Used in chapter 4, *Networks that make things up*.

    Examples
    --------
    >>> network = Diffusion(channels=4, depth=1)
    >>> network.draw(torch.zeros(5, 1, 16, 16), steps=2).shape
    torch.Size([5, 1, 16, 16])
    """

    def __init__(
        self,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 16,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.ndim, self.out_channels = ndim, out_channels
        self.in_channels = whole("in_channels", in_channels, low=1)
        inputs = in_channels + whole("out_channels", out_channels, low=1) + 1
        self.unet = UNet(ndim, inputs, out_channels, channels=channels, depth=depth)
        self.divisor, self.receptive_radius = self.unet.divisor, self.unet.receptive_radius

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, [Z,] Y, X): the image, the draft, its level
        """Say what lies under a draft: the mean of all that fit. Of an image alone, draw."""
        if x.shape[1] == self.in_channels:
            return self.draw(x)
        x = self.unet(x)  # (B, 1, [Z,] Y, X)
        return x

    @torch.no_grad()
    def draw(self, image: Tensor, steps: int = 20, eta: float = 1.0) -> Tensor:
        r"""Draw an image for each measured one; PyTorch's seed decides which.

        Parameters
        ----------
        image : Tensor (B, C, [Z,] Y, X)
            Measured images, in the scale of the network.
        steps : int
            How often the network is asked.
        eta : float
            How much of the noise is drawn anew in each step: 0 for none, so that the first draft
            decides all (Song et al.), 1 for as much as Ho et al. take.

        Returns
        -------
        Tensor (B, C_out, [Z,] Y, X)
            Images, in the scale of the network.

        Raises
        ------
        TypeError
            For `steps` that are no whole number.
        ValueError
            For less than one step, and `eta` beyond 0 to 1.
        """
        whole("steps", steps, low=1, hint="Try 20.")
        number("eta", eta, low=0, high=1)
        levels = torch.linspace(1, 0, steps + 1, device=image.device)
        draft = torch.randn(len(image), self.out_channels, *image.shape[2:], device=image.device)
        for level, to in pairwise(levels):
            flat = level.expand(len(image), 1, *image.shape[2:])
            estimate = self(torch.cat([image, draft, flat], dim=1))
            (signal, noise), (next_signal, next_noise) = map(signal_and_noise, (level, to))
            found = (draft - signal * estimate) / noise  # the noise, if the estimate is right
            fresh = eta * next_noise / noise * (1 - (signal / next_signal) ** 2).clamp(min=0).sqrt()
            kept = (next_noise**2 - fresh**2).clamp(min=0).sqrt()
            draft = next_signal * estimate + kept * found + fresh * torch.randn_like(draft)
        return draft
