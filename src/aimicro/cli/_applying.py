"""What ``aimicro apply`` does with the folder of a training, and with one image.

A private part of :mod:`aimicro.cli.apply`, and apart from it because it loads torch.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from aimicro import checks
from aimicro.cli._channels import DATA_RANGE, Channel, affine_to, interleaved, score
from aimicro.cli._network_output import (
    not_written,
    output_of,
    precision_as_trained,
    read_image,
    rehearse,
)
from aimicro.cli._pixel_sizes import check_pixel_size
from aimicro.cli.config import COMPLETE, CompleteConfig, read_complete
from aimicro.io import TiffImage, is_large, write_tiff
from aimicro.models.rcan import RCAN
from aimicro.train.checkpoint import best_weights, load_model
from aimicro.train.devices import best_device
from aimicro.train.scaling import Linear, Percentile, Scaling

Row = dict[str, str | float]
DEFAULT_HALO = 6  # what is farther away changed trained networks by 0.2 % of the range at most
_FEWEST_LEVELS = 16  # from dark to bright: with fewer, rounding draws contour lines
_KEYS = {
    "ndim": "ndim",
    "channels": "num_channels",
    "blocks": "num_residual_blocks",
    "groups": "num_residual_groups",
    "reduction": "channel_reduction",
}


class _Cut(TypedDict):
    """How an image is cut, as `predict` and `tiles` want it."""

    tile: tuple[int, ...]
    halo: tuple[int, ...]
    overlap: tuple[int, ...]


class Application:
    """A trained network, and what the options want of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        network, config = _trained(options.model_dir)
        self.ndim, self.trained_um = config.ndim, config.pixel_size_um
        self.scaling = _scaling(options, network, config)
        self.cut = _cut(options, config)
        device = best_device()
        self.precision = precision_as_trained(config.mixed_precision, device)
        # As in training. On a CPU it saves one of seven copies of all channels.
        layout = torch.channels_last_3d if self.ndim == 3 else torch.channels_last
        self.network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]

    def run(
        self, raw: Path, truth: Path | None, output: Path, *, each: Callable[[float], object]
    ) -> Row | None:
        """Restore an image and write it; return its scores if there is a truth.

        `each` is told of every fraction of the image that is done.
        """
        scratch = output.resolve().parent  # there is room for the result, which is as large
        image = read_image(raw, self.ndim, scratch)
        if not self.options.any_pixel_size:
            check_pixel_size(raw, image.pixel_size_um, self.trained_um)
        of_raw = _scale(raw, self.scaling.input, image.data)
        # Mistakes show before the long computation, during which the truth is not held.
        of_truth = self._check_truth(truth, raw, image.data.shape, scratch) if truth else of_raw
        undone = _scale(raw, self.scaling.output or Linear(), image.data)
        if self.options.raw_units:
            _check_levels(raw, image.data, undone, self.options.bpp)
        self._rehearse(raw, output, image, n_channels=3 if truth else 2)
        restored = output_of(
            self.network,
            raw,
            image.data,
            **self.cut,
            scaling=Scaling(of_raw, None),
            precision=self.precision,
            each=each,
            scratch=scratch,
        )
        channels = {"raw": Channel.normalised(image.data, of_raw), "restored": Channel(restored)}
        row = None
        if truth:
            channels["truth"] = Channel.normalised(
                read_image(truth, self.ndim, scratch).data, of_truth
            )
            row = {"file": raw.name, "truth": truth.name, **self._scores(channels)}
        if self.options.rescale:
            channels["restored"] = affine_to(channels["truth"], channels["restored"])
        channels = self._in_unit(channels, undone)
        try:
            self._write(output, channels, image)
        except OSError as error:
            raise not_written(output, self._n_bytes(len(channels), image), error) from error
        return row

    # ---- before

    def _check_truth(self, truth: Path, raw: Path, shape: tuple[int, ...], scratch: Path) -> Linear:
        pixels = read_image(truth, self.ndim, scratch).data
        if pixels.shape != shape:
            raise ValueError(
                f"{truth}: Expected a truth of the shape of {raw}, {shape}, got {pixels.shape}. "
                "Check that the two belong together, or crop both to the same field."
            )
        return _scale(truth, self.scaling.output or Linear(), pixels)

    def _rehearse(self, raw: Path, output: Path, image: TiffImage, *, n_channels: int) -> None:
        """Refuse what cannot be written, as long as nothing is lost by that."""
        n_channels = 1 if self.options.restored_only else n_channels
        n_bytes = self._n_bytes(n_channels, image)
        n_bytes += 4 * image.data.size * is_large(image.data.shape)  # held in a file for a while
        pixel = Channel(np.zeros((1,) * self.ndim))
        channels = dict.fromkeys(map(str, range(n_channels)), pixel)
        rehearse(raw, output, n_bytes, lambda path: self._write(path, channels, image))

    def _n_bytes(self, n_channels: int, image: TiffImage) -> int:
        return int(n_channels * image.data.size * self.options.bpp // 8)

    # ---- the scores

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

    # ---- after

    def _in_unit(self, channels: dict[str, Channel], undone: Linear) -> dict[str, Channel]:
        """The channels that are written, in the unit that was asked for."""
        options = self.options
        if options.restored_only:
            channels = {"restored": channels["restored"]}
        if options.raw_units:
            return {name: c.scaled(undone.scale, undone.offset) for name, c in channels.items()}
        if options.normalize_output_range_between_zero_and_one:
            channels = {name: channel.zero_to_one() for name, channel in channels.items()}
        top = 1 if options.bpp == 32 else 2**options.bpp - 1
        return {name: channel.scaled(top) for name, channel in channels.items()}

    def _write(self, output: Path, channels: dict[str, Channel], image: TiffImage) -> None:
        stacked = len(channels) > 1
        write_tiff(
            output,
            interleaved(list(channels.values()), bits=self.options.bpp),
            axes=image.axes[:-2] + "C" * stacked + "YX",
            pixel_size_um=image.pixel_size_um,
            channels=list(channels) if stacked else None,
            ome=self.options.output_tiff_format == "ome",
        )


def _trained(folder: Path) -> tuple[RCAN, CompleteConfig]:
    """Best network of a training, and its configuration."""
    try:
        os.listdir(folder)
    except PermissionError as error:
        raise ValueError(
            f"-m: Expected a folder that can be read, got {folder}: {error.strerror}. Ask its "
            "owner for the permission."
        ) from error
    except OSError:
        pass  # best_weights says what it is instead
    weights = best_weights(folder)
    config = read_complete(folder, todo="Name the folder given to aimicro train -o.")
    if not isinstance(config, CompleteConfig):
        raise ValueError(
            f"-m: Expected a network that restores images, got one that segments them in {folder}. "
            "Use aimicro segment, or name another folder."
        )
    network = load_model(weights)
    if not isinstance(network, RCAN):
        raise ValueError(
            f"{weights}: Expected weights of RCAN, got weights of {type(network).__name__}. Use "
            "aimicro.predict in Python for other networks."
        )
    for name, key in _KEYS.items():
        if network.config[name] != getattr(config, key):
            raise ValueError(
                f"{weights}: Expected weights for the network of {COMPLETE}, with {key} "
                f"{getattr(config, key)}, got {network.config[name]}. Put both from one training "
                "into a folder."
            )
    return network, config


def _scaling(options: argparse.Namespace, network: RCAN, config: CompleteConfig) -> Scaling:
    """That of the training, but for the percentiles that the options name."""
    trained = getattr(network, "scaling", None)
    if trained and options.p_min is None and options.p_max is None:
        return trained  # type: ignore[no-any-return]
    low = config.p_min if options.p_min is None else options.p_min
    high = config.p_max if options.p_max is None else options.p_max
    return Scaling(Percentile(low, high), Percentile(low, high))


def _cut(options: argparse.Namespace, config: CompleteConfig) -> _Cut:
    """How images are cut into tiles: into blocks with a halo around each."""
    ndim = config.ndim
    wished = config.patch_shape(ndim) if options.block_shape is None else options.block_shape
    block = checks.per_axis("--block_shape", wished, ndim, whole_from=1)
    # As published: an eighth of the block and at least 1, but 0 where it is 1 or 2 thick.
    wished = options.block_overlap_shape
    if wished is None:
        wished = [max(1, n // 8) if n > 2 else 0 for n in block]
    overlap = checks.per_axis("--block_overlap_shape", wished, ndim, whole_from=0)
    wished = DEFAULT_HALO if options.halo is None else options.halo
    halo = checks.per_axis("--halo", wished, ndim, whole_from=0)
    if any(2 * shared > size for shared, size in zip(overlap, block, strict=True)):
        raise ValueError(
            f"Expected --block_overlap_shape of at most half the block, {_commas(block)}, got "
            f"{_commas(overlap)}. Choose a smaller overlap or larger blocks."
        )
    tile = tuple(size + 2 * margin for size, margin in zip(block, halo, strict=True))
    return {"tile": tile, "halo": halo, "overlap": overlap}


def _commas(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def _scale(file: Path, scale: Linear | Percentile, pixels: NDArray[np.generic]) -> Linear:
    try:
        return scale.for_image(pixels)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _check_levels(file: Path, pixels: NDArray[np.generic], scale: Linear, bits: int) -> None:
    """Refuse to round intensities to whole numbers that cannot hold them."""
    if bits == 32:
        return
    low, high, top = float(pixels.min()), float(pixels.max()), 2**bits - 1
    if not 0 <= low <= high <= top:
        raise ValueError(
            f"{file}: Expected intensities from 0 to {top} for --raw-units with -b {bits}, got "
            f"{low:g} to {high:g}. Use -b {'16 or 32' if bits == 8 else '32'}."
        )
    span = 0.0 if low == high else scale.scale
    if span < _FEWEST_LEVELS:
        raise ValueError(
            f"{file}: Expected at least {_FEWEST_LEVELS} grey levels from dark to bright, which "
            f"--raw-units with -b {bits} rounds to, got {span:.3g}. Use -b 32."
        )
