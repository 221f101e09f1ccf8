"""For teachers: guess sheets, answer keys, copies that wait, and plans with counted times.

All of it is made from the executed notebooks when the book is built, into the folder ``workshop``
of the site. ``{workshop-sheets}`` lists it; ``{workshop-plan} NAME`` shows a plan of
``book/workshop_plans.yml`` beside what its sections take. The search finds no answer key.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import yaml
from docutils import nodes
from fresh_outputs import get_cache
from guesses import Section, questions, sections, title, workshop_copy
from nbformat import NotebookNode
from results import table
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from workshop_pages import key, minutes, sheet

PLANS = Path(__file__).resolve().parents[1] / "workshop_plans.yml"
FOLDER = "workshop"
STYLE = Path(__file__).with_suffix(".css")
ENDINGS = {
    "guess sheet": "guesses.html",
    "workshop copy": "workshop.ipynb",
    "answer key": "answers.html",
}


class WorkshopPlace(nodes.General, nodes.Element):
    """The place that a table will take: ``plan`` names the plan; without one, all sheets."""


class Sheets(SphinxDirective):
    """Mark the place of the list of sheets."""

    def run(self) -> list[nodes.Node]:
        """Return the mark, and note that this page has one."""
        self.env.metadata[self.env.docname]["workshop"] = True
        return [WorkshopPlace(plan="")]


class Plan(SphinxDirective):
    """Mark the place of a plan."""

    required_arguments: ClassVar = 1

    def run(self) -> list[nodes.Node]:
        """Return the mark, and note that this page has one."""
        self.env.note_dependency(str(PLANS))
        self.env.metadata[self.env.docname]["workshop"] = True
        return [WorkshopPlace(plan=self.arguments[0])]


def pages_with_tables(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages to write again although their source has not changed."""
    return [name for name, metadata in env.metadata.items() if metadata.get("workshop")]


def executed(env: BuildEnvironment) -> dict[str, NotebookNode]:
    """Return the notebooks of the book that ask for guesses, in its order, with their outputs."""
    metadata = getattr(env, "nb_metadata", {})
    found = {}
    for name in env.collect_relations():
        path = Path(env.doc2path(name))
        if path.suffix != ".ipynb":
            continue
        notebook = nbformat.read(path, as_version=4)
        if "exec_data" in metadata.get(name, {}):  # the outputs lie in the cache
            cache = get_cache(env.config.nb_execution_cache_path)
            pk, notebook = cache.merge_match_into_notebook(notebook, cell_meta=())
            seconds = iter(cache.get_cache_record(pk).data["cell_seconds"])
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.metadata["seconds"] = next(seconds)
        if questions(notebook):
            found[name] = notebook
    return found


def file_of(name: str, ending: str) -> str:
    """Return the name of a file that is made of a notebook."""
    return f"{Path(name).name}_{ending}"


def sheets_table(notebooks: dict[str, NotebookNode], to: Callable[[str], str]) -> nodes.table:
    """Return the list of all that is made."""
    rows: list[list[nodes.Node | str]] = []
    for name, notebook in notebooks.items():
        found = sections(notebook)
        files = nodes.inline()
        for word, ending in ENDINGS.items():
            files += [nodes.Text(", ")] if files.children else []
            files += nodes.reference("", word, refuri=to(f"{FOLDER}/{file_of(name, ending)}"))
        rows.append(
            [
                nodes.reference("", title(notebook), refuri=to(f"{name}.html")),
                str(len(questions(notebook))),
                f"{sum(one.reading for one in found):.0f}",
                f"{sum(sum(one.seconds) for one in found):.0f}",
                files,
            ]
        )
    head = ["Notebook", "Guesses", "Reading (min)", "Running (s)", "For the room"]
    return table("Sheets for every notebook", head, rows)


def plan_table(plan: dict[str, Any], notebooks: dict[str, NotebookNode]) -> nodes.table:
    """Return a plan: from when to when, what happens and takes at least, and what to ask."""
    rows: list[list[nodes.Node | str]] = []
    start = 0
    for step in plan["steps"]:
        end = start + step["minutes"]
        what = nodes.inline("", f"{step['what']}. ")
        if words := needs(step, notebooks):
            what += nodes.emphasis("", words)
        rows.append([f"{start}–{end}", what, step.get("ask", "")])
        start = end
    return table(plan["title"], ["Minutes", "What happens", "What to ask"], rows)


def sections_of(step: dict[str, Any], notebooks: dict[str, NotebookNode]) -> list[Section]:
    """Return the sections that a step of a plan goes through."""
    notebook = notebooks.get(f"notebooks/{step.get('notebook')}")
    wanted = step.get("sections", [])
    return [one for one in sections(notebook) if one.title in wanted] if notebook else []


def needs(step: dict[str, Any], notebooks: dict[str, NotebookNode]) -> str:
    """Say in words what the sections of a step take at least; nothing if it has none."""
    found = sections_of(step, notebooks)
    if not found:
        return ""
    text = " · ".join(one.title for one in found)
    text += f": {minutes(sum(one.minutes for one in found))}"
    if n := sum(one.guesses for one in found):
        text += f" with {n} guess{'es' if n > 1 else ''}"
    slow = [seconds for one in found for seconds in one.slow]
    return text + (f"; talk while a cell runs {max(slow):.0f}\u00a0s." if slow else ".")


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the tables into their places on the page ``docname``."""
    places = list(doctree.findall(WorkshopPlace))
    if not places:
        return
    notebooks = executed(app.env)
    plans = yaml.safe_load(PLANS.read_text(encoding="utf-8"))
    up = "../" * docname.count("/")
    for place in places:
        if place["plan"]:
            place.replace_self(plan_table(plans[place["plan"]], notebooks))
        else:
            place.replace_self(sheets_table(notebooks, lambda path: f"{up}{path}"))


def write(app: Sphinx, error: Exception | None) -> None:
    """Write sheets, keys and copies beside the pages."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(STYLE, folder)
    mathjax = f"../_static/{app.config.mathjax_path}"
    for name, notebook in executed(app.env).items():
        copy = workshop_copy(notebook, pages=app.config.html_baseurl)
        texts = [
            sheet(notebook, mathjax=mathjax),
            nbformat.writes(copy) + "\n",
            key(notebook, mathjax=mathjax),
        ]
        for ending, text in zip(ENDINGS.values(), texts, strict=True):
            (folder / file_of(name, ending)).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_node(WorkshopPlace)
    app.add_directive("workshop-sheets", Sheets)
    app.add_directive("workshop-plan", Plan)
    app.connect("env-get-updated", pages_with_tables)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
