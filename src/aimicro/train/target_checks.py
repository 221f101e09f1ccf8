"""What a loss asks of its targets, looked at before the work.

Most losses return a number for any target, and what is learned from it is nonsense.

Used in chapter 9, *Training and using a model*.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from aimicro.train.losses import LOSSES
from aimicro.train.patches import Array

_ROUNDING = 1e-3


def check_targets(
    objective: str, network: nn.Module, batches: Sequence[tuple[Array, Array]]
) -> None:
    """Refuse targets that the objective of this name cannot mean.

    Of one that is no loss of `aimicro.train.LOSSES`, nothing is known, and all are taken.
    """
    known = _known_as(objective)
    if known is None:
        return
    for _, target in batches:
        if known in _CHECKS:
            _CHECKS[known](objective, target)
        _check_channels(objective, network, target)


def _known_as(objective: str) -> str | None:
    """The key in `LOSSES` of a name that may be that of the function, with its settings."""
    keys = {_without_settings(loss.__name__): key for key, loss in LOSSES.items()}
    name = _without_settings(objective)
    return name if name in LOSSES else keys.get(name)


def _without_settings(name: str) -> str:
    return name.partition("(")[0]


def _check_channels(objective: str, network: nn.Module, target: Array) -> None:
    expected = getattr(network, "out_channels", None)
    if expected is not None and target.shape[1] != expected:
        raise ValueError(
            f"Expected targets with {expected} channels, as this network has for its output, got "
            f"{target.shape[1]} for the objective {objective}. Build the network with "
            f"out_channels={target.shape[1]}, or choose another target."
        )


def _check_masks(objective: str, target: Array) -> None:
    _check_probabilities(
        objective, "", target, "Give masks of true and false, or a scaling with output=None."
    )


def _check_classes(objective: str, target: Array) -> None:
    hint = "Give 1 in the channel of the true class and 0 in the others; or the pixel's weight."
    if target.shape[1] < 2:
        raise ValueError(
            f"Expected targets with a channel for each class, two or more, for the objective "
            f"{objective}, got {target.shape[1]}. For a mask, take the objective bce."
        )
    sums, several = target.sum(axis=1), np.count_nonzero(target, axis=1) > 1
    if target.min() < 0 or sums.min() <= 0 or np.abs(sums[several] - 1).max(initial=0) > _ROUNDING:
        raise ValueError(
            f"Expected targets of one class a pixel, or a sum of 1 over the classes, for the "
            f"objective {objective}, got values from {target.min():g} to {target.max():g} and sums "
            f"from {sums.min():g} to {sums.max():g}. {hint}"
        )


def _check_rays(objective: str, target: Array) -> None:
    hint = "Give the object probability, then the rays, as aimicro.segment.stardist.targets does."
    _at_least(objective, target, 4, "a probability and three rays")  # a triangle
    _check_probabilities(objective, " in channel 0", target[:, :1], hint)
    if target[:, 1:].min() < 0:
        raise ValueError(
            f"Expected rays of 0 pixels or more for the objective {objective}, got "
            f"{target[:, 1:].min():g}. {hint}"
        )


def _check_flows(objective: str, target: Array) -> None:
    hint = "Give five times the flow, then the inside, as aimicro.segment.cellpose.targets does."
    _at_least(objective, target, target.ndim - 1, "a flow along each axis and the inside")
    _check_probabilities(objective, " in the last channel", target[:, -1:], hint)


def _at_least(objective: str, target: Array, channels: int, which: str) -> None:
    if target.shape[1] < channels:
        raise ValueError(
            f"Expected targets with {channels} channels or more, {which}, for the objective "
            f"{objective}, got {target.shape[1]}. Choose the target that belongs to it."
        )


def _check_probabilities(objective: str, where: str, target: NDArray[Any], hint: str) -> None:
    low, high = float(target.min()), float(target.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"Expected targets from 0 to 1{where} for the objective {objective}, got ones from "
            f"{low:g} to {high:g}. {hint}"
        )


_CHECKS: Mapping[str, Callable[[str, Array], None]] = {
    **dict.fromkeys(("bce", "dice", "bce+dice", "focal", "tversky"), _check_masks),
    "cross_entropy": _check_classes,
    "stardist": _check_rays,
    "cellpose": _check_flows,
}
