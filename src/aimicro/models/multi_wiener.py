"""MultiWienerNet: several Wiener filters that learn, and a U-Net that joins what they give.

The names follow Yanny et al.: *PSFs* from several places of the field are the starting point of
*learnable Wiener deconvolution filters*, each with its own regularisation. The whole image goes
through each filter; every one is right somewhere. A *refinement* U-Net sees all of them and learns
where to take which.

Used in chapter 6, *A blur that changes across the field*.

References
----------
.. [1] K. Yanny et al., "Deep learning for fast spatially varying deconvolution", Optica 9, 96-99
   (2022). doi:10.1364/OPTICA.442438
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, whole
from aimicro.models.network import Network
from aimicro.models.unet import UNet


class WienerFilters(nn.Module):
    """Deconvolve with several kernels, as `aimicro.restore.wiener` does with one.

    Parameters
    ----------
    filters : int
        Kernels.
    size : int
        Side of a kernel in pixels, odd.
    noise_to_signal : float
        Where the regularisation of every kernel starts.
    """

    def __init__(self, filters: int, size: int, noise_to_signal: float) -> None:
        super().__init__()
        point = torch.zeros(filters, size, size)
        point[:, size // 2, size // 2] = 1  # hands the image through
        self.kernels = nn.Parameter(point)
        # As a logarithm: whatever is learned, it stays above 0.
        self.regularisation = nn.Parameter(torch.full((filters,), float(noise_to_signal)).log())

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Y, X) -> (B, filters, Y, X)
        """Filter an image that is mirrored at its borders as far as a kernel extends."""
        half = self.kernels.shape[-1] // 2
        height, width = x.shape[-2:]
        with torch.autocast(x.device.type, enabled=False):  # transforms need all digits
            x = F.pad(x.float(), [half] * 4, mode="reflect")
            sides = x.shape[-2:]
            window = F.pad(
                self.kernels.float(), (0, sides[1] - 2 * half - 1, 0, sides[0] - 2 * half - 1)
            )
            H = torch.fft.rfft2(window.roll((-half, -half), (-2, -1)))  # (filters, Y, X / 2 + 1)
            K = self.regularisation.float().exp()[:, None, None]
            spectrum = torch.fft.rfft2(x) * (H.conj() / (H.abs() ** 2 + K))
            sharp: Tensor = torch.fft.irfft2(spectrum, s=sides)
        return sharp[..., half : half + height, half : half + width]


class MultiWiener(Network):
    """Learnable Wiener filters and a U-Net, for images whose blur changes across the field.

    Parameters
    ----------
    filters : int
        Wiener filters.
    size : int
        Side of their kernels in pixels, odd.
    channels, depth : int
        Of the U-Net, as for `UNet`.
    noise_to_signal : float
        Where the regularisation of every filter starts.

    Raises
    ------
    TypeError, ValueError
        For sizes that cannot be built, and kernels with sides of even length.

    Notes
    -----
    The Fourier transform looks at the whole image, so the network is to be given whole fields: in a
    patch it would meet another border, and not know where in the field it is. The kernels are
    learned for pixels in the network's own units; a kernel and its brightness are one.

    Used in chapter 6, *A blur that changes across the field*.

    Examples
    --------
    >>> network = MultiWiener(filters=9, size=15, channels=4, depth=2)
    >>> network(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    """

    def __init__(
        self,
        filters: int = 9,
        size: int = 31,
        channels: int = 16,
        depth: int = 2,
        noise_to_signal: float = 0.01,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.out_channels = 2, 1, 1
        filters = whole("filters", filters, low=1)
        if whole("size", size, low=3) % 2 == 0:
            raise ValueError(
                f"Expected kernels with an odd side, got size={size}. Only those have a middle."
            )
        ratio = number("noise_to_signal", noise_to_signal, above=0, hint="Start with 0.01.")
        self.wiener = WienerFilters(filters, size, ratio)
        self.refinement = UNet(in_channels=filters, channels=channels, depth=depth)
        self.divisor = self.refinement.divisor
        self.receptive_radius = size // 2 + self.refinement.receptive_radius

    def start_from(self, psfs: npt.ArrayLike) -> "MultiWiener":
        """Begin with measured PSFs instead of points.

        Parameters
        ----------
        psfs : array_like, (filters, size, size)
            One for each filter, each from 0 up with a sum of 1.

        Returns
        -------
        MultiWiener
            The network itself.

        Raises
        ------
        ValueError
            For another shape, negative values or values that are not finite, and other sums.
        """
        kernels = np.asarray(psfs, dtype=np.float32)
        if kernels.shape != tuple(self.wiener.kernels.shape):
            raise ValueError(
                f"Expected psfs {tuple(self.wiener.kernels.shape)} for this network, got shape "
                f"{kernels.shape}. Crop them, or build it with other filters and size."
            )
        totals = kernels.sum(axis=(1, 2))
        if not (kernels >= 0).all() or not np.allclose(totals, 1, atol=1e-3):
            raise ValueError(
                "Expected psfs from 0 up, each with a sum of 1, got a smallest value of "
                f"{kernels.min():g} and sums from {totals.min():g} to {totals.max():g}. Clip them "
                "at 0 and divide each by its sum."
            )
        with torch.no_grad():
            self.wiener.kernels.copy_(torch.from_numpy(kernels))
        return self

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, Y, X)
        """Restore a batch of images; the comments follow one of 64 x 64 pixels."""
        x = self.wiener(x)  # (B, 9, 64, 64)
        x = self.refinement(x)  # (B, 1, 64, 64)
        return x
