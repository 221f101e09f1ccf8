"""The StarDist network: a U-Net whose rays begin at the length that is usual.

The U-Net gives one map for the probability and one for each ray. What it says of a ray is not the
length in pixels, but how much longer or shorter it is than usual: numbers around 0, as a network
is made to give. In pixels it would first have to learn, step by small step, to give large ones.

Used in chapter 9, *Training and using a model*.

References
----------
.. [1] U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
   MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30
"""

import torch
from torch import Tensor

from aimicro.checks import number, whole
from aimicro.models.unet import UNet


class StarDist(UNet):
    r"""U-Net for the targets of `aimicro.segment.stardist`.

    With the output *z* of the U-Net and the usual length *r*, a ray has the length

    .. math:: d = r \, (1 + z)

    Parameters
    ----------
    n_rays : int
        Rays, 3 or more; as many as the targets have.
    ray_px : float
        Usual length of a ray in pixels: half the diameter of a typical object. A guess is
        enough if it is not twice as long.
    in_channels : int
        Channels of the input.
    channels : int
        Feature channels of the finest level; every level down has twice as many.
    depth : int
        How often the image is halved. Every axis must divide by ``2**depth``.

    Raises
    ------
    TypeError
        For a size that is no number, or no whole one.
    ValueError
        For fewer than 3 rays, a length that is not above 0, and a size that cannot be built.

    Notes
    -----
    The optimiser moves each weight by about the learning rate in a step, whatever the loss. So a
    network that has to give pixels moves `ray_px` times as slowly. The published network gives
    pixels, and is trained for tens of thousands of steps.

    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> network = StarDist(n_rays=16, ray_px=6, channels=8, depth=2)
    >>> output = network(torch.zeros(1, 1, 64, 64))
    >>> output.shape
    torch.Size([1, 17, 64, 64])
    >>> bool((output[:, 1:].mean() - 6).abs() < 3)
    True
    """

    def __init__(
        self,
        n_rays: int = 32,
        ray_px: float = 8.0,
        in_channels: int = 1,
        channels: int = 32,
        depth: int = 3,
    ) -> None:
        n_rays = whole("n_rays", n_rays, low=3, hint="The published models have 32.")
        super().__init__(
            in_channels=in_channels, out_channels=1 + n_rays, channels=channels, depth=depth
        )
        hint = "Give half the diameter of a typical object."
        self.ray_px = number("ray_px", ray_px, above=0, unit="px", hint=hint)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, Y, X)
        """Predict the probability as a logit, and rays in pixels."""
        z = super().forward(x)  # (B, 1 + n_rays, Y, X)
        return torch.cat([z[:, :1], self.ray_px * (1 + z[:, 1:])], dim=1)
