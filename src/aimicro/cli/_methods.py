"""What the methods of segmentation need of a network, and how its output becomes labels.

A private part of :mod:`aimicro.cli.train` and :mod:`aimicro.cli.segment`.
"""

import argparse
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from aimicro import checks
from aimicro.cli._segmentation_keys import SegmentationConfig
from aimicro.segment import WindowObjects, by_windows, cellpose, stardist, unet

Labels = NDArray[np.int32]
Target = Callable[[NDArray[Any]], NDArray[np.float32]]
_CLASSES = 3  # background, inside, border


def out_channels(config: SegmentationConfig) -> int:
    """Channels that the network gives, of an image or, with the U-Net, a volume."""
    if config.method == "stardist":
        return 1 + config.n_rays
    if config.method == "cellpose":
        return 3
    return _CLASSES if config.borders else 1


def target(config: SegmentationConfig) -> Target:
    """What the network learns of labels; its name and settings stand in the checkpoint."""
    if config.method == "stardist":
        return functools.partial(stardist_target, n_rays=config.n_rays)
    if config.method == "cellpose":
        return cellpose_target
    return functools.partial(unet_target, borders=config.borders)


# Some programs store labels as float32, and check_labels has seen that they are whole.


def unet_target(labels: NDArray[Any], *, borders: int) -> NDArray[np.float32]:
    """Inside or not, or three classes with borders."""
    return unet.targets(labels.astype(np.int64), borders=borders)


def stardist_target(labels: NDArray[Any], *, n_rays: int) -> NDArray[np.float32]:
    """Probability and rays."""
    return stardist.targets(labels.astype(np.int64), n_rays=n_rays)


def cellpose_target(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Flows and the inside."""
    return cellpose.targets(labels.astype(np.int64))


@dataclass(frozen=True)
class Ways:
    """Two ways from output to labels 1, 2, …, which find the same."""

    at_once: Callable[[NDArray[np.float32]], Labels]
    by_windows: Callable[..., Iterator[WindowObjects]]


def ways_to_segment(config: SegmentationConfig, options: argparse.Namespace) -> Ways:
    """What turns output into labels, with the thresholds that the options name."""
    half = 0.5 if options.threshold is None else options.threshold
    half = checks.number("--threshold", half, above=0, below=1, hint="It is a probability.")
    least = options.min_pixels
    if least is not None:
        least = checks.whole("--min-pixels", least, low=0)
    chosen = _thresholds(config, options)
    if config.method == "cellpose":
        chosen["cell_threshold"] = float(logit(half))
        if least is not None:
            chosen["smallest"] = least
        return Ways(
            functools.partial(cellpose.segment, **chosen),
            functools.partial(cellpose.by_windows, **chosen),
        )
    segment: Callable[[NDArray[np.float32]], Labels] = (
        functools.partial(stardist.segment, probability_threshold=half, **chosen)
        if config.method == "stardist"
        else functools.partial(unet.segment, threshold=half, **chosen)
    )
    return Ways(
        lambda output: numbered(segment(output), least or 0),
        functools.partial(by_windows, segment=lambda part, _: segment(part), min_pixels=least or 0),
    )


def _thresholds(config: SegmentationConfig, options: argparse.Namespace) -> dict[str, Any]:
    """Those of the options that belong to one method; of another one they are refused."""
    borders = config.method == "unet" and config.borders > 0
    belongs = {
        "seed_threshold": borders,
        "overlap_threshold": config.method == "stardist",
        "flow_threshold": config.method == "cellpose",
    }
    given = {name: getattr(options, name) for name in belongs}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        flag = f"--{name.replace('_', '-')}"
        if not belongs[name]:
            without = " without borders" if config.method == "unet" else ""
            raise ValueError(
                f"Expected no {flag} for a network of the method {config.method}{without}, got "
                f"{value:g}. Leave it out: it belongs to another method."
            )
        highest = math.inf if name == "flow_threshold" else 1
        checks.number(flag, value, above=0, high=highest, hint="Leave it out for the usual one.")
    return chosen


def numbered(labels: Labels, least: int) -> Labels:
    """Ids 1, 2, … without gaps, for objects with as many pixels at least."""
    sizes = np.bincount(labels.ravel())
    kept = (sizes >= max(least, 1)) & (np.arange(len(sizes)) > 0)
    return np.asarray((np.cumsum(kept) * kept)[labels], np.int32)
