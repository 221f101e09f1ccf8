"""Networks of the book: one short file each, shapes at line ends."""

from aimicro.models.autoencoder import Autoencoder, VariationalAutoencoder
from aimicro.models.diffusion import Diffusion, signal_and_noise
from aimicro.models.discriminator import Discriminator
from aimicro.models.multi_wiener import MultiWiener
from aimicro.models.network import ARCHITECTURES, Network, check_input
from aimicro.models.patch_classifier import PatchClassifier
from aimicro.models.promptable import Promptable
from aimicro.models.rcan import RCAN
from aimicro.models.segnet import SegNet
from aimicro.models.stardist import StarDist
from aimicro.models.unet import UNet
from aimicro.models.vit import ViT

__all__ = [
    "ARCHITECTURES",
    "RCAN",
    "Autoencoder",
    "Diffusion",
    "Discriminator",
    "MultiWiener",
    "Network",
    "PatchClassifier",
    "Promptable",
    "SegNet",
    "StarDist",
    "UNet",
    "VariationalAutoencoder",
    "ViT",
    "check_input",
    "signal_and_noise",
]
