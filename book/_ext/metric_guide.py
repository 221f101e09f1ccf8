"""The directive ``{metric-guide}``: questions about a problem, and the metrics they lead to.

All of it comes from one table, ``book/metric_guide.yml``. On the page it is a form of radio buttons
that works without any script: a style sheet with one rule for each answer and metric shows what the
answers so far ask for. In print, and in a browser without ``:has()``, every outcome stands under
its answer instead.
"""

from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Guide = dict[str, Any]

TABLE = Path(__file__).resolve().parents[1] / "metric_guide.yml"
STYLE = Path(__file__).with_suffix(".css")


class MetricGuide(SphinxDirective):
    """Put the form into its place."""

    def run(self) -> list[nodes.Node]:
        """Return the form as HTML; the page is read again when the table or its style changes."""
        for source in (TABLE, STYLE):
            self.env.note_dependency(str(source))
        guide = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
        return [nodes.raw("", form(guide), format="html")]


def form(guide: Guide) -> str:
    """Return the questions, the list that the answers fill, and the style that fills it."""
    questions = "".join(
        question(number, asked, guide["metrics"])
        for number, asked in enumerate(guide["questions"], start=1)
    )
    metrics = "".join(
        f'<li class="guide-metric-{name}"><a href="#metric-{metric["place"]}">'
        f"{escape(metric['name'])}</a> <code>{metric['function']}</code><br>"
        f"{escape(metric['state'])}</li>"
        for name, metric in guide["metrics"].items()
    )
    return (
        f"<style>{STYLE.read_text(encoding='utf-8')}{rules(guide['questions'])}</style>"
        '<form class="guide" aria-label="Which metrics?" autocomplete="off">'
        f'<div class="guide-questions">{questions}</div>'
        '<div class="guide-result"><p class="guide-title" id="guide-title">Your metrics</p>'
        '<div aria-live="polite">'
        '<p class="guide-none">Answer a question, and this list begins to fill.</p>'
        f'<ul aria-labelledby="guide-title">{metrics}</ul></div>'
        '<button type="reset">Start again</button></div></form>'
    )


def question(number: int, asked: Guide, metrics: Guide) -> str:
    """Return a question with its answers; what an answer asks for stands under it."""
    answers = ""
    for name, answer in asked["answers"].items():
        group = f"guide-{asked['id']}"
        place = f"{group}-{name}"
        answers += (
            f'<div class="guide-answer"><input type="radio" name="{group}" id="{place}">'
            f'<label for="{place}">{escape(answer["say"])}</label>'
            f'<p class="guide-outcome">{outcome(answer, metrics)}</p></div>'
        )
    return f"<fieldset><legend>{number}. {escape(asked['ask'])}</legend>{answers}</fieldset>"


def outcome(answer: Guide, metrics: Guide) -> str:
    """Return what to take, what to leave out, and the reason."""

    def names(chosen: list[str]) -> str:
        return escape(", ".join(metrics[name]["name"] for name in chosen))

    parts = []
    if take := answer.get("take"):
        parts.append(f"<b>Take:</b> {names(take)}.")
    if leave := answer.get("leave"):
        parts.append(f"<b>Leave out:</b> {names(leave)}.")
    return " ".join([*parts, escape(answer["because"])])


def rules(questions: list[Guide]) -> str:
    """Return the style: a metric shows if an answer takes it, unless another leaves it out."""
    taken, shown, hidden = [], [], []
    for asked in questions:
        for name, answer in asked["answers"].items():
            checked = f"#guide-{asked['id']}-{name}:checked"
            list_of = f".guide:has({checked}) .guide-metric-"
            taken += [checked] if answer.get("take") else []
            shown += [f"{list_of}{metric}" for metric in answer.get("take", [])]
            hidden += [f"{list_of}{metric}" for metric in answer.get("leave", [])]
    # Of rules that are equally specific the later one wins: what is left out stays out.
    return (
        f"{','.join(shown)}{{display:list-item}}{','.join(hidden)}{{display:none}}"
        f".guide:has({','.join(taken)}) .guide-none{{display:none}}"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("metric-guide", MetricGuide)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
