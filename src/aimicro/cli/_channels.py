"""Images in another unit, scored and written part by part, so that none is in memory as a whole."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from aimicro.io import Planes
from aimicro.metrics.restoration import mse, ssim
from aimicro.predict import tiles
from aimicro.train.scaling import Linear

DATA_RANGE = 1.0  # of scores: in normalised units, from the low percentile to the high one
_BOX = {2: 1000, 3: 100}  # edge of what is computed with at a time, a million voxels
_SSIM_WINDOW = 11
_Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Channel:
    """An image in another unit: `gain * (pixels - origin) + offset`, computed where it is read.

    Attributes
    ----------
    pixels : ndarray
        `(Y, X)` or `(Z, Y, X)`, of any real type.
    origin, gain, offset : float
        The change of unit.

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
    def normalised(cls, pixels: NDArray[Any], scale: Linear) -> Self:
        """Give the image in the unit of the network."""
        return cls(pixels, origin=scale.offset, gain=1 / scale.scale)

    def scaled(self, gain: float, offset: float = 0.0) -> Self:
        """Multiply the values, and add to them."""
        return replace(self, gain=gain * self.gain, offset=gain * self.offset + offset)

    def plane(self, z: int) -> Self:
        """Give a plane of a volume."""
        return replace(self, pixels=self.pixels[z])

    def zero_to_one(self) -> Self:
        """Give the darkest pixel the value 0 and the brightest 1; a constant image is 0."""
        low, high = float(self.pixels.min()), float(self.pixels.max())
        return replace(self, origin=low, gain=1 / (high - low) if high > low else 0.0, offset=0.0)

    def __getitem__(self, window: Any) -> NDArray[np.float64]:
        values = self.pixels[window].astype(np.float64)
        return np.asarray(self.gain * (values - self.origin) + self.offset)


def interleaved(frames: Sequence[Sequence[Channel]], *, bits: int, film: bool) -> Planes:
    """Stack the channels of time points to `([T,] [Z,] [C,] Y, X)`.

    Parameters
    ----------
    frames : sequence of sequence of Channel
        For each time point its channels, as many everywhere, of one shape; a single one needs no
        axis C.
    film : bool
        Whether there is an axis T; otherwise there is one time point.
    bits : int
        32 for float32; 8 or 16 for whole numbers, to which the values are rounded and clipped.

    Returns
    -------
    Planes
        For `aimicro.io.write_tiff`.
    """
    *depth, height, width = frames[0][0].pixels.shape
    dtype = np.dtype(np.float32 if bits == 32 else f"uint{bits}")

    def planes() -> Iterator[NDArray[Any]]:
        for channels in frames:
            for plane in np.ndindex(*depth):
                for channel in channels:
                    values = channel[plane].astype(np.float32)
                    if bits != 32:
                        values = np.clip(np.rint(values), 0, 2**bits - 1)
                    yield values.astype(dtype)

    times = (len(frames),) if film else ()
    count = (len(frames[0]),) if len(frames[0]) > 1 else ()
    return Planes((*times, *depth, *count, height, width), dtype, planes())


class Score(NamedTuple):
    """How close an image is to the truth, for a data range of 1.

    Attributes
    ----------
    psnr : float
        In decibels.
    ssim : float
        Of a stack with fewer than 11 planes it is the mean over the planes, and of planes below
        11 x 11 pixels, which have no window, NaN.
    mse : float
        Mean squared error.
    """

    psnr: float
    ssim: float
    mse: float


def score(
    truth: Channel, image: Channel, *, each: Callable[[float], object] = lambda _: None
) -> Score:
    """Compare an image with its truth by the numbers of `aimicro.metrics.restoration`.

    Parameters
    ----------
    truth, image : Channel
        Of one shape, in normalised units.
    each : callable, optional
        Is told of every fraction of the work that is done.

    Returns
    -------
    Score
        The numbers.
    """
    error = _mean(lambda box: mse(truth[box], image[box]), truth.pixels.shape)
    psnr = 10 * math.log10(DATA_RANGE**2 / error) if error else math.inf
    return Score(psnr, _ssim(truth, image, each), error)  # what takes the time


def affine_to(truth: Channel, image: Channel) -> Channel:
    """Bring an image to the scale of the truth, as `aimicro.metrics.restoration.affine_fit` does.

    Parameters
    ----------
    truth, image : Channel
        Of one shape.

    Returns
    -------
    Channel
        The image; a constant one becomes the mean of the truth.
    """
    shape = truth.pixels.shape

    def mean(function: Callable[[_Box], NDArray[np.float64]]) -> float:
        return _mean(lambda box: float(function(box).mean()), shape)

    t_mean, x_mean = mean(lambda box: truth[box]), mean(lambda box: image[box])
    power = mean(lambda box: (image[box] - x_mean) ** 2)
    shared = mean(lambda box: (image[box] - x_mean) * (truth[box] - t_mean))
    constant = power == 0 or image.pixels.min() == image.pixels.max()
    gain = 0.0 if constant else shared / power
    return image.scaled(gain, t_mean - gain * x_mean)


def _ssim(truth: Channel, image: Channel, each: Callable[[float], object]) -> float:
    shape = truth.pixels.shape
    if min(shape[-2:]) < _SSIM_WINDOW:
        return math.nan
    if min(shape) < _SSIM_WINDOW:
        part = 1 / len(truth.pixels)
        planes = ((truth.plane(z), image.plane(z)) for z in range(len(truth.pixels)))
        total: float = sum(_ssim(t, x, lambda f: each(part * f)) for t, x in planes)
        return part * total
    return _mean(
        lambda box: ssim(truth[box], image[box], data_range=DATA_RANGE),
        shape,
        shared=_SSIM_WINDOW - 1,
        each=each,
    )


def _mean(
    function: Callable[[_Box], float],
    shape: tuple[int, ...],
    *,
    shared: int = 0,
    each: Callable[[float], object] = lambda _: None,
) -> float:
    """Mean over an image of what a function says of each box of it.

    Neighbouring boxes share some voxels, and each counts as much as it has voxels more.
    """
    total, everything = 0.0, math.prod(size - shared for size in shape)
    for box, _ in tiles(shape, tile=_BOX[len(shape)], overlap=shared):
        part = math.prod(s.stop - s.start - shared for s in box) / everything
        total += part * function(box)
        each(part)
    return total
