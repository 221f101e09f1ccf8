"""How a promptable network is trained: it is asked, and asked again where it was wrong.

Used in chapter 9, *Segment what I point at*.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.train.mask_losses import bce_dice
from aimicro.train.objectives import Objective


class Questions(Protocol):
    """Prompts about one image, and what they mean: `aimicro.segment.prompts.Questions`."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """What is meant, (P, Y, X)."""

    @property
    def maps(self) -> NDArray[np.float32]:
        """The prompts as a network takes them, (P, 4, Y, X)."""

    def corrected(self, found: NDArray[np.bool_], *, rng: np.random.Generator) -> Self:
        """The same after a click on what is wrong."""


def prompted(draw: Callable[..., Any], *, rounds: int = 2) -> Objective:
    r"""Learn to answer prompts: masks as they were meant, and how good an answer is.

    In each round all prompts of a batch are answered. The loss is that of the masks, cross-entropy
    and soft Dice, and the squared error of the expected quality,

    .. math:: (\hat q - \mathrm{IoU})^2 .

    Then each prompt gets one click more, on a pixel that is wrong, and the answer as a rough mask.

    Parameters
    ----------
    draw : callable
        Draws prompts, as `aimicro.segment.prompts.targets` does: takes the labels (Y, X) of a
        patch and `rng`, and returns as many each time.
    rounds : int
        Answers to each prompt, 1 for none with corrections.

    Returns
    -------
    Objective
        For patches whose target are labels, ``target=lambda labels: labels[np.newaxis]``, and a
        network that takes an image and maps of prompts as channels of one tensor, and returns
        logits (B, P, Y, X) and qualities (B, P): `aimicro.models.Promptable`.

    Raises
    ------
    TypeError, ValueError
        If `rounds` is no whole number of 1 or more.

    Notes
    -----
    An answer to nothing is as good as possible if it is empty. SAM is trained in the same way,
    with eleven rounds and focal loss in place of cross-entropy.

    Used in chapter 9, *Segment what I point at*.

    References
    ----------
    A. Kirillov et al., "Segment anything", ICCV 2023, 3992-4003.
    doi:10.1109/ICCV51070.2023.00371

    Examples
    --------
    >>> from aimicro.segment import prompts
    >>> objective = prompted(prompts.targets, rounds=3)
    """
    rounds = whole("rounds", rounds, low=1, hint="Try 2.")

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Mean loss of all rounds."""
        # From the generator that fit sets in each step, so that a training can be repeated.
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        labels = target[:, 0].cpu().numpy().astype(np.int32)
        asked: list[Questions] = [draw(each, rng=rng) for each in labels]
        truth = _tensor([each.masks for each in asked], x)  # (B, P, Y, X)
        losses = []
        for number in range(rounds):
            maps = _tensor([each.maps for each in asked], x)  # (B, P, 4, Y, X)
            logits, quality = network(torch.cat([x, maps.flatten(1, 2)], dim=1))
            mask = bce_dice(logits.flatten(0, 1), truth.flatten(0, 1))
            losses.append(mask + F.mse_loss(quality, _iou(logits > 0, truth > 0)))
            if number < rounds - 1:
                found = (logits > 0).cpu().numpy()
                asked = [q.corrected(f, rng=rng) for q, f in zip(asked, found, strict=True)]
        return torch.stack(losses).mean()

    objective.__name__ = f"prompted({rounds})"
    return objective


def _tensor(arrays: list[NDArray[Any]], like: Tensor) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(like)


def _iou(found: Tensor, truth: Tensor) -> Tensor:
    """Of each mask (B, P); 1 where nothing is and nothing was found."""
    either = (found | truth).sum(dim=(2, 3))
    both = (found & truth).sum(dim=(2, 3))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)
