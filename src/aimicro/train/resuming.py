"""Trainings that survive an interruption: all that one needs to go on, in one file.

Used in chapter 6, *Denoising*, and in appendix A.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from aimicro.train.checkpoint import (
    CheckpointError,
    read_checkpoint,
    storable,
    strip_prefix,
    write_checkpoint,
)
from aimicro.train.history import Best, History, weights_of

_IMAGES = {"images": "training images", "validation": "validation images"}


@dataclass(frozen=True)
class Checkpoint:
    """A file for the best weights and the state of a training, written at every validation.

    Attributes
    ----------
    path : str or Path
        By custom named ``*.safetensors``; `load_model` reads the best weights from it.
    resume : bool
        Go on from that file where it exists, to the same numbers as a training that was never
        interrupted.

    Notes
    -----
    Used in chapter 6, *Denoising*, and in appendix A.

    Examples
    --------
    >>> Checkpoint("unet.safetensors", resume=True)
    Checkpoint(path='unet.safetensors', resume=True)
    """

    path: str | Path
    resume: bool = False

    def earlier(self, network: nn.Module) -> "Earlier | None":
        """Read the training to go on with, if there is one, and refuse what cannot work later."""
        path = Path(self.path)
        config = {"architecture": type(network).__name__, "config": storable(network)}
        if not path.exists():
            if not path.absolute().parent.is_dir():
                raise FileNotFoundError(
                    f"{path}: expected a folder to write the checkpoint to, got none. Create it "
                    "first."
                )
            return None
        if not self.resume:
            raise FileExistsError(
                f"{path}: expected no checkpoint yet, got one of an earlier training. Set "
                "resume=True to go on from it, or choose another file."
            )
        header, tensors = read_checkpoint(path)
        if header["progress"] is None:
            raise CheckpointError(
                f"{path}: expected a training to go on with, got finished weights. Choose another "
                "file for the checkpoint."
            )
        found = Earlier(path, header, tensors)
        found.check(config)
        return found

    def save(
        self,
        network: nn.Module,
        best: Best,
        optimiser: Optimizer,
        history: History,
        settings: dict[str, Any],
    ) -> None:
        """Best weights for whoever predicts, and all that is needed to go on."""
        training = {f"model.{name}": tensor for name, tensor in weights_of(network).items()}
        for index, state in optimiser.state_dict()["state"].items():
            training |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
        write_checkpoint(
            self.path,
            network,
            best.weights,
            seed=settings["seed"],
            training=training,
            progress={"settings": settings, "history": asdict(history)},
        )


@dataclass(frozen=True)
class Earlier:
    """A training that was interrupted, as its file holds it."""

    path: Path
    header: dict[str, Any]
    tensors: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What it was trained with."""
        found = self.header["progress"].get("settings")
        return found if isinstance(found, dict) else {}

    def check(self, expected: dict[str, Any]) -> None:
        """Refuse to go on with other settings: the numbers would be of neither training."""
        theirs = {**self.settings, **self.header}
        for name, value in expected.items():
            if theirs.get(name) == value:
                continue
            if name in _IMAGES:  # known by numbers that tell a reader nothing
                raise CheckpointError(
                    f"{self.path}: expected the {_IMAGES[name]} with which the training began, got "
                    "others. Resume with those, wherever they lie now, or choose another file."
                )
            raise CheckpointError(
                f"{self.path}: expected a training with {name} = {value}, got one with "
                f"{theirs.get(name)}. Resume with the settings it began with, or choose another "
                "file."
            )

    def restore(self, network: nn.Module, best: Best, optimiser: Optimizer) -> History:
        """Go back to where `Checkpoint.save` was."""
        try:
            training = strip_prefix(self.tensors, "training.")
            network.load_state_dict(strip_prefix(training, "model."))
            state = optimiser.state_dict()
            weights = [weight for group in optimiser.param_groups for weight in group["params"]]
            for name, tensor in strip_prefix(training, "optimiser.").items():
                index, key = name.split(".")
                if tensor.ndim:  # in memory as its weight is, since both are read side by side
                    weight = weights[int(index)]
                    tensor = torch.empty_like(weight).copy_(tensor.reshape(weight.shape))
                state["state"].setdefault(int(index), {})[key] = tensor
            optimiser.load_state_dict(state)
            best.weights = strip_prefix(self.tensors, "weights.")
            return History(**self.header["progress"]["history"])
        except Exception as error:  # a damaged file has many ways to be wrong
            raise CheckpointError(
                f"{self.path}: expected the state of a training, got a damaged one "
                f"({type(error).__name__}: {str(error)[:500]}). Begin anew with another file."
            ) from error
