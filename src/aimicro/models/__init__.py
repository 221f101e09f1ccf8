"""Networks of the book: one short file each, shapes at line ends."""

from aimicro.models.autoencoder import Autoencoder, VariationalAutoencoder
from aimicro.models.dfcan import DFCAN
from aimicro.models.diffusion import Diffusion, signal_and_noise
from aimicro.models.discriminator import Discriminator
from aimicro.models.image_text import ImageText
from aimicro.models.language import LanguageModel, continued, next_chances
from aimicro.models.multi_wiener import MultiWiener
from aimicro.models.network import ARCHITECTURES, Network, check_input
from aimicro.models.ngram import NGram
from aimicro.models.patch_classifier import PatchClassifier
from aimicro.models.promptable import Promptable
from aimicro.models.rcan import RCAN
from aimicro.models.rln import RLN
from aimicro.models.segnet import SegNet
from aimicro.models.stardist import StarDist
from aimicro.models.unet import UNet
from aimicro.models.unrolled import Unrolled
from aimicro.models.vit import ViT
from aimicro.models.wavefront import WavefrontReader

__all__ = [
    "ARCHITECTURES",
    "DFCAN",
    "RCAN",
    "RLN",
    "Autoencoder",
    "Diffusion",
    "Discriminator",
    "ImageText",
    "LanguageModel",
    "MultiWiener",
    "NGram",
    "Network",
    "PatchClassifier",
    "Promptable",
    "SegNet",
    "StarDist",
    "UNet",
    "Unrolled",
    "VariationalAutoencoder",
    "ViT",
    "WavefrontReader",
    "check_input",
    "continued",
    "next_chances",
    "signal_and_noise",
]
