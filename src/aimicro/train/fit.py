"""The training loop: a fixed number of steps with a seed, at the speed that the processor has.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import logging
import math
import statistics
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from aimicro.train.checkpoint import (
    CheckpointError,
    read_checkpoint,
    strip_prefix,
    write_checkpoint,
)
from aimicro.train.losses import LOSSES, Loss
from aimicro.train.patches import Array, Patches

log = logging.getLogger(__name__)
Precision = Literal["auto", "float32", "bfloat16"]
Schedule = Literal["cosine", "constant"] | Callable[[float], float]


@dataclass
class History:
    """What a training did: each list has one entry for every validation.

    Attributes
    ----------
    step
        Steps done.
    train_loss
        Mean loss of the steps since the entry before.
    validation_loss
        Loss on the fixed validation patches; empty where there are none.
    best_step
        The step whose weights were kept.
    metrics
        What was asked for beside the loss, on the validation patches; where there are none, the
        mean of the steps since the entry before.
    """

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_step: int = 0
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def exhausted(self, patience: int | None) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return (
            patience is not None and len([s for s in self.step if s > self.best_step]) >= patience
        )


def fit(
    model: nn.Module,
    patches: Patches,
    *,
    steps: int,
    validation: Patches | None = None,
    validation_batches: int = 1,
    validate_every: int = 100,
    patience: int | None = None,
    learning_rate: float = 1e-3,
    schedule: Schedule = "cosine",
    loss: str | Loss = "mse",
    metrics: Mapping[str, Loss] | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "auto",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: bool = False,
    after_validation: Callable[[nn.Module, History], None] | None = None,
) -> History:
    """Train a network on pairs of patches; it ends with the best weights it had.

    The same network, patches and settings give the same weights on the same machine, bit for bit.

    Parameters
    ----------
    model
        Takes and gives `(B, C, [Z,] Y, X)`. It is trained in place, left in evaluation mode on
        `device`, and given the `scaling` of the patches, which `aimicro.predict` undoes.
    patches
        Gives the batch of each step: `ArrayPatches`, or `FilePatches` from files.
    steps
        Number of steps: never a time, since the numbers must repeat.
    validation
        Its first batch is the fixed set on which the best weights are chosen. Cut it from images
        that are neither in `patches` nor in the test set. Without one the last weights are kept.
    validation_batches
        How many batches, from the first, make up that set.
    validate_every
        Steps from one validation, and one checkpoint, to the next.
    patience
        Stop after so many validations without a better one.
    learning_rate
        The highest rate, that of the first step.
    schedule
        ``"cosine"`` lets the rate fall along half a cosine to zero, ``"constant"`` leaves it. Or a
        function that takes the share of the steps done, from 0 to below 1, and returns a factor.
    loss
        Name in `aimicro.train.LOSSES`, or a function of prediction and truth.
    metrics
        Names, and functions of prediction and truth, to note beside the loss, for example
        `aimicro.train.METRICS`.
    device
        By default CUDA where there is one, else Apple's MPS, else the CPU.
    precision
        ``"auto"`` computes in bfloat16 where the processor does so natively, which is about twice
        as fast or more. Elsewhere bfloat16 is imitated and slow, so it takes float32.
    checkpoint
        File for the best weights and the state of the training, written at every validation.
    resume
        Go on from `checkpoint` where that file exists, to the same numbers as a training that
        was never interrupted.
    progress
        Show a progress bar with the time left.
    after_validation
        Called with the network, as it is then, and the history, before the checkpoint is
        written. After an interruption it may be called for the same validation again.

    Returns
    -------
    History
        Losses and metrics, and the step whose weights were kept.

    Raises
    ------
    ValueError
        For settings out of range.
    FileExistsError
        If `checkpoint` exists and `resume` is not set: a training never overwrites another.
    CheckpointError
        If `checkpoint` cannot be read or belongs to a training with other settings.
    FloatingPointError
        If the loss is no longer a finite number.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    _check(
        learning_rate,
        steps=steps,
        validation_batches=validation_batches,
        validate_every=validate_every,
        patience=patience,
    )
    same = validation.with_scaling(patches.scaling) if validation else None
    fixed = [same.batch(index) for index in range(validation_batches)] if same else []
    where = torch.device(device or best_device())
    run = _Run(model, patches, fixed, _loss(loss), metrics or {}, where, precision)
    run.settings |= {"steps": steps, "learning_rate": learning_rate, "schedule": _name(schedule)}
    run.settings |= {"validate_every": validate_every, "validation_batches": len(fixed)}
    file = Path(checkpoint) if checkpoint is not None else None
    if file is not None and file.exists():
        if not resume:
            raise FileExistsError(
                f"{file}: expected no checkpoint yet, got one of an earlier training. Set "
                "resume=True to go on from it, or choose another file."
            )
        run.load(file)
    bar = tqdm(total=steps, initial=run.step, disable=not progress, unit="step")
    with bar, torch.random.fork_rng(devices=[]):
        while run.step < steps and not run.history.exhausted(patience):
            run.train_step(learning_rate * _factor(schedule, run.step, steps))
            bar.update()
            if run.step % validate_every == 0 or run.step == steps:
                bar.set_postfix(loss=f"{run.validate():.4g}")
                if after_validation is not None:
                    after_validation(model, run.history)
                if file is not None:
                    run.save(file)
    model.load_state_dict(run.best)
    model.eval()
    return run.history


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def native_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 numbers itself, so that they save time."""
    if device.type == "cuda":
        # Before Ampere (compute capability 8) bfloat16 is imitated.
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def too_thin_for_bfloat16(model: nn.Module, raw: Tensor, device: torch.device) -> bool:
    """Whether `device` would compute a network wrongly in bfloat16, for a batch of this thickness.

    On a CPU, PyTorch 2.13 takes numbers that nobody has written into account where a convolution
    is deeper than the volume it sees, such as 3 on 2 slices: in the gradient of its weights, and
    with a single slice in its result. They come out as NaN, or different with each run.
    """
    if device.type != "cpu" or raw.dim() != 5:
        return False
    thin = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        thin.append(inputs[0].shape[2] < layer.kernel_size[0])  # type: ignore[index]

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv3d)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.no_grad(), autocast(device, True):
            model.eval()(raw[:1].to(device))
    finally:
        for hook in hooks:
            hook.remove()
    return any(thin)


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[Any]:
    """Context in which convolutions are computed in bfloat16, if so wished."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)


