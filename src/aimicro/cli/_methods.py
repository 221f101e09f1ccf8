"""What the methods of segmentation need of a network, and how its output becomes labels.

A private part of :mod:`aimicro.cli.train` and :mod:`aimicro.cli.segment`.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.cli._segmentation_keys import SegmentationConfig
from aimicro.segment import cellpose, stardist, unet

Labels = NDArray[np.int32]
Segment = Callable[[NDArray[np.float32]], Labels]
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
