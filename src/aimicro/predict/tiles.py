"""Apply a network to an image of any size, tile by tile, without seams.

A network sees only its surroundings: near the edge of a tile it lacks some of them. So every tile
is cut with a *halo* that is computed and thrown away, and what remains of neighbouring tiles
overlaps by a few pixels in which one fades into the other.

Used in chapter 6, *Denoising*.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from tqdm import tqdm

from aimicro.io.large import parts

Array = NDArray[np.float32]


def predict(
    model: nn.Module,
    image: ArrayLike,
    *,
    tile: int | Sequence[int] = 512,
    halo: int | Sequence[int] | None = None,
    blend: int | Sequence[int] = 16,
    progress: bool = False,
    out: Array | None = None,
) -> Array:
    """Restore an image or a volume.

    Parameters
    ----------
    model
        Takes and gives `(1, 1, [Z,] Y, X)`, on whatever device it lies. If it has a
        `normalisation`, that is applied before and undone after.
    image
        `(Y, X)` or `(Z, Y, X)`, in the unit of the training images.
    tile
        Largest size of what the network gets at once, for all axes or for each, in pixels.
        Memory grows with the tile, not with the image.
    halo
        Width of the border of a tile that is thrown away. By default the `receptive_radius` of
        the network: then no tile size changes the result. For a network without one, 32.
    blend
        Width over which a tile fades into the next.
    progress
        Show a progress bar.
    out
        Where the result goes, for example a `numpy.memmap`: a float32 array of the shape of
        `image`. With an `image` that is mapped, too, memory holds no more than a tile.

    Returns
    -------
    ndarray
        float32, of the shape and in the unit of `image`; `out`, if that is given.

    Raises
    ------
    ValueError
        For an image that is not 2D or 3D, empty, complex, or has NaN or infinite pixels, for a
        tile too small for its halo, and for an `out` that does not fit.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> import torch
    >>> network = torch.nn.Identity()
    >>> predict(network, np.ones((100, 70)), tile=48, halo=8).shape
    (100, 70)
    """
    values = _checked(image)
    normalisation = getattr(model, "normalisation", None)
    divisor = getattr(model, "divisor", 1)
    if halo is None:
        halo = getattr(model, "receptive_radius", 32)
    tiles, halos, blends = (_each(setting, values.ndim) for setting in (tile, halo, blend))
    axes = [
        _tiles_along(*settings, divisor)
        for settings in zip(values.shape, tiles, halos, blends, strict=True)
    ]
    restored = _zeros(values.shape, out)
    count = math.prod(len(along) for along in axes)
    for place in tqdm(itertools.product(*axes), total=count, disable=not progress, unit="tile"):
        window = tuple(slice(start, start + len(fade)) for start, fade in place)
        part = values[window].astype(np.float32)
        result = _apply(model, normalisation.apply(part) if normalisation else part, divisor)
        # The fade of a tile is the product of the fades along its axes.
        fade = functools.reduce(np.multiply.outer, [fade for _, fade in place])
        restored[window] += fade * result
    if normalisation:
        for index in range(len(restored)):
            restored[index] = normalisation.undo(restored[index])
    return restored


def _tiles_along(
    size: int, tile: int, halo: int, blend: int, divisor: int
) -> list[tuple[int, Array]]:
    """Where tiles begin along one axis, and how much each counts: the fades sum to 1."""
    if size <= tile:
        return [(0, np.ones(size, np.float32))]
    # Tiles begin on the grid on which the network halves the image; so all halve it alike.
    tile -= tile % divisor
    stride = (tile - 2 * halo - blend) // divisor * divisor
    if halo < 0 or blend < 0 or stride < 1:
        raise ValueError(
            f"Expected tiles of {2 * halo + blend + 2 * divisor} pixels or more for a halo of "
            f"{halo} and a blend of {blend}, got {tile}. Choose larger tiles."
        )
    count = math.ceil((size - tile) / stride) + 1
    tiles = []
    for index in range(count):
        start = index * stride
        length = min(tile, size - start)
        distance = np.arange(length)
        # Zero over the halo, then a ramp; but the image's own borders are kept.
        left = distance - halo if index else np.inf
        right = distance[::-1] - halo if index < count - 1 else np.inf
        inside = np.minimum(left, right) + np.zeros(length)
        tiles.append((start, np.clip((inside + 1) / (blend + 1), 0, 1).astype(np.float32)))
    total = np.zeros(size, np.float32)
    for start, fade in tiles:
        total[start : start + len(fade)] += fade
    return [(start, fade / total[start : start + len(fade)]) for start, fade in tiles]


@torch.no_grad()
def _apply(model: nn.Module, part: Array, divisor: int) -> Array:
    """Run the network on one tile, padded by reflection to a size that it can halve."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    padding = [(0, -size % divisor) for size in part.shape]
    padded = torch.from_numpy(np.pad(part, padding, mode="reflect"))
    model.eval()
    result: Array = model(padded[None, None].to(device))[0, 0].float().cpu().numpy()
    return result[tuple(slice(size) for size in part.shape)]


def _each(value: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    values = (value,) * ndim if isinstance(value, int) else tuple(value)
    if len(values) != ndim:
        raise ValueError(f"Expected one number or {ndim}, one for each axis, got {values}.")
    return values


def _zeros(shape: tuple[int, ...], out: Array | None) -> Array:
    if out is None:
        return np.zeros(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32:
        raise ValueError(
            f"Expected an array of the image's shape {shape} in float32 for the result, got "
            f"{out.shape} in {out.dtype}. Leave out away to get a new one."
        )
    out[...] = 0
    return out


def _checked(image: ArrayLike) -> NDArray[Any]:
    values = np.asarray(image)
    if values.ndim not in (2, 3) or values.size == 0 or np.iscomplexobj(values):
        raise ValueError(
            f"Expected a real image (Y, X) or volume (Z, Y, X), got {values.dtype} of shape "
            f"{values.shape}. Choose one channel and one time point."
        )
    n_bad = sum(part.size - np.count_nonzero(np.isfinite(part)) for part in parts(values))
    if n_bad:
        raise ValueError(
            f"Expected finite pixels, got {n_bad} NaN or infinite ones of {values.size}. "
            "Replace them first, for example with np.nan_to_num."
        )
    return values
