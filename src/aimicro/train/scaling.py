"""How intensities become the numbers that a network computes with, and back.

Stored with a network as `network.scaling`; whoever predicts applies it before and undoes it after.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro.checks import number
from aimicro.io import pieces
from aimicro.train._percentiles import percentiles

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """One shift and one scale: `(image - offset) / scale`.

    Attributes
    ----------
    offset : float
        The intensity that becomes 0.
    scale : float
        The step in intensity that becomes 1; above 0.

    Raises
    ------
    ValueError
        For numbers that are not finite, or a `scale` that is not above 0.

    Notes
    -----
    Computed in float64: float32 would round away a small contrast on a large offset.

    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> scale = Linear.of([np.array([[100.0, 300.0]])])
    >>> scale
    Linear(offset=200.0, scale=100.0)
    >>> scale.undo(scale.apply(np.array([150.0])))
    array([150.], dtype=float32)
    """

    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        hint = "Look for NaN, infinite or extreme pixels."
        object.__setattr__(self, "offset", number("offset", self.offset, hint=hint))
        object.__setattr__(self, "scale", number("scale", self.scale, above=0, hint=hint))

    @classmethod
    def of(cls, images: Iterable[ArrayLike]) -> Self:
        """Mean and standard deviation of the pixels of all `images`."""
        mean, deviation = mean_and_deviation(images)
        # A constant image has no scale of its own: leave its unit alone.
        return cls(offset=mean, scale=deviation or 1.0)

    def for_image(self, image: ArrayLike) -> Self:
        """Return itself: one scale for all images."""
        return self

    def apply(self, image: ArrayLike) -> Array:
        """From the image's unit to the network's."""
        values: NDArray[np.float64] = np.asarray(image, np.float64) - self.offset
        return np.asarray(values / self.scale, np.float32)

    def undo(self, image: ArrayLike) -> Array:
        """From the network's unit back to the image's."""
        values: NDArray[np.float64] = np.asarray(image, np.float64) * self.scale
        return np.asarray(values + self.offset, np.float32)


@dataclass(frozen=True)
class Percentile:
    """Each image by two percentiles of its own, as the published 3D-RCAN does.

    Attributes
    ----------
    low, high : float
        Percentiles, in percent of the pixels, that become 0 and 1.

    Raises
    ------
    ValueError
        If the percentiles are not in order, or not between 0 and 100.

    Notes
    -----
    Nothing is clipped: the brightest pixels come out above 1.

    Where this is the `output` of a `Scaling` and there is no truth to measure, a prediction is
    undone by the percentiles of the raw image. Noise widens those.

    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> image = np.arange(1001.0)
    >>> Percentile(2, 99.9).for_image(image).apply(image)[[20, 999]]
    array([0., 1.], dtype=float32)
    """

    low: float = 2.0
    high: float = 99.9

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(
                f"Expected percentiles from 0 to 100, low below high, got {self.low} and "
                f"{self.high}. The defaults are 2 and 99.9."
            )

    def for_image(self, image: ArrayLike) -> Linear:
        """The scale of this image; that of a constant one leaves its unit alone.

        A large image is read, but not copied.
        """
        pixels: NDArray[Any] = np.asarray(image)
        pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
        low, high = percentiles(pixels, (self.low, self.high))
        if low == high and pixels.min() < pixels.max():
            raise ValueError(
                f"Expected structure, got {low:g} in all but a few pixels: percentiles "
                f"{self.low:g} and {self.high:g} are the same, and cannot become 0 and 1. Crop the "
                "image to its structure, leave it out, or choose others, for example 0 and 100."
            )
        return Linear(offset=low, scale=high - low or 1.0)


@dataclass(frozen=True)
class Scaling:
    """How a network's input was scaled, and how its output is to be undone.

    Attributes
    ----------
    input : Linear or Percentile
        Applied to every image.
    output : Linear, Percentile or None
        Applied to the truth and undone after prediction. None: left as it is, for masks, logits,
        distances and flows.

    Notes
    -----
    Used in chapter 6, *Denoising*, and in appendix A.
    """

    input: Linear | Percentile = Linear()
    output: Linear | Percentile | None = Linear()

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, as a file of weights holds them."""
        return {
            name: scale and {"kind": type(scale).__name__.lower(), **asdict(scale)}
            for name, scale in (("input", self.input), ("output", self.output))
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Undo `to_dict`; ValueError, KeyError or TypeError for what it never gave."""
        kinds: dict[str, type[Linear | Percentile]] = {"linear": Linear, "percentile": Percentile}
        first, last = (
            None
            if name == "output" and values[name] is None
            else kinds[values[name]["kind"]](
                **{key: value for key, value in values[name].items() if key != "kind"}
            )
            for name in ("input", "output")
        )
        assert first is not None
        return cls(first, last)


def mean_and_deviation(images: Iterable[ArrayLike]) -> tuple[float, float]:
    """Mean and standard deviation of all pixels, in float64, a part of an image at a time.

    Parameters
    ----------
    images : iterable of array_like
        Of any real type.

    Returns
    -------
    mean, deviation : float
        Of the pixels of all images together.

    Notes
    -----
    The deviations of two parts from their own means are combined as in Chan et al. [1]_: sums of
    squares would lose a small contrast on a large offset.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
       The American Statistician 37, 242-247 (1983). doi:10.1080/00031305.1983.10483115
    """
    count, mean, squares = 0, 0.0, 0.0
    for image in images:
        for part in pieces(np.asarray(image)):
            its_mean = float(part.mean(dtype=np.float64))
            deviations = np.subtract(part, its_mean, dtype=np.float64)
            step, total = its_mean - mean, count + part.size
            squares += float(np.square(deviations).sum()) + step**2 * count * part.size / total
            mean += step * part.size / total
            count = total
    return mean, math.sqrt(squares / count) if count else 0.0
