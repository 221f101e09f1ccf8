"""Two switches in the header of a page that runs code: "Hide code", and "Guess first".

The second one folds what came out behind a button, from a question ("Predict") to the next one, and
with it whatever stands below: the text there tells the answer. Marks and buttons are written here;
a style and a script show and hide them, so that a browser without scripts shows everything. What
was switched on is known before the page is drawn, by a line in its head.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxTranslator

QUESTION = "Predict"
SWITCHES = {"hide-code": "Hide code", "guess-first": "Guess first"}
FOLDER = Path(__file__).parent
EARLY = (
    "<script>try{for(const name of %s)"
    "if(localStorage.getItem(name))document.documentElement.setAttribute(`data-${name}`,'')"
    "}catch{}</script>"
)
BUTTON = '<button type="button" class="show-result">Show what came out</button>'


class Stretch(nodes.General, nodes.Element):
    """What follows a question."""


def open_stretch(translator: SphinxTranslator, node: Stretch) -> None:
    """Begin a stretch in HTML."""
    translator.body.append('<div class="after-question">\n')


def close_stretch(translator: SphinxTranslator, node: Stretch) -> None:
    """End a stretch in HTML."""
    translator.body.append("</div>\n")


def asks(node: nodes.Node) -> bool:
    """Return whether a part of a section holds a question."""
    strong = [] if isinstance(node, nodes.section) else node.findall(nodes.strong)
    return any(words.astext().startswith(QUESTION) for words in strong)


def result(node: nodes.Node) -> nodes.Element | None:
    """Return what came out of a cell, if that tells an answer: a quiz asks."""
    if isinstance(node, nodes.container) and "cell" in node["classes"]:
        for part in node.children:
            if isinstance(part, nodes.container) and "cell_output" in part["classes"]:
                return None if 'class="aim-quiz"' in str(part) else part
    return None


def fold(section: nodes.section, start: int) -> bool:
    """Put what follows ``start``, up to a question or the end, into a stretch; False: no result."""
    following: list[nodes.Node] = []
    for node in section.children[start:]:
        if isinstance(node, nodes.section) or asks(node):
            break
        following.append(node)
    results = [(cell, part) for cell in following if (part := result(cell)) is not None]
    for cell, part in results:
        cell["classes"].append("guessed")
        cell.insert(cell.index(part), nodes.raw("", BUTTON, format="html"))
        part["classes"].append("folded-result")
    if results:
        section[start : start + len(following)] = [Stretch("", *following)]
    return bool(results)


def mark_results(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the results below each question; where its section has none, those of the next one."""
    waiting = False
    for section in list(doctree.findall(nodes.section)):
        if any(str(name).startswith("exercise-") for name in section["ids"]):
            waiting = False
            continue
        if waiting:
            waiting = not fold(section, 1)
        for question in [node for node in section.children if asks(node)]:
            waiting = not fold(section, section.index(question) + 1)


def offer_switches(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give the page's template those switches that have something to do there."""
    body = context.get("body") or ""
    useful = {"hide-code": 'class="cell_input' in body, "guess-first": BUTTON in body}
    names = [name for name in SWITCHES if useful[name]]
    context["page_switches"] = [(name, SWITCHES[name]) for name in names]
    if names:
        context["page_switches_script"] = (FOLDER / "page_switches.js").read_text(encoding="utf-8")
        context["metatags"] = context.get("metatags", "") + EARLY % names


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_node(Stretch, html=(open_stretch, close_stretch))
    app.connect("doctree-resolved", mark_results)
    app.connect("html-page-context", offer_switches)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
