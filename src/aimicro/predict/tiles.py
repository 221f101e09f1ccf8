"""Apply a network to an image of any size, tile by tile, without seams.

A network sees only its surroundings: near the edge of a tile it lacks some of them. So every tile
is cut with a *halo* that is computed and thrown away, and what remains of neighbouring tiles
overlaps by a few pixels in which one fades into the other.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm import tqdm

from aimicro import checks
from aimicro.io import parts
from aimicro.train.scaling import Linear, Scaling

Array = NDArray[np.float32]
Precision = Literal["float32", "bfloat16"]

# With 32 channels in float32, each feature map takes some 64 MB.
_DEFAULT_TILE = {2: (512, 512), 3: (32, 128, 128)}
# PyTorch 2.13 has a fast way through a convolution, but not for a single small volume.
_VOXELS_AT_ONCE = 2**17
_THINNEST = 3  # slices that a network must see to compute with short numbers


class Tile(NamedTuple):
    """A part of an image, and how much each of its pixels counts in the whole.

    Attributes
    ----------
    window : tuple of slice
        Where it lies along each axis.
    fades : tuple of ndarray
        Weights along each axis, from 0 to 1, whose product is the weight of a pixel.
    """

    window: tuple[slice, ...]
    fades: tuple[Array, ...]

    @property
    def weight(self) -> Array:
        """Weight of each pixel; those of all tiles sum to 1."""
        return functools.reduce(np.multiply.outer, self.fades)


class Tiles:
    """The tiles of an image, each made when it is its turn: all of many would take memory.

    Parameters
    ----------
    axes : sequence of list of (int, ndarray)
        Where tiles begin along each axis, and their weights there.
    """

    def __init__(self, axes: Sequence[list[tuple[int, Array]]]) -> None:
        self.axes = axes

    def __len__(self) -> int:
        return math.prod(map(len, self.axes))

    def __iter__(self) -> Iterator[Tile]:
        for place in itertools.product(*self.axes):
            window = tuple(slice(start, start + len(fade)) for start, fade in place)
            yield Tile(window, tuple(fade for _, fade in place))

    def batches(self, size: int) -> Iterator[list[Tile]]:
        """Tiles of one shape, so many at a time, or fewer at the end."""
        alike = [
            [list(places) for _, places in itertools.groupby(axis, key=lambda place: len(place[1]))]
            for axis in self.axes
        ]
        for axes in itertools.product(*alike):
            tiles = iter(Tiles(axes))
            while batch := list(itertools.islice(tiles, size)):
                yield batch


def predict(
    network: nn.Module,
    image: ArrayLike,
    *,
    tile: int | Sequence[int] | None = None,
    halo: int | Sequence[int] | None = None,
    overlap: int | Sequence[int] = 16,
    scaling: Scaling | None = None,
    precision: Precision = "float32",
    batch_size: int | None = None,
    progress: bool = False,
    out: Array | None = None,
) -> Array:
    """Apply a network to an image or a volume.

    Parameters
    ----------
    network : torch.nn.Module
        Takes and gives `(N, C, [Z,] Y, X)`, on whatever device it lies. Afterwards it is in the
        mode, training or evaluation, in which it was.
    image : array_like
        `(Y, X)` or `(Z, Y, X)`, in the unit of the training images; `(C, Y, X)` or
        `(C, Z, Y, X)` for a network that takes several channels.
    tile : int or sequence of int, optional
        Largest size of what the network sees at once, for all axes or for each, in pixels. Memory
        grows with the tile, not with the image. By default 512 in 2D and (32, 128, 128) in 3D, or
        more where halo and overlap would leave less than half of that.
    halo : int or sequence of int, optional
        Width of the border of a tile that is thrown away. By default the `receptive_radius` of
        the network: then no tile size changes the result. For a network without one, 32. In 3D,
        deep networks are much faster with less: 6 is what ``aimicro apply`` takes.
    overlap : int or sequence of int
        Width over which a tile fades into the next.
    scaling : Scaling, optional
        From the unit of the image to that of the network, and back. By default the network's own.
    precision : {"float32", "bfloat16"}
        With ``"bfloat16"`` all but the last convolution are computed with short numbers, which is
        faster where the processor has them. Volumes too thin for that are computed in float32.
    batch_size : int, optional
        How many tiles the network gets at a time, each on its own. By default one of an image, and
        as many of a volume as fill 64 x 64 x 32 voxels: alone, small ones take a processor up to
        seven times as long.
    progress : bool
        Show a progress bar.
    out : ndarray, optional
        Where the result goes, for example a `numpy.memmap`, in float32. With an `image` that is
        mapped, too, memory holds no more than a tile.

    Returns
    -------
    ndarray
        float32 `(Y, X)` or `(Z, Y, X)`, or `(C, …)` where the network gives several channels;
        `out`, if that is given.

    Raises
    ------
    ValueError
        For an image that does not fit the network, is empty, complex, or has NaN or infinite
        pixels, for a tile too small for its halo, a `batch_size` below 1, and an `out` that does
        not fit.

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
    pixels = _pixels(network, image)
    checks.one_of("precision", precision, ("float32", "bfloat16"))
    shape, divisor = pixels.shape[1:], getattr(network, "divisor", 1)
    halo = getattr(network, "receptive_radius", 32) if halo is None else halo
    tile = _default_tile(len(shape), halo, overlap) if tile is None else tile
    at_once = _batch_size(shape, tile) if batch_size is None else batch_size
    at_once = checks.whole("batch_size", at_once, low=1, hint="Leave it out for the usual.")
    alike = at_once > 1
    cut = tiles(shape, tile=tile, halo=halo, overlap=overlap, divisor=divisor, alike=alike)
    scaling = scaling or getattr(network, "scaling", None) or Scaling()
    scale = scaling.input.for_image(pixels)
    restored = None
    bar = tqdm(total=len(cut), disable=not progress, unit="tile")
    with _evaluating(network, precision), bar:
        for batch in cut.batches(at_once):
            scaled = (scale.apply(pixels[:, *part.window]) for part in batch)
            results = _apply(network, scaled, divisor, precision)
            for part, result in zip(batch, results, strict=True):
                if restored is None:
                    restored = _zeros(len(result), shape, out)
                inside = (slice(len(fade)) for fade in part.fades)
                restored[:, *part.window] += part.weight * result[:, *inside]
            bar.update(len(batch))
    assert restored is not None
    if scaling.output is not None:
        _undo(scaling.output.for_image(pixels), restored)
    return _without_single_channel(restored) if out is None else out


