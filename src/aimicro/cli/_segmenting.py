"""What ``aimicro segment`` does with the folder of a training, and with one image.

A private part of :mod:`aimicro.cli.segment`, and apart from it because it loads torch.
"""

import argparse
import csv
import io
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.cli._found import Found, on_disk, write_labels
from aimicro.cli._jobs import Job, Row, spelt
from aimicro.cli._label_images import read_labels
from aimicro.cli._methods import out_channels, ways_to_segment
from aimicro.cli._network_output import (
    output_of,
    precision_as_trained,
    read_image,
    rehearse,
    shape_of_output,
)
from aimicro.cli._pixel_sizes import check_pixel_size
from aimicro.cli.config import COMPLETE, CompleteSegmentation, read_complete
from aimicro.io import TiffImage, is_large, replacing
from aimicro.metrics.matching import average_precision, match
from aimicro.models import UNet
from aimicro.train.checkpoint import best_weights, load_model
from aimicro.train.devices import best_device

_BLOCK = {2: (512, 512), 3: (32, 128, 128)}
_HALO_OF_VOLUMES = 16  # as far as a network can see, most of a block would be halo
# What is segmented at once of a large image, and at first seen around it.
_CORE = {2: (1024, 1024), 3: (32, 192, 192)}
_MARGIN = {2: (128, 128), 3: (16, 64, 64)}
_LARGEST_WINDOW = 2**25  # pixels: with 33 channels, 4 GB
_LEVELS = (0.5, 0.75, 0.9)
_N_BYTES_AN_ID = 4  # of an image with more than 65,535 objects


class Segmentation:
    """A trained network, and what the options want of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        network, config = _trained(options.model_dir)
        self.ndim, self.trained_um = config.ndim, config.pixel_size_um
        self.ways = ways_to_segment(config, options)
        if options.pixel_size is not None:
            checks.number("--pixel-size", options.pixel_size, above=0, unit="µm")
        block = _BLOCK[self.ndim] if options.block_shape is None else options.block_shape
        block = checks.per_axis("--block_shape", block, self.ndim, whole_from=1)
        sees = network.receptive_radius
        sees = min(sees, _HALO_OF_VOLUMES) if self.ndim == 3 else sees
        halo = sees if options.halo is None else options.halo
        self.halo = checks.per_axis("--halo", halo, self.ndim, whole_from=0)
        rounded = [-(-size // network.divisor) * network.divisor for size in block]
        # Tiles begin on the grid of the coarsest level, so a halo may cost them part of a step.
        self.tile = tuple(
            size + 2 * halo + network.divisor for size, halo in zip(rounded, self.halo, strict=True)
        )
        device = best_device()
        self.precision = precision_as_trained(config.mixed_precision, device)
        self.network = network.to(device)

    def run(self, job: Job, each: Callable[[float], object]) -> Found:
        """Find the objects of an image; `each` is told of every fraction that is done, up to 1."""
        image = read_image(job.raw, self.ndim, job.output.resolve().parent)
        if job.truth:  # mistakes show before the long computation
            self._truth(job, image.data.shape)
        sizes = [self.options.pixel_size if um is None else um for um in image.pixel_size_um]
        if not self.options.any_pixel_size:
            check_pixel_size(job.raw, sizes, self.trained_um)
        known = None if None in sizes else tuple(sizes)
        self._rehearse(job, image, known)
        if is_large(image.data.shape):
            return self._by_windows(job, image, known, lambda fraction: each(fraction / 2))
        output = self._predicted(job, image.data, each)
        return Found(self.ways.at_once(output), image, known)

    def scores(self, job: Job, found: Found) -> Row | None:
        """Compare with the truth, if there is one."""
        if job.truth is None:
            return None
        truth = self._truth(job, found.labels.shape)
        levels = average_precision(truth, found.labels, thresholds=_LEVELS)
        counts = match(truth, found.labels, threshold=_LEVELS[0])
        names = [f"ap{100 * level:.0f}" for level in _LEVELS]
        return {
            "file": job.raw.name,
            "truth": job.truth.name,
            **dict(zip(names, np.atleast_1d(levels).tolist(), strict=True)),
            "objects_true": counts.tp + counts.fn,
            "objects_found": counts.tp + counts.fp,
            "matched50": counts.tp,
            "missed50": counts.fn,
            "invented50": counts.fp,
        }

    @staticmethod
    def _truth(job: Job, shape: tuple[int, ...]) -> NDArray[np.integer[Any]]:
        assert job.truth is not None
        return read_labels(job.truth, shape, raw=job.raw, scratch=job.output.resolve().parent)

    def _rehearse(
        self, job: Job, image: TiffImage, pixel_size_um: tuple[float, ...] | None
    ) -> None:
        """Refuse what cannot be written, as long as nothing is lost by that."""
        shape = shape_of_output(self.network, image.data.shape)
        n_bytes = _N_BYTES_AN_ID * image.data.size
        # Held in files for a while.
        n_bytes += 4 * math.prod(shape) * is_large(shape)
        n_bytes += _N_BYTES_AN_ID * image.data.size * is_large(image.data.shape)
        pixel = Found(np.zeros((1,) * self.ndim, np.int32), image, pixel_size_um)
        rehearse(job.raw, job.output, n_bytes, lambda path: write_labels(path, pixel))

    def _by_windows(
        self,
        job: Job,
        image: TiffImage,
        pixel_size_um: tuple[float, ...] | None,
        each: Callable[[float], object],
    ) -> Found:
        """Objects of an image larger than memory; half of the work is the network's."""
        output = self._predicted(job, image.data, each)
        try:
            objects = self.ways.by_windows(
                output, core=_CORE[self.ndim], margin=_MARGIN[self.ndim], most=_LARGEST_WINDOW
            )
            found = on_disk(objects, image.data.shape, job.output.resolve().parent, each)
        except ValueError as error:
            raise ValueError(f"{job.raw}: {error}") from error
        return Found(found[0], image, pixel_size_um, found[1])

    def _predicted(
        self, job: Job, pixels: NDArray[Any], each: Callable[[float], object]
    ) -> NDArray[np.float32]:
        """Output of the network, with its channels first."""
        try:
            found = output_of(
                self.network,
                job.raw,
                pixels,
                tile=self.tile,
                halo=self.halo,
                overlap=0,
                scaling=None,
                precision=self.precision,
                each=each,
                scratch=job.output.resolve().parent,
            )
        except ValueError as error:
            told = str(error)
            raise ValueError(told if str(job.raw) in told else f"{job.raw}: {told}") from error
        return found if self.network.out_channels > 1 else found[np.newaxis]


