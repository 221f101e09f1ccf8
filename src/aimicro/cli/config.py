"""The configuration of a training: a JSON file, for restoration with the keys of the 3D-RCAN.

Configurations that were written for the published 3D-RCAN are read as they stand. The key `task`
tells those for segmentation from them. A key that is misspelt, doubled or out of range is refused
with one line that says where, and what to do.

Used in chapter 9, *Training and using a model*, and in appendix A, *Denoising*.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from aimicro import checks
from aimicro.cli._config_faults import in_one_line, parsed
from aimicro.cli._files import paired, tiffs
from aimicro.cli._segmentation_keys import CompleteSegmentation, SegmentationConfig
from aimicro.cli._shared_keys import (
    IMAGES_NEEDED,
    SETTINGS,
    ConfigError,
    Count,
    Number,
    PathPair,
    PixelSize,
    SharedKeys,
    halving_epochs,
)
from aimicro.io import replacing

__all__ = [
    "COMPLETE",
    "TASKS",
    "CompleteConfig",
    "CompleteSegmentation",
    "ConfigError",
    "PathPair",
    "SegmentationConfig",
    "TrainingConfig",
    "config_schema",
    "halving_epochs",
    "image_pairs",
    "read_complete",
    "read_config",
    "write_config",
]

_WHICH = ("training", "validation")
COMPLETE = "config.json"  # the configuration of a finished training, beside its weights


class TrainingConfig(SharedKeys):
    """What a restoration training is told.

    Keys, defaults and ranges are those of the published 3D-RCAN; `seed` and the keys below it are
    new, and so are the losses with SSIM. Each is described where it is defined, and in
    `config_schema`.

    Raises
    ------
    pydantic.ValidationError
        A `ValueError`, for a value out of range; `read_config` makes one line of it.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> config = TrainingConfig(training_data_dir={"raw": "train/raw", "gt": "train/gt"}, epochs=8)
    >>> config.loss, config.patch_shape(3)
    ('mae', (16, 256, 256))
    >>> [f"{config.learning_rate(epoch):.3g}" for epoch in range(8)]
    ['0.0001', '0.0001', '5e-05', '5e-05', '2.5e-05', '2.5e-05', '1.25e-05', '1.25e-05']
    """

    model_config = ConfigDict(
        **SETTINGS,
        json_schema_extra={
            "description": "Configuration of a restoration training with aimicro.",
            "anyOf": IMAGES_NEEDED,
        },
    )

    num_channels: Count = 32
    """Feature channels of every layer. At least channel_reduction."""
    num_residual_blocks: Count = 3
    """Residual channel attention blocks in a group."""
    num_residual_groups: Count = 5
    """Residual groups."""
    channel_reduction: Count = 8
    """How many times fewer channels the channel attention has in its middle."""
    intensity_threshold: Number = 0.25
    """Voxels of the normalised truth above this count as structure; 0 or less takes any patch."""
    area_ratio_threshold: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """Fraction of a patch's voxels that must be structure for the patch to be used."""
    loss: Literal["mae", "mse", "ssim", "mae+ssim"] = "mae"
    """What the network makes small."""
    metrics: tuple[Literal["psnr", "ssim"], ...] = ("psnr",)
    """What is logged beside the loss."""

    task: Literal["restore"] = "restore"
    """What the network learns: to restore the truth from the raw image."""

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if self.channel_reduction > self.num_channels:
            raise ValueError(
                f"Expected a channel_reduction of at most num_channels, {self.num_channels}, got "
                f"{self.channel_reduction}. Channel attention must keep one channel in its middle."
            )
        return self


class CompleteConfig(TrainingConfig):
    """What lies beside the weights: the patch as it was cut, and what is needed to apply them."""

    ndim: Literal[2, 3]
    p_min: float
    p_max: float
    pixel_size_um: PixelSize = None
    """Of the training images, (z,) y, x; null if they don't tell, or are not of one size."""
    aimicro: str


Config = TrainingConfig | SegmentationConfig
Complete = CompleteConfig | CompleteSegmentation
_CONFIGS: Mapping[str, type[Config]] = MappingProxyType(
    {"restore": TrainingConfig, "segment": SegmentationConfig}
)
_COMPLETE: Mapping[str, type[Complete]] = MappingProxyType(
    {"restore": CompleteConfig, "segment": CompleteSegmentation}
)
TASKS = tuple(_CONFIGS)
_DEFAULT_TASK = "restore"  # as in configurations of the published 3D-RCAN, which name none


