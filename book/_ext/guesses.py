"""The guesses that notebooks ask for: found, timed, and put into a copy that waits for them.

A notebook marks a guess with a bold *Predict* in a paragraph. What follows, up to the next one or
the next heading, is the answer. Nothing here knows of Sphinx or HTML.
"""

import ast
import copy
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode, v4
from reading_path import WORDS_A_MINUTE

PREDICT = re.compile(r"\*\*Predict[.:]?\*\*")
HEADING = re.compile(r"(#{1,3}) (.+)")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
MINUTES_A_GUESS = 2  # to write it down, and to tell a neighbour why
SLOW_SECONDS = 8  # a cell that takes longer leaves time to talk


@dataclass
class Piece:
    """A block of text, or a cell with code, with the number of its cell."""

    cell: int
    text: str = ""
    code: NotebookNode | None = None

    @property
    def heading(self) -> str:
        """The heading that this is; empty for everything else."""
        found = None if self.code else HEADING.match(self.text)
        return found[2].strip() if found else ""

    @property
    def part_of_section(self) -> bool:
        """Whether this is a heading inside of a section."""
        return self.text.startswith("###")

    @property
    def outputs(self) -> list[Any]:
        """What a reader sees of what came out."""
        tags = set(self.code.metadata.get("tags", [])) if self.code else set()
        if not self.code or tags & {"solution", "remove-output", "remove-cell"}:
            return []
        silent = "stderr" if "remove-stderr" in tags else None
        return [one for one in self.code.get("outputs", []) if one.get("name", "") != silent]


@dataclass
class Question:
    """A guess that is asked for, under its heading, and all that follows."""

    section: str
    asked: str
    cell: int
    answer: list[Piece] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether something came out before the next question."""
        return any(piece.outputs for piece in self.answer)


@dataclass
class Section:
    """What a section takes: words to read, guesses to write, seconds of each cell."""

    title: str
    words: int = 0
    guesses: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def reading(self) -> float:
        """Minutes to read it."""
        return self.words / WORDS_A_MINUTE

    @property
    def minutes(self) -> int:
        """Minutes to read it, to guess, and to run its cells."""
        total = self.reading + MINUTES_A_GUESS * self.guesses + sum(self.seconds) / 60
        return max(1, math.ceil(total))

    @property
    def slow(self) -> list[float]:
        """Seconds of the cells that leave time to talk."""
        return [seconds for seconds in self.seconds if seconds >= SLOW_SECONDS]


def blocks(text: str) -> Iterator[str]:
    """Yield the blocks of a text in Markdown, which blank lines part; fenced code stays whole."""
    block = ""
    for part in re.split(r"\n[ \t]*\n", text):
        block += f"\n\n{part}" if block else part
        if block.count("```") % 2 == 0:
            yield block.strip("\n")
            block = ""


def pieces(notebook: NotebookNode) -> Iterator[Piece]:
    """Yield a notebook block by block; a heading stands alone even where no blank line follows."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            yield Piece(number, code=cell)
            continue
        for block in blocks(cell.source):
            first, _, rest = block.partition("\n")
            parts = (first, rest) if HEADING.match(first) else (block,)
            yield from (Piece(number, part) for part in parts if part.strip())


def title(notebook: NotebookNode) -> str:
    """Return the title of a notebook."""
    return next(piece.heading for piece in pieces(notebook) if piece.heading)


def questions(notebook: NotebookNode) -> list[Question]:
    """Return the guesses that a notebook asks for, in its order."""
    found: list[Question] = []
    section, collecting = "", False
    for piece in pieces(notebook):
        if piece.heading:
            section = section if piece.part_of_section else piece.heading
            own = found and not found[-1].answered and not section.startswith("Exercise")
            collecting = bool(collecting and own)
        elif PREDICT.search(piece.text):
            found.append(Question(section, piece.text, piece.cell))
            collecting = True
        elif collecting and found[-1].asked.endswith(":") and not found[-1].answer:
            found[-1].asked += f"\n\n{piece.text}"  # the list that the question is about
        elif collecting:
            found[-1].answer.append(piece)
    return found


def sections(notebook: NotebookNode) -> list[Section]:
    """Return the sections of a notebook, with what each of them takes."""
    found: list[Section] = []
    for piece in pieces(notebook):
        if piece.heading and not piece.part_of_section:
            found.append(Section(piece.heading))
        elif piece.code:
            found[-1].seconds.append(piece.code.metadata.get("seconds", 0.0))
        else:
            found[-1].words += len(re.findall(r"\w[\w'’-]*", piece.text))
            found[-1].guesses += bool(PREDICT.search(piece.text))
    return found


# ---- the copy for a workshop

