"""The directive ``{tool-plan}``: what a reader needs from a tool, as a form and as a file to keep.

All of it comes from one table, ``book/tool_plan.yml``. The form needs no kernel, and a script for
one thing only: to put the answers into a Markdown file, in the browser. Without the script the
questions can still be answered on the page and printed.
"""

from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Plan = dict[str, Any]

TABLE = Path(__file__).resolve().parents[1] / "tool_plan.yml"
STYLE = Path(__file__).with_suffix(".css")
SCRIPT = Path(__file__).with_suffix(".js")


class ToolPlan(SphinxDirective):
    """Put the form into its place."""

    def run(self) -> list[nodes.Node]:
        """Return the form as HTML; the page is read again when one of its sources changes."""
        for source in (TABLE, STYLE, SCRIPT):
            self.env.note_dependency(str(source))
        plan = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
        style, script = (path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT))
        page = f"<style>{style}</style>{form(plan)}<script>{script}</script>"
        return [nodes.raw("", page, format="html")]


def form(plan: Plan) -> str:
    """Return the questions in their parts, and what can be done with the answers."""
    parts, number = "", 0
    for part in plan["parts"]:
        parts += f"<h3>{escape(part['title'])}</h3>"
        for asked in part["questions"]:
            number += 1
            parts += question(number, asked)
    steps = "".join(f"<li>{escape(step)}</li>" for step in plan["next"])
    return (
        '<form class="plan" aria-label="What you need from a tool" autocomplete="off">'
        f'{parts}<div class="plan-end"><p>Your answers stay on this page until you close it.</p>'
        '<button type="button" class="plan-save" hidden>Save my plan</button>'
        '<button type="reset">Start again</button><p role="status"></p>'
        "<noscript><p>Saving needs JavaScript. Print the page instead: it has boxes to tick and "
        "room to write.</p></noscript>"
        f'<p class="plan-then">What comes next:</p><ol class="plan-next">{steps}</ol></div></form>'
    )


def question(number: int, asked: Plan) -> str:
    """Return a question: what to consider, options, a field for own words, and its weight."""
    group = f"plan-{asked['id']}"
    kind = {"one": "radio", "several": "checkbox"}[asked["choose"]]
    options = "".join(
        f'<div class="plan-option"><input type="{kind}" name="{group}" id="{group}-{k}">'
        f'<label for="{group}-{k}">{escape(option)}</label></div>'
        for k, option in enumerate(asked["options"], start=1)
    )
    return (
        f'<fieldset aria-describedby="{group}-think">'
        f"<legend>{number}. {escape(asked['ask'])}</legend>"
        f'<p id="{group}-think">{escape(asked["think"])}</p>'
        f'<div class="plan-options">{options}</div>'
        f'<div class="plan-own"><div><label for="{group}-words">{escape(asked["words"])}</label>'
        f'<textarea id="{group}-words" rows="1"></textarea></div>'
        f'<div><label for="{group}-weight">For the choice</label><select id="{group}-weight">'
        '<option value="">keep in mind</option><option value="must">must have</option>'
        '<option value="nice">nice to have</option></select></div></div></fieldset>'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("tool-plan", ToolPlan)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
