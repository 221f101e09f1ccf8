"""From data to pixels: colour maps, display limits and lossless PNG files."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aimicro.show.checks import checked_labels

Limits = tuple[float, float]
LimitsLike = Literal["shared", "each"] | Sequence[float] | Mapping[str, Sequence[float]]

SEQUENTIAL = ("gray", "viridis", "magma", "inferno", "cividis")
DIVERGING = ("RdBu_r",)
LABELS = "labels"
# Okabe and Ito's colours, lightest first: labels lie on dark images and on a black background.
LABEL_COLOURS = ("#F0E442", "#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#0072B2")
_REASONS = {
    "jet": "draws edges where the data have none",
    "rainbow": "draws edges where the data have none",
    "turbo": "is not even in lightness",
    "hsv": "gives the lowest and the highest value the same colour",
}


def checked_cmap(cmap: str) -> str:
    """Return the name of a colour map if it is one that the book may use."""
    allowed = (*SEQUENTIAL, *DIVERGING, LABELS)
    if cmap not in allowed:
        reason = _REASONS.get(cmap, "is not known to be even in lightness and colour-blind safe")
        raise ValueError(f"Expected cmap to be one of {allowed}, got {cmap!r}, which {reason}.")
    return cmap


def palette(cmap: str) -> NDArray[np.uint8]:
    """Return the 256 colours of a map, shape (256, 3); for labels, 0 is black and the rest cycles.

    >>> palette("gray")[[0, 255]].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    if cmap != LABELS:
        colours = matplotlib.colormaps[cmap](np.arange(256), bytes=True)
        return np.asarray(colours, dtype=np.uint8)[:, :3]
    cycle = np.array([matplotlib.colors.to_rgb(c) for c in LABEL_COLOURS]) * 255
    colours = cycle[np.arange(-1, 255) % len(cycle)].round().astype(np.uint8)
    colours[0] = 0
    return colours


def display_limits(
    images: Sequence[NDArray[Any]], cmaps: Sequence[str], limits: LimitsLike
) -> list[Limits | None]:
    """Return the values drawn with the first and the last colour, for each image.

    Parameters
    ----------
    images : sequence of ndarray, shape (Y, X)
        The data.
    cmaps : sequence of str
        The colour map of each image.
    limits : "shared", "each", (low, high) or {cmap: (low, high)}
        "shared" takes the extremes of all images with the same colour map, "each" those of each
        image.  Limits of a diverging map are symmetric about zero.

    Returns
    -------
    list of (float, float) or None
        None for labels, which have no limits.
    """
    for image, cmap in zip(images, cmaps, strict=True):
        if checked_cmap(cmap) == LABELS:
            checked_labels(image, image.shape)
    given = _given_limits(cmaps, limits)
    found: list[Limits | None] = []
    for image, cmap in zip(images, cmaps, strict=True):
        if cmap == LABELS:
            found.append(None)
        elif cmap in given:
            found.append(given[cmap])
        else:
            kin = [i for i, c in zip(images, cmaps, strict=True) if c == cmap]
            group = [image] if limits == "each" else kin
            low = min(float(i.min()) for i in group)
            high = max(float(i.max()) for i in group)
            top = max(-low, high)
            found.append((-top, top) if cmap in DIVERGING else (low, high))
    return found


def _given_limits(cmaps: Sequence[str], limits: LimitsLike) -> dict[str, Limits]:
    """Return the limits that the caller has fixed, by colour map."""
    maps = sorted(set(cmaps) - {LABELS})
    if isinstance(limits, str):
        if limits not in ("shared", "each"):
            raise ValueError(f"Expected limits 'shared', 'each' or (low, high), got {limits!r}.")
        return {}
    if not isinstance(limits, Mapping):
        if len(maps) > 1:
            raise ValueError(
                f"Expected limits for each of the colour maps {maps}, got the one pair {limits}. "
                f"Pass a mapping such as {{{maps[0]!r}: (0, 1)}}."
            )
        limits = dict.fromkeys(maps, limits)
    if unknown := sorted(set(limits) - set(maps)):
        raise ValueError(f"Expected limits for colour maps in use ({maps}), got {unknown}.")
    return {cmap: _pair(pair, cmap) for cmap, pair in limits.items()}


def _pair(pair: Sequence[float], cmap: str) -> Limits:
    """Return two limits as floats: ascending, and symmetric for a diverging map."""
    low, high = (float(value) for value in pair) if len(pair) == 2 else (np.nan, np.nan)
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"Expected limits (low, high) with low < high, got {tuple(pair)}.")
    if cmap in DIVERGING and low != -high:
        raise ValueError(
            f"Expected limits of {cmap!r} to be symmetric about zero, got {(low, high)}. "
            f"Pass {(-max(-low, high), max(-low, high))}."
        )
    return low, high


def colour_indices(image: NDArray[Any], limits: Limits | None) -> NDArray[np.uint8]:
    r"""Return the place of each value in its palette, shape (Y, X).

    .. math:: k = \min(\lfloor 256 \, (x - \text{low}) / (\text{high} - \text{low}) \rfloor, 255)

    with values outside the limits drawn in the outermost colour.  Labels (`limits` None) keep
    their number, wrapped so that no object takes the colour of the background.

    >>> colour_indices(np.array([[-1.0, 0.0, 0.5, 1.0]]), (0.0, 1.0)).tolist()
    [[0, 0, 128, 255]]
    """
    if limits is None:
        period = len(LABEL_COLOURS)
        return np.where(image > 0, (image - 1) % period + 1, 0).astype(np.uint8)
    low, high = limits
    span = high - low or 1.0  # a constant image is drawn in the lowest colour
    scaled = 256 * ((image.astype(np.float64) - low) / span)
    return np.clip(np.floor(scaled), 0, 255).astype(np.uint8)


def outline(labels: NDArray[Any]) -> NDArray[Any]:
    """Keep each label at its own edge only (one pixel wide, inside the object); 0 elsewhere.

    >>> outline(np.pad(np.ones((3, 3), int), 1))[1:-1, 1:-1].tolist()
    [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    padded = np.pad(labels, 1, mode="edge")
    inner = np.ones(labels.shape, dtype=bool)
    for shifted in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inner &= shifted == labels
    return np.where(inner, 0, labels)


def png(index: NDArray[np.uint8], colours: NDArray[np.uint8], *, clear: bool = False) -> bytes:
    """Return a palette PNG: one pixel a value, nothing lost; `clear` makes colour 0 transparent."""
    picture = Image.fromarray(index)
    picture.putpalette(colours.tobytes())
    buffer = BytesIO()
    picture.save(buffer, "png", optimize=True, transparency=0 if clear else None)
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    """Return a PNG as an address that needs no file."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