class MeasurementTable:
    """Rows for all objects of all images, written image by image.

    The first image decides about the unit: of one whose pixel size is unknown, pixels.

    Parameters
    ----------
    path
        The table; rows of an earlier run are kept if they are about other images.
    jobs
        Images that will be measured.
    anew
        Whether to leave out what was there before.
    """

    def __init__(self, path: Path, jobs: Sequence[Job], *, anew: bool) -> None:
        self.path, self.columns = path, list[str]()
        self._kept: list[dict[str, Any]] = []
        self._begun = False
        names = {spelt(job.raw.name) for job in jobs}
        if path.exists() and not anew:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or ())
                # Of a run that was killed, the last line may be cut.
                whole = [row for row in reader if None not in row.values()]
            self._kept = [row for row in whole if row["file"] not in names]

    def add(self, job: Job, found: Found, each: Callable[[float], object]) -> None:
        """Measure the objects of an image, and write their rows; `each` as for `run`."""
        size = found.pixel_size_um
        if not self.columns and size is None:
            warnings.warn(
                f"{job.raw}: The file does not tell the size of its pixels, so all is measured in "
                "pixels. Add --pixel-size for µm.",
                UserWarning,
                stacklevel=2,
            )
        in_pixels = any("_px" in name for name in self.columns) or (not self.columns and not size)
        if size is None and not in_pixels:
            raise ValueError(
                f"{job.raw}: Expected a pixel size, as the images measured before have, got none. "
                "Add --pixel-size."
            )
        unit = (1.0,) * found.labels.ndim if in_pixels or size is None else size
        table = found.measured(unit, each)
        if in_pixels:
            table = {_in_pixels(name): column for name, column in table.items()}
        if not self.columns:
            self.columns = ["file", *table]
        values = zip(*(column.tolist() for column in table.values()), strict=True)
        names = {"file": spelt(job.raw.name)}
        self._write([names | dict(zip(table, row, strict=True)) for row in values])

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore", lineterminator="\n")
        if not self._begun:
            writer.writeheader()
            writer.writerows(self._kept)
        writer.writerows(rows)
        content = text.getvalue().encode()
        if self._begun:  # not all of it anew for each of a thousand images
            with self.path.open("ab") as file:
                file.write(content)
            return
        with replacing(self.path) as file:
            file.write(content)
        self._begun = True


def _in_pixels(name: str) -> str:
    """From area_um2 to area_px."""
    for unit in ("_um2", "_um3", "_um"):
        name = f"{name.removesuffix(unit)}_px" if name.endswith(unit) else name
    return name


def _trained(folder: Path) -> tuple[UNet, CompleteSegmentation]:
    """Best network of a training, and its configuration."""
    weights = best_weights(folder)
    config = read_complete(folder, todo="Name the folder given to aimicro train -o.")
    if not isinstance(config, CompleteSegmentation):
        raise ValueError(
            f"-m: Expected a network that segments images, got one that restores them in {folder}. "
            "Use aimicro apply, or name another folder."
        )
    network = load_model(weights)
    expected: dict[str, float | None] = {
        "ndim": config.ndim,
        "out_channels": out_channels(config),
        "channels": config.num_channels,
        "depth": config.depth,
    }
    if config.method == "stardist":
        expected["ray_px"] = config.ray_px
    if not isinstance(network, UNet) or network.scaling is None:
        raise ValueError(
            f"{weights}: Expected weights of a trained UNet, got {type(network).__name__}. Put "
            f"both weights and {COMPLETE} from one training into a folder."
        )
    told = network.config | {"ndim": network.ndim, "out_channels": network.out_channels}
    for name, value in expected.items():
        if told.get(name) != value:
            raise ValueError(
                f"{weights}: Expected weights for the network of {COMPLETE}, with {name} {value}, "
                f"got {told.get(name)}. Put both from one training into a folder."
            )
    return network, config
