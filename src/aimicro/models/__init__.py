"""Networks of the book: one short file each, shapes at line ends."""

from aimicro.models.rcan import RCAN
from aimicro.models.unet import UNet

__all__ = ["RCAN", "UNet"]
