"""What ``aimicro apply`` does with the folder of a training, and with one image.

A private part of :mod:`aimicro.cli.apply`, and apart from it because it loads torch.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from aimicro.cli.config import COMPLETE, CompleteConfig
from aimicro.io import TiffImage, read_tiff, write_tiff
from aimicro.models.rcan import RCAN
from aimicro.predict.restore import (
    DATA_RANGE,
    Channel,
    InFloat32,
    affine_to,
    blocks,
    interleaved,
    restore,
    score,
)
from aimicro.train._stack_files import read_header
from aimicro.train.checkpoint import best_weights, load_model
from aimicro.train.fit import best_device, native_bfloat16
from aimicro.train.patches import (
    LEAST_SCALE,
    Array,
    Normalisation,
    percentile_normalisation,
)

Row = dict[str, str | float]
_FEWEST_LEVELS = 16  # from dark to bright: with fewer, rounding draws contour lines
_KINDS = {2: "an image (Y, X)", 3: "a volume (Z, Y, X)"}
_KEYS = {
    "ndim": "ndim",
    "channels": "num_channels",
    "blocks": "num_residual_blocks",
    "groups": "num_residual_groups",
    "reduction": "channel_reduction",
}


class Restorer:
    """A trained network, and what the options want of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        model, config = _trained(options.model_dir)
        self.p_min = config.p_min if options.p_min is None else options.p_min
        self.p_max = config.p_max if options.p_max is None else options.p_max
        percentile_normalisation([0.0], self.p_min, self.p_max)  # refuses what fits no image
        self.ndim = config.ndim
        shape = options.block_shape or config.patch_shape(self.ndim)
        self.cut = blocks(self.ndim, shape, options.block_overlap_shape, options.halo)
        device = best_device()
        self.bfloat16 = config.mixed_precision == "bfloat16" or (
            config.mixed_precision == "auto" and native_bfloat16(device)
        )
        model.tail = InFloat32(model.tail)  # type: ignore[assignment]
        # As in training. On a CPU it saves one of seven copies of all channels.
        layout = torch.channels_last_3d if self.ndim == 3 else torch.channels_last
        self.model = model.to(device=device, memory_format=layout)  # type: ignore[call-overload]

    def restore(
        self, raw: Path, truth: Path | None, output: Path, *, each: Callable[[float], object]
    ) -> Row | None:
        """Restore an image and write it; return its scores if there is a truth.

        `each` is told of every share of the image that is done.
        """
        scratch = output.resolve().parent  # there is room for the result, which is as large
        image = self._read(raw, scratch)
        of_raw = self._normalisation(raw, image.data)
        # Mistakes show before the long computation, during which the truth is not held.
        of_truth = self._check_truth(truth, raw, image.data.shape, scratch) if truth else None
        if self.options.raw_units:
            _check_levels(raw, image.data, of_raw, self.options.bpp)
        restored = self._restored(raw, image.data, of_raw, each, scratch)
        channels = {"raw": Channel.normalised(image.data, of_raw), "restored": Channel(restored)}
        row = None
        if truth and of_truth:
            channels["truth"] = Channel.normalised(self._read(truth, scratch).data, of_truth)
            row = {"file": raw.name, "truth": truth.name, **self._scores(channels)}
        if self.options.rescale:
            channels["restored"] = affine_to(channels["truth"], channels["restored"])
        self._write(output, channels, of_raw, image)
        return row

    def _read(self, file: Path, scratch: Path) -> TiffImage:
        shape = read_header(file).shape
        if len(shape) != self.ndim:
            raise ValueError(
                f"{file}: Expected {_KINDS[self.ndim]}, as the network was trained on, got shape "
                f"{shape}. A stack of one slice is an image."
            )
        image = read_tiff(file, pages="Z", scratch=scratch)
        data = image.data.reshape(shape)  # without a channel or time of length 1
        # A mask of true and false has no percentiles.
        data = data.view("u1") if data.dtype == bool else data
        return replace(image, data=data, axes="ZYX"[-self.ndim :])

    def _normalisation(self, file: Path, pixels: NDArray[np.generic]) -> Normalisation:
        normalisation = percentile_normalisation(pixels, self.p_min, self.p_max)
        low, high = float(pixels.min()), float(pixels.max())
        if high > low and _span(normalisation) == 0:
            raise ValueError(
                f"{file}: Expected percentiles {self.p_min:g} and {self.p_max:g} that differ, got "
                f"{normalisation.offset:g} for both, in an image from {low:g} to {high:g}. "
                "Choose others, for example --p_max 100."
            )
        return normalisation

    def _check_truth(
        self, truth: Path, raw: Path, shape: tuple[int, ...], scratch: Path
    ) -> Normalisation:
        pixels = self._read(truth, scratch).data
        if pixels.shape != shape:
            raise ValueError(
                f"{truth}: Expected a truth of the shape of {raw}, {shape}, got {pixels.shape}. "
                "Check that the two belong together, or crop both to the same field."
            )
        return self._normalisation(truth, pixels)

    def _restored(
        self,
        file: Path,
        pixels: NDArray[np.generic],
        of_raw: Normalisation,
        each: Callable[[float], object],
        scratch: Path,
    ) -> Array:
        try:
            return restore(
                self.model,
                pixels,
                self.cut,
                normalisation=of_raw,
                bfloat16=self.bfloat16,
                each_block=partial(each, 1 / self.cut.count(pixels.shape)),
                scratch=scratch,
            )
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise ValueError(
                f"{file}: Expected enough memory for {self.cut.tile} voxels at once, got too "
                "little. Choose smaller blocks with -B, or a smaller --halo."
            ) from error

    def _scores(self, channels: dict[str, Channel]) -> Row:
        """Compare raw and restored image with the truth, after a fit of both with --rescale."""
        truth = channels["truth"]
        row: Row = {}
        for name in ("raw", "restored"):
            image = affine_to(truth, channels[name]) if self.options.rescale else channels[name]
            scores = score(truth, image)._asdict()
            row |= {f"{metric}_{name}": value for metric, value in scores.items()}
        fitted = "yes" if self.options.rescale else "no"
        return {**row, "data_range": DATA_RANGE, "affine_fit": fitted}

    def _write(
        self, output: Path, channels: dict[str, Channel], of_raw: Normalisation, image: TiffImage
    ) -> None:
        options = self.options
        if options.restored_only:
            channels = {"restored": channels["restored"]}
        images = list(channels.values())
        if options.raw_units:
            images = [channel.scaled(of_raw.scale, of_raw.offset) for channel in images]
        elif options.normalize_output_range_between_zero_and_one:
            images = [channel.zero_to_one() for channel in images]
        if options.bpp != 32 and not options.raw_units:
            images = [channel.scaled(2**options.bpp - 1) for channel in images]
        planes, stacked = interleaved(images, bits=options.bpp), len(images) > 1
        try:
            write_tiff(
                output,
                planes,
                axes=image.axes[:-2] + "C" * stacked + "YX",
                pixel_size_um=image.pixel_size_um,
                channels=list(channels) if stacked else None,
                ome=options.output_tiff_format == "ome",
            )
        except OSError as error:
            raise OSError(
                f"{output}: Expected to write {planes.nbytes / 1e6:.3g} MB, got: "
                f"{error.strerror or error}. Make room for them, or choose another -o."
            ) from error


