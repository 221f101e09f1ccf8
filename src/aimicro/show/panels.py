"""Images side by side: real pixels, lettered, with a scale bar, and text that stays text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from string import ascii_uppercase

from numpy.typing import ArrayLike

from aimicro.show import pixels
from aimicro.show.checks import (
    checked_columns,
    checked_images,
    checked_labels,
    checked_notes,
    checked_number,
    checked_spacing,
    checked_text,
    checked_zoom,
)
from aimicro.show.figure import Figure
from aimicro.show.picture import Picture, Zoom, nice_length


@dataclass(frozen=True, repr=False)
class Panels(Figure):
    """A figure of panels that knows how bright each was drawn; see `Figure`.

    Attributes
    ----------
    limits : tuple of (float, float) or None
        Display limits of each panel; None for labels.

    Notes
    -----
    Used in every chapter that shows images.
    """

    limits: tuple[pixels.Limits | None, ...] = ()


def panels(
    images: Sequence[ArrayLike],
    *,
    titles: Sequence[str],
    alt: str | Sequence[str],
    caption: str = "",
    notes: Sequence[str] | None = None,
    cmap: str | Sequence[str] = "gray",
    limits: pixels.LimitsLike = "shared",
    key: str | None = None,
    pixel_size_um: float | tuple[float, float] | None = None,
    scale_bar_um: float | None = None,
    zoom: Zoom | None = None,
    outlines: Sequence[ArrayLike | None] | None = None,
    columns: int | None = None,
) -> Panels:
    """Show images side by side, with the same grey for the same value.

    Parameters
    ----------
    images : sequence of array_like, shape (Y, X)
        The data, one image a panel; finite numbers.
    titles : sequence of str
        What each panel is; its letter is added.
    alt : str or sequence of str
        What a reader who cannot see the figure has to know: one text for all, or one a panel.
    caption : str
        What to notice.
    notes : sequence of str, optional
        A line under each panel, such as "27.1 dB".
    cmap : str or sequence of str
        "gray", "viridis", "magma", "inferno" or "cividis"; "RdBu_r" for differences (symmetric
        about zero); "labels" for label images.  One for all, or one a panel.
    limits : "shared", "each", (low, high) or {cmap: (low, high)}
        The values drawn with the first and the last colour.  "shared" takes the extremes of all
        panels with the same colour map, so that equal values look equal.  Only limits given as
        numbers clip the data.
    key : str, optional
        What the values are, such as "photons"; draws the colours with their limits.
    pixel_size_um : float or (float, float), optional
        Pixel size in micrometres, in (y, x) order; draws a scale bar, in the first panel only
        where all panels are equally wide.
    scale_bar_um : float, optional
        Length of the scale bar in micrometres; by default 1, 2 or 5 times a power of ten.
    zoom : (slice, slice), optional
        Rows and columns of a detail, such as ``np.s_[40:104, 60:124]``: framed in each panel and
        enlarged below it.
    outlines : sequence of array_like or None, shape (Y, X), optional
        Label images whose outlines are drawn over the panels.
    columns : int, optional
        Panels in a row on a wide page (by default at most four); a phone shows two.

    Returns
    -------
    Panels
        The figure; `limits` holds the display limits of each panel.

    Raises
    ------
    ValueError
        If an image is not two-dimensional, finite and not empty, if there are not as many titles
        (notes, outlines) as images, or if a colour map would mislead.

    Notes
    -----
    Images up to 160 pixels wide are enlarged without interpolation, and so is a detail.  Wider
    images are left to the browser, which shrinks them on a narrow page.

    Used in every chapter that shows images.

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro import show
    >>> ramp = np.tile(np.arange(64.0), (64, 1))
    >>> show.panels(
    ...     [ramp, ramp / 2],
    ...     titles=["Full light", "Half the light"],
    ...     alt="Two ramps from dark to bright; the second is half as bright.",
    ...     pixel_size_um=0.1,
    ... ).limits
    ((0.0, 63.0), (0.0, 63.0))
    """
    data = checked_images(images)
    count = len(data)
    names = [checked_text(title, "a title") for title in checked_number(titles, count, "titles")]
    lines = checked_notes(notes, count)
    cmaps = [cmap] * count if isinstance(cmap, str) else checked_number(cmap, count, "colour maps")
    shown = pixels.display_limits(data, cmaps, limits)
    edges = [None] * count if outlines is None else checked_number(outlines, count, "outlines")
    if zoom is not None:
        zoom = checked_zoom(zoom, data)
    pictures = [
        Picture(
            image=image,
            cmap=cmaps[k],
            limits=shown[k],
            alt=text,
            spacing=checked_spacing(pixel_size_um),
            outlines=None if (mask := edges[k]) is None else checked_labels(mask, image.shape),
            zoom=zoom,
        )
        for k, (image, text) in enumerate(zip(data, _alts(alt, names), strict=True))
    ]
    if pixel_size_um is not None:
        pictures = _with_bars(pictures, scale_bar_um)
    elif scale_bar_um is not None:
        raise ValueError(
            f"Expected pixel_size_um with scale_bar_um={scale_bar_um}, got None. Pass both."
        )

    cells = "".join(map(_cell, _letters(count), names, lines, pictures))
    shared = isinstance(alt, str) and count > 1
    group = f' role="group" aria-label="{escape(str(alt))}"' if shared else ""
    style = f"--n:{checked_columns(columns, count)}"
    return Panels(
        f'<div class="aim-grid" style="{style}"{group}>{cells}</div>{_key(key, pictures)}',
        alt=alt if isinstance(alt, str) else " ".join(alt),
        caption=caption,
        limits=tuple(shown),
    )


def _cell(letter: str, title: str, note: str, picture: Picture) -> str:
    """Return one panel: letter and title, image, detail and note."""
    head = f"<b>{letter}</b> {escape(title)}" if letter else escape(title)
    detail = picture.detail(picture.zoom).html() if picture.zoom else ""
    foot = f'<p class="aim-note">{escape(note)}</p>' if note else ""
    views = f"<div>{picture.html()}{detail}</div>"
    return f'<div class="aim-panel"><p class="aim-title">{head}</p>{views}{foot}</div>'


def _letters(count: int) -> Sequence[str]:
    """Return a letter for each panel; a panel on its own needs none."""
    return ascii_uppercase[:count] if count > 1 else [""]


def _alts(alt: str | Sequence[str], titles: Sequence[str]) -> list[str]:
    """Return the alt text of each image: the panel's own, or its letter and title."""
    if not isinstance(alt, str):
        return [checked_text(text, "alt") for text in checked_number(alt, len(titles), "alt")]
    checked_text(alt, "alt")
    if len(titles) == 1:
        return [alt]
    pairs = zip(_letters(len(titles)), titles, strict=True)
    return [f"Panel {letter}: {title}" for letter, title in pairs]


