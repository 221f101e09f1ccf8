"""What is wider than a phone: tables whose text folds or that scroll, and drawings to open.

- A table of text (class ``definitions``) gets, for narrow screens, the heading of its column at
  each cell, and the roles that a table loses there. ``_static/book.css`` stacks it.
- Every other table scrolls: ``_static/book.js`` makes it reachable by keyboard, and names it.
- A drawing whose smallest label would be smaller than ``SMALLEST_PX`` on a phone gets a link to
  itself, at full size.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx

SMALLEST_PX = 9
PHONE_PX = 342  # what a phone of 390 px leaves for a drawing
STACKED = re.compile(r'<table class="[^"]*\bdefinitions\b.*?</table>', re.DOTALL)
DRAWING = re.compile(r'<figure[^>]*>\s*<img [^>]*src="(?P<src>[^"]+\.svg)"[^>]*>.*?</figure>', re.S)


def stacked(table: str) -> str:
    """Return a table with its headings at each cell, and with roles that do not hang on layout."""
    soup = BeautifulSoup(table, "html.parser")
    soup.table["role"] = "table"
    for part in soup.select("thead, tbody"):
        part["role"] = "rowgroup"
    for row in soup.select("tr"):
        row["role"] = "row"
    heads = soup.select("thead th")
    for head in heads:
        head["role"] = "columnheader"
    for row in soup.select("tbody tr"):
        for head, cell in zip(heads, row.select("td"), strict=False):
            cell["role"] = "cell"
            cell["data-head"] = head.get_text(" ", strip=True)
    return str(soup)


def smallest_label(drawing: str) -> float:
    """Return how large the smallest text of an SVG is on a phone, in pixels.

    >>> svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 684 9" font-size="30">{}</svg>'
    >>> smallest_label(svg.format('<text>a</text><g font-size="16"><text>b</text></g>'))
    8.0
    """
    root = ElementTree.fromstring(drawing)
    width = float(root.get("viewBox", "0 0 1 1").split()[2])
    classes = dict(re.findall(r"\.([\w-]+)\s*\{[^}]*?\b([\d.]+)px", drawing))
    sizes: list[float] = []

    def walk(node: ElementTree.Element, size: float) -> None:
        of_class = classes.get(node.get("class", ""))
        size = float((node.get("font-size") or of_class or str(size)).removesuffix("px"))
        if node.tag.endswith(("}text", "}tspan")) and (node.text or "").strip():
            sizes.append(size)
        for child in node:
            walk(child, size)

    walk(root, 16.0)
    return min(sizes, default=float("inf")) * min(1, PHONE_PX / width)


def adapt(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Adapt the body of a page."""
    if doctree is None:
        return
    sources = {name: Path(app.srcdir, path) for path, (_, name) in app.env.images.items()}

    def linked(figure: re.Match[str]) -> str:
        drawing = sources[Path(figure["src"]).name].read_text(encoding="utf-8")
        if smallest_label(drawing) >= SMALLEST_PX:
            return figure[0]
        link = f'<a href="{figure["src"]}">Open the drawing at full size</a>'
        return figure[0].replace("</figcaption>", f'<p class="full-size">{link}</p></figcaption>')

    body = STACKED.sub(lambda table: stacked(table[0]), context["body"])
    context["body"] = DRAWING.sub(linked, body)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", adapt)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
