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
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

import aimicro
from aimicro.io import replacing
from aimicro.models import ARCHITECTURES, Network
from aimicro.train.history import finite
from aimicro.train.scaling import Scaling

FORMAT_VERSION = 2  # 1 had one scale for input and output


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


def save_model(path: str | Path, network: nn.Module, *, seed: int | None = None) -> None:
    """Store a network with its configuration and its scaling.

    Parameters
    ----------
    path : str or Path
        File to write, by custom named ``*.safetensors``. A file of that name is replaced, and
        only when the new one is complete.
    network : Network
        Of `aimicro.models`, or a subclass of its `Network`.
    seed : int, optional
        Seed of the training, for the record.

    Raises
    ------
    TypeError
        For another kind of network, or a configuration that JSON cannot hold.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    write_checkpoint(path, network, network.state_dict(), seed=seed)


def load_model(path: str | Path) -> Network:
    """Build the network that a file holds, ready to predict.

    Parameters
    ----------
    path : str or Path
        A file written by `save_model`, or a checkpoint written by `fit`; of the latter the best
        weights are taken.

    Returns
    -------
    Network
        In evaluation mode, on the CPU, with its `scaling`.

    Raises
    ------
    CheckpointError
        For a file that is damaged, is no checkpoint, was written by another version with another
        format, or holds a network of a class that was not imported.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Your own subclass of `aimicro.models.Network` is known as soon as its module is imported.

    Used in chapter 6, *Denoising*.
    """
    header, tensors = read_checkpoint(path)
    architecture = ARCHITECTURES[header["architecture"]]
    try:
        network = architecture(**header["config"])
        network.load_state_dict(strip_prefix(tensors, "weights."))
        if header["scaling"] is not None:
            network.scaling = Scaling.from_dict(header["scaling"])
    except Exception as error:  # a constructor may say anything of a configuration that is damaged
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(
            f"{path}: expected weights that fit {architecture.__name__} of aimicro "
            f"{aimicro.__version__}, got {reason[:500]}. Copy the file again, or use the version "
            f"that wrote it, {header['versions']['aimicro']}."
        ) from error
    if not finite(network.state_dict()):
        raise CheckpointError(
            f"{path}: expected finite weights, got NaN or infinite ones. Copy the file again or "
            "train once more."
        )
    return network.eval()


def best_weights(folder: str | Path) -> Path:
    """Find the best weights in the folder of a training, by their names.

    Parameters
    ----------
    folder : str or Path
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
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    seed: int | None = None,
    training: Mapping[str, Tensor] | None = None,
    progress: Mapping[str, Any] | None = None,
) -> None:
    """Write `weights` of `network`, and where given the state of its training, in one file.

    Parameters
    ----------
    path : str or Path
        File to write.
    network : Network
        Gives the architecture, the configuration and the scaling.
    weights : mapping
        What `load_model` will load.
    seed : int, optional
        For the record.
    training, progress : mapping, optional
        Tensors and plain values (as JSON) from which `fit` goes on.
    """
    scaling = getattr(network, "scaling", None)
    header = {
        "format_version": FORMAT_VERSION,
        "architecture": type(network).__name__,
        "config": storable(network),
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


def storable(network: nn.Module) -> dict[str, Any]:
    """Configuration of a network as a file holds it; TypeError where that is impossible."""
    if not isinstance(network, Network):
        raise TypeError(
            f"Expected a subclass of aimicro.models.Network to store, got {type(network).__name__}."
            " Derive yours from it: it records the arguments from which it can be built again."
        )
    try:
        config: dict[str, Any] = json.loads(json.dumps(network.config))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Expected arguments of {type(network).__name__} that JSON can hold, got "
            f"{network.config}. Use numbers, words and lists of them."
        ) from error
    return config


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a checkpoint that holds a network of a known class."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a checkpoint, got no file. Check the path.")
    try:
        data = path.read_bytes()  # safetensors itself opens no path that is not UTF-8
        tensors = load(data)
        first = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        header = json.loads(first["__metadata__"]["aimicro"])
        _check_header(path, header)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file has many ways to be wrong
        raise CheckpointError(
            f"{path}: expected a checkpoint of aimicro (safetensors), got {path.stat().st_size} "
            f"bytes that are truncated, damaged or of another kind ({type(error).__name__}: "
            f"{str(error)[:500]}). Copy the file again or train once more."
        ) from error
    return header, tensors


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix`, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


_KINDS: dict[str, type | tuple[type, ...]] = {
    "architecture": str,
    "config": dict,
    "scaling": (dict, type(None)),
    "seed": (int, type(None)),
    "versions": dict,
    "progress": (dict, type(None)),
}


def _check_header(path: Path, header: dict[str, Any]) -> None:
    version, wrote = header["format_version"], header["versions"]["aimicro"]
    if version != FORMAT_VERSION:
        todo = "Update aimicro" if version > FORMAT_VERSION else "Train once more, or use that one"
        raise CheckpointError(
            f"{path}: expected checkpoint format {FORMAT_VERSION}, got format {version}, written "
            f"by aimicro {wrote}. {todo}."
        )
    for name, kind in _KINDS.items():
        if not isinstance(header[name], kind):
            raise TypeError(f"{name} is {header[name]!r:.80}")
    if header["architecture"] not in ARCHITECTURES:
        raise CheckpointError(
            f"{path}: expected weights of one of {', '.join(ARCHITECTURES)}, got weights of "
            f"{header['architecture']!r:.80}. Import the module that defines this network first."
        )
