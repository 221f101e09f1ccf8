"""Say what a linked term means where it stands, and in the glossary where it is used.

Each page carries the definitions of its own terms, so that they show without any network:
``terms.js`` opens one on hover, on focus and at the first touch. Without the script, a term is the
link to the glossary that it was, and a screen reader reads the definition as its description.
"""

import re
from html import escape
from pathlib import Path

from sphinx.application import Sphinx

SCRIPT = Path(__file__).with_suffix(".js")
LINK = re.compile(r'<a class="reference internal" href="[^"#]*glossary\.html#(term-[^"]+)"')
SHOWN = 8  # pages below an entry; more of them are folded away
ENTRY = re.compile(r'((?:<dt id="term-[^"]+">.*?</dt>\s*)+)<dd>(.*?)</dd>', re.DOTALL)
OURS = re.compile(  # what an earlier build put into a page that this one did not write again
    r' (?:id="use-term-|aria-describedby="hint-term-)[^"]*"'
    r'|<(p|details) class="used">.*?</\1>|<!-- terms -->.*?<!-- end of terms -->',
    re.DOTALL,
)


def definitions(glossary: str) -> dict[str, str]:
    """Return the first paragraph of each entry by the ids of its names; links become plain text."""
    found = {}
    for names, text in ENTRY.findall(glossary):
        paragraph = re.search(r"<p>.*?</p>", text, re.DOTALL)
        if paragraph:
            plain = re.sub(r'</?a\b[^>]*>| id="[^"]*"', "", paragraph[0])
            found |= dict.fromkeys(re.findall(r'<dt id="(term-[^"]+)"', names), plain)
    return found


def hinted(page: str, meaning: dict[str, str], script: str) -> tuple[str, list[str]]:
    """Return a page with the definitions of the terms that it links, and those terms."""
    used: list[str] = []

    def mark(link: re.Match[str]) -> str:
        term = link[1]
        first = "" if term in used else f' id="use-{term}"'
        used.extend([term] if first else [])
        hint = f'{first} aria-describedby="hint-{term}"'
        return link[0].replace(' href="', f'{hint} href="', 1)

    page = LINK.sub(lambda link: mark(link) if link[1] in meaning else link[0], page)
    if not used:
        return page, used
    more = '<p class="hint-more">Tap the word again to find it in the glossary.</p>'
    hints = "".join(
        f'<div class="hint" popover="manual" role="tooltip" id="hint-{term}">{meaning[term]}{more}'
        "</div>"
        for term in used
    )
    block = f"<!-- terms -->{hints}<script>{script}</script><!-- end of terms -->"
    return page.replace("</article>", f"{block}</article>", 1), used


def with_uses(glossary: str, uses: dict[str, list[tuple[str, str]]]) -> str:
    """Return the glossary; below an entry, links to its first use on each page (address, title)."""

    def add(entry: re.Match[str]) -> str:
        names = re.findall(r'<dt id="(term-[^"]+)"', entry[1])
        places = [
            f'<a href="{address}#use-{name}">{title}</a>'
            for name in names
            for address, title in uses.get(name, [])
        ]
        if not places:
            return entry[0]
        listed = f'<p class="used">Used in: {", ".join(places)}</p>'
        if len(places) > SHOWN:
            more = f"<summary>Used on {len(places)} pages</summary><p>{', '.join(places)}</p>"
            listed = f'<details class="used">{more}</details>'
        return entry[0].replace("</dd>", f"{listed}</dd>")

    return ENTRY.sub(add, glossary)


def explain(app: Sphinx, exception: Exception | None) -> None:
    """Put definitions into all pages that link a term, and their addresses into the glossary."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "book"
    path = folder / "glossary.html"
    glossary = OURS.sub("", path.read_text(encoding="utf-8"))
    meaning, script = definitions(glossary), SCRIPT.read_text(encoding="utf-8")
    uses: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(app.env.found_docs, key=lambda name: ("appendix" in name, name)):
        page = Path(app.outdir) / f"{name}.html"
        if page == path or not page.exists():
            continue
        old = page.read_text(encoding="utf-8")
        new, used = hinted(OURS.sub("", old), meaning, script)
        if new != old:
            page.write_text(new, encoding="utf-8")
        for term in used:
            address = page.relative_to(folder.parent).as_posix()
            title = escape(app.env.titles[name].astext())
            uses.setdefault(term, []).append((f"../{address}", title))
    path.write_text(with_uses(glossary, uses), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", explain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
