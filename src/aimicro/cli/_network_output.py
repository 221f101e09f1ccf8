"""How a command gives an image to a network: read it, see to the room, run it tile by tile.

A private part of :mod:`aimicro.cli.apply` and :mod:`aimicro.cli.segment`, apart from them because
it loads torch.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aimicro.io import TiffImage, is_large, read_header, read_tiff, zeros_on_disk
from aimicro.models import Network
from aimicro.predict import predict, tiles
from aimicro.predict.tiles import Array, Precision
from aimicro.train.devices import native_bfloat16
from aimicro.train.scaling import Scaling

_KINDS = {2: "an image (Y, X)", 3: "a volume (Z, Y, X)"}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def precision_as_trained(mixed_precision: str, device: torch.device) -> Precision:
    """In what to compute: as the training was told, where the processor is quick at it."""
    if mixed_precision == "auto":
        return "bfloat16" if native_bfloat16(device) else "float32"
    return "bfloat16" if mixed_precision == "bfloat16" else "float32"


def read_image(file: Path, ndim: int, scratch: Path) -> TiffImage:
    """Read an image with as many axes as the network knows; a large one stays on disk."""
    shape = read_header(file).shape
    if len(shape) != ndim:
        raise ValueError(
            f"{file}: Expected {_KINDS[ndim]}, as the network was trained on, got shape "
            f"{shape}. A stack of one slice is an image."
        )
    image = read_tiff(file, pages="Z", scratch=scratch)
    data = image.data.reshape(shape)  # without a channel or time of length 1
    # A mask of true and false has no percentiles.
    data = data.view("u1") if data.dtype == bool else data
    return replace(image, data=data, axes="ZYX"[-ndim:])


@dataclass(frozen=True, eq=False)
class Film:
    """An image for a network, or several: one for each time point and channel.

    Attributes
    ----------
    data : ndarray
        `([T,] [C,] [Z,] Y, X)`.
    axes : str
        Its axes, out of TC, and those that the network knows.
    pixel_size_um : tuple of float or None
        Pixel size in µm along `[Z,] Y, X`.
    """

    data: NDArray[Any]
    axes: str
    pixel_size_um: tuple[float | None, ...]

    @property
    def places(self) -> list[tuple[int, ...]]:
        """Index of each image, time point by time point."""
        return list(np.ndindex(*self.data.shape[: len(self.axes.rstrip("ZYX"))]))

    def named(self, place: tuple[int, ...]) -> str:
        """Which image of the film this is, in words; nothing where there is only one."""
        words = {"T": "time point", "C": "channel"}
        numbered = zip(self.axes, place, strict=False)
        return "".join(f", {words[axis]} {k + 1}" for axis, k in numbered)


def read_film(file: Path, ndim: int, scratch: Path) -> Film:
    """Read all images of a file, each with as many axes as the network knows."""
    header = read_header(file, channels=True, times=True)
    space = header.axes.lstrip("TC")
    if len(space) != ndim:
        raise ValueError(
            f"{file}: Expected {_KINDS[ndim]}, as the network was trained on, got {header.axes} "
            f"{header.shape}. A stack of one slice is an image; where pages are time points or "
            "channels, say so in Fiji: Image > Properties."
        )
    image = read_tiff(file, pages="Z", scratch=scratch)
    order = [image.axes.index(axis) for axis in header.axes]
    rest = [axis for axis in range(image.data.ndim) if axis not in order]  # of length 1
    data = image.data.transpose([*rest, *order]).reshape(header.shape)
    data = data.view("u1") if data.dtype == bool else data
    return Film(data, header.axes, header.pixel_size_um)


def rehearse(raw: Path, output: Path, n_bytes: int, write: Callable[[Path], None]) -> None:
    """Refuse what cannot be written, as long as nothing is lost by that.

    Parameters
    ----------
    raw, output
        The image, and where its result goes.
    n_bytes
        What the result needs, with all that lies beside it for a while.
    write
        Writes a result of one pixel.
    """
    folder = output.resolve().parent
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OSError(
            f"{output}: Expected room for {n_bytes / 1e6:.3g} MB, got {free / 1e6:.3g} MB. "
            "Make room for them, or choose another -o."
        )
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".aimicro") as place:
            write(Path(place, "a.tif"))
    except ValueError as error:
        raise ValueError(f"{raw}: {error} In Fiji: Image > Properties.") from error
    except OSError as error:
        raise OSError(
            f"-o: Expected a folder that can be written to, got {folder}: "
            f"{error.strerror or error}. Choose another -o."
        ) from error


def not_written(output: Path, n_bytes: int, error: OSError) -> OSError:
    """What to say of a result that could not be written after all."""
    todo = "Make room for them, or choose" if error.errno in FULL else "Choose"
    return OSError(
        f"{output}: Expected to write {n_bytes / 1e6:.3g} MB, got: {error.strerror or error}. "
        f"{todo} another -o."
    )


def shape_of_output(network: Network, shape: Sequence[int]) -> tuple[int, ...]:
    """What `predict` gives for an image of this shape."""
    channels = network.out_channels
    return (channels, *shape) if channels > 1 else tuple(shape)


def output_of(
    network: Network,
    file: Path,
    pixels: NDArray[Any],
    *,
    tile: Sequence[int],
    halo: Sequence[int],
    overlap: Sequence[int] | int,
    scaling: Scaling | None,
    precision: Precision,
    each: Callable[[float], object],
    scratch: Path,
) -> Array:
    """Run a network over an image; `each` is told of every fraction that is done."""
    shape = shape_of_output(network, pixels.shape)
    out = zeros_on_disk(shape, np.float32, scratch) if is_large(shape) else None
    cut = tiles(pixels.shape, tile=tile, halo=halo, overlap=overlap, divisor=network.divisor)
    hook = network.register_forward_hook(
        lambda _, given, __: each(len(given[0]) / len(cut)) and None
    )
    try:
        return predict(
            network,
            pixels,
            tile=tile,
            halo=halo,
            overlap=overlap,
            scaling=scaling,
            precision=precision,
            out=out,
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        units = "voxels" if len(tile) == 3 else "pixels"
        raise ValueError(
            f"{file}: Expected enough memory for {tuple(tile)} {units} at once, got too "
            "little. Choose smaller blocks with -B, or a smaller --halo."
        ) from error
    finally:
        hook.remove()
