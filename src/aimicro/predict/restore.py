"""Restore a stack block by block, put it into the unit that is asked for, and score it.

Memory holds a block and what the network makes of it. A stack is cut into blocks where it lies, in
memory or in a mapped file, and if it is large, so is what is put together from the restored ones. A
change of unit is a gain and an offset, applied to a box or a plane at a time, where these are
scored or written.

Used in appendix A, *Denoising*.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aimicro.io import Planes
from aimicro.io.large import is_large, zeros_on_disk
from aimicro.metrics.restoration import mse, ssim
from aimicro.predict.tiles import Array, predict
from aimicro.train.patches import Normalisation

DATA_RANGE = 1.0  # of scores: in normalised units, from the low percentile to the high one
DEFAULT_HALO = 6  # what is farther away changed trained networks by 0.2 % of the range at most
_EDGE = {2: 1000, 3: 100}  # of boxes with a million voxels, which are computed with at a time
_SSIM_WINDOW = 11


# ---- blocks


class Blocks(NamedTuple):
    """How an image is cut, in voxels along (z, y, x) or (y, x).

    Attributes
    ----------
    shape
        Of a block.
    overlap
        Over which one block fades linearly into the next.
    halo
        What the network sees of the image around a block.
    """

    shape: tuple[int, ...]
    overlap: tuple[int, ...]
    halo: tuple[int, ...]

    @property
    def tile(self) -> tuple[int, ...]:
        """What the network gets at once: a block with its halo."""
        return tuple(size + 2 * halo for size, _, halo in zip(*self, strict=True))

    def count(self, image: Sequence[int]) -> int:
        """Number of blocks in an image of this shape."""
        return math.prod(
            math.ceil((size - overlap - 2 * halo) / (block - overlap)) if size > tile else 1
            for size, tile, block, overlap, halo in zip(image, self.tile, *self, strict=True)
        )


def blocks(
    ndim: int,
    shape: Sequence[int],
    overlap: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
) -> Blocks:
    """Check how an image shall be cut, and fill in what is not told.

    Parameters
    ----------
    ndim
        Axes of the image, 2 or 3.
    shape
        Of a block, in voxels; an image may be smaller.
    overlap
        By default an eighth of the block and at least 1, but 0 where the block is 1 or 2 thick:
        the values of the published 3D-RCAN.
    halo
        By default 6 along each axis; the published 3D-RCAN has none.

    Returns
    -------
    Blocks
        For `restore`.

    Raises
    ------
    ValueError
        For another number of axes, sizes out of range, or an overlap above half the block.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> cut = blocks(3, (16, 256, 256), halo=(0, 0, 0))
    >>> cut.overlap, cut.count((64, 512, 512))
    ((2, 32, 32), 45)
    """
    if overlap is None:
        overlap = [max(1, size // 8) if size > 2 else 0 for size in shape]
    if halo is None:
        halo = [DEFAULT_HALO] * ndim
    for name, sizes, least in (("block", shape, 1), ("overlap", overlap, 0), ("halo", halo, 0)):
        if len(sizes) != ndim or min(sizes) < least:
            raise ValueError(
                f"Expected {ndim} whole numbers of {least} or more for the {name}, got "
                f"{_commas(sizes)}. Write one for each axis, {_commas('zyx'[-ndim:])}."
            )
    if any(2 * shared > size for shared, size in zip(overlap, shape, strict=True)):
        raise ValueError(
            f"Expected an overlap of at most half the block, {_commas(shape)}, got "
            f"{_commas(overlap)}. Choose a smaller overlap or larger blocks."
        )
    return Blocks(tuple(shape), tuple(overlap), tuple(halo))


def _commas(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


# ---- restoring


class InFloat32(nn.Module):
    """A layer that computes in float32 also where others compute with short numbers.

    bfloat16 tells 256 values from each power of two to the next: as a last layer that would leave
    some 400 grey levels in the image.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = self.layer(x.float())
        return result


