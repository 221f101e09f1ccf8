"""The training loop: a fixed number of steps with a seed, at the speed that the processor has.

Used in chapter 6, *Denoising*.
"""

import logging
import math
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
from aimicro.train.patches import Array, PairedPatches

log = logging.getLogger(__name__)
Precision = Literal["auto", "float32", "bfloat16"]


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
    """

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_step: int = 0

    def exhausted(self, patience: int | None) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return (
            patience is not None and len([s for s in self.step if s > self.best_step]) >= patience
        )


def fit(
    model: nn.Module,
    patches: PairedPatches,
    *,
    steps: int,
    validation: PairedPatches | None = None,
    validate_every: int = 100,
    patience: int | None = None,
    learning_rate: float = 1e-3,
    loss: str | Loss = "mse",
    device: str | torch.device | None = None,
    precision: Precision = "auto",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: bool = False,
) -> History:
    """Train a network on pairs of patches; it ends with the best weights it had.

    The learning rate falls along half a cosine to zero. The same network, patches and settings
    give the same weights on the same machine, bit for bit.

    Parameters
    ----------
    model
        Takes and gives `(B, C, [Z,] Y, X)`. It is trained in place, left in evaluation mode on
        `device`, and given the `normalisation` of the patches, which `aimicro.predict` undoes.
    patches
        Gives the batch of each step.
    steps
        Number of steps: never a time, since the numbers must repeat.
    validation
        Its first batch is the fixed set on which the best weights are chosen. Cut it from images
        that are neither in `patches` nor in the test set. Without one the last weights are kept.
    validate_every
        Steps from one validation, and one checkpoint, to the next.
    patience
        Stop after so many validations without a better one.
    learning_rate
        The highest rate, that of the first step.
    loss
        Name in `aimicro.train.LOSSES`, or a function of prediction and truth.
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
        Show a progress bar.

    Returns
    -------
    History
        Losses, and the step whose weights were kept.

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
    _check(steps=steps, validate_every=validate_every, patience=patience, rate=learning_rate)
    run = _Run(model, patches, validation, loss, torch.device(device or best_device()), precision)
    run.settings |= {"steps": steps, "learning_rate": learning_rate}
    run.settings |= {"validate_every": validate_every}
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
            run.train_step(learning_rate * (1 + math.cos(math.pi * run.step / steps)) / 2)
            bar.update()
            if run.step % validate_every == 0 or run.step == steps:
                bar.set_postfix(loss=f"{run.validate():.4g}")
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


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[Any]:
    """Context in which convolutions are computed in bfloat16, if so wished."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)


class _Run:
    """The state of one training, and the way in which it comes from and goes to a file."""

    def __init__(
        self,
        model: nn.Module,
        patches: PairedPatches,
        validation: PairedPatches | None,
        loss: str | Loss,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self.model, self.patches, self.device = model, patches, device
        self.loss = _loss(loss)
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and native_bfloat16(device))
        # channels_last puts the channels of a pixel side by side: fast convolutions want that.
        volumes = len(patches.patch_size) == 3
        self.layout = torch.channels_last_3d if volumes else torch.channels_last
        model.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        model.normalisation = patches.normalisation  # type: ignore[assignment]
        self.optimiser = torch.optim.Adam(model.parameters())
        self.fixed = _renormalised(validation, patches) if validation else None
        self.step, self.history = 0, History()
        self.running: list[Tensor] = []
        self.best = self._weights()
        self.settings: dict[str, Any] = {
            "seed": patches.seed,
            "batch_size": patches.batch_size,
            "patch_size": list(patches.patch_size),
            "loss": self.loss.__name__,
            "bfloat16": self.bfloat16,
        }

    def train_step(self, learning_rate: float) -> None:
        """One batch forward, one gradient back."""
        # Layers that draw random numbers draw the same ones after an interruption.
        torch.manual_seed(self.patches.seed + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        loss = self._loss_of(self.patches.batch(self.step))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.running.append(loss.detach())
        self.step += 1

    def validate(self) -> float:
        """Note the losses, keep the weights if they are the best, and return the loss."""
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
            with torch.no_grad():
                loss = float(self._loss_of(self.fixed))
            history.validation_loss.append(loss)
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

    def _loss_of(self, batch: tuple[Array, Array]) -> Tensor:
        raw, truth = (torch.from_numpy(array).to(self.device) for array in batch)
        with autocast(self.device, self.bfloat16):
            prediction = self.model(raw.to(memory_format=self.layout))
        return self.loss(prediction.float(), truth)

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def _renormalised(validation: PairedPatches, patches: PairedPatches) -> tuple[Array, Array]:
    """The first validation batch, in the units in which the network is trained."""
    raw, truth = (validation.normalisation.undo(array) for array in validation.batch(0))
    return patches.normalisation.apply(raw), patches.normalisation.apply(truth)


def _loss(loss: str | Loss) -> Loss:
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"Expected a loss of {', '.join(LOSSES)}, or a function, got {loss!r}.")
    return LOSSES[loss]


def _check(*, steps: int, validate_every: int, patience: int | None, rate: float) -> None:
    counts = {"steps": steps, "validate_every": validate_every, "patience": patience}
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"Expected {name} of 1 or more, got {count}.")
    if not (rate > 0 and np.isfinite(rate)):
        raise ValueError(f"Expected a positive learning_rate, got {rate}. Try 1e-3.")
