"""Pages with real images are built twice, with them and without: each tells its own story."""

import json
import os
import re
import runpy
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = ROOT / "_build" / "without-data" / "_build" / "html"
NAMES = [
    path.stem
    for path in runpy.run_path(str(ROOT / "scripts" / "run_notebooks.py"))["with_real_data"]()
]
ASKED = re.compile(r"(?<![.\w])data\.(nuclei|denoising_pairs|bead|epidermis|bars|confocal_\w+)\(")
# Whose cells they are, who outlined them, and that they are real.
REAL = re.compile(
    r"\b(?:U2OS|BPAE|BBBC039|FMD|Hoechst|(?:of|in) (?:the|a|a living) mouse|paw|human cells?"
    r"|[Ee]xperts?|[Rr]eal (?:\w+ )?(?:images?|cells?|nuclei|pairs?|fields?|frames?|beads?|files?"
    r"|film|tissue|specimens?))\b"
)
TEXTS = "p, li, td, th, h1, h2, h3, figcaption, caption, pre, summary, .aim-title, .aim-note"
PLAIN = str.maketrans("’“”", '\'""')  # quotation marks as they are typed
# Sentences that hold for the twins as well: they speak of nobody's images, or say of whose.
FOR_BOTH = json.loads((Path(__file__).parent / "both_ways.json").read_text(encoding="utf-8"))


def cells_of(name: str) -> list[str]:
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_the_box_comes_first_and_asks_for_all_that_the_notebook_uses(name: str):
    install, imports, box, *others = cells_of(name)
    assert "google.colab" in install
    assert "import" in imports
    assert re.match(r"#.*\nshow\.twin\(", box)
    assert set(ASKED.findall(box)) == set(ASKED.findall("\n".join(others)))


def page(folder: Path, name: str) -> BeautifulSoup:
    file = folder / "notebooks" / f"{name}.html"
    if not file.is_file():
        pytest.fail(f"Expected {file}, got none. Run scripts/test.sh book bare.")
    article = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser").article
    for hidden in article.select("style, script, .hint, div.cell_input"):
        hidden.decompose()
    return article


def is_real() -> bool:
    """Whether the book itself was built with the real images."""
    return os.environ.get("AIMICRO_WITHOUT_DATA") != "1"


@pytest.mark.book
@pytest.mark.parametrize("name", NAMES)
def test_the_box_is_there_exactly_where_twins_are(name: str, built: Path):
    for folder, simulated in ((WITHOUT, True), (built, not is_real())):
        article = page(folder, name)
        boxes = article.select(".aim-twin")
        assert len(boxes) == simulated
        assert ("a simulated twin stands in" in article.get_text()) <= simulated
        assert not article.select("section section .aim-twin")  # above all other headings


@pytest.mark.book
@pytest.mark.parametrize("name", NAMES)
def test_captions_of_twins_name_the_twin_and_nobody_elses_images(name: str, built: Path):
    twins = [c.get_text() for c in page(WITHOUT, name).select("figcaption")]
    assert not [text for text in twins if "Images:" in text]
    if is_real():
        real = [c.get_text() for c in page(built, name).select("figcaption")]
        assert not [text for text in real if "imulated twin" in text]
        assert len(real) == len(twins)
        credited = [k for k, text in enumerate(real) if "Images:" in text]
        assert all("Simulated twin." in twins[k] for k in credited)


def told(article: BeautifulSoup) -> list[str]:
    """Sentences of a page without the box, and without what a collection says of itself."""
    for box in article.select(".aim-twin"):
        box.decompose()
    for output in article.select("pre"):
        if "a simulated twin stands in" in output.get_text():
            output.decompose()
    described = article.select("img, [aria-label]")
    words = [tag.get("alt") or tag.get("aria-label") or "" for tag in described]
    for block in article.select(TEXTS):
        words += re.split(r"(?<=[.!?]) +(?=[A-Z(])", " ".join(block.get_text().split()))
    return [text.translate(PLAIN).rstrip("#").strip() for text in words]


@pytest.mark.book
@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_calls_the_twin_real(name: str):
    found = {text for text in told(page(WITHOUT, name)) if REAL.search(text)}
    assert sorted(found - set(FOR_BOTH.get(name, []))) == []


def test_a_sentence_for_both_still_stands():
    for name, sentences in FOR_BOTH.items():
        sources = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        text = " ".join(" ".join("".join(c["source"]) for c in sources["cells"]).split())
        plain = re.sub(r"\]\([^)]*\)|[\[*`]", "", text)
        assert [s for s in sentences if s not in plain] == [], name
