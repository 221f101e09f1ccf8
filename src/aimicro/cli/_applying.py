"""What ``aimicro apply`` does with the folder of a training, and with one image.

A private part of :mod:`aimicro.cli.apply`, and apart from it because it loads torch.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from aimicro import checks
from aimicro.cli._channels import DATA_RANGE, Channel, affine_to, interleaved, score
from aimicro.cli._network_output import (
    Film,
    not_written,
    output_of,
    precision_as_trained,
    read_film,
    rehearse,
)
from aimicro.cli._pixel_sizes import check_pixel_size
from aimicro.cli.config import COMPLETE, CompleteConfig, read_complete
from aimicro.io import is_large, write_tiff, zeros_on_disk
from aimicro.models.rcan import RCAN
from aimicro.train.checkpoint import best_weights, load_model
from aimicro.train.devices import best_device
from aimicro.train.scaling import Linear, Percentile, Scaling

Row = dict[str, str | float]
_Channels = dict[str, Channel]
DEFAULT_HALO = 6  # what is farther away changed trained networks by 0.2 % of the range at most
_FEWEST_LEVELS = 16  # from dark to bright: with fewer, rounding draws contour lines
_SCORING = 0.1  # of the time that an image with a truth takes
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
        """Restore all images of a file and write them; return their scores if there is a truth.

        `each` is told of every fraction of the file that is done.
        """
        scratch = output.resolve().parent  # there is room for the result, which is as large
        film = read_film(raw, self.ndim, scratch)
        if not self.options.any_pixel_size:
            check_pixel_size(raw, film.pixel_size_um, self.trained_um)
        of_raw = [_scale(raw, self.scaling.input, film, place) for place in film.places]
        # Mistakes show before the long computation, during which the truth is not held.
        of_truth = self._check_truth(truth, raw, film, scratch) if truth else of_raw
        undone = self._undone(raw, film)
        self._rehearse(raw, output, film, n_kinds=3 if truth else 2)
        scoring = _SCORING if truth else 0.0
        share = scoring / len(film.places)
        restored = self._restored(raw, film, of_raw, lambda f: each((1 - scoring) * f), scratch)
        true = read_film(truth, self.ndim, scratch) if truth else None
        images, scores = [], []
        for k, place in enumerate(film.places):
            channels = {
                "raw": Channel.normalised(film.data[place], of_raw[k]),
                "restored": Channel(restored[place]),
            }
            if true:
                channels["truth"] = Channel.normalised(true.data[place], of_truth[k])
                scores.append(self._scores(channels, lambda f: each(share * f)))
            images.append(self._in_unit(channels, undone[k]))
        try:
            self._write(output, images, film)
        except OSError as error:
            raise not_written(output, self._n_bytes(len(images[0]), film), error) from error
        return {"file": raw.name, "truth": truth.name, **self._mean_of(scores)} if truth else None

    def _restored(
        self,
        raw: Path,
        film: Film,
        scales: Sequence[Linear],
        each: Callable[[float], object],
        scratch: Path,
    ) -> NDArray[np.float32]:
        """What the network makes of every image of a film; a large film is kept on disk."""

        def restored(place: tuple[int, ...], scale: Linear) -> NDArray[np.float32]:
            return output_of(
                self.network,
                raw,
                film.data[place],
                **self.cut,
                scaling=Scaling(scale, None),
                precision=self.precision,
                each=lambda fraction: each(fraction / len(scales)),
                scratch=scratch,
            )

        shape = film.data.shape
        if len(scales) == 1:
            return restored(film.places[0], scales[0]).reshape(shape)
        out = (
            zeros_on_disk(shape, np.float32, scratch) if is_large(shape) else np.zeros(shape, "f4")
        )
        for place, scale in zip(film.places, scales, strict=True):
            out[place] = restored(place, scale)
        return out

    # ---- before

    def _check_truth(self, truth: Path, raw: Path, film: Film, scratch: Path) -> list[Linear]:
        true = read_film(truth, self.ndim, scratch)
        if true.data.shape != film.data.shape or true.axes != film.axes:
            raise ValueError(
                f"{truth}: Expected a truth of the shape of {raw}, {film.axes} {film.data.shape}, "
                f"got {true.axes} {true.data.shape}. Check that the two belong together, or crop "
                "both to the same field."
            )
        scale = self.scaling.output or Linear()
        return [_scale(truth, scale, true, place) for place in true.places]

    def _undone(self, raw: Path, film: Film) -> list[Linear]:
        """What takes each restored image back to the unit of the raw one."""
        of_output = self.scaling.output or Linear()
        undone = [_scale(raw, of_output, film, place) for place in film.places]
        if self.options.raw_units:
            for place, scale in zip(film.places, undone, strict=True):
                _check_levels(raw, film.data[place], scale, self.options.bpp)
        return undone

    def _rehearse(self, raw: Path, output: Path, film: Film, *, n_kinds: int) -> None:
        """Refuse what cannot be written, as long as nothing is lost by that."""
        n_kinds = 1 if self.options.restored_only else n_kinds
        n_bytes = self._n_bytes(n_kinds, film)
        n_bytes += 4 * film.data.size * is_large(film.data.shape)  # held in a file for a while
        pixel = Channel(np.zeros((1,) * self.ndim))
        images = [dict.fromkeys(map(str, range(n_kinds)), pixel)] * len(film.places)
        rehearse(raw, output, n_bytes, lambda path: self._write(path, images, film))

    def _n_bytes(self, n_kinds: int, film: Film) -> int:
        return int(n_kinds * film.data.size * self.options.bpp // 8)

    # ---- the scores

    def _scores(self, channels: _Channels, each: Callable[[float], object]) -> Row:
        """Compare raw and restored image with the truth, after a fit of both with --rescale."""
        truth = channels["truth"]
        row: Row = {}
        for name in ("raw", "restored"):
            image = affine_to(truth, channels[name]) if self.options.rescale else channels[name]
            scores = score(truth, image, each=lambda f: each(f / 2))._asdict()
            row |= {f"{metric}_{name}": value for metric, value in scores.items()}
        fitted = "yes" if self.options.rescale else "no"
        return {**row, "data_range": DATA_RANGE, "affine_fit": fitted}

    @staticmethod
    def _mean_of(scores: Sequence[Row]) -> Row:
        """One row for a file: of numbers the mean over its images, of words the first."""
        return {
            name: value if isinstance(value, str) else float(np.mean([row[name] for row in scores]))
            for name, value in scores[0].items()
        }

    # ---- after

    def _in_unit(self, channels: _Channels, undone: Linear) -> _Channels:
        """The channels that are written, in the unit that was asked for."""
        options = self.options
        if options.rescale:
            fitted = affine_to(channels["truth"], channels["restored"])
            channels = {**channels, "restored": fitted}
        if options.restored_only:
            channels = {"restored": channels["restored"]}
        if options.raw_units:
            return {name: c.scaled(undone.scale, undone.offset) for name, c in channels.items()}
        if options.normalize_output_range_between_zero_and_one:
            channels = {name: channel.zero_to_one() for name, channel in channels.items()}
        top = 1 if options.bpp == 32 else 2**options.bpp - 1
        return {name: channel.scaled(top) for name, channel in channels.items()}

    def _write(self, output: Path, images: Sequence[_Channels], film: Film) -> None:
        """Write images, given time point by time point, with the axes of their file."""
        is_film, has_channels = "T" in film.axes, "C" in film.axes
        n_channels = film.data.shape[film.axes.index("C")] if has_channels else 1
        kinds = list(images[0])
        frames = [
            [channel for image in images[k : k + n_channels] for channel in image.values()]
            for k in range(0, len(images), n_channels)
        ]
        numbers = [f" {c + 1}" for c in range(n_channels)] if has_channels else [""]
        names = [f"{kind}{number}" for number in numbers for kind in kinds]
        write_tiff(
            output,
            interleaved(frames, bits=self.options.bpp, film=is_film),
            axes="T" * is_film + "Z" * (self.ndim == 3) + "C" * (len(names) > 1) + "YX",
            pixel_size_um=film.pixel_size_um,
            channels=names if len(names) > 1 else None,
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


def _scale(file: Path, scale: Linear | Percentile, film: Film, place: tuple[int, ...]) -> Linear:
    try:
        return scale.for_image(film.data[place])
    except ValueError as error:
        raise ValueError(f"{file}{film.named(place)}: {error}") from error


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
