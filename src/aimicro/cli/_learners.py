"""What a training teaches to which network, by the task of its configuration.

A private part of :mod:`aimicro.cli.train`.
"""

from dataclasses import dataclass, field

import torch

from aimicro.cli._methods import Target, out_channels, target
from aimicro.cli.config import CompleteConfig, CompleteSegmentation
from aimicro.models import RCAN, Network, StarDist, UNet
from aimicro.train import METRICS, Percentile, Scaling, structure
from aimicro.train.mask_losses import Loss
from aimicro.train.windows import Keep


@dataclass(frozen=True)
class Learner:
    """A network, what it makes small, and how its patches are made."""

    network: Network
    objective: str
    scaling: Scaling
    keep: Keep | None = None
    target: Target | None = None
    metrics: dict[str, Loss] = field(default_factory=dict)


def learner(config: CompleteConfig | CompleteSegmentation) -> Learner:
    """Build what a configuration describes; its seed draws the first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return _restorer(config) if isinstance(config, CompleteConfig) else _segmenter(config)


def _restorer(config: CompleteConfig) -> Learner:
    network = RCAN(
        ndim=config.ndim,
        channels=config.num_channels,
        blocks=config.num_residual_blocks,
        groups=config.num_residual_groups,
        reduction=config.channel_reduction,
    )
    percentiles = Percentile(config.p_min, config.p_max)
    return Learner(
        network,
        objective=config.loss,
        scaling=Scaling(percentiles, percentiles),
        keep=structure(config.intensity_threshold, config.area_ratio_threshold),
        metrics={name: METRICS[name] for name in config.metrics},
    )


def _segmenter(config: CompleteSegmentation) -> Learner:
    return Learner(
        _segmentation_network(config),
        objective=config.objective,
        scaling=Scaling(Percentile(config.p_min, config.p_max), None),
        target=target(config),
    )


def _segmentation_network(config: CompleteSegmentation) -> UNet:
    # Without a length `aimicro check` asks, which has not measured the objects: all else is alike.
    if config.ray_px is not None and config.method == "stardist":
        return StarDist(
            n_rays=config.n_rays,
            ray_px=config.ray_px,
            channels=config.num_channels,
            depth=config.depth,
        )
    return UNet(
        ndim=config.ndim,
        out_channels=out_channels(config),
        channels=config.num_channels,
        depth=config.depth,
    )