def _trained(folder: Path) -> tuple[RCAN, CompleteConfig]:
    """Best network of a training, and its configuration."""
    weights, record = best_weights(folder), folder / COMPLETE
    try:
        config = CompleteConfig.model_validate_json(record.read_bytes())
    except (OSError, ValidationError) as error:
        raise ValueError(
            f"{record}: Expected the configuration that aimicro train wrote beside its weights, "
            f"got {'one of another kind' if record.exists() else 'none'}. Name the folder given "
            "to aimicro train -o."
        ) from error
    model = load_model(weights, RCAN)
    for name, key in _KEYS.items():
        if model.config[name] != getattr(config, key):
            raise ValueError(
                f"{weights}: Expected weights for the network of {COMPLETE}, with {key} "
                f"{getattr(config, key)}, got {model.config[name]}. Put both from one training "
                "into a folder."
            )
    if getattr(model, "normalisation", None) not in (None, Normalisation()):
        raise ValueError(
            f"{weights}: Expected a network for images normalised one by one, got one with "
            f"{model.normalisation} for all. Use aimicro.predict.predict, which applies it."
        )
    return model, config


def _check_levels(file: Path, pixels: Array, of_raw: Normalisation, bits: int) -> None:
    """Refuse to round intensities to whole numbers that cannot hold them."""
    low, high, top = float(pixels.min()), float(pixels.max()), 2**bits - 1
    if bits != 32 and not 0 <= low <= high <= top:
        raise ValueError(
            f"{file}: Expected intensities from 0 to {top} for --raw-units with -b {bits}, got "
            f"{low:g} to {high:g}. Use -b {'16 or 32' if bits == 8 else '32'}."
        )
    if bits != 32 and _span(of_raw) < _FEWEST_LEVELS:
        raise ValueError(
            f"{file}: Expected at least {_FEWEST_LEVELS} grey levels from dark to bright, which "
            f"--raw-units with -b {bits} rounds to, got {_span(of_raw):.3g}. Use -b 32."
        )


def _span(normalisation: Normalisation) -> float:
    """What lies between the two percentiles, in the unit of the image."""
    return normalisation.scale - LEAST_SCALE
