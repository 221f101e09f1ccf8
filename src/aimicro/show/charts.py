"""Matplotlib charts that take the colours and the font of the page."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib.resources import as_file, files
from io import BytesIO, StringIO

import matplotlib
import matplotlib.figure
from matplotlib import pyplot as plt

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure

INK = "#20262e"  # text and axes in aimicro.mplstyle
PHONE_PT = 360  # a chart of this width shows its 11.5 pt text at 11 pixels on a phone
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def use_style() -> None:
    """Draw the charts that follow in the style of the book.

    The functions of this room need it not; it is for charts of your own, given to `chart`.

    Notes
    -----
    Used in every chapter with charts.
    """
    with as_file(files("aimicro.show").joinpath("aimicro.mplstyle")) as path:
        plt.style.use(path)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the book, and leave Matplotlib as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a chart must not depend on the cells before
        use_style()
        yield


def chart(fig: matplotlib.figure.Figure, *, alt: str, caption: str = "") -> Figure:
    """Turn a Matplotlib figure into a figure of the book, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The chart, made after `use_style`.  Up to 5 inches wide it fits a phone; a wider one
        scrolls there.
    alt : str
        What a reader who cannot see the chart has to know: its axes, and what happens.
    caption : str
        What to notice.

    Returns
    -------
    Figure
        The chart as inline SVG: black and the ink of the style become the text colour of the
        page, the background is transparent, and text stays text.

    Raises
    ------
    TypeError
        If `fig` is not a Matplotlib figure.
    ValueError
        If `alt` is empty.

    Notes
    -----
    Write σ, µ, ² and × as such: the letters of a formula between dollar signs are placed one by
    one, for a font that the page may not have.

    The same chart gives the same SVG.  Its identifiers hold a digest of it, so that charts on one
    page do not take each other's clipping paths.

    Used in every chapter with charts.
    """
    if not isinstance(fig, matplotlib.figure.Figure):
        raise TypeError(
            f"Expected a Matplotlib figure, got {type(fig).__name__}. Pass fig of plt.subplots()."
        )
    checked_text(alt, "alt")
    svg, png = StringIO(), BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "aimicro"}):
        fig.savefig(svg, format="svg", transparent=True, metadata=_NO_METADATA)
    fig.set_layout_engine("none")  # all has its place: to find it again takes as long as to draw
    fig.savefig(png, format="png", dpi=144, facecolor="white")
    plt.close(fig)
    width_pt, height_pt = fig.get_size_inches() * 72
    body = _element(_drawing(svg.getvalue()), alt, width_pt, height_pt)
    return Figure(body, alt=alt, caption=caption, png=png.getvalue())


def _element(drawing: str, alt: str, width_pt: float, height_pt: float) -> str:
    """Return the drawing as a named image that fits its place on the page."""
    # A CSS pixel is 0.75 pt.  Where the page is narrower than the chart, it shrinks; but a wide
    # one scrolls before its text is too small to read, also from the keyboard.
    wide = width_pt > PHONE_PT
    scroll = ' tabindex="0" role="group" aria-label="Wide chart"' if wide else ""
    smallest = f";min-width:{0.95 * width_pt:.0f}px" if wide else ""
    return (
        f'<div class="aim-chart"{scroll}><svg role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width_pt:g} {height_pt:g}" fill="currentColor" stroke-linejoin="round" '
        f'style="width:{width_pt / 0.75:.0f}px{smallest}">{drawing}</svg></div>'
    )


def _drawing(svg: str) -> str:
    """Return what stands inside the SVG, in the page's colours, with identifiers of its own."""
    inner = re.sub(r"^.*?<svg[^>]*>|</svg>\s*$|<style.*?</style>|\n\s*", " ", svg, flags=re.DOTALL)
    inner = re.sub(f"#000000|{INK}", "currentColor", inner)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', inner))
    prefix = "aim-" + hashlib.sha256(inner.encode()).hexdigest()[:8]
    inner = re.sub(
        r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", inner
    )
    return re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", inner)
