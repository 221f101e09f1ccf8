"""What pages prepare for narrow screens and for readers who guess first, before any browser."""

import runpy
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes

EXTENSIONS = Path(__file__).resolve().parents[2] / "book" / "_ext"
WIDE, SWITCHES = (
    runpy.run_path(str(EXTENSIONS / f"{name}.py")) for name in ("wide", "page_switches")
)
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} 9" font-size="30">{}</svg>'


def paragraph(*, asks: bool) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong("", "Predict." if asks else "Notice."))


def cell(html: str = "") -> nodes.container:
    made = nodes.container(classes=["cell"])
    made += nodes.container(classes=["cell_input"])
    if html:
        output = nodes.container("", nodes.raw("", html, format="html"), classes=["cell_output"])
        made += output
    return made


def section(name: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", name), *children, ids=[name])


def folded(*sections: nodes.section) -> list[str]:
    """Return the results that a question folds on a page of these sections."""
    page = nodes.document(None, None)
    page += section("page", *sections)
    SWITCHES["mark_results"](None, page, "page")
    parts = page.findall(nodes.container)
    return [part.astext() for part in parts if "folded-result" in part["classes"]]


def test_results_are_folded_from_a_question_to_the_next():
    asked, told = paragraph(asks=True), paragraph(asks=False)
    part = section("a", cell("1"), asked, cell(), cell("2"), told, cell("3"), paragraph(asks=True))
    assert folded(part, section("b", cell("4")), section("c", cell("5"))) == ["2", "3", "4"]


def test_a_quiz_and_an_exercise_fold_nothing():
    quiz = cell('<div class="aim-quiz"></div>')
    assert folded(section("a", paragraph(asks=True), quiz)) == []
    assert folded(section("exercise-1", paragraph(asks=True), cell("1"))) == []


@pytest.mark.parametrize(
    ("width", "words", "size"),
    [
        (684, "<text>a</text>", 15),
        (684, '<text>a</text><g font-size="16"><text>b</text></g>', 8),
        (684, '<style>.s { font: 18px serif; }</style><text class="s">a</text>', 9),
        (100, "<text>a</text>", 30),
    ],
)
def test_the_smallest_label_of_a_drawing_is_known(width: int, words: str, size: float):
    assert WIDE["smallest_label"](DRAWING.format(width, words)) == size


def test_a_stacked_table_says_its_headings_and_keeps_its_roles():
    row = "<tr><td>Dice</td><td>blind</td></tr>"
    head = "<thead><tr><th>Metric</th><th><p>Notice</p></th></tr></thead>"
    table = f'<table class="definitions table">{head}<tbody>{row}</tbody></table>'
    soup = BeautifulSoup(WIDE["stacked"](table), "html.parser")
    assert [cell["data-head"] for cell in soup.select("td[role=cell]")] == ["Metric", "Notice"]
    assert len(soup.select("[role=columnheader]")) == 2
    assert len(soup.select("[role=row]")) == 2
    assert soup.table["role"] == "table"


@pytest.mark.book
def test_the_page_of_results_opens_with_who_won_and_where_networks_failed(built: Path):
    text = (built / "book" / "results.html").read_text(encoding="utf-8")
    tables = BeautifulSoup(text, "html.parser").select("article table")
    captions = [table.caption.get_text() for table in tables]
    assert "Who was ahead" in captions[0]
    assert "Where networks failed" in captions[1]
    assert captions[2].startswith("Headlines")
    tally = yaml.safe_load((EXTENSIONS.parent / "tally.yml").read_text(encoding="utf-8"))
    contests = sum(len(group["contests"]) for group in tally["groups"])
    total = [int(cell.get_text()) for cell in tables[0].select("tr")[-1].select("td")[1:]]
    assert sum(total) == contests
    gains = [row.select("td")[-1].get_text() for row in tables[2].select("tbody tr")]
    assert all(gain.strip() != "–" for gain in gains)
