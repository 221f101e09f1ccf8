"""A promptable segmenter: look at the image once, then answer any number of clicks and boxes.

Other networks learn *what* to segment. This one learns to segment *what it is shown*: a prompt is
a click inside or outside, a box, or a rough mask, and the answer is one mask, with a guess of how
good it is. As in Segment Anything (SAM [1]_), a heavy *encoder* runs once for an image, and a light
*decoder* once for each prompt.

All else is simpler than in SAM. Its encoder is a vision transformer of up to 632 million weights;
here it is a U-Net of some hundred thousand. Its prompts are tokens, and the decoder lets tokens and
image attend to each other; here prompts are drawn as maps beside the features, as in older
interactive methods, and the decoder is a small U-Net. SAM sees the whole image at once; here a
click reaches no further than the decoder sees. And where SAM offers three masks for a click that
could mean several things, this one gives a single mask.

Used in chapter 9, *Segment what I point at*.

References
----------
.. [1] A. Kirillov et al., "Segment anything", ICCV 2023, 3992-4003.
   doi:10.1109/ICCV51070.2023.00371
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network
from aimicro.models.unet import UNet

PROMPT_MAPS = 4  # clicks inside, clicks outside, box, rough mask
_HALF = 2  # all is computed at half the resolution: a quarter of the time
_TOLD = 8  # channels from which the quality of a mask is guessed


class Promptable(Network):
    """Answers prompts about images (2D) with masks.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    features : int
        Channels in which the encoder describes each pixel.
    channels : int
        Channels of the finest level of the decoder; the encoder has twice as many.
    depth : int
        How often encoder and decoder halve what they see. Both sides of an image must divide by
        ``2**(depth + 1)``.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For a size that cannot be built.

    Notes
    -----
    In training, `forward` takes the image and the maps of its prompts as channels of one tensor.
    To use it, encode once and decode often: `aimicro.predict.PromptedImage` does.

    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> network = Promptable(features=8, channels=4, depth=2)
    >>> described = network.encode(torch.zeros(1, 1, 64, 64))
    >>> masks, quality = network.decode(described, torch.zeros(1, 5, 4, 64, 64))
    >>> masks.shape, quality.shape
    (torch.Size([1, 5, 64, 64]), torch.Size([1, 5]))
    """

    ndim, out_channels = 2, 1

    def __init__(
        self, in_channels: int = 1, features: int = 16, channels: int = 8, depth: int = 2
    ) -> None:
        super().__init__()
        self.in_channels = whole("in_channels", in_channels, low=1)
        features = whole("features", features, low=1)
        channels = whole("channels", channels, low=1)
        pixels = _HALF**2  # four pixels of the image are four channels of one coarse pixel
        self.encoder = UNet(2, in_channels * pixels, features, 2 * channels, depth)
        self.decoder = UNet(2, features + PROMPT_MAPS, pixels + _TOLD, channels, depth)
        self.judge = nn.Linear(2 * _TOLD, 1)
        self.divisor = _HALF * self.encoder.divisor
        seen = self.encoder.receptive_radius + self.decoder.receptive_radius
        self.receptive_radius = _HALF * seen + _HALF - 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, C + 4 P, Y, X)
        """Answer P prompts about each image: logits (B, P, Y, X) and quality (B, P)."""
        image, maps = x[:, : self.in_channels], x[:, self.in_channels :]
        if not maps.shape[1]:
            raise ValueError(
                "Expected an image and maps of prompts, got an image alone. Use "
                "aimicro.predict.PromptedImage to ask a promptable network."
            )
        maps = maps.reshape(len(x), -1, PROMPT_MAPS, *x.shape[2:])  # (B, P, 4, Y, X)
        return self.decode(self.encode(image), maps)

    def encode(self, image: Tensor) -> Tensor:  # (B, C, 96, 96)
        """Describe each pixel, once for all prompts."""
        x: Tensor = self.encoder(F.pixel_unshuffle(image, _HALF))  # (B, 16, 48, 48)
        return x

    def decode(self, described: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Answer prompts about images that are described.

        Parameters
        ----------
        described : Tensor
            What `encode` returned, `(B, F, Y/2, X/2)`.
        maps : Tensor
            Prompts drawn by `aimicro.segment.prompts.render`, `(B, P, 4, Y, X)`.

        Returns
        -------
        masks, quality : Tensor
            Logits of the masks `(B, P, Y, X)`, and their expected IoU with what was meant `(B, P)`.
        """
        batch, prompts = maps.shape[:2]
        asked = F.avg_pool2d(maps.flatten(0, 1), _HALF)  # (B P, 4, 48, 48)
        image = described.repeat_interleave(prompts, dim=0)  # (B P, 16, 48, 48)
        x = self.decoder(torch.cat([image, asked], dim=1))  # (B P, 12, 48, 48)
        masks = F.pixel_shuffle(x[:, :-_TOLD], _HALF)  # (B P, 1, 96, 96)
        inside = torch.sigmoid(F.avg_pool2d(masks.detach(), _HALF))  # (B P, 1, 48, 48)
        unsure = inside * (1 - inside)  # along the outline; no mean over an image of any size
        means = [_mean(x[:, -_TOLD:], weights) for weights in (inside, unsure)]  # (B P, 8) each
        quality = torch.sigmoid(self.judge(torch.cat(means, dim=1)))  # (B P, 1)
        return masks.reshape(batch, prompts, *maps.shape[3:]), quality.reshape(batch, prompts)


def _mean(told: Tensor, weights: Tensor) -> Tensor:
    """Mean of each channel; the 1 keeps it near 0 where there is hardly any weight."""
    return (told * weights).sum(dim=(2, 3)) / (weights.sum(dim=(2, 3)) + 1)
