"""Mend what the theme leaves unreadable for a screen reader, in the built pages.

tests/browser runs axe on every page: what this misses shows there.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

MENDS = [
    # The chevron that unfolds a chapter in the side bar has no name.
    (
        r'<summary><span class="toctree-toggle"',
        r'<summary aria-label="Show or hide the sections"><span class="toctree-toggle"',
    ),
    # A name must contain the visible text ("Search Ctrl+K"); without a label that text is it.
    (r'(<button class="btn search-button-field[^>]*?) title="Search" aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', r"<summary>"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r"\1"),
    # The role of a reference is deprecated, and not one of a list's items.
    (r'(<div class="citation"[^>]*) role="doc-biblioentry"', r'\1 role="listitem"'),
    # The book's title lies outside every landmark.
    (
        r'<div class="sidebar-primary-item">(\s*<a class="navbar-brand logo")',
        r'<div class="sidebar-primary-item" role="navigation" aria-label="Book">\1',
    ),
]


def mend(app: Sphinx, exception: Exception | None) -> None:
    """Apply the mends to every page; a page that has them already stays as it is."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        old = new = page.read_text(encoding="utf-8")
        for pattern, replacement in MENDS:
            new = re.sub(pattern, replacement, new)
        if new != old:
            page.write_text(new, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
