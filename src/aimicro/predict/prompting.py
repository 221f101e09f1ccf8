"""Ask a promptable network about an image: look once, answer often.

Used in chapter 9, *Segment what I point at*.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional as F

from aimicro import checks
from aimicro.models import Promptable
from aimicro.train.scaling import Scaling

Array = NDArray[np.float32]

_AT_ONCE = 32  # prompts: more would only take memory


class PromptedImage:
    """An image that a promptable network has looked at.

    Parameters
    ----------
    network : Promptable
        Trained by `aimicro.train.fit`; put into evaluation mode.
    image : array_like
        `(Y, X)`, or `(C, Y, X)` for a network that takes several channels, in the unit of the
        training images. Its sides need not divide: it is padded by reflection.

    Attributes
    ----------
    shape : (int, int)
        Of the image in pixels, (Y, X).

    Raises
    ------
    TypeError
        For a network that takes no prompts, and pixels that are no real numbers.
    ValueError
        For an image that the network cannot take, and NaN or infinite pixels.

    Notes
    -----
    The image is taken whole: there are no tiles.

    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> asked = PromptedImage(Promptable(channels=2), np.zeros((50, 60)))
    >>> masks, quality = asked.answer(np.zeros((3, 4, 50, 60)))
    >>> masks.shape, quality.shape
    ((3, 50, 60), (3,))
    """

    def __init__(self, network: Promptable, image: ArrayLike) -> None:
        if not isinstance(network, Promptable):
            raise TypeError(
                f"Expected a Promptable network, got {type(network).__name__}. For a network that "
                "takes the image alone, use aimicro.predict.predict."
            )
        ndim = 2 if network.in_channels == 1 else 3
        pixels = checks.image("image", image, ndim=ndim, hint="Ask about one 2D image at a time.")
        pixels = pixels.reshape(-1, *pixels.shape[-2:])
        if len(pixels) != network.in_channels:
            raise ValueError(
                f"Expected {network.in_channels} channels, got {len(pixels)} in shape "
                f"{pixels.shape}. Choose the channels that the network was trained on."
            )
        self.shape: tuple[int, int] = pixels.shape[-2:]
        self.network = network.eval()
        self.device = next(network.parameters()).device
        scaling = network.scaling or Scaling()
        scaled = scaling.input.for_image(pixels).apply(pixels.astype(np.float32))
        with torch.no_grad():
            self.described = network.encode(self._padded(scaled, "reflect")[np.newaxis])

    def answer(self, maps: ArrayLike) -> tuple[Array, Array]:
        """Answer prompts.

        Parameters
        ----------
        maps : array_like, (P, 4, Y, X)
            Prompts, drawn by `aimicro.segment.prompts.render`.

        Returns
        -------
        masks : ndarray of float32, (P, Y, X)
            Logits: inside where they are above 0.
        quality : ndarray of float32, (P,)
            Expected IoU with what was meant, from 0 to 1.

        Raises
        ------
        ValueError
            For maps of another shape, or no prompt.
        """
        drawn = np.asarray(maps, np.float32)
        if drawn.ndim != 4 or not len(drawn) or drawn.shape[1:] != (4, *self.shape):
            raise ValueError(
                f"Expected maps of prompts, (P, 4, {self.shape[0]}, {self.shape[1]}), got "
                f"{drawn.shape}. Draw them for this image with aimicro.segment.prompts.render."
            )
        answers = []
        with torch.no_grad():
            for start in range(0, len(drawn), _AT_ONCE):
                some = self._padded(drawn[start : start + _AT_ONCE], "constant")
                answers.append(self.network.decode(self.described, some[np.newaxis]))
        height, width = self.shape
        masks, quality = (
            torch.cat([part[0] for part in parts]).float().cpu().numpy()
            for parts in zip(*answers, strict=True)
        )
        return masks[:, :height, :width], quality

    def _padded(self, values: Array, mode: str) -> torch.Tensor:
        """On the network's device, with sides that it can halve."""
        height, width = (-side % self.network.divisor for side in self.shape)
        return F.pad(torch.from_numpy(values), (0, width, 0, height), mode=mode).to(self.device)
