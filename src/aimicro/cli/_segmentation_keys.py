"""The configuration of a segmentation training.

A private part of :mod:`aimicro.cli.config`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from aimicro.cli._shared_keys import IMAGES_NEEDED, SETTINGS, Count, Number, PixelSize, SharedKeys

Percent = Annotated[Number, Field(ge=0, le=100)]
_MASKS = ("bce", "dice", "bce+dice", "focal", "tversky")  # losses of one channel


class SegmentationConfig(SharedKeys):
    """What a segmentation training is told: raw images, and labels as their truth.

    Each key is described where it is defined, and in `config_schema`.

    Raises
    ------
    pydantic.ValidationError
        A `ValueError`, for a value out of range; `read_config` makes one line of it.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> folders = {"raw": "train/raw", "gt": "train/gt"}
    >>> config = SegmentationConfig(training_data_dir=folders, task="segment", method="stardist")
    >>> config.objective, config.patch_shape(2)
    ('stardist', (128, 128))
    """

    model_config = ConfigDict(
        **SETTINGS,
        json_schema_extra={
            "description": "Configuration of a segmentation training with aimicro.",
            "anyOf": IMAGES_NEEDED,
        },
    )
    default_shape: ClassVar[tuple[int, ...]] = (16, 128, 128)

    task: Literal["segment"]
    """What the network learns: to tell objects apart, from label images as truth."""
    method: Literal["unet", "stardist", "cellpose"] = "unet"
    """What it says of a pixel: inside or not, rays to the border, or the way to the middle."""
    borders: Annotated[int, Field(strict=True, ge=0)] = 2
    """unet: width in pixels of the outlines that keep objects apart; 0 learns no outlines."""
    n_rays: Annotated[int, Field(strict=True, ge=3)] = 32
    """stardist: how many rays there are."""
    ray_px: Annotated[Number, Field(gt=0)] | None = None
    """stardist: usual length of a ray; null is half the width of a typical training object."""
    num_channels: Count = 32
    """Feature channels of the finest level of the U-Net; each level down has twice as many."""
    depth: Count = 3
    """How often the U-Net halves the image. Patches are cut to multiples of 2**depth."""
    p_min: Percent = 1.0
    """Percentile of each raw image that becomes 0."""
    p_max: Percent = 99.8
    """Percentile of each raw image that becomes 1."""
    loss: Literal[
        "auto", "bce", "dice", "bce+dice", "focal", "tversky", "cross_entropy", "stardist",
        "cellpose",
    ] = "auto"  # fmt: skip
    """What the network makes small; auto is what belongs to the method."""
    input_shape: Annotated[tuple[Count, ...], Field(min_length=2, max_length=3)] | None = None
    """Patch, [z, y, x] or [y, x], cut to the smallest image; null is 128 x 128 voxels, 16 deep."""
    epochs: Count = 100
    """Epochs to train; a checkpoint can be written after each."""
    steps_per_epoch: Count = 100
    """Batches in an epoch."""
    batch_size: Count = 8
    """Patches in a batch."""
    initial_learning_rate: Annotated[Number, Field(ge=1e-6)] = 1e-3
    """Learning rate of the first epoch."""
    learning_rate_schedule: Literal["halving", "cosine", "constant"] = "cosine"
    """The learning rate halves after each quarter, follows half a cosine to 0, or stays."""

    @property
    def objective(self) -> str:
        """Name of the loss, also where it is chosen by the method."""
        return self._losses()[0] if self.loss == "auto" else self.loss

    def _losses(self) -> tuple[str, ...]:
        """Names of losses that fit the method, the usual one first."""
        if self.method != "unet":
            return (self.method,)
        return ("cross_entropy",) if self.borders else _MASKS

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if self.p_min >= self.p_max:
            raise ValueError(
                f"Expected p_min below p_max, got {self.p_min:g} and {self.p_max:g}. Leave both "
                "out for 1 and 99.8."
            )
        if self.loss not in ("auto", *self._losses()):
            borders = f' with "borders": {self.borders}' if self.method == "unet" else ""
            raise ValueError(
                f'Expected loss as one of {", ".join(self._losses())} for "method": '
                f'"{self.method}"{borders}, got {self.loss}. Leave loss out for '
                f"{self._losses()[0]}."
            )
        return self


class CompleteSegmentation(SegmentationConfig):
    """What lies beside the weights: the patch as it was cut, and what is needed to apply them."""

    ndim: Literal[2, 3]
    pixel_size_um: PixelSize = None
    """Of the training images, (z,) y, x; null if they don't tell, or are not of one size."""
    aimicro: str
