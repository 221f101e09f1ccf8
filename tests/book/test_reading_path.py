"""From each page to the next: what to read before, how long it takes, where to go on."""

import json
import re
import runpy
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
MINUTES = runpy.run_path(str(ROOT / "book" / "_ext" / "reading_path.py"))["minutes"]
PAGES = [*sorted((ROOT / "book").glob("chapter*.md")), ROOT / "book" / "appendixA_rcan.md"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAP = ROOT / "book" / "figures" / "concept_map.svg"


@pytest.mark.parametrize(("words", "expected"), [(1, 5), (750, 5), (751, 10), (3000, 20)])
def test_the_time_is_counted_in_words_of_the_page(words: int, expected: int):
    assert MINUTES("word " * words) == expected


def test_what_is_no_text_takes_no_time():
    markup = "---\nmyst:\n" + "  word: word\n" * 800 + "---\n"
    markup += "(a-place)=\n```{figure} a.svg\n:alt: " + "word " * 800 + "\n```\n"
    assert MINUTES(markup + "word " * 750) == 5


@pytest.mark.book
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_comes_before_and_after_it(path: Path, pages: dict):
    (page,) = (soup for file, soup in pages.items() if file.stem == path.stem)
    (line,) = page.find_all("p", class_="reading-path")
    n_minutes = MINUTES(path.read_text(encoding="utf-8"))
    words = " ".join(line.get_text().split())
    assert re.fullmatch(rf"Before: .+\. Time: about {n_minutes} minutes\. Then: .+\.", words)
    assert len(line.find_all("a")) == (1 if "Before: nothing" in words else 2)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_what_it_needs_and_where_to_go_on(path: Path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, last = ("".join(cells[end]["source"]) for end in (0, -1))
    for told in ("**You will be able to**", "**You need**", "**It takes**"):
        assert told in first
    assert re.search(r"\*\*It takes\*\* (?:\w+ )?\w+ (?:minutes|quarters|hour)", first)
    assert "## Take away" in last
    assert "**Next:**" in last


def test_the_map_of_the_book_leads_to_every_chapter():
    links = {
        a["href"]
        for a in BeautifulSoup(MAP.read_text(encoding="utf-8"), "html.parser").find_all("a")
    }
    led = {Path(link.partition("#")[0]).stem for link in links}
    chapters = {path.stem for path in PAGES if path.stem.startswith("chapter")}
    assert chapters <= led


@pytest.mark.book
def test_the_map_can_be_used_with_the_keyboard_and_read_aloud(built: Path):
    page = BeautifulSoup((built / "index.html").read_text(encoding="utf-8"), "html.parser")
    (drawn,) = page.find_all("svg", class_="concept-map")
    assert all((built / a["href"].partition("#")[0]).is_file() for a in drawn.find_all("a"))
    words = drawn.find("desc").get_text().lower()
    assert all(
        title.get_text().split()[-1] in words
        for title in drawn.find_all("text", class_=lambda name: name is None)
    )
