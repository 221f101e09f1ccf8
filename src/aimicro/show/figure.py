"""The HTML that all figures share: a `<figure>` that carries its own style and script."""

import base64
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, repr=False)
class Figure:
    """One figure of the book, drawn by every notebook front end without a kernel.

    Attributes
    ----------
    body : str
        What stands inside the `<figure>`, as HTML.
    alt : str
        What a reader who cannot see the figure has to know; shown where HTML is not.
    caption : str
        What to notice, as plain text.
    png : bytes or None
        A picture for places without HTML, such as LaTeX.
    scripted : bool
        Whether the body needs the script of the slider.

    Notes
    -----
    Every figure carries the style sheet (and the slider its script), because Colab and VS Code
    isolate outputs from each other.  Colours are inherited from the page, so that light and dark
    pages need no rules of their own.

    Used in every chapter.
    """

    body: str
    alt: str
    caption: str = ""
    png: bytes | None = None
    scripted: bool = False

    def __repr__(self) -> str:
        return self.alt

    @property
    def html(self) -> str:
        """The figure as a self-contained piece of HTML."""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        script = f"<script>{_asset('show.js')}</script>" if self.scripted else ""
        style = f"<style>{_asset('show.css')}</style>"
        return f'{style}<figure class="aim">{self.body}{caption}</figure>{script}'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return what Jupyter shows: HTML, or the alt text (and a picture) without HTML."""
        bundle = {"text/html": self.html, "text/plain": self.alt}
        if self.png is not None:
            bundle["image/png"] = base64.b64encode(self.png).decode()
        return bundle


@cache
def _asset(name: str) -> str:
    """Read a file that lies beside this module, without its comments and line ends."""
    text = files("aimicro.show").joinpath(name).read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/|\n\s*", "", text, flags=re.DOTALL)