class _Restorer(nn.Module):
    """From the intensities of a file to restored ones in normalised units."""

    def __init__(
        self,
        model: nn.Module,
        of_file: Normalisation,
        bfloat16: bool,
        each_block: Callable[[], object],
    ) -> None:
        super().__init__()
        self.model, self.of_file = model, of_file
        self.in_bfloat16, self.each_block = bfloat16, each_block

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and restore one block."""
        normalised = (x - self.of_file.offset) / self.of_file.scale
        # PyTorch 2.13 takes unwritten memory for numbers where a convolution in bfloat16 is deeper
        # than its volume, here 3 voxels.
        enough = x.dim() == 4 or x.shape[2] >= 3
        in_bfloat16 = self.in_bfloat16 and enough
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=in_bfloat16):
            restored: Tensor = self.model(normalised)
        self.each_block()
        return restored


def restore(
    model: nn.Module,
    image: NDArray[Any],
    cut: Blocks,
    *,
    normalisation: Normalisation,
    bfloat16: bool = False,
    each_block: Callable[[], object] = lambda: None,
    scratch: Path | None = None,
) -> Array:
    """Restore an image with blocks that fade into each other.

    Parameters
    ----------
    model
        Takes and gives `(1, 1, [Z,] Y, X)` in normalised units.
    image
        `(Y, X)` or `(Z, Y, X)`, in any unit.
    cut
        The blocks.
    normalisation
        From the unit of the image to the one of the network.
    bfloat16
        Let the network compute with short numbers, which is faster where the processor has them.
    each_block
        Called after each block.
    scratch
        Folder for a temporary file, which instead of memory holds the result if it has more than
        2^24 voxels (64 x 512 x 512). The file is gone when the result is.

    Returns
    -------
    ndarray
        float32, of the shape of `image`, in normalised units.

    Raises
    ------
    OSError
        If there is no room for the file.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    restorer = _Restorer(model, normalisation, bfloat16, each_block)
    result = None
    if scratch and is_large(image.shape):
        result = zeros_on_disk(image.shape, np.float32, scratch)
    return predict(restorer, image, tile=cut.tile, halo=cut.halo, blend=cut.overlap, out=result)


# ---- units


@dataclass(frozen=True, eq=False)
class Channel:
    """An image in another unit: `gain * (pixels - origin) + offset`, computed where it is read.

    Parameters
    ----------
    pixels
        `(Y, X)` or `(Z, Y, X)`, of any real type.
    origin, gain, offset
        The change of unit.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> counts = Channel(np.array([[100, 300]], np.uint16), origin=100, gain=1 / 200)
    >>> counts.scaled(3, 1)[0]
    array([1., 4.])
    """

    pixels: NDArray[Any]
    origin: float = 0.0
    gain: float = 1.0
    offset: float = 0.0

    @classmethod
    def normalised(cls, pixels: NDArray[Any], normalisation: Normalisation) -> Self:
        """Give the image in the unit of the network."""
        return cls(pixels, origin=normalisation.offset, gain=1 / normalisation.scale)

    def scaled(self, gain: float, offset: float = 0.0) -> Self:
        """Multiply the values, and add to them."""
        return replace(self, gain=gain * self.gain, offset=gain * self.offset + offset)

    def zero_to_one(self) -> Self:
        """Give the darkest pixel the value 0 and the brightest 1; a constant image is 0."""
        low, high = float(self.pixels.min()), float(self.pixels.max())
        return replace(self, origin=low, gain=1 / (high - low) if high > low else 0.0, offset=0.0)

    def __getitem__(self, window: Any) -> NDArray[np.float64]:
        values = self.pixels[window].astype(np.float64)
        return np.asarray(self.gain * (values - self.origin) + self.offset)


