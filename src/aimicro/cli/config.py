"""The configuration of a restoration training: a JSON file with the keys of the published 3D-RCAN.

Configurations that were written for it are read as they stand. A key that is misspelt, doubled or
out of range is refused with one line that says where, and what to do.

Used in appendix A, *Denoising*.
"""

import math
import os
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aimicro.cli._config_faults import in_one_line, parsed
from aimicro.cli._files import paired, tiffs
from aimicro.io import replacing

_WHICH = ("training", "validation")
COMPLETE = "config.json"  # the configuration of a finished training, beside its weights

# Strict: true is no number here, and "300" is no count.
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True)]
# A single \ before the n, r or t of a folder's name is a line break or a tab to JSON.
PathText = Annotated[str, Field(strict=True, min_length=1, pattern=r"^[^\x00-\x1f]*$")]

_SETTINGS = ConfigDict(
    extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
)
_IMAGES_NEEDED: list[Any] = [
    {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
    for key in ("training_data_dir", "training_image_pairs")
]


class ConfigError(ValueError):
    """A configuration that cannot be read, or that names images which are not there."""


class PathPair(BaseModel):
    """Where raw images and their truth are: two files, or two folders."""

    model_config = _SETTINGS

    raw: PathText
    """What the network is given."""
    gt: PathText
    """What the network shall return."""


class TrainingConfig(BaseModel):
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
        **_SETTINGS,
        json_schema_extra={
            "description": "Configuration of a restoration training with aimicro.",
            "anyOf": _IMAGES_NEEDED,
        },
    )

    training_data_dir: PathPair | None = None
    """Two folders of TIFF images to train on, paired in the order of their names."""
    training_image_pairs: Annotated[tuple[PathPair, ...], Field(min_length=1)] | None = None
    """Pairs of TIFF images to train on, before those of training_data_dir."""
    validation_data_dir: PathPair | None = None
    """Two folders of TIFF images on which the best weights are chosen."""
    validation_image_pairs: Annotated[tuple[PathPair, ...], Field(min_length=1)] | None = None
    """Pairs of TIFF images for validation, before those of validation_data_dir."""
    input_shape: Annotated[tuple[Count, ...], Field(min_length=2, max_length=3)] | None = None
    """Patch, [z, y, x] or [y, x], cut to the smallest image; null is 256 x 256 voxels, 16 deep."""
    num_channels: Count = 32
    """Feature channels of every layer. At least channel_reduction."""
    num_residual_blocks: Count = 3
    """Residual channel attention blocks in a group."""
    num_residual_groups: Count = 5
    """Residual groups."""
    channel_reduction: Count = 8
    """How many times fewer channels the channel attention has in its middle."""
    epochs: Count = 300
    """Epochs to train; a checkpoint can be written after each."""
    steps_per_epoch: Count = 256
    """Batches in an epoch."""
    data_augmentation: Annotated[bool, Field(strict=True)] = True
    """Turn and mirror patches at random. Needs patches as wide as high."""
    intensity_threshold: Number = 0.25
    """Voxels of the normalised truth above this count as structure; 0 or less takes any patch."""
    area_ratio_threshold: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """Fraction of a patch's voxels that must be structure for the patch to be used."""
    initial_learning_rate: Annotated[Number, Field(ge=1e-6)] = 1e-4
    """Learning rate of the first epoch."""
    loss: Literal["mae", "mse", "ssim", "mae+ssim"] = "mae"
    """What the network makes small."""
    metrics: tuple[Literal["psnr", "ssim"], ...] = ("psnr",)
    """What is logged beside the loss."""

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """Seed of the first weights and of all random choices."""
    batch_size: Count = 1
    """Patches in a batch."""
    early_stopping_patience: Count | None = None
    """Stop after so many epochs without a better validation; null never stops early."""
    learning_rate_schedule: Literal["halving", "cosine", "constant"] = "halving"
    """The learning rate halves after each quarter, follows half a cosine to 0, or stays."""
    mixed_precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto computes in bfloat16 where the processor does so natively, else in float32."""
    validation_patches: Count = 16
    """How many validation patches are cut: once, so that the losses of epochs can be compared."""
    memory_limit_gb: Annotated[Number, Field(gt=0)] = 4.0
    """A larger data set, in GB, is read from disk patch by patch instead of held in memory."""
    task: Literal["restore"] = "restore"
    """What the network learns: to restore the truth from the raw image."""
    pair_by_order: Annotated[bool, Field(strict=True)] = False
    """Pair images by the order of their names also where the names do not match."""

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if self.training_data_dir is None and self.training_image_pairs is None:
            raise ValueError(
                "Expected training_data_dir or training_image_pairs, got neither. "
                'Add "training_data_dir": {"raw": "FOLDER", "gt": "FOLDER"}.'
            )
        if self.channel_reduction > self.num_channels:
            raise ValueError(
                f"Expected a channel_reduction of at most num_channels, {self.num_channels}, got "
                f"{self.channel_reduction}. Channel attention must keep one channel in its middle."
            )
        return self

    def patch_shape(self, ndim: int) -> tuple[int, ...]:
        """Shape of a training patch for images with `ndim` axes, before it is cut to the smallest.

        Parameters
        ----------
        ndim : int
            2 for `(Y, X)`, 3 for `(Z, Y, X)`.

        Returns
        -------
        tuple of int
            In voxels.

        Raises
        ------
        ConfigError
            If `input_shape` has another number of axes, or `ndim` is neither 2 nor 3.
        """
        if ndim not in (2, 3):
            raise ConfigError(
                f"Expected images with 2 or 3 axes, got {ndim}. Save channels and time points as "
                "files of their own."
            )
        shape = self.input_shape or (16, 256, 256)[-ndim:]
        if len(shape) != ndim:
            raise ConfigError(
                f"input_shape: Expected {ndim} numbers for images with {ndim} axes, got "
                f"{list(shape)}. Write one for each axis, or leave input_shape out."
            )
        return shape

    def learning_rate(self, epoch: float) -> float:
        """Learning rate of an epoch.

        Parameters
        ----------
        epoch : float
            Epochs done, from 0 to `epochs`; a fraction in the middle of one.

        Returns
        -------
        float
            `initial_learning_rate` times a factor from 0 to 1, which never rises.

        Raises
        ------
        ValueError
            For an epoch outside the training.
        """
        if not 0 <= epoch <= self.epochs:
            raise ValueError(f"Expected an epoch from 0 to {self.epochs}, got {epoch}.")
        factor = 1.0
        if self.learning_rate_schedule == "halving":
            factor = 0.5 ** sum(halving <= epoch for halving in halving_epochs(self.epochs))
        elif self.learning_rate_schedule == "cosine":
            factor = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        return self.initial_learning_rate * factor


class CompleteConfig(TrainingConfig):
    """What lies beside the weights: the patch as it was cut, and what is needed to apply them."""

    ndim: Literal[2, 3]
    p_min: float
    p_max: float
    aimicro: str


def halving_epochs(epochs: int) -> range:
    """Epochs, counted from 0, that begin with half the learning rate of the one before.

    As published, one after each quarter, rounded down: so there can be a fourth at the very end,
    and with fewer than 8 epochs every epoch after the first is one.

    Parameters
    ----------
    epochs : int
        Length of the training, 1 or more.

    Returns
    -------
    range
        The epochs.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> [list(halving_epochs(epochs)) for epochs in (100, 101, 3)]
    [[25, 50, 75], [25, 50, 75, 100], [1, 2]]
    """
    quarter = max(1, epochs // 4)
    return range(quarter, epochs, quarter)


def image_pairs(
    config: TrainingConfig, *, which: Literal["training", "validation"]
) -> list[tuple[Path, Path]]:
    """List the images that a configuration names, on this machine.

    Listed pairs come first, then those of the folders: files ending in .tif or .tiff, in capitals
    or not, paired in the order of their names. Those must match: be the same, or differ in what all
    raw or all true images have in common (raw_1 and gt_1). Relative paths start at the working
    directory.

    Parameters
    ----------
    config : TrainingConfig
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


