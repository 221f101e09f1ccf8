"""The directive ``{results}``: how long this build's notebooks ran, and what they measured.

A scoreboard (aimicro.show) leaves its table in the executed notebook, and its numbers beside it as
JSON. The directive only marks a place. It is filled when the page is written, since by then every
notebook has been read, and that page is written in every build. Seconds and memory were measured
when the notebook ran (scripts/nbval_to_cache.py), and so was a fixed piece of work beside it.
"""

import math
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from jupyter_cache import get_cache
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

Rows = list[list[nodes.Node | str]]

HEAD = ["Task", "Method", "Result", "Gain"]
BOARD = "application/vnd.aimicro.scoreboard+json"


class Place(nodes.General, nodes.Element):
    """The place that the tables will take."""


class Results(SphinxDirective):
    """Mark the place of the tables."""

    def run(self) -> list[nodes.Node]:
        """Return the mark, and note that this page has one."""
        self.env.metadata[self.env.docname]["results"] = True
        return [Place()]


def pages_with_results(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages to write again although their source has not changed."""
    return [name for name, metadata in env.metadata.items() if metadata.get("results")]


def executed_notebooks(env: BuildEnvironment) -> dict[str, tuple[dict[str, float], NotebookNode]]:
    """Return the notebooks of the book, in its order: what was measured, and what came out."""
    metadata = getattr(env, "nb_metadata", {})
    cache = get_cache(env.config.nb_execution_cache_path)
    found = {}
    for name in env.collect_relations():
        if "exec_data" in metadata.get(name, {}):
            record = cache.match_cache_file(env.doc2path(name))
            found[name] = record.data, cache.get_cache_bundle(record.pk).nb
    return found


def cost(measured: dict[str, float]) -> list[str]:
    """Return seconds, seconds of the reference work, and memory, as texts."""
    seconds, reference = measured["execution_seconds"], measured["reference_seconds"]
    return [f"{seconds:.0f}", f"{reference:.1f}", f"{measured['peak_bytes'] / 1e9:.1f}"]


def scoreboards(executed: NotebookNode) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every scoreboard of an executed notebook: its numbers, and its table as HTML."""
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if BOARD in data:
                yield data[BOARD], data["text/html"]


def headline(board: dict[str, Any]) -> list[str]:
    """Return the method to remember, its value with three digits, and what it gains on another."""
    first, top = board["columns"][0], board["headline"]
    digits = max(0, 2 - math.floor(math.log10(abs(top["value"])))) if top["value"] else 0
    value = f"{top['value']:,.{digits}f}".replace("-", "−")
    gain = "–"
    if top["baseline"] is not None:
        good = top["difference"] * {"higher": 1, "lower": -1, "neither": 0}[first["better"]]
        word = " (better)" if good > 0 else " (worse)" if good < 0 else ""
        gain = f"{top['difference']:+,.{digits}f}".replace("-", "−")
        gain += f" on {top['baseline']}{word}"
    return [top["row"], f"{value} {first['unit'] or first['name']}", gain]


def table(caption: str, head: list[str], rows: Rows) -> nodes.table:
    """Return a table with a caption and one line of headings."""

    def line(cells: list[Any]) -> nodes.row:
        texts = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", line(head))
    group += nodes.tbody("", *map(line, rows))
    ids, title = [nodes.make_id(caption)], nodes.title("", caption)
    return nodes.table("", title, group, ids=ids, classes=["definitions"])


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the tables into their place on the page ``docname``."""

    def link(notebook: str, text: str = "") -> nodes.reference:
        address = app.builder.get_relative_uri(docname, notebook)
        return nodes.reference("", text or app.env.titles[notebook].astext(), refuri=address)

    for place in list(doctree.findall(Place)):
        notebooks = executed_notebooks(app.env)
        costs: Rows = [[link(name), *cost(measured)] for name, (measured, _) in notebooks.items()]
        total = sum(measured["execution_seconds"] for measured, _ in notebooks.values())
        costs.append(["All notebooks", f"{total:.0f}", "", ""])
        raced: Rows = []
        alone: Rows = []
        boards: list[nodes.Node] = []
        for name, (_, executed) in notebooks.items():
            for board, html in scoreboards(executed):
                rows = alone if board["headline"]["baseline"] is None else raced
                rows.append([link(name, board["name"]), *headline(board)])
                boards.append(nodes.raw("", html, format="html"))
                boards.append(nodes.paragraph("", "From ", link(name)))
        head = ["Notebook", "Seconds", "Reference work (s)", "Memory (GB)"]
        content = [table("What the notebooks cost in this build", head, costs)]
        content = [*boards, *content]
        if alone:
            lines = [line[:3] for line in alone]
            content.insert(0, table("Measured without an opponent", HEAD[:3], lines))
        if raced:
            content.insert(0, table("Headlines", HEAD, raced))
        place.replace_self(content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_node(Place)
    app.add_directive("results", Results)
    app.connect("env-get-updated", pages_with_results)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
