"""The wavefront reader: from a few images of a bead to the strengths of Zernike modes.

A convolutional network as one would build for classes, but its answers are lengths: how much of
each mode bends the wave. It is trained on simulated beads alone, as PhaseNet [1]_ is, and networks
for the images of single molecules [2]_.

Used in chapter 6, *Measuring and correcting a wavefront*.

References
----------
.. [1] D. Saha et al., "Practical sensorless aberration estimation for 3D microscopy with deep
   learning", Opt. Express 28, 29044 (2020). https://doi.org/10.1364/OE.401933
.. [2] L. Möckl, P. N. Petrov, W. E. Moerner, "Accurate phase retrieval of complex 3D point spread
   functions with deep residual neural networks", Appl. Phys. Lett. 115, 251106 (2019).
   https://doi.org/10.1063/1.5125252
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network


class WavefrontReader(Network):
    """Read the strengths of modes from images of a bead in several planes.

    Parameters
    ----------
    in_channels, out_channels : int
        Planes, and modes.
    channels : int
        Feature channels of the first level; the second has twice as many.
    side : int
        Height and width of the images, a multiple of 4.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a size that cannot be built.

    Notes
    -----
    The input are photons. Their square root, which is taken inside, has nearly the same noise
    everywhere.

    Used in chapter 6, *Measuring and correcting a wavefront*.

    Examples
    --------
    >>> reader = WavefrontReader(in_channels=3, out_channels=10, channels=8, side=24)
    >>> reader(torch.ones(5, 3, 24, 24)).shape
    torch.Size([5, 10, 1, 1])
    """

    ndim = 2

    def __init__(
        self, in_channels: int = 3, out_channels: int = 10, channels: int = 32, side: int = 24
    ) -> None:
        super().__init__()
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        width = whole("channels", channels, low=1)
        if whole("side", side, low=4) % 4:
            raise ValueError(f"Expected a side that divides by 4, got {side}. Crop the images.")
        self.divisor = side
        self.receptive_radius = side
        self.near = nn.Conv2d(in_channels, width, kernel_size=5, stride=2, padding=2)
        self.far = nn.Conv2d(width, 2 * width, kernel_size=3, stride=2, padding=1)
        self.hidden = nn.Linear(2 * width * (side // 4) ** 2, 256)
        self.deeper = nn.Linear(256, 256)
        self.head = nn.Linear(256, out_channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, 24, 24)
        """Strengths of the modes, in radians RMS."""
        x = torch.sqrt(F.relu(x))
        x = F.relu(self.near(x))  # (B, 32, 12, 12)
        x = F.relu(self.far(x))  # (B, 64, 6, 6)
        x = F.relu(self.hidden(x.flatten(1)))  # (B, 256): where things lie matters, so no mean
        x = F.relu(self.deeper(x))  # (B, 256)
        x = self.head(x)[..., None, None]  # (B, 10, 1, 1)
        return x