class _Run:
    """The state of one training, and the way in which it comes from and goes to a file."""

    def __init__(
        self,
        model: nn.Module,
        patches: Patches,
        fixed: list[tuple[Array, Array]],
        loss: Loss,
        metrics: Mapping[str, Loss],
        device: torch.device,
        precision: Precision,
    ) -> None:
        self.model, self.patches, self.fixed, self.device = model, patches, fixed, device
        self.loss, self.metrics = loss, metrics
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and native_bfloat16(device))
        # channels_last puts the channels of a pixel side by side: fast convolutions want that.
        volumes = len(patches.patch_size) == 3
        self.layout = torch.channels_last_3d if volumes else torch.channels_last
        model.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        model.scaling = patches.scaling  # type: ignore[assignment]
        if self.bfloat16 and any(
            too_thin_for_bfloat16(model, torch.from_numpy(raw), device)
            for raw, _ in (patches.batch(0), *fixed[:1])
        ):
            if precision == "bfloat16":
                raise ValueError(
                    "Expected no convolution deeper than the volume it sees, got patches of "
                    f"{patches.patch_size}, which are too thin. Choose thicker ones, or the "
                    "precision float32 or auto: a CPU computes them wrongly in bfloat16."
                )
            self.bfloat16 = False
        self.optimiser = torch.optim.Adam(model.parameters())
        self.step, self.history = 0, History(metrics={name: [] for name in metrics})
        self.running: list[Tensor] = []
        self.measured: dict[str, list[Tensor]] = {name: [] for name in metrics}
        self.best = self._weights()
        self.settings: dict[str, Any] = {
            "seed": patches.seed,
            "batch_size": patches.batch_size,
            "patch_size": list(patches.patch_size),
            "images": patches.digest(),
            "loss": _name(loss),
            "metrics": list(metrics),
            "bfloat16": self.bfloat16,
        }

    def train_step(self, learning_rate: float) -> None:
        """One batch forward, one gradient back."""
        # Layers that draw random numbers draw the same ones after an interruption.
        torch.manual_seed(self.patches.seed + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        prediction, truth = self._predict(self.patches.batch(self.step))
        loss = self.loss(prediction, truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.running.append(loss.detach())
        if not self.fixed:
            self._measure(prediction.detach(), truth)
        self.step += 1

    def validate(self) -> float:
        """Note losses and metrics, keep the weights if they are best, and return the loss."""
        train_loss = float(torch.stack(self.running).mean())
        self.running.clear()
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"Expected a finite loss, got {train_loss} before step {self.step}. "
                "Lower the learning_rate or look for extreme pixels in the training images."
            )
        history = self.history
        history.step.append(self.step)
        history.train_loss.append(train_loss)
        loss = train_loss
        if self.fixed:
            self.model.eval()
            loss = statistics.fmean(self._judge(batch) for batch in self.fixed)
            history.validation_loss.append(loss)
        for name, values in self.measured.items():
            history.metrics[name].append(float(torch.stack(values).mean()))
            values.clear()
        if not self.fixed or loss <= min(history.validation_loss):
            history.best_step, self.best = self.step, self._weights()
        log.info("step %d: training loss %.4g, judged by %.4g", self.step, train_loss, loss)
        return loss

    def save(self, file: Path) -> None:
        """Best weights for whoever predicts, and all that `load` needs to go on."""
        training = {f"model.{name}": tensor for name, tensor in self._weights().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            training |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
        progress = {"settings": self.settings, "step": self.step, "history": asdict(self.history)}
        write_checkpoint(
            file,
            self.model,
            self.best,
            seed=self.patches.seed,
            training=training,
            progress=progress,
        )

    def load(self, file: Path) -> None:
        """Go back to where `save` was."""
        header, tensors = read_checkpoint(file, architecture=type(self.model))
        progress = header["progress"]
        if progress is None:
            raise CheckpointError(
                f"{file}: expected a training to go on with, got finished weights. Choose another "
                "file for the checkpoint."
            )
        ours = {**self.settings, "config": self.model.config}
        theirs = {**progress["settings"], "config": header["config"]}
        for name, value in ours.items():
            if theirs.get(name) != value:
                raise CheckpointError(
                    f"{file}: expected a training with {name} = {value}, got one with "
                    f"{theirs.get(name)}. Resume with the settings it began with, or choose "
                    "another file."
                )
        training = strip_prefix(tensors, "training.")
        self.model.load_state_dict(strip_prefix(training, "model."))
        state = self.optimiser.state_dict()
        for name, tensor in strip_prefix(training, "optimiser.").items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = tensor
        self.optimiser.load_state_dict(state)
        self.best = strip_prefix(tensors, "weights.")
        self.step, self.history = progress["step"], History(**progress["history"])

    def _predict(self, batch: tuple[Array, Array]) -> tuple[Tensor, Tensor]:
        raw, truth = (torch.from_numpy(array).to(self.device) for array in batch)
        with autocast(self.device, self.bfloat16):
            prediction = self.model(raw.to(memory_format=self.layout))
        return prediction.float(), truth

    @torch.no_grad()
    def _judge(self, batch: tuple[Array, Array]) -> float:
        prediction, truth = self._predict(batch)
        self._measure(prediction, truth)
        return float(self.loss(prediction, truth))

    def _measure(self, prediction: Tensor, truth: Tensor) -> None:
        for name, metric in self.metrics.items():
            self.measured[name].append(metric(prediction, truth))

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def _factor(schedule: Schedule, step: int, steps: int) -> float:
    """By what the learning rate of a step is multiplied."""
    if schedule == "cosine":
        return (1 + math.cos(math.pi * step / steps)) / 2
    if schedule == "constant":
        return 1.0
    if callable(schedule):
        return schedule(step / steps)
    raise ValueError(f"Expected a schedule of cosine, constant, or a function, got {schedule!r}.")


def _name(setting: str | Callable[..., Any]) -> str:
    """What a checkpoint calls a setting that may be a function."""
    return setting if isinstance(setting, str) else getattr(setting, "__name__", "function")


def _loss(loss: str | Loss) -> Loss:
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"Expected a loss of {', '.join(LOSSES)}, or a function, got {loss!r}.")
    return LOSSES[loss]


def _check(rate: float, **counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"Expected {name} of 1 or more, got {count}.")
    if not (rate > 0 and np.isfinite(rate)):
        raise ValueError(f"Expected a positive learning_rate, got {rate}. Try 1e-3.")
