"""Losses of restored images, and metrics of them: how far intensities are from the true ones.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

_SIGMA, _WINDOW = 1.5, 11
_C1, _C2 = 0.01**2, 0.03**2


def mse(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error. Its best answer is the *mean* of all images that fit the input.

    Parameters
    ----------
    prediction, truth : Tensor
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
    prediction, truth : Tensor
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


def psnr(prediction: Tensor, truth: Tensor) -> Tensor:
    r"""Peak signal-to-noise ratio in decibels, of intensities whose full scale is 1.

    .. math:: \mathrm{PSNR} = -10 \log_{10} \mathrm{MSE}

    Parameters
    ----------
    prediction, truth : Tensor
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number, the mean of all patches.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    errors = ((prediction - truth) ** 2).flatten(1).mean(1)
    return (-10 * torch.log10(errors)).mean()


def ssim(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean structural similarity of intensities whose full scale is 1: 1 for equal images.

    Parameters
    ----------
    prediction, truth : Tensor
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number, the mean of all places at which the window lies inside the patch.

    Notes
    -----
    Constants and window are those of Wang et al., as in `aimicro.metrics.ssim`: a Gaussian of
    1.5 pixels, 11 pixels wide. Along an axis shorter than that the window is cut, to the largest
    odd width that fits, so that thin stacks have a similarity too. It compares with one computed
    over 11 slices only roughly.

    Used in appendix A, *Denoising*.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Transactions on Image Processing 13 (2004)
    600-612. doi:10.1109/TIP.2003.819861
    """
    x, t = prediction, truth
    x, t, xx, tt, xt = _local_means(torch.cat([x, t, x**2, t**2, x * t])).chunk(5)
    luminance = (2 * x * t + _C1) / (x**2 + t**2 + _C1)
    structure = (2 * (xt - x * t) + _C2) / ((xx - x**2) + (tt - t**2) + _C2)
    return (luminance * structure).mean()


def ssim_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """What is missing to the structural similarity of 1.

    Parameters
    ----------
    prediction, truth : Tensor
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number from 0 to 2.

    Notes
    -----
    It rewards local contrast more than brightness. Used in appendix A, *Denoising*.
    """
    return 1 - ssim(prediction, truth)


def mae_ssim_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error plus what is missing in structural similarity, weighed alike.

    Parameters
    ----------
    prediction, truth : Tensor
        `(B, C, [Z,] Y, X)`, in normalised units.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    The first keeps the brightness right, the second the local contrast. Used in appendix A,
    *Denoising*.
    """
    return mae(prediction, truth) + ssim_loss(prediction, truth)


def _local_means(x: Tensor) -> Tensor:  # (B, C, Z, Y, X)
    """Means under a Gaussian window, wherever it lies inside."""
    for axis in range(2, x.dim()):
        width = min(_WINDOW, x.shape[axis])
        radius = (width - 1) // 2
        offsets = torch.arange(-radius, radius + 1)
        weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
        weights /= weights.sum()
        # A sum of shifted images: several times as fast as a convolution with one channel.
        n = x.shape[axis] - 2 * radius
        shifted = (x.narrow(axis, i, n) * weight for i, weight in enumerate(weights.tolist()))
        x = functools.reduce(torch.add, shifted)
    return x  # (B, C, Z - 10, Y - 10, X - 10)