def _with_bars(pictures: list[Picture], scale_bar_um: float | None) -> list[Picture]:
    """Give every picture a scale bar, or the first alone where one serves all."""
    for picture in pictures:
        if scale_bar_um is not None and not 0 < scale_bar_um <= picture.width:
            raise ValueError(
                f"Expected scale_bar_um between 0 and the width of the image "
                f"({picture.width:.4g} µm), got {scale_bar_um}. Check pixel_size_um."
            )
    bars = [replace(p, bar_um=scale_bar_um or nice_length(p.width)) for p in pictures]
    same = len({picture.image.shape[1] for picture in pictures}) == 1
    return [bars[0], *pictures[1:]] if same else bars


def _key(quantity: str | None, pictures: Sequence[Picture]) -> str:
    """Return the colours with their limits, once for all panels drawn alike."""
    if quantity is None:
        return ""
    groups: dict[tuple[str, pixels.Limits], list[int]] = {}
    for k, picture in enumerate(pictures):
        if picture.limits is not None:
            groups.setdefault((picture.cmap, picture.limits), []).append(k)
    keys = []
    for (cmap, (low, high)), members in groups.items():
        data = [pictures[k].image for k in members]
        letters = f"<b>{''.join(ascii_uppercase[k] for k in members)}</b> "
        stops = ",".join("#" + bytes(c).hex() for c in pixels.palette(cmap)[::15])
        keys.append(
            f"<span>{letters if len(groups) > 1 else ''}"
            f"{'≤ ' if min(i.min() for i in data) < low else ''}{_number(low)}"
            f'<i role="img" aria-label="to" style="background:linear-gradient(90deg,{stops})"></i>'
            f"{'≥ ' if max(i.max() for i in data) > high else ''}{_number(high)} "
            f"{escape(quantity)}</span>"
        )
    return f'<p class="aim-key">{"".join(keys)}</p>'


def _number(value: float) -> str:
    """Write a limit with three digits, or all before the decimal point.

    >>> _number(-0.12345), _number(1234.5)
    ('−0.123', '1,234')
    """
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")
