"""Losses: what the network is told to make small. Metrics: what one watches beside it.

Used in chapters 6, 9 and 10, and in appendix A.
"""

from collections.abc import Mapping
from types import MappingProxyType

from aimicro.train.intensity_losses import mae, mae_ssim_loss, mse, psnr, ssim, ssim_loss
from aimicro.train.mask_losses import (
    Loss,
    bce_dice,
    binary_cross_entropy,
    cross_entropy,
    focal,
    soft_dice,
    tversky,
)
from aimicro.train.object_losses import cellpose, stardist

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "mse": mse,
        "mae": mae,
        "ssim": ssim_loss,
        "mae+ssim": mae_ssim_loss,
        "bce": binary_cross_entropy,
        "dice": soft_dice,
        "bce+dice": bce_dice,
        "focal": focal(),
        "tversky": tversky(),
        "cross_entropy": cross_entropy(),
        "stardist": stardist,
        "cellpose": cellpose,
    }
)
METRICS: Mapping[str, Loss] = MappingProxyType({"psnr": psnr, "ssim": ssim})
