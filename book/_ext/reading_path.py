"""The directive ``{reading-path}``: what to read before a page, how long it takes, what comes next.

The time is counted from the words of the page, so it stays true when the page grows.
"""

import re
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WORDS_A_MINUTE = 150  # slower than a novel: there are figures to look at, and guesses to make
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
MARKUP = re.compile(r"^(?:`{3,}|:{3,}|:[\w-]+:|\([^)]*\)=$).*$", re.MULTILINE)


def minutes(text: str) -> int:
    """Return how long a page in Markdown takes to read, in steps of five minutes."""
    n_words = len(re.findall(r"\w[\w'’-]*", MARKUP.sub("", FRONT_MATTER.sub("", text))))
    return max(1, -(-n_words // (5 * WORDS_A_MINUTE))) * 5


class ReadingPath(SphinxDirective):
    """Put three short answers under the title of a page."""

    option_spec: ClassVar = {
        "before": directives.unchanged,
        "next": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return them as one line."""
        page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        line = nodes.paragraph(classes=["reading-path"])
        before = self.options.get("before")
        first = self.link(before) if before else [nodes.Text("nothing. ")]
        line += [nodes.strong("", "Before: "), *first]
        line += [nodes.strong("", "Time: "), nodes.Text(f"about {minutes(page)} minutes. ")]
        line += [nodes.strong("", "Then: "), *self.link(self.options["next"])]
        self.set_source_info(line)
        return [line]

    def link(self, page: str) -> list[nodes.Node]:
        """Return a link by the title of a page; one that does not exist stops the build."""
        shown = nodes.inline(classes=["xref", "std", "std-doc"])
        link = pending_xref(
            "",
            shown,
            refdoc=self.env.docname,
            refdomain="std",
            reftype="doc",
            reftarget=page,
            refexplicit=False,
            refwarn=True,
        )
        return [link, nodes.Text(". ")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("reading-path", ReadingPath)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
