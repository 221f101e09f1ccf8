"""The directive ``{reader-form} NAME``: questions to the reader, and the answers as a file to keep.

All of a form comes from one table, ``book/NAME.yml``. It needs no kernel, and a script for one
thing only: to put the answers into a Markdown file, in the browser. Without the script the
questions can still be answered on the page and printed.
"""

from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Table = dict[str, Any]

BOOK = Path(__file__).resolve().parents[1]
STYLE = Path(__file__).with_suffix(".css")
SCRIPT = Path(__file__).with_suffix(".js")


class ReaderForm(SphinxDirective):
    """Put a form into its place."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the form as HTML; the page is read again when one of its sources changes."""
        path = BOOK / f"{self.arguments[0]}.yml"
        for source in (path, STYLE, SCRIPT):
            self.env.note_dependency(str(source))
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        style, script = (path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT))
        page = f"<style>{style}</style>{form(table)}<script>{script}</script>"
        return [nodes.raw("", page, format="html")]


def form(table: Table) -> str:
    """Return the questions in their parts, and what can be done with the answers."""
    parts, number = "", 0
    for part in table["parts"]:
        parts += f"<h3>{escape(part['title'])}</h3>"
        for asked in part["questions"]:
            number += 1
            parts += question(number, asked, weighed=table["weighed"])
    steps = "".join(f"<li>{escape(step)}</li>" for step in table["next"])
    about = " ".join(
        f'{name}="{escape(table[key])}"'
        for name, key in (("aria-label", "name"), ("data-title", "title"), ("data-file", "file"))
    )
    return (
        f'<form class="plan" {about} autocomplete="off">'
        f'{parts}<div class="plan-end"><p>Your answers stay on this page until you close it.</p>'
        f'<button type="button" class="plan-save" hidden>{escape(table["save"])}</button>'
        '<button type="reset">Start again</button><p role="status"></p>'
        "<noscript><p>Saving needs JavaScript. Print the page instead: it has boxes to tick and "
        "room to write.</p></noscript>"
        f'<p class="plan-then">What comes next:</p><ol class="plan-next">{steps}</ol></div></form>'
    )


def question(number: int, asked: Table, *, weighed: bool) -> str:
    """Return a question: what to consider, options, a field for own words, and its weight."""
    group = f"plan-{asked['id']}"
    kind = {"one": "radio", "several": "checkbox"}.get(asked.get("choose", ""), "")
    options = "".join(
        f'<div class="plan-option"><input type="{kind}" name="{group}" id="{group}-{k}">'
        f'<label for="{group}-{k}">{escape(option)}</label></div>'
        for k, option in enumerate(asked.get("options", []), start=1)
    )
    if options:
        options = f'<div class="plan-options">{options}</div>'
    weight = (
        f'<div><label for="{group}-weight">For the choice</label><select id="{group}-weight">'
        '<option value="">keep in mind</option><option value="must">must have</option>'
        '<option value="nice">nice to have</option></select></div>'
    )
    return (
        f'<fieldset aria-describedby="{group}-think">'
        f"<legend>{number}. {escape(asked['ask'])}</legend>"
        f'<p id="{group}-think">{escape(asked["think"])}</p>'
        f"{options}"
        f'<div class="plan-own"><div><label for="{group}-words">{escape(asked["words"])}</label>'
        f'<textarea id="{group}-words" rows="1"></textarea></div>'
        f"{weight if weighed else ''}</div></fieldset>"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("reader-form", ReaderForm)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
