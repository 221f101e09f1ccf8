"""Fixed prose says nothing about a result that nobody has computed or asserted.

A sentence with a number or a comparison is held if a cell of its section asserts something: the
run would fail before the page says what is no longer so. Every other such sentence is listed in
``claims.json`` with what it rests on: the cell that asserts it, in whatever section or notebook;
or the test that does; "given", if it tells a setting, a story or the task of the reader; "known",
if it is arithmetic, or common or cited knowledge.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
PAGES = {path.stem: path for path in [*sorted((ROOT / "book").glob("*.md")), ROOT / "index.md"]}
LISTED = json.loads((Path(__file__).parent / "claims.json").read_text(encoding="utf-8"))

# A notebook is read beside its results. Pages explain ideas in numbers and comparisons, and have
# no run of their own: there it is the words of results that count.
IN_NOTEBOOKS = re.compile(
    r"\d|\b(?:better|worse|best|worst|wins?|won|beats?|beaten|loses?|lost|draws?|ahead|behind"
    r"|more|less|fewer|larger|smaller|higher|lower|faster|slower|sharper|closer|longer|shorter"
    r"|stronger|weaker|most|least|nearly|twice|half|times)\b",
    re.IGNORECASE,
)
ON_PAGES = re.compile(
    r"\d\s*(?:dB|\\?%|times|×)|\b(?:wins|won|beats|beaten|loses)\b|(?:better|worse) than",
    re.IGNORECASE,
)
CODE = re.compile(r"^(`{3}|:{3}).*?^\1|\$\$.*?\$\$", re.DOTALL | re.MULTILINE)
TERM = re.compile(r"\{term\}`([^`<]*[^`< ])(?: *<[^`]*>)?`")
BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. |\|))")
MARKUP = re.compile(r"^\s*(?:[-*] |\d+\. )|(?<=\])\([^)]*\)|\{[a-z:]+\}`[^`]*`|\*\*")


def sentences(text: str) -> Iterator[str]:
    """Statements of a text in Markdown, without headings, code, quotations and questions."""
    for block in BLOCK.split(CODE.sub("", text)):
        if block.lstrip().startswith(("#", ">")):
            continue
        plain = MARKUP.sub("", TERM.sub(r"\1", " ".join(block.split())))
        for sentence in re.split(r"(?<=[.!?]) +(?=[A-Z(])", plain):
            if sentence and not sentence.endswith("?"):
                yield sentence


def sections(cells: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The cells of a notebook, from heading to heading."""
    section: list[dict[str, Any]] = []
    for cell in cells:
        if cell["cell_type"] == "markdown" and re.search(r"^## ", source(cell), re.MULTILINE):
            yield section
            section = []
        section.append(cell)
    yield section


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def asserting(cells: list[dict[str, Any]]) -> set[str]:
    """The names of the cells that would stop a run."""
    return {
        cell["id"]
        for cell in cells
        if cell["cell_type"] == "code" and re.search(r"^\s*assert ", source(cell), re.MULTILINE)
    }


def cells_of(notebook: str) -> list[dict[str, Any]]:
    return json.loads(NOTEBOOKS[notebook].read_text(encoding="utf-8"))["cells"]


def unheld(name: str) -> list[str]:
    """Sentences of a notebook or a page that nothing near them asserts."""
    if name in PAGES:
        text = PAGES[name].read_text(encoding="utf-8")
        return [sentence for sentence in sentences(text) if ON_PAGES.search(sentence)]
    return [
        sentence
        for section in sections(cells_of(name))
        if not asserting(section)
        for cell in section
        if cell["cell_type"] == "markdown"
        for sentence in sentences(source(cell))
        if IN_NOTEBOOKS.search(sentence)
    ]


@pytest.mark.parametrize("name", [*NOTEBOOKS, *PAGES])
def test_every_claim_is_computed_asserted_or_listed(name: str) -> None:
    found, listed = unheld(name), LISTED.get(name, {})
    new = [sentence for sentence in found if sentence not in listed]
    gone = [sentence for sentence in listed if sentence not in found]
    assert not new, "assert it, or say in claims.json what it rests on:\n" + "\n".join(new)
    assert not gone, "no longer there, take it out of claims.json:\n" + "\n".join(gone)


@pytest.mark.parametrize("name", LISTED)
def test_what_a_claim_rests_on_is_there(name: str) -> None:
    for sentence, ground in LISTED[name].items():
        if ground in ("given", "known"):
            continue
        file, _, test = ground.partition("::")
        notebook, _, cell = ground.rpartition("#")
        if test:
            held = f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")
        else:
            held = cell in asserting(cells_of(notebook or name))
        assert held, f"{ground} asserts nothing: {sentence}"


def test_a_new_number_is_found() -> None:
    text = "## 12 more\n\nIt gains 3 dB. Really.\n\n1. The net wins.\n\n```\n5 dB\n```\n> 6 dB."
    assert [s for s in sentences(text) if ON_PAGES.search(s)] == ["It gains 3 dB.", "The net wins."]