def interleaved(channels: Sequence[Channel], *, bits: int) -> Planes:
    """Stack channels to `([Z,] C, Y, X)`; a single one stays `([Z,] Y, X)`.

    Parameters
    ----------
    channels
        Images of one shape.
    bits
        32 for float32; 8 or 16 for whole numbers, to which the values are rounded and clipped.

    Returns
    -------
    Planes
        For `aimicro.io.write_tiff`.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    *depth, height, width = channels[0].pixels.shape
    dtype = np.dtype(np.float32 if bits == 32 else f"uint{bits}")

    def planes() -> Iterator[NDArray[Any]]:
        for plane in np.ndindex(*depth):
            for channel in channels:
                values = channel[plane]
                if bits != 32:
                    values = np.clip(np.rint(values), 0, 2**bits - 1)
                yield values.astype(dtype)

    count = (len(channels),) if len(channels) > 1 else ()
    return Planes((*depth, *count, height, width), dtype, planes())


# ---- scores


class Score(NamedTuple):
    """How close an image is to the truth.

    Attributes
    ----------
    psnr : float
        In decibels, for a data range of 1.
    ssim : float
        For a data range of 1. Of a stack with fewer than 11 planes it is the mean over the planes,
        and of planes below 11 x 11 pixels, which have no window, NaN.
    mse : float
        Mean squared error.
    """

    psnr: float
    ssim: float
    mse: float


def score(truth: Channel, image: Channel) -> Score:
    """Compare an image with its truth, both in normalised units.

    The numbers are those of `aimicro.metrics.restoration`, computed box by box.

    Parameters
    ----------
    truth, image
        Of one shape.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    error = _mean(lambda box: mse(truth[box], image[box]), truth.pixels.shape)
    psnr = 10 * math.log10(DATA_RANGE**2 / error) if error else math.inf
    return Score(psnr, _ssim(truth, image), error)


def affine_to(truth: Channel, image: Channel) -> Channel:
    """Bring an image to the scale of the truth, as `aimicro.metrics.restoration.affine_fit` does.

    Parameters
    ----------
    truth, image
        Of one shape. A constant image becomes the mean of the truth.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    shape = truth.pixels.shape

    def mean(function: Callable[[Any], NDArray[np.float64]]) -> float:
        return _mean(lambda box: float(function(box).mean()), shape)

    t_mean, x_mean = mean(lambda box: truth[box]), mean(lambda box: image[box])
    power = mean(lambda box: (image[box] - x_mean) ** 2)
    shared = mean(lambda box: (image[box] - x_mean) * (truth[box] - t_mean))
    constant = power == 0 or image.pixels.min() == image.pixels.max()
    gain = 0.0 if constant else shared / power
    return image.scaled(gain, t_mean - gain * x_mean)


def _ssim(truth: Channel, image: Channel) -> float:
    shape = truth.pixels.shape
    if min(shape[-2:]) < _SSIM_WINDOW:
        return math.nan
    if min(shape) < _SSIM_WINDOW:
        planes = [[replace(c, pixels=c.pixels[z]) for c in (truth, image)] for z in range(shape[0])]
        return sum(_ssim(*plane) for plane in planes) / len(planes)
    return _mean(
        lambda box: ssim(truth[box], image[box], data_range=DATA_RANGE),
        shape,
        shared=_SSIM_WINDOW - 1,
    )


def _mean(function: Callable[[Any], float], shape: tuple[int, ...], *, shared: int = 0) -> float:
    """Mean over an image of what a function says of each box of it.

    Along each axis, the last `shared` voxels of a box are the first ones of the next.
    """
    edge, sizes = _EDGE[len(shape)], [size - shared for size in shape]
    total = 0.0
    for corner in itertools.product(*(range(0, size, edge) for size in sizes)):
        lengths = [min(edge, size - start) for start, size in zip(corner, sizes, strict=True)]
        ends = (start + length + shared for start, length in zip(corner, lengths, strict=True))
        total += math.prod(lengths) * function(tuple(map(slice, corner, ends)))
    return total / math.prod(sizes)
