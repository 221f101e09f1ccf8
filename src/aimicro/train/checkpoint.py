"""Weights on disk: one file that cannot run code, cannot be half written and says what it holds.

The format is safetensors: plain numbers behind a header, where a pickle would be a program. The
header carries the architecture and its configuration, the scaling, the seed and the versions
of the packages. A checkpoint of a training also carries what the training needs to go on.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

import aimicro
from aimicro.io.files import replacing
from aimicro.train.scaling import Scaling

FORMAT_VERSION = 1
Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


def save_model(path: str | Path, model: nn.Module, *, seed: int | None = None) -> None:
    """Store a network with its configuration and its scaling.

    Parameters
    ----------
    path
        File to write, by custom named ``*.safetensors``. A file of that name is replaced, and
        only when the new one is complete.
    model
        A network of `aimicro.models`, that is one with a dictionary `config`.
    seed
        Seed of the training, for the record.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    write_checkpoint(path, model, model.state_dict(), seed=seed)


def load_model(path: str | Path, architecture: type[Model]) -> Model:
    """Build the network that a file holds, ready to predict.

    Parameters
    ----------
    path
        A file written by `save_model`, or a checkpoint written by `fit`; of the latter the best
        weights are taken.
    architecture
        Class of the network, for example `aimicro.models.UNet`.

    Returns
    -------
    Module
        In evaluation mode, on the CPU, with its `scaling`.

    Raises
    ------
    CheckpointError
        For a file that is truncated, is no checkpoint, holds another architecture or was written
        by a newer version.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    header, tensors = read_checkpoint(path, architecture=architecture)
    try:
        model = architecture(**header["config"])
        model.load_state_dict(strip_prefix(tensors, "weights."))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path}: expected weights that fit {architecture.__name__} of aimicro "
            f"{aimicro.__version__}, got: {reason} Use the version that wrote the file, "
            f"{header['versions']['aimicro']}."
        ) from error
    if header["scaling"] is not None:
        model.scaling = Scaling.from_dict(header["scaling"])  # type: ignore[assignment]
    return model.eval()


def best_weights(folder: str | Path) -> Path:
    """Find the best weights in the folder of a training, by their names.

    Parameters
    ----------
    folder
        What ``aimicro train`` wrote to.

    Returns
    -------
    Path
        Of the files ``weights_EPOCH_LOSS.safetensors`` the one with the smallest loss, and of
        several with the same the latest. Files with other names count only if there is none.

    Raises
    ------
    FileNotFoundError
        If the folder is missing, or has no weights.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    folder = Path(folder)
    files = list(folder.glob("*.safetensors"))
    if not files:
        found = "a folder without" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"{folder}: expected weights_EPOCH_LOSS.safetensors in the folder of a training, got "
            f"{found}. Name the folder given to `aimicro train -o`."
        )
    return min(files, key=_rank)


def _rank(file: Path) -> tuple[float, int]:
    """Smaller is better: the loss in the name of the file, then the later epoch."""
    named = re.match(r"weights_(\d+)_([+-]?\d+(\.\d+)?)", file.name)
    return (float(named[2]), -int(named[1])) if named else (math.inf, 0)


def write_checkpoint(
    path: str | Path,
    model: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    seed: int | None = None,
    training: Mapping[str, Tensor] | None = None,
    progress: Mapping[str, Any] | None = None,
) -> None:
    """Write `weights` of `model`, and where given the state of its training, in one file.

    Parameters
    ----------
    path
        File to write.
    model
        Gives the architecture, the configuration and the scaling.
    weights
        What `load_model` will load.
    seed
        For the record.
    training, progress
        Tensors and plain values (as JSON) from which `fit` goes on.
    """
    if not isinstance(getattr(model, "config", None), dict):
        raise TypeError(
            f"Expected a network with a dictionary `config`, got {type(model).__name__}. Give it "
            "the arguments from which it can be built again, as the networks of aimicro.models do."
        )
    scaling = getattr(model, "scaling", None)
    header = {
        "format_version": FORMAT_VERSION,
        "architecture": type(model).__name__,
        "config": model.config,
        "scaling": scaling.to_dict() if scaling else None,
        "seed": seed,
        "versions": {"aimicro": aimicro.__version__, "torch": str(torch.__version__)},
        "progress": progress,
    }
    tensors = {f"weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"training.{name}": tensor for name, tensor in (training or {}).items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain, metadata={"aimicro": json.dumps(header)})
    with replacing(Path(path)) as file:
        file.write(content)


def read_checkpoint(
    path: str | Path, *, architecture: type[nn.Module]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a checkpoint that holds a network of class `architecture`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a checkpoint, got no file. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["aimicro"])
            _check_header(path, header, architecture)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of aimicro (safetensors), got {path.stat().st_size} "
            f"bytes that are truncated or of another kind ({type(error).__name__}: {error}). "
            "Copy the file again or train once more."
        ) from error
    return header, tensors


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix`, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _check_header(path: Path, header: dict[str, Any], architecture: type[nn.Module]) -> None:
    version, name = header["format_version"], header["architecture"]
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: expected checkpoint format {FORMAT_VERSION} or older, got format {version}, "
            f"written by aimicro {header['versions']['aimicro']}. Update aimicro."
        )
    if name != architecture.__name__:
        raise CheckpointError(
            f"{path}: expected weights of {architecture.__name__}, got weights of {name}. Load "
            "them with that class."
        )
