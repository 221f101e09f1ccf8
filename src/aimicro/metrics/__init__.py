"""How far a result is from the truth."""

from aimicro.metrics.restoration import AffineFit, affine_fit, mse, nrmse, psnr, ssim

__all__ = ["AffineFit", "affine_fit", "mse", "nrmse", "psnr", "ssim"]
