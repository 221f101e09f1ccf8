"""Losses: what the network is told to make small.

Used in chapter 6, *Denoising*.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error. Its best answer is the *mean* of all images that fit the input.

    Parameters
    ----------
    prediction, truth
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    Used in chapter 6, *Denoising*: PSNR is a function of this error, so a network that is judged
    by PSNR is best trained on it.
    """
    return F.mse_loss(prediction, truth)


def mae(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error. Its best answer is the *median* of all images that fit the input.

    Parameters
    ----------
    prediction, truth
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    Less impressed than the squared error by a few very bright pixels. Used in chapter 6,
    *Denoising*.
    """
    return F.l1_loss(prediction, truth)


LOSSES: Mapping[str, Loss] = MappingProxyType({"mse": mse, "mae": mae})
