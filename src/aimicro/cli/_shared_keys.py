"""Keys that the configurations of all trainings have in common.

A private part of :mod:`aimicro.cli.config`.
"""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Strict: true is no number here, and "300" is no count.
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True)]
PixelSize = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(max_length=3)] | None
# A single \ before the n, r or t of a folder's name is a line break or a tab to JSON.
PathText = Annotated[str, Field(strict=True, min_length=1, pattern=r"^[^\x00-\x1f]*$")]

SETTINGS = ConfigDict(
    extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
)
IMAGES_NEEDED: list[Any] = [
    {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
    for key in ("training_data_dir", "training_image_pairs")
]


class ConfigError(ValueError):
    """A configuration that cannot be read, or that names images which are not there."""


class PathPair(BaseModel):
    """Where raw images and their truth are: two files, or two folders."""

    model_config = SETTINGS

    raw: PathText
    """What the network is given."""
    gt: PathText
    """What the network is to return."""


class SharedKeys(BaseModel):
    """Which images there are, and how long and in what steps is learned from them."""

    model_config = SETTINGS
    default_shape: ClassVar[tuple[int, ...]] = (16, 256, 256)

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
    epochs: Count = 300
    """Epochs to train; a checkpoint can be written after each."""
    steps_per_epoch: Count = 256
    """Batches in an epoch."""
    data_augmentation: Annotated[bool, Field(strict=True)] = True
    """Turn and mirror patches at random. Needs patches as wide as high."""
    initial_learning_rate: Annotated[Number, Field(ge=1e-6)] = 1e-4
    """Learning rate of the first epoch."""
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
    pair_by_order: Annotated[bool, Field(strict=True)] = False
    """Pair images by the order of their names also where the names do not match."""

    @model_validator(mode="after")
    def _images_are_named(self) -> Self:
        if self.training_data_dir is None and self.training_image_pairs is None:
            raise ValueError(
                "Expected training_data_dir or training_image_pairs, got neither. "
                'Add "training_data_dir": {"raw": "FOLDER", "gt": "FOLDER"}.'
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
        shape = self.input_shape or self.default_shape[-ndim:]
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