def tiles(
    shape: Sequence[int],
    *,
    tile: int | Sequence[int],
    halo: int | Sequence[int] = 0,
    overlap: int | Sequence[int] = 0,
    divisor: int = 1,
    alike: bool = False,
) -> Tiles:
    """Cut an image into tiles that fade into each other.

    Parameters
    ----------
    shape : sequence of int
        Of the image, without channels, in pixels.
    tile : int or sequence of int
        Largest size of a tile, with its halo.
    halo : int or sequence of int
        Width of the border of a tile that does not count, but at the borders of the image.
    overlap : int or sequence of int
        Width over which a tile fades into the next.
    divisor : int
        Tiles begin at its multiples.
    alike : bool
        Let the last tile of each axis begin early enough to be as long as the others, as near as
        the divisor allows, so that a network can take several at once. Two overlap farther there.

    Returns
    -------
    Tiles
        Of each a `Tile`, in the order of the axes, the last running fastest.

    Raises
    ------
    ValueError
        For tiles too small for their halo and overlap.

    Notes
    -----
    Used in chapter 6, *Denoising*, and in appendix A.

    Examples
    --------
    >>> first, second = tiles((5,), tile=3, overlap=1)
    >>> second.window, second.weight
    ((slice(2, 5, None),), array([0.5, 1. , 1. ], dtype=float32))
    """
    ndim = len(shape)
    settings = (
        checks.per_axis("tile", tile, ndim, whole_from=1),
        checks.per_axis("halo", halo, ndim, whole_from=0),
        checks.per_axis("overlap", overlap, ndim, whole_from=0),
    )
    sides = zip(shape, *settings, strict=True)
    return Tiles([_along(*sizes, divisor, alike) for sizes in sides])


def _along(
    size: int, tile: int, halo: int, overlap: int, divisor: int, alike: bool
) -> list[tuple[int, Array]]:
    """Where tiles begin along one axis, and how much each counts: the fades sum to 1."""
    if size <= tile:
        return [(0, np.ones(size, np.float32))]
    # Tiles begin on the grid on which the network halves the image; so all halve it alike.
    tile -= tile % divisor
    stride = (tile - 2 * halo - overlap) // divisor * divisor
    if stride < 1:
        raise ValueError(
            f"Expected tiles of {2 * halo + overlap + 2 * divisor} pixels or more for a halo of "
            f"{halo} and an overlap of {overlap}, got {tile}. Choose larger tiles."
        )
    count = math.ceil((size - tile) / stride) + 1
    found = []
    for index in range(count):
        start = index * stride
        if alike:
            start = min(start, math.ceil((size - tile) / divisor) * divisor)
        length = min(tile, size - start)
        distance = np.arange(length)
        # Zero over the halo, then a ramp; but the image's own borders are kept.
        left = distance - halo if index else np.inf
        right = distance[::-1] - halo if index < count - 1 else np.inf
        inside = np.minimum(left, right) + np.zeros(length)
        found.append((start, np.clip((inside + 1) / (overlap + 1), 0, 1).astype(np.float32)))
    total = np.zeros(size, np.float32)
    for start, fade in found:
        total[start : start + len(fade)] += fade
    return [(start, fade / total[start : start + len(fade)]) for start, fade in found]


