"""The directive ``{standings}``: who won how often in this book, and where networks failed.

Both tables come from ``book/tally.yml``, as those of chapter 11 do.
"""

from docutils import nodes
from outlook import WINNERS, Cell, FromTable, lines, tally
from sphinx.application import Sphinx

STRANGE = "Elsewhere"  # the contests away from what a network was trained on


class Standings(FromTable):
    """The count of all contests, and those that a network lost away from its training."""

    name_of_table = "tally"

    def run(self) -> list[nodes.Node]:
        """Return the two tables."""
        groups = self.contents()["groups"]
        contests = [contest for group in groups for contest in group["contests"]]
        rows: list[list[Cell]] = [
            [group["ask"], *map(str, tally(group["contests"]).values())] for group in groups
        ]
        total = ["All", *map(str, tally(contests).values())]
        rows.append([[nodes.strong("", text)] for text in total])
        lost: list[list[Cell]] = [
            [
                lines(nodes.strong("", contest["what"]), nodes.Text(contest["sides"])),
                self.link(contest["at"].partition("#")[0]),
            ]
            for group in groups
            if group["name"] == STRANGE
            for contest in group["contests"]
            if contest["verdict"] == "rule"
        ]
        head = ["Ahead", *(winner.removeprefix("the ").capitalize() for winner in WINNERS.values())]
        return [
            self.table(f"Who was ahead, in {len(contests)} contests", head, rows, stacks=False),
            self.table(
                "Where networks failed: away from what they were trained on",
                ["Task, and who raced", "Measured in"],
                lost,
            ),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("standings", Standings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