def read_complete(folder: Path, *, todo: str) -> CompleteConfig:
    """Read the configuration that a training wrote into its folder.

    Parameters
    ----------
    folder : pathlib.Path
        What ``aimicro train -o`` named.
    todo : str
        What to do if it is not there, a sentence.

    Returns
    -------
    CompleteConfig
        The configuration.

    Raises
    ------
    ConfigError
        If there is none, or one that ``aimicro train`` has not written.
    """
    file = folder / COMPLETE
    try:
        return CompleteConfig.model_validate(parsed(file.read_bytes()))
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


def read_config(path: str | os.PathLike[str]) -> TrainingConfig:
    """Read a configuration from a JSON file.

    Paths in it may be of another machine: only `image_pairs` looks for them.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    TrainingConfig
        With the defaults of the keys that are left out.

    Raises
    ------
    ConfigError
        With one line that names the file, the key and what to do. Of several faults it tells the
        first, and how many there are more.

    Notes
    -----
    Used in appendix A, *Denoising*.

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
    path = Path(path)
    try:
        return TrainingConfig.model_validate(parsed(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        defaults = {key: field.default for key, field in TrainingConfig.model_fields.items()}
        raise ConfigError(f"{path}{in_one_line(error, defaults)}") from error


def write_config(path: str | os.PathLike[str], config: TrainingConfig) -> None:
    """Write a configuration, defaults included, as JSON that `read_config` reads back the same.

    Parameters
    ----------
    path : path-like
        The file; one that exists is replaced.
    config : TrainingConfig
        The configuration.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    with replacing(Path(path)) as file:
        file.write(config.model_dump_json(indent=2).encode() + b"\n")


def config_schema() -> dict[str, Any]:
    """JSON schema of a configuration, for editors that complete and check what one types.

    Returns
    -------
    dict
        Every key with its type, range, default and description. That `channel_reduction` is at
        most `num_channels` is the one rule which a schema cannot tell.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> config_schema()["properties"]["batch_size"]["description"]
    'Patches in a batch.'
    """
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | TrainingConfig.model_json_schema()


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