WELCOME = """\
> **Workshop copy.** Nothing has been run here. Go on with Shift+Enter, one cell at a time. Where \
a cell asks for your guess, type it and press Enter (in VS Code the question appears at the top of \
the window). Nothing goes on before, not even with *Run all*. What explains a result is folded: \
open it when you have seen the result."""
HELPER = '''\
# @title Run this first: it lets the notebook wait for your guesses
guesses = {}


def guess(what):
    """Wait until something is written down; "Run all" waits, too."""
    try:
        while not guesses.get(what):
            guesses[what] = input(f"In your words, {what}: ").strip()
    except NotImplementedError:  # run by a program: nobody is there to ask
        pass'''
LAST = """\
# @title What you guessed
for what, words in guesses.items():
    print(f"{what}: {words}")"""
FOLDED = "<details>\n<summary>Open this when the cell above has run</summary>\n\n{}\n\n</details>"


def workshop_copy(notebook: NotebookNode, *, pages: str) -> NotebookNode:
    """Return a notebook without outputs that waits at each guess, and folds what gives it away.

    ``pages`` is the address that links between pages start from.
    """
    asked = questions(notebook)
    after = {piece.cell for question in asked for piece in after_result(question)}
    spoken = {(p.cell, p.text) for question in asked for p in after_result(question)}
    cells: list[NotebookNode] = []
    exercise = 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            if "solution" in cell.metadata.get("tags", []):
                exercise += 1  # it waits, too
                cells.append(v4.new_code_cell(f'guess("solution {exercise}")'))
            cells += code_cells(cell)
            continue
        folded = number in after
        text = fold(cell.source, number, spoken) if folded else cell.source
        cells.append(v4.new_markdown_cell(LINK.sub(lambda m: absolute(m, pages), text)))
        if number == 0:
            cells += [v4.new_markdown_cell(WELCOME), hidden(v4.new_code_cell(HELPER))]
        here = [f"question {k}" for k, one in enumerate(asked, 1) if one.cell == number]
        if here:
            cells.append(v4.new_code_cell("\n".join(f'guess("{what}")' for what in here)))
    cells.append(hidden(v4.new_code_cell(LAST)))
    for number, cell in enumerate(cells):
        cell["id"] = f"workshop-{number}"  # the same in each build
    kept = {"kernelspec", "language_info"} & notebook.metadata.keys()
    metadata = {name: copy.deepcopy(notebook.metadata[name]) for name in sorted(kept)}
    return v4.new_notebook(cells=cells, metadata=metadata)


def after_result(question: Question) -> list[Piece]:
    """Return the text that speaks of a result: what follows the first code of an answer."""
    start = next((k for k, piece in enumerate(question.answer) if piece.code), None)
    return [] if start is None else [p for p in question.answer[start:] if not p.code]


def fold(source: str, number: int, spoken: set[tuple[int, str]]) -> str:
    """Fold the blocks of a cell that speak of a result."""
    done: list[str] = []
    closed: list[str] = []

    def close() -> None:
        if closed:
            done.append(FOLDED.format("\n\n".join(closed)))
            closed.clear()

    for block in blocks(source):
        first, _, rest = block.partition("\n")
        parts = (first, rest) if HEADING.match(first) else (block,)
        for part in filter(str.strip, parts):
            if (number, part) in spoken:
                closed.append(part)
            else:
                close()
                done.append(part)
    close()
    return "\n\n".join(done)


def code_cells(cell: NotebookNode) -> list[NotebookNode]:
    """Return a cell of code without outputs and checks; none if nothing is left of it."""
    tags = set(cell.metadata.get("tags", []))
    source = without_checks(cell.source)
    if not source.strip():
        return []
    new = v4.new_code_cell(source)
    return [hidden(new) if tags & {"hide-input", "remove-input", "hide-cell"} else new]


def hidden(cell: NotebookNode) -> NotebookNode:
    """Fold the code of a cell, in JupyterLab and in Colab."""
    if not cell.source.startswith(("# @title", "%%")):
        cell.source = f"# @title Run this\n{cell.source}"
    cell.metadata.update({"jupyter": {"source_hidden": True}, "cellView": "form"})
    return cell


def without_checks(source: str) -> str:
    """Leave out the assertions of a cell: they tell what will come out."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a line with % or !
        return source
    lines: list[str | None] = list(source.splitlines())
    for node in body:
        if isinstance(node, ast.Assert):
            lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
    kept = [line for line in lines if line is not None]
    return "" if all(line.startswith("#") or not line for line in kept) else "\n".join(kept)


def absolute(link: re.Match[str], pages: str) -> str:
    """Make a link between pages one that leads to the site from anywhere."""
    name, place = link[1], link[2] or ""
    path = name.removeprefix("../") if name.startswith("../") else f"notebooks/{name}"
    return f"]({pages}{re.sub(r'[.](md|ipynb)$', '.html', path)}{place})"
