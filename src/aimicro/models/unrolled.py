"""Richardson and Lucy, unrolled: a few iterations with the known PSF, and a learned part in each.

An iteration of Richardson and Lucy knows the optics and nothing of the specimen. So after each of
them a small network multiplies the estimate by a factor, as total variation would do, but one that
it has learned from specimens. The blur itself is never learned: it is the PSF that one is told.

Used in chapter 6, *Deep deconvolution*.

References
----------
.. [1] V. Monga, Y. Li, Y. C. Eldar, "Algorithm unrolling: interpretable, efficient deep learning
   for signal and image processing", IEEE Signal Processing Magazine 38, 18-44 (2021).
   doi:10.1109/MSP.2020.3016905
.. [2] M. Bertero, P. Boccacci, "A simple method for the reduction of boundary effects in the
   Richardson-Lucy approach to image deconvolution", Astronomy & Astrophysics 437, 369-374 (2005).
   doi:10.1051/0004-6361:20052717
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro import checks
from aimicro.models.network import Network

_LEAST = 1e-4  # light that a blurred estimate has at least
_SEEN = 0.01  # fraction of its light that must reach the image before a place is estimated
_STEEPEST = 2.0  # largest logarithm of a factor, so that no training can explode


class Optics(nn.Module):
    """The way from a specimen that goes on beyond the image to the image, and back.

    Parameters
    ----------
    psf : array_like, (Y, X) or (Z, Y, X)
        Nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle. Its
        radius is how far the specimen goes on, on all sides.

    Raises
    ------
    TypeError, ValueError
        If the PSF is not as described.

    Notes
    -----
    Fourier transforms of the size of the specimen are enough: what they wrap around falls outside
    the image. They compute in float32 whatever the precision around them.

    Used in chapter 6, *Deep deconvolution*.

    Examples
    --------
    >>> optics = Optics(np.full((3, 3), 1 / 9))
    >>> optics.image(torch.ones(1, 1, 10, 12)).shape
    torch.Size([1, 1, 8, 10])
    """

    psf: Tensor

    def __init__(self, psf: npt.ArrayLike) -> None:
        super().__init__()
        hint = "Pass a PSF of the same number of axes as the images."
        kernel = checks.psf("psf", psf, ndim=3 if np.ndim(psf) == 3 else 2, odd=True, hint=hint)
        kernel = (kernel / kernel.sum()).astype(np.float32)
        self.register_buffer("psf", torch.from_numpy(kernel), persistent=False)
        self.radius = tuple(side // 2 for side in kernel.shape)
        self.axes = tuple(range(-kernel.ndim, 0))

    def image(self, specimen: Tensor) -> Tensor:  # (B, 1, Z + 2 r, Y + 2 r, X + 2 r)
        """The image of a specimen, where all light that reaches it is known."""
        spread = self._filtered(specimen, mirrored=False)
        # The PSF begins, not is centred, at the first voxel: the image lies 2 r further on.
        window = tuple(slice(2 * r, None) for r in self.radius)
        return spread[(slice(None), slice(None), *window)]  # (B, 1, Z, Y, X)

    def back(self, image: Tensor) -> Tensor:  # (B, 1, Z, Y, X)
        """The transpose: an image, spread over the specimen with the mirrored PSF."""
        room = [side for r in reversed(self.radius) for side in (2 * r, 0)]
        return self._filtered(F.pad(image.float(), room), mirrored=True)

    def _filtered(self, x: Tensor, *, mirrored: bool) -> Tensor:
        shape = x.shape[-len(self.axes) :]
        transfer = torch.fft.rfftn(self.psf, s=shape, dim=self.axes)
        transfer = transfer.conj() if mirrored else transfer
        spectrum = torch.fft.rfftn(x.float(), dim=self.axes)
        filtered: Tensor = torch.fft.irfftn(spectrum * transfer, s=shape, dim=self.axes)
        return filtered


class Unrolled(Network):
    r"""Iterations of Richardson and Lucy, each followed by a learned factor.

    .. math:: c = \frac{h^T \otimes (d / (h \otimes f + b))}{h^T \otimes 1}, \qquad
              f \leftarrow f \, c \, e^{R_k(f c,\, \ln c)},

    with the image *d*, the estimate *f*, the PSF *h* that is told, a background *b*, and a small
    network :math:`R_k` for each iteration *k*, which gives 0 before training.

    Parameters
    ----------
    psf : array_like, (Y, X) or (Z, Y, X)
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle.
    iterations : int
        How many.
    channels : int
        Feature channels of the small networks, which have three convolutions each.
    background : float
        *b*, light of every pixel that does not come from the specimen, in the unit of the scaled
        image.

    Attributes
    ----------
    optics : Optics
        Blurs with the PSF. It has no weights, and is not trained.

    Raises
    ------
    TypeError
        For a size that is no whole number, and a PSF that is none of real numbers.
    ValueError
        For a PSF that is not as described, no iterations or channels, a background below 0.

    Notes
    -----
    Light must be from 0 up: scale images without an offset, for example
    ``Scaling(Linear(0, peak), Linear(0, peak))``, and divide the background by the same peak. What
    is below 0 counts as 0. The estimate goes on beyond the image as far as the PSF reaches, as
    that of `aimicro.restore.richardson_lucy` does; untrained, the network is that function.

    The PSF is stored with the settings of the network, not with its weights. With another PSF the
    same weights can be tried: build the network anew and load them.

    Used in chapter 6, *Deep deconvolution*.

    Examples
    --------
    >>> psf = np.outer([1, 2, 1], [1, 2, 1]) / 16
    >>> network = Unrolled(psf, iterations=50)
    >>> point = torch.zeros(1, 1, 11, 11)
    >>> point[0, 0, 4:7, 4:7] = torch.tensor(psf)
    >>> print(f"{point.max():.2f} before, {network(point).max():.2f} after")
    0.25 before, 1.00 after
    """

    def __init__(
        self,
        psf: Any,
        iterations: int = 6,
        channels: int = 8,
        background: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = self.out_channels = 1
        self.optics = Optics(psf)
        self.ndim = len(self.optics.radius)
        whole = checks.whole("iterations", iterations, low=1, hint="Start with 6.")
        checks.whole("channels", channels, low=1)
        hint = "Give light per pixel in the unit of the scaled image."
        self.background = checks.number("background", background, low=0, hint=hint)
        self.regularisers = nn.ModuleList(regulariser(self.ndim, channels) for _ in range(whole))
        # An iteration looks there and back, and three convolutions further.
        self.receptive_radius = whole * (2 * max(self.optics.radius) + 3)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Z, Y, X), from 0 up
        """Restore a batch of volumes, or of images, whose Z is then missing below."""
        image = x.float().clamp(min=0)
        seen = self.optics.back(torch.ones_like(image))  # (B, 1, Z + 2 r, Y + 2 r, X + 2 r)
        reached = seen > _SEEN
        weight = reached / seen.clamp(min=_SEEN)
        mean = (image - self.background).clamp(min=0).mean(dim=self.optics.axes, keepdim=True)
        estimate = mean * reached  # (B, 1, Z + 2 r, Y + 2 r, X + 2 r), as all that follow
        for regulariser in self.regularisers:
            blurred = self.optics.image(estimate) + self.background  # (B, 1, Z, Y, X)
            quotient = image / blurred.clamp(min=_LEAST)  # (B, 1, Z, Y, X)
            correction = (self.optics.back(quotient) * weight).clamp(min=0)
            estimate = estimate * correction
            told = torch.cat([estimate, (correction + _LEAST).log()], dim=1)
            estimate = estimate * (_STEEPEST * torch.tanh(regulariser(told))).float().exp()
        field = tuple(slice(r, -r or None) for r in self.optics.radius)
        return estimate[(slice(None), slice(None), *field)]  # (B, 1, Z, Y, X)


def regulariser(ndim: int, channels: int) -> nn.Sequential:
    """Three convolutions that give 0 before training."""
    conv = nn.Conv2d if ndim == 2 else nn.Conv3d
    layers = nn.Sequential(
        conv(2, channels, kernel_size=3, padding=1),
        nn.ReLU(),
        conv(channels, channels, kernel_size=3, padding=1),
        nn.ReLU(),
        conv(channels, 1, kernel_size=3, padding=1),
    )
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return layers