def _default_tile(
    ndim: int, halo: int | Sequence[int], overlap: int | Sequence[int]
) -> tuple[int, ...]:
    """Sizes that fit into 2 GB, and of which halo and overlap leave at least half."""
    halos = checks.per_axis("halo", halo, ndim, whole_from=0)
    overlaps = checks.per_axis("overlap", overlap, ndim, whole_from=0)
    return tuple(
        max(size, 2 * halo + overlap + size // 2)
        for size, halo, overlap in zip(_DEFAULT_TILE[ndim], halos, overlaps, strict=True)
    )


def _batch_size(shape: Sequence[int], tile: int | Sequence[int]) -> int:
    """One image, or small volumes until together they are large."""
    if len(shape) == 2:
        return 1
    sizes = checks.per_axis("tile", tile, len(shape), whole_from=1)
    voxels: int = math.prod(map(min, shape, sizes))
    return math.ceil(_VOXELS_AT_ONCE / voxels)


# ---- the network


@contextmanager
def _evaluating(network: nn.Module, precision: Precision) -> Iterator[None]:
    """Put a network into evaluation mode, and each of its layers back into its own afterwards."""
    modes = [(layer, layer.training) for layer in network.modules()]
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if precision == "bfloat16":
            stack.enter_context(_last_in_float32(network))
        try:
            network.eval()
            yield
        finally:
            for layer, mode in modes:
                layer.training = mode


@contextmanager
def _last_in_float32(network: nn.Module) -> Iterator[None]:
    """Compute the last convolution in float32 also where others have short numbers.

    bfloat16 tells 256 values from each power of two to the next: as a last layer that would leave
    some 400 grey levels in the image.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    if not layers:
        yield
        return
    last = layers[-1]
    forward = last.forward

    def exact(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    last.forward = exact  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del last.forward  # so that it is again the one of its class


def _apply(network: nn.Module, batch: Iterable[Array], divisor: int, precision: Precision) -> Array:
    """Run the network on tiles of one shape, padded by reflection to a size that it can halve."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    padded = torch.stack([_padded(tile, divisor) for tile in batch]).to(device)
    # PyTorch 2.13 takes unwritten memory for numbers where a convolution in bfloat16 is deeper
    # than its volume, here 3 voxels, at the coarsest level of the network.
    thick = padded.ndim == 4 or padded.shape[2] >= _THINNEST * divisor
    short = precision == "bfloat16" and thick
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=short):
        result: Array = network(padded).float().cpu().numpy()
    if result.shape[2:] != padded.shape[2:]:
        raise ValueError(
            f"Expected a network that keeps the size of an image, got {result.shape[2:]} for "
            f"{tuple(padded.shape[2:])}. Call the network itself."
        )
    return result


def _padded(tile: Array, divisor: int) -> Tensor:
    padding = [(0, 0), *((0, -size % divisor) for size in tile.shape[1:])]
    return torch.from_numpy(np.pad(tile, padding, mode="reflect"))


# ---- arrays


def _pixels(network: nn.Module, image: ArrayLike) -> NDArray[Any]:
    """The image as `(C, [Z,] Y, X)`, after a check that it fits the network."""
    values = np.asarray(image)
    channels, ndim = getattr(network, "in_channels", 1), getattr(network, "ndim", None)
    pixels = values if channels > 1 else values[np.newaxis]
    allowed = (2, 3) if ndim is None else (ndim,)
    fits = pixels.ndim - 1 in allowed and len(pixels) == channels
    if not fits or values.size == 0 or values.dtype.kind not in "biuf":
        first = f"{channels} channels, C, " if channels > 1 else ""
        kinds = {2: "a real image (Y, X)", 3: "a volume (Z, Y, X)"}
        expected = " or ".join(kinds[n] for n in allowed)
        raise ValueError(
            f"Expected {first}{expected}, got {values.dtype} of shape {values.shape}. Choose "
            "channels and time point that the network was trained on."
        )
    n_bad = sum(part.size - np.count_nonzero(np.isfinite(part)) for part in parts(values))
    if n_bad:
        raise ValueError(
            f"Expected finite pixels, got {n_bad} NaN or infinite ones of {values.size}. "
            "Replace them first, for example with np.nan_to_num."
        )
    return pixels


def _zeros(channels: int, shape: tuple[int, ...], out: Array | None) -> Array:
    """Where the result goes, as `(C, [Z,] Y, X)`."""
    if out is None:
        return np.zeros((channels, *shape), np.float32)
    expected = (channels, *shape) if channels > 1 else shape
    if out.shape != expected or out.dtype != np.float32:
        raise ValueError(
            f"Expected an array of shape {expected} in float32 for the result, got "
            f"{out.shape} in {out.dtype}. Leave out away to get a new one."
        )
    out[...] = 0
    return out if channels > 1 else out[np.newaxis]


def _without_single_channel(result: Array) -> Array:
    return result if len(result) > 1 else result[0]


def _undo(scale: Linear, result: Array) -> None:
    """Bring a result back to the unit of the image, plane by plane."""
    for plane in np.ndindex(result.shape[:-2]):
        result[plane] = scale.undo(result[plane])
