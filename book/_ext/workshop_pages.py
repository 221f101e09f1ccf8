"""Guess sheets and answer keys as pages of their own: to print, or to fill in on the screen.

They need no theme: one style sheet, and MathJax where there is a formula.
"""

import math
import re
from html import escape
from typing import Any

from guesses import Section, questions, sections, title
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

STYLE_OR_SCRIPT = re.compile(r"<(style|script)>.*?</\1>", re.DOTALL)
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="workshop.css">
{head}</head>
<body>
<main><article>
<h1>{title}</h1>
{body}
</article></main>
</body>
</html>
"""


def in_html(text: str, *, inline: bool = False) -> str:
    """Render Markdown of a notebook; links lead from the folder of the sheets to the pages."""
    markdown = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
    markdown.add_render_rule("math_inline", lambda self, tokens, k, *_: formula(tokens[k].content))
    markdown.add_render_rule(
        "math_block", lambda self, tokens, k, *_: f"<p>\\[{escape(tokens[k].content)}\\]</p>"
    )
    html = markdown.renderInline(text) if inline else markdown.render(text)
    html = re.sub(r'href="(?!\w+:)([^"]+)"', lambda link: f'href="{page_of(link[1])}"', html)
    return html.replace("<table>", '<div class="wide" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )


def formula(content: str) -> str:
    """Return a formula as MathJax finds it."""
    return f"\\({escape(content)}\\)"


def page_of(link: str) -> str:
    """Return the page that a link of a notebook means, seen from the folder of the sheets."""
    path = link if link.startswith("../") else f"../notebooks/{link}"
    return re.sub(r"[.](md|ipynb)(?=#|$)", ".html", path)


def page(heading: str, body: str, *, mathjax: str, style: str = "", script: str = "") -> str:
    """Return a whole page."""
    head = style
    if "\\(" in body or "\\[" in body:
        head += f'<script defer src="{mathjax}"></script>\n'
    return PAGE.format(title=escape(heading), head=head, body=body + script)


def minutes(n: int) -> str:
    """Return a number of minutes in words."""
    return "1 minute" if n == 1 else f"{n} minutes"


def sheet(notebook: NotebookNode, *, mathjax: str) -> str:
    """Return the guess sheet of a notebook."""
    planned = {one.title: one.minutes for one in sections(notebook)}
    parts = [
        '<p class="name"><label>Name <input type="text" autocomplete="off"></label></p>',
        "<p>Write your guess <em>before</em> you run the cell, and the reason beside it: a wrong "
        "guess with a reason teaches most. A later question may give an earlier answer away, so "
        "fold the sheet, or scroll no further than you are. What you type here stays in your "
        "browser, and is gone when you close the page; print it if you want to keep it.</p>",
    ]
    section = ""
    for number, question in enumerate(questions(notebook), start=1):
        if question.section != section:
            section = question.section
            time = f" <small>{minutes(planned[section])}</small>" if section in planned else ""
            parts.append(f"<h2>{in_html(section, inline=True)}{time}</h2>")
        parts.append(
            f'<section class="question" aria-label="Question {number}"><p class="number">'
            f"{number}</p><div>{in_html(question.asked)}</div>"
            '<div class="room"><label>My guess<textarea rows="3" autocomplete="off"></textarea>'
            '</label><label>Because<textarea rows="3" autocomplete="off"></textarea></label></div>'
            "</section>"
        )
    return page(f"Guess sheet: {title(notebook)}", "\n".join(parts), mathjax=mathjax)


def key(notebook: NotebookNode, *, mathjax: str) -> str:
    """Return the answer key of a notebook: times first, then what came out at each question."""
    asked = questions(notebook)
    parts = [
        "<p>For the teacher. The figures and numbers are those of the run that the book shows. "
        "Ask for the guesses and their reasons before anybody runs the cell.</p>",
        timetable(sections(notebook)),
    ]
    brought: dict[str, None] = {}  # styles and scripts, each once
    for number, question in enumerate(asked, start=1):
        answer = ""
        for piece in question.answer:
            if not piece.code:
                answer += in_html(piece.text)
            for output in piece.outputs:
                html = shown(output)
                brought |= dict.fromkeys(found[0] for found in STYLE_OR_SCRIPT.finditer(html))
                answer += STYLE_OR_SCRIPT.sub("", html)
        if not question.answered:
            answer += "<p>What came out stands with the next question.</p>"
        parts.append(
            f"<h2>{number}. {in_html(question.section, inline=True)}</h2>"
            f'<div class="asked">{in_html(question.asked)}</div>{answer}'
        )
    style, script = (
        "".join(f"{block}\n" for block in brought if block.startswith(f"<{tag}"))
        for tag in ("style", "script")
    )
    heading = f"Answer key: {title(notebook)}"
    return page(heading, "\n".join(parts), mathjax=mathjax, style=style, script=script)


def shown(output: Any) -> str:
    """Return an output as HTML: figures and tables as they are, everything else as text."""
    data = output.get("data", {})
    if "text/html" in data:
        return str(data["text/html"])
    if "image/png" in data:
        words = escape(data.get("text/plain", "A picture."), quote=True)
        return f'<img alt="{words}" src="data:image/png;base64,{data["image/png"]}">'
    text = output.get("text") or data.get("text/plain", "")
    return f'<pre tabindex="0">{escape(text)}</pre>' if text.strip() else ""


def timetable(found: list[Section]) -> str:
    """Return the table of sections: what each takes, and where there is time to talk."""
    rows = ""
    for one in found:
        talk = ", ".join(f"{seconds:.0f} s" for seconds in one.slow)
        rows += (
            f'<tr><th scope="row">{in_html(one.title, inline=True)}</th>'
            f"<td>{one.guesses or ''}</td><td>{math.ceil(one.reading)}</td>"
            f"<td>{sum(one.seconds):.0f}</td><td>{one.minutes}</td><td>{talk}</td></tr>"
        )
    return (
        '<div class="wide" tabindex="0"><table><caption>What each section takes, at least</caption>'
        '<thead><tr><th scope="col">Section</th><th scope="col">Guesses</th>'
        '<th scope="col">Reading (min)</th><th scope="col">Running (s)</th>'
        '<th scope="col">Together (min)</th><th scope="col">Talk now: long cells</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
        "<p>Seconds are those of one processor core. Two minutes are counted for each guess: to "
        "write it down, and to tell a neighbour why. Discussion comes on top.</p>"
    )
