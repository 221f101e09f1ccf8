"""What a training remembers: its losses and metrics, and the best weights so far.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from aimicro.train.devices import Processes

log = logging.getLogger(__name__)
Metric = Callable[[Tensor, Tensor], Tensor | float]
Result = tuple[float, dict[str, float]]  # loss and metrics


@dataclass
class History:
    """What a training did: each list has one entry for every validation.

    Attributes
    ----------
    step : list of int
        Steps done.
    train_loss : list of float
        Mean loss of the steps since the entry before.
    validation_loss : list of float
        Loss on the fixed validation patches; empty where there are none.
    best_step : int
        The step whose weights were kept.
    metrics : dict
        What was asked for beside the loss, on the validation patches; where there are none, the
        mean of the steps since the entry before.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_step: int = 0
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def add(self, step: int, trained: "Result", judged: "Result | None") -> float:
        """Note an entry, and return the loss by which the weights are judged."""
        for name, result in (("training", trained), ("validation", judged)):
            if result is not None and not math.isfinite(result[0]):
                raise FloatingPointError(
                    f"Expected a finite loss, got {result[0]} in {name} at step {step}. Lower the "
                    f"learning_rate or look for extreme pixels in the {name} images."
                )
        loss, metrics = judged or trained
        log.info("step %d: training loss %.4g, judged by %.4g", step, trained[0], loss)
        self.step.append(step)
        self.train_loss.append(trained[0])
        if judged is not None:
            self.validation_loss.append(loss)
        for name, value in metrics.items():
            self.metrics[name].append(value)
        return loss

    def exhausted(self, patience: int | None) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return patience is not None and sum(s > self.best_step for s in self.step) >= patience


class Means:
    """Mean loss and metrics of some batches; nothing waits for the GPU until they are asked for."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self.losses: list[Tensor] = []
        self.values: dict[str, list[Tensor]] = {name: [] for name in metrics}

    def add(self, loss: Tensor, prediction: Tensor, target: Tensor) -> None:
        """Measure a batch."""
        self.losses.append(loss.detach())
        for name, metric in self.metrics.items():
            value = torch.as_tensor(metric(prediction, target), dtype=torch.float32)  # or a count
            self.values[name].append(value.detach())

    def over(self, processes: Processes) -> Result:
        """Of all batches of all processes since the last time."""
        loss = processes.mean(self.losses)
        metrics = {name: processes.mean(values) for name, values in self.values.items()}
        for values in (self.losses, *self.values.values()):
            values.clear()
        return loss, metrics


class Best:
    """The weights that did best in validation; without one, the last ones."""

    def __init__(self, network: nn.Module) -> None:
        self.weights = weights_of(network)

    def offer(self, network: nn.Module, history: History) -> None:
        """Keep the weights if the last entry of `history` is the best one."""
        weights = weights_of(network)
        if not finite(weights):
            raise FloatingPointError(
                f"Expected finite weights, got NaN or infinite ones at step {history.step[-1]}. "
                "Lower the learning_rate."
            )
        losses = history.validation_loss
        if not losses or losses[-1] <= min(losses):
            history.best_step, self.weights = history.step[-1], weights


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copy all that a network has learned."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def finite(weights: dict[str, Tensor]) -> bool:
    """Whether no weight is NaN or infinite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
