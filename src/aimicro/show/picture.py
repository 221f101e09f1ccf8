"""One image on the page: its pixels, a frame around a detail, outlines and a scale bar."""

import math
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.show import pixels

Zoom = tuple[slice, slice]
# Wider images may be shrunk by a narrow page, where dropping pixels would draw false patterns.
WIDEST_PIXELATED = 160


@dataclass(frozen=True)
class Picture:
    """An image and how it is drawn.

    Attributes
    ----------
    image : ndarray, shape (Y, X)
        The data.
    cmap : str
        One of the colour maps that `aimicro.show.pixels` allows.
    limits : (float, float) or None
        Values drawn with the first and the last colour; None for labels.
    alt : str
        Text for readers who cannot see the image.
    spacing : (float, float)
        Pixel size in (y, x) order; in micrometres where a scale bar is drawn.
    outlines : ndarray of int or None, shape (Y, X)
        Labels whose outlines lie over the image.
    zoom : (slice, slice) or None
        The part that is framed.
    bar_um : float or None
        Length of the scale bar in micrometres.
    """

    image: NDArray[Any]
    cmap: str
    limits: pixels.Limits | None
    alt: str
    spacing: tuple[float, float] = (1.0, 1.0)
    outlines: NDArray[Any] | None = None
    zoom: Zoom | None = None
    bar_um: float | None = None

    @property
    def width(self) -> float:
        """Width in the unit of `spacing`."""
        return float(self.image.shape[1] * self.spacing[1])

    def detail(self, zoom: Zoom) -> "Picture":
        """Return the picture of a part; its scale bar, if there is one, fits the part."""
        outlines = None if self.outlines is None else self.outlines[zoom]
        alt = f"{self.alt} (detail)"
        part = replace(self, image=self.image[zoom], outlines=outlines, alt=alt, zoom=None)
        return part if self.bar_um is None else replace(part, bar_um=nice_length(part.width))

    def html(self) -> str:
        """Return the picture as HTML."""
        index = pixels.colour_indices(self.image, self.limits)
        parts = [self._img(pixels.png(index, pixels.palette(self.cmap)), self.alt)]
        if self.outlines is not None:
            edges = pixels.colour_indices(pixels.outline(self.outlines), None)
            number = np.unique(self.outlines[self.outlines > 0]).size
            drawn = pixels.png(edges, pixels.palette(pixels.LABELS), clear=True)
            parts.append(self._img(drawn, f"Outlines of {number} objects"))
        if self.zoom is not None:
            parts.append(self._frame(self.zoom))
        if self.bar_um is not None:
            share = 100 * self.bar_um / self.width
            parts.append(
                f'<div class="aim-bar"><span style="width:{share:.6g}%">'
                f"{_length(self.bar_um)}</span></div>"
            )
        return f'<div class="aim-img">{"".join(parts)}</div>'

    def _img(self, picture: bytes, alt: str) -> str:
        height, width = self.image.shape
        ratio = width * self.spacing[1] / (height * self.spacing[0])
        crisp = ";image-rendering:pixelated" if width <= WIDEST_PIXELATED else ""
        return (
            f'<img width="{width}" height="{height}" style="aspect-ratio:{ratio:.6g}{crisp}" '
            f'alt="{escape(alt)}" src="{pixels.data_uri(picture)}">'
        )

    def _frame(self, zoom: Zoom) -> str:
        sides = zip(("top", "left"), ("height", "width"), zoom, self.image.shape, strict=True)
        style = "".join(
            f"{start}:{100 * part.start / size:.6g}%;"
            f"{length}:{100 * (part.stop - part.start) / size:.6g}%;"
            for start, length, part, size in sides
        )
        return f'<i class="aim-zoom" style="{style}"></i>'


def nice_length(width_um: float) -> float:
    """Return the longest of 1, 2 or 5 times a power of ten within 30 % of a width.

    >>> nice_length(25.6), nice_length(3.2)
    (5.0, 0.5)
    """
    longest = 0.3 * width_um
    power = 10.0 ** math.floor(math.log10(longest))
    # 0.5 for lengths just below a power of ten, whose logarithm is rounded up to it.
    return max(step * power for step in (0.5, 1, 2, 5) if step * power <= longest)


def _length(micrometres: float) -> str:
    """Write a length with the unit that needs no decimals, where there is one."""
    if micrometres >= 1000:
        return f"{micrometres / 1000:g} mm"
    if micrometres < 0.1:
        return f"{micrometres * 1000:g} nm"
    return f"{micrometres:g} µm"
