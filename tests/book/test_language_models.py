"""What chapter 3 counts, reckons and lists in its text is right, and its code does what it says."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "book" / "chapter03_language_models.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "scripts" / "make_language_figures.py"
DRAWN = runpy.run_path(str(SCRIPT))
CAPTIONS, following = DRAWN["CAPTIONS"], DRAWN["following"]
DYES = {
    "nuclei": {"DAPI", "Hoechst"},
    "actin": {"phalloidin"},
    "mitochondria": {"MitoTracker"},
}


def walked(memory: int) -> dict[str, float]:
    """Return each caption that the table can make, and how likely it is."""
    subjects = [caption.split()[0] for caption in CAPTIONS]
    going = {subject: subjects.count(subject) / len(subjects) for subject in set(subjects)}
    done: dict[str, float] = {}
    while going:
        text, chance = going.popitem()
        steps = following(text, memory)
        if not steps:
            done[text] = done.get(text, 0) + chance
        for word, share in steps.items():
            going[f"{text} {word}"] = going.get(f"{text} {word}", 0) + chance * share
    return done


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table that begins with these words."""
    (table,) = re.findall(rf"^(\|[^\n]*{re.escape(heading)}.*?)\n(?:\n|```)", TEXT, re.S | re.M)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line]


def test_the_page_prints_the_captions_that_the_figures_count() -> None:
    assert re.findall(r"^\d+\. (.* stained with .*)$", TEXT, re.M) == list(CAPTIONS)


def test_what_two_and_three_words_of_memory_make_of_ten_captions() -> None:
    two, three = walked(2), walked(3)
    assert (len(two), len(three)) == (30, 10)
    assert set(three) == set(CAPTIONS)
    assert set(CAPTIONS) < set(two)
    assert sum(two.values()) == pytest.approx(1)
    wrong = sum(
        chance for text, chance in two.items() if text.split()[3] not in DYES[text.split()[0]]
    )
    assert f"Over captions of all three kinds, {wrong:.0%}".replace("%", " %") in TEXT
    assert following("mitochondria stained with", 2)["MitoTracker"] == pytest.approx(0.2)
    assert "Thirty captions can be walked here; ten were read." in TEXT
    assert "mitochondria stained with DAPI in zebrafish" in set(two) - set(CAPTIONS)


def test_the_figures_are_what_the_script_draws(tmp_path: Path) -> None:
    draw = runpy.run_path(str(SCRIPT))
    for name, figure in draw["FIGURE_OF"].items():
        assert f"figures/{name}.svg" in TEXT
        if name == "nearest_sentence":  # its pictures are packed anew by each release of zlib
            continue
        figure.__globals__["FIGURES"] = tmp_path
        figure()
        committed = ROOT / "book" / "figures" / f"{name}.svg"
        assert (tmp_path / f"{name}.svg").read_text() == committed.read_text(encoding="utf-8")


def test_the_words_beside_the_figure_are_its_numbers() -> None:
    two = following("stained with", 2)
    alt = re.search(r":alt: Four bar charts(.*)", TEXT)[1]
    for temperature in (1, 0.5, 2):
        for word, chance in DRAWN["at_temperature"](two, temperature).items():
            assert re.search(rf"{word} {100 * chance:.0f}\b", alt), (word, temperature)


def test_hours_and_chains_are_reckoned_right() -> None:
    assert 1 + 30 + 0.1 * 60 == 37
    assert "Some 37 minutes instead of 60." in TEXT
    assert f"{0.9**10:.2f}" == "0.35"
    assert "$0.9^{10} = 0.35$" in TEXT
    step = 0.1 * 0.1 + 0.1 * 0.9 * 0.1  # not found; or found, and wrong again
    assert round(100 * step) == 2
    assert round(5 * (1 - step) ** 10) == 4


@pytest.fixture(scope="module")
def replies() -> dict:
    """The code of the page, run from top to bottom."""
    found: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```", TEXT, re.S | re.M):
        exec(block, found)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_table_of_what_passes_is_what_the_code_does(replies: dict, seed: int) -> None:
    header, _, *body = rows("`reply_1`")
    for column, name in enumerate(header[1:], 1):
        passed = replies["checks"](replies[name.strip("`")], seed)
        assert {row[0]: row[column] for row in body} == {
            check: "yes" if good else "no" for check, good in passed.items()
        }, name


def test_otsu_finds_a_thousand_nuclei_in_nothing(replies: dict) -> None:
    assert "more than a thousand nuclei" in TEXT
    for seed in range(4):
        empty = np.random.default_rng(seed).poisson(5, (256, 256)).astype(float)
        assert replies["reply_2"](empty) > 1000


def test_each_tool_is_read_somewhere() -> None:
    _, _, *tools = rows("What it is, as its makers describe it")
    assert len(tools) >= 5
    for name, told, source in tools:
        assert told, name
        assert "{cite:t}" in source or "https://" in source, name


@pytest.mark.parametrize(
    ("heading", "least"),
    [
        ("| Task |", 8),
        ("| Guard |", 6),
        ("| Failure |", 8),
        ("| Instead of |", 5),
        ("| Record |", 8),
    ],
)
def test_tables_have_no_empty_cell(heading: str, least: int) -> None:
    head, _, *body = rows(heading.strip("| "))
    assert len(body) >= least
    assert all(len(row) == len(head) and all(row) for row in body)


def test_the_statement_has_a_place_for_what_is_to_be_recorded() -> None:
    statement = re.search(r"A disclosure statement\n:class: note\n(.*?)\n```", TEXT, re.S)[1]
    for blank in ("model, version", "program, version", "dates", "supplement", "initials", "n"):
        assert f"[{blank}]" in statement