def image_pairs(
    config: SharedKeys, *, which: Literal["training", "validation"]
) -> list[tuple[Path, Path]]:
    """List the images that a configuration names, on this machine.

    Listed pairs come first, then those of the folders: files ending in .tif or .tiff, in capitals
    or not, paired in the order of their names. Those must match: be the same, or differ in what all
    raw or all true images have in common (raw_1 and gt_1). Relative paths start at the working
    directory.

    Parameters
    ----------
    config : TrainingConfig or SegmentationConfig
        The configuration.
    which : {"training", "validation"}
        Which images.

    Returns
    -------
    list of tuple of pathlib.Path
        Raw image and truth; empty if the configuration names no validation images.

    Raises
    ------
    ValueError
        If a file or folder is missing, a folder has no TIFF, the folders differ in number, or the
        names of two files that become a pair do not match.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    if which not in _WHICH:
        raise ValueError(f"Expected which images, 'training' or 'validation', got {which!r}.")
    pairs = []
    for index, pair in enumerate(getattr(config, f"{which}_image_pairs") or ()):
        key = f"{which}_image_pairs[{index}]"
        pairs.append((_found(pair.raw, "file", f"{key}.raw"), _found(pair.gt, "file", f"{key}.gt")))
    key = f"{which}_data_dir"
    if folders := getattr(config, key):
        raw = tiffs(f"{key}.raw", _found(folders.raw, "folder", f"{key}.raw"))
        truth = tiffs(f"{key}.gt", _found(folders.gt, "folder", f"{key}.gt"))
        how = 'write "pair_by_order": true'
        pairs += paired(key, raw, truth, by_order=config.pair_by_order, how=how)
    return pairs


def read_complete(folder: Path, *, todo: str) -> Complete:
    """Read the configuration that a training wrote into its folder.

    Parameters
    ----------
    folder : pathlib.Path
        What ``aimicro train -o`` named.
    todo : str
        What to do if it is not there, a sentence.

    Returns
    -------
    CompleteConfig or CompleteSegmentation
        The configuration.

    Raises
    ------
    ConfigError
        If there is none, or one that ``aimicro train`` has not written.
    """
    file = folder / COMPLETE
    try:
        return complete(parsed(file.read_bytes()))
    except FileNotFoundError:
        found = "none"
    except OSError as error:
        found = f"one that cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        found = "one of another kind"
    raise ConfigError(
        f"{file}: Expected the configuration that aimicro train wrote beside its weights, got "
        f"{found}. {todo}"
    )


def complete(values: Any) -> Complete:
    """Make a configuration of what a training wrote; a `ValueError` for anything else."""
    return _COMPLETE[_task(values)].model_validate(values)


def read_config(path: str | os.PathLike[str], *, task: str | None = None) -> Config:
    """Read a configuration from a JSON file.

    Paths in it may be of another machine: only `image_pairs` looks for them.

    Parameters
    ----------
    path : path-like
        The file.
    task : {"restore", "segment"}, optional
        What it must be for; or is for, where it does not say so. By default what it says, or
        ``"restore"``.

    Returns
    -------
    TrainingConfig or SegmentationConfig
        By its task, with the defaults of the keys that are left out.

    Raises
    ------
    ConfigError
        With one line that names the file, the key and what to do. Of several faults it tells the
        first, and how many there are more.

    Notes
    -----
    Used in chapter 9, *Training and using a model*, and in appendix A, *Denoising*.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "config.json")
    ...     _ = file.write_text('{"training_data_dir": {"raw": "raw", "gt": "gt"}, "epochs": 50}')
    ...     config = read_config(file)
    >>> config.epochs, config.num_channels
    (50, 32)
    """
    path, model = Path(path), _CONFIGS[task or _DEFAULT_TASK]
    try:
        values = parsed(path.read_bytes())
        if task and isinstance(values, dict):
            told = values.setdefault("task", task)
            if told in TASKS and told != task:
                raise ValueError(
                    f'Expected "task": "{task}", as --task says, got "{told}". Leave --task out, '
                    "or name another configuration."
                )
        model = _CONFIGS[_task(values)]
        return model.model_validate(values)
    except (OSError, ValueError, RecursionError) as error:
        defaults = {key: field.default for key, field in model.model_fields.items()}
        raise ConfigError(f"{path}{in_one_line(error, defaults)}") from error


def _task(values: Any) -> str:
    """The task that parsed JSON tells; of nonsense the usual one, whose model will refuse it."""
    told = values.get("task", _DEFAULT_TASK) if isinstance(values, dict) else _DEFAULT_TASK
    if not isinstance(told, str):
        return _DEFAULT_TASK
    return checks.one_of("task", told, TASKS)


def write_config(path: str | os.PathLike[str], config: Config) -> None:
    """Write a configuration, defaults included, as JSON that `read_config` reads back the same.

    Parameters
    ----------
    path : path-like
        The file; one that exists is replaced.
    config : TrainingConfig or SegmentationConfig
        The configuration.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    with replacing(Path(path)) as file:
        file.write(config.model_dump_json(indent=2).encode() + b"\n")


def config_schema(task: Literal["restore", "segment"] = "restore") -> dict[str, Any]:
    """JSON schema of a configuration, for editors that complete and check what one types.

    Parameters
    ----------
    task : {"restore", "segment"}
        What the configuration is for.

    Returns
    -------
    dict
        Every key with its type, range, default and description. A schema cannot tell the rules for
        two keys: `channel_reduction` is at most `num_channels`, `p_min` is below `p_max`, and a
        loss fits its method.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> config_schema()["properties"]["batch_size"]["description"]
    'Patches in a batch.'
    """
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | _CONFIGS[checks.one_of("task", task, TASKS)].model_json_schema()


def _found(text: str, kind: Literal["file", "folder"], key: str) -> Path:
    path = Path(text)
    if path.is_file() if kind == "file" else path.is_dir():
        return path
    if path.exists():
        fault = f"which is no {kind}. Name a {kind}."
    elif os.name != "nt" and (PureWindowsPath(text).drive or "\\" in text):
        fault = "a Windows path. Write where the images are on this machine, with / for \\."
    else:
        where = "" if path.is_absolute() else f" in the working directory {Path.cwd()}"
        fault = f"which does not exist{where}. Correct the path."
    raise ConfigError(f"{key}: Expected a {kind} on this machine, got '{text}', {fault}")
