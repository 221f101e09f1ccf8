"""The directives of chapter 11: ``{tally}``, ``{minds}`` and ``{predictions}``.

Their tables come from ``book/tally.yml``, ``book/minds.yml`` and ``book/predictions.yml``. Whether
a page still says what the first two quote of it is checked by tests/book/test_outlook.py, before
anything is built. A prediction whose day has come without an outcome is marked as due; the build
goes on, since a book must not break because time passes.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parents[1]
WINNERS = {"learned": "the network", "draw": "nobody", "rule": "the rule"}
Cell = str | list[nodes.Node]


def read(name: str) -> Any:
    """Return what a table of the book holds."""
    return yaml.safe_load((BOOK / f"{name}.yml").read_text(encoding="utf-8"))


def tally(contests: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return how often the network, nobody and the rule won."""
    counted = Counter(contest["verdict"] for contest in contests)
    return {verdict: counted[verdict] for verdict in WINNERS}


def state(prediction: dict[str, Any], today: date) -> str:
    """Return what became of a prediction: right, wrong, open or due."""
    if prediction.get("outcome") is not None:
        return "came true" if prediction["outcome"] else "did not"
    return "due" if prediction["by"] < today else "open"


def brier(predictions: Iterable[dict[str, Any]]) -> float | None:
    """Return the Brier score of those predictions that have an outcome."""
    known = [p for p in predictions if p.get("outcome") is not None]
    errors = [(p["probability"] - p["outcome"]) ** 2 for p in known]
    return sum(errors) / len(errors) if errors else None


def promised(predictions: list[dict[str, Any]]) -> float:
    """Return the Brier score to expect if every probability is what it says."""
    chances = [p["probability"] for p in predictions]
    return sum(p * (1 - p) for p in chances) / len(chances)


def day(date: date) -> str:
    """Return a day in words; most are the last of their year."""
    whole = (date.month, date.day) == (12, 31)
    return f"the end of {date.year}" if whole else f"{date.day} {date:%B %Y}"


def lines(*parts: nodes.Node) -> list[nodes.Node]:
    """Return what stands below each other in a cell."""
    return [nodes.paragraph("", "", part) for part in parts]


class FromTable(SphinxDirective):
    """A table of the book, drawn from a file."""

    name_of_table = ""

    def contents(self) -> Any:
        """Return what the file holds; the page is read again when the file changes."""
        self.env.note_dependency(str(BOOK / f"{self.name_of_table}.yml"))
        return read(self.name_of_table)

    def link(self, notebook: str) -> list[nodes.Node]:
        """Return a link by the title of a notebook."""
        shown = nodes.inline(classes=["xref", "std", "std-doc"])
        return [
            pending_xref(
                "",
                shown,
                refdoc=self.env.docname,
                refdomain="std",
                reftype="doc",
                reftarget=f"/notebooks/{notebook}",
                refexplicit=False,
                refwarn=True,
            )
        ]

    def table(
        self, caption: str, head: list[str], rows: list[list[Cell]], *, stacks: bool = True
    ) -> nodes.table:
        """Return a table with a caption and one line of headings, which folds on a phone."""

        def entry(cell: Cell) -> nodes.entry:
            parts = [nodes.Text(cell)] if isinstance(cell, str) else cell
            if not isinstance(parts[0], nodes.paragraph):
                parts = [nodes.paragraph("", "", *parts)]
            return nodes.entry("", *parts)

        def line(cells: list[Cell]) -> nodes.row:
            return nodes.row("", *map(entry, cells))

        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
        group += nodes.thead("", line(list(head)))
        group += nodes.tbody("", *map(line, rows))
        title = nodes.title("", caption)
        ids = [nodes.make_id(caption)]
        return nodes.table("", title, group, ids=ids, classes=["definitions"] if stacks else [])


class Tally(FromTable):
    """Who was ahead in one group of contests, page by page."""

    name_of_table = "tally"
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table of a group, with the count in its caption."""
        groups = {group["name"]: group for group in self.contents()["groups"]}
        if self.arguments[0] not in groups:
            raise self.error(f"Expected one of {', '.join(groups)}, got {self.arguments[0]!r}.")
        group = groups[self.arguments[0]]
        won = tally(group["contests"])
        count = ", ".join(f"{WINNERS[verdict]} {n}" for verdict, n in won.items())
        rows: list[list[Cell]] = [
            [
                lines(nodes.strong("", contest["what"]), nodes.Text(contest["sides"])),
                WINNERS[contest["verdict"]],
                self.link(contest["at"].partition("#")[0]),
            ]
            for contest in group["contests"]
        ]
        head = ["Task, and who raced", "Ahead", "Measured in"]
        return [self.table(f"{group['ask']} Ahead: {count}.", head, rows)]


class Minds(FromTable):
    """What would change our minds."""

    name_of_table = "minds"

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows: list[list[Cell]] = [
            [
                m["belief"],
                lines(nodes.Text(f"{m['change']}."), *self.link(m["at"].partition("#")[0])),
            ]
            for m in self.contents()
        ]
        head = ["We believe", "We would give it up if"]
        return [self.table("What would change our minds", head, rows)]


class Predictions(FromTable):
    """What will happen, by when, and how probably."""

    name_of_table = "predictions"

    def run(self) -> list[nodes.Node]:
        """Return the table, and under it the score so far and the one to expect."""
        predictions, today = self.contents(), self.today()
        rows: list[list[Cell]] = []
        for number, p in enumerate(predictions, start=1):
            now = state(p, today)
            judged = nodes.inline("", f"Judged by: {p['judged']}{self.source(p)}")
            mark = nodes.strong("", now) if now == "due" else nodes.Text(now)
            chance = nodes.Text(f"{round(100 * p['probability'])} %")
            rows.append(
                [
                    lines(nodes.strong("", f"{number}. {p['claim']}"), judged),
                    lines(chance, nodes.Text(f"until {day(p['by'])}"), mark),
                ]
            )
        head = ["Claim", "Probability, date, state"]
        return [
            self.table("Predictions of 29 November 2026", head, rows),
            nodes.paragraph("", self.total(predictions, today)),
        ]

    @staticmethod
    def today() -> date:
        """Return the day of the build."""
        return date.today()

    @staticmethod
    def source(prediction: dict[str, Any]) -> str:
        """Return where an outcome was read."""
        return f" Outcome: {prediction['source']}" if prediction.get("source") else ""

    @staticmethod
    def total(predictions: list[dict[str, Any]], today: date) -> str:
        """Return what can be said of all predictions together."""
        score, due = brier(predictions), [state(p, today) for p in predictions].count("due")
        known = sum(p.get("outcome") is not None for p in predictions)
        so_far = "none is known yet" if score is None else f"Brier score so far: {score:.2f}"
        late = f" {due} of them are due and wait for somebody to look." if due else ""
        return (
            f"Outcomes: {known} of {len(predictions)} ({so_far}).{late} If every probability is "
            f"what it says, the Brier score of all will be near {promised(predictions):.2f}. "
            "Whoever says 50 % to everything has 0.25."
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("tally", Tally)
    app.add_directive("minds", Minds)
    app.add_directive("predictions", Predictions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
