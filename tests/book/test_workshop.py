"""For teachers: every guess is found and timed, plans fit, copies wait, sheets are whole."""

import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import v4

from aimicro.cli import parser
from aimicro.data import registered

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLANS = yaml.safe_load((ROOT / "book" / "workshop_plans.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
SITE = "https://book.example/"


@pytest.fixture(scope="module")
def ext() -> dict[str, ModuleType]:
    """The modules that make it all; they import each other as Sphinx finds them."""
    sys.path.append(str(ROOT / "book" / "_ext"))
    try:
        import guesses
        import workshop_pages
    finally:
        sys.path.remove(str(ROOT / "book" / "_ext"))
    return {"guesses": guesses, "pages": workshop_pages}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def by_stem(path: Path) -> str:
    return path.stem


def small(*, run: bool = True) -> Any:
    """A notebook with two guesses, as one that has run."""
    figure = {"text/html": "<style>.aim{}</style><figure class='aim'>F1</figure>"}
    shown = [v4.new_output("display_data", figure)] if run else []
    said = [v4.new_output("stream", name="stdout", text="31 <dB>\n")] if run else []
    bar = [v4.new_output("stream", name="stderr", text="500/500")] if run else []
    cells = [
        v4.new_markdown_cell("# Noise"),
        v4.new_code_cell("x = 3"),
        v4.new_markdown_cell(
            "## Light\n\nLight is $n$.\n\n**Predict.** How much, see [x](a.ipynb)?"
        ),
        v4.new_code_cell(
            "y = x + 1\nassert y == 4  # four", outputs=shown, metadata={"seconds": 20}
        ),
        v4.new_markdown_cell("Four it was.\n\nNow guess. **Predict** the order of:\n\n1. a\n2. b"),
        v4.new_code_cell("z = 1", outputs=bar, metadata={"tags": ["remove-stderr"]}),
        v4.new_code_cell("y", outputs=said, metadata={"tags": ["hide-input"]}),
        v4.new_markdown_cell("A came first.\n\n## Exercise 1: more\n\nDo more."),
        v4.new_code_cell("secret = 1", outputs=said, metadata={"tags": ["solution", "hide-cell"]}),
    ]
    return v4.new_notebook(cells=cells)


# ---- questions


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_stem)
def test_every_guess_is_found(path: Path, ext: dict[str, ModuleType]):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    texts = [text for text in texts if not text.startswith("## Exercise")]
    asked = sum(len(re.findall(r"\bPredict\b", text)) for text in texts)
    found = ext["guesses"].questions(read(path))
    assert len(found) == asked > 0
    assert sum(one.guesses for one in ext["guesses"].sections(read(path))) == asked
    assert all(one.section for one in found)
    # Each is followed by code, or by another guess that is.
    for question, following in pairwise([*found, None]):
        assert any(piece.code for piece in question.answer) or following


def test_a_question_brings_its_list_and_its_answer_ends_with_the_next(ext: dict[str, ModuleType]):
    first, second = ext["guesses"].questions(small())
    assert (first.section, second.section) == ("Light", "Light")
    assert [piece.text for piece in first.answer if not piece.code] == ["Four it was."]
    assert second.asked == "Now guess. **Predict** the order of:\n\n1. a\n2. b"
    assert second.answer[-1].text == "A came first."
    assert first.answered
    assert second.answered


def test_a_section_counts_words_guesses_and_seconds(ext: dict[str, ModuleType]):
    _, light, exercise = ext["guesses"].sections(small())
    assert (light.guesses, light.seconds, light.slow) == (2, [20, 0, 0], [20])
    assert light.minutes == 5  # two for each guess, 20 s, some words
    assert (exercise.title, exercise.words, exercise.minutes) == ("Exercise 1: more", 2, 1)


# ---- plans


@pytest.mark.parametrize("name", PLANS)
def test_the_minutes_of_a_plan_add_up(name: str):
    assert sum(step["minutes"] for step in PLANS[name]["steps"]) == PLANS[name]["minutes"]
    assert f"```{{workshop-plan}} {name}\n" in PAGE


def steps() -> list[Any]:
    return [
        pytest.param(step, id=f"{name}-{number}")
        for name, plan in PLANS.items()
        for number, step in enumerate(plan["steps"])
        if "notebook" in step
    ]


@pytest.mark.parametrize("step", steps())
def test_a_step_names_sections_of_its_notebook_and_leaves_time_to_talk(
    step: dict[str, Any], ext: dict[str, ModuleType]
):
    notebook = read(ROOT / "notebooks" / f"{step['notebook']}.ipynb")
    found = {one.title: one for one in ext["guesses"].sections(notebook)}
    assert set(step["sections"]) <= set(found)
    assert sum(found[title].minutes for title in step["sections"]) < step["minutes"]


def test_plans_are_as_long_as_the_page_says():
    assert {name: plan["minutes"] for name, plan in PLANS.items() if name != "half-day"} == {
        "lecture": 10,
        "ninety": 90,
    }
    assert 180 <= PLANS["half-day"]["minutes"] <= 240
    assert any(step["what"] == "Break" for step in PLANS["half-day"]["steps"])


@pytest.mark.parametrize(
    ("notebook", "number"), re.findall(r"notebooks/(\w+).ipynb\) \| (\d),", PAGE)
)
def test_the_exercises_that_are_proposed_exist(notebook: str, number: str):
    text = (ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8")
    assert f"## Exercise {number}:" in text


def test_the_lines_of_the_page_are_commands_and_its_megabytes_are_counted():
    lines = re.findall(r"^```bash\n(.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    asked = [parser().parse_args(shlex.split(line)[1:]) for line in lines]
    assert [(one.command, one.fetch) for one in asked] == [("ready", False), ("ready", True)]
    assert f"{sum(registered().values()) / 1e6:.0f} MB" in PAGE


# ---- the copy


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_stem)
def test_a_copy_waits_before_each_result_and_tells_none(path: Path, ext: dict[str, ModuleType]):
    notebook = read(path)
    copy = ext["guesses"].workshop_copy(notebook, pages=SITE)
    nbformat.validate(copy)
    asked = ext["guesses"].questions(notebook)
    waits = [
        (before, cell)
        for before, cell in pairwise(copy.cells)
        if cell.cell_type == "code" and cell.source.startswith('guess("question')
    ]
    numbers = re.findall(r'guess\("question (\d+)"\)', "\n".join(cell.source for _, cell in waits))
    assert numbers == [str(k + 1) for k in range(len(asked))]
    assert all(ext["guesses"].PREDICT.search(before.source) for before, _ in waits)
    code = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert not any(line.startswith("assert ") for cell in code for line in cell.source.splitlines()
                   if not re.search(r"^[%!]", cell.source, re.MULTILINE))  # fmt: skip
    solutions = [cell for cell in code if cell.source.startswith("# @title Solution")]
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in solutions)
    open_text = "\n\n".join(
        re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
        for cell in copy.cells
        if cell.cell_type == "markdown"
    )
    told = [piece.text for one in asked for piece in ext["guesses"].after_result(one)]
    assert [text for text in told if len(text) > 40 and text in open_text] == []
    assert not re.search(r"\]\((?!https?:|#)", open_text)


def test_a_copy_keeps_what_computes(ext: dict[str, ModuleType]):
    copy = ext["guesses"].workshop_copy(small(), pages=SITE)
    code = [cell.source for cell in copy.cells if cell.cell_type == "code"]
    assert code[1:] == [
        "x = 3",
        'guess("question 1")',
        "y = x + 1",
        'guess("question 2")',
        "z = 1",
        "# @title Run this\ny",
        'guess("solution 1")',
        "# @title Run this\nsecret = 1",
        ext["guesses"].LAST,
    ]
    text = "\n".join(cell.source for cell in copy.cells if cell.cell_type == "markdown")
    assert "[x](https://book.example/notebooks/a.html)" in text
    folded = re.findall(
        r"<details>\n<summary>.*?</summary>\n\n(.*?)\n\n</details>", text, re.DOTALL
    )
    assert folded == ["Four it was.", "A came first."]


@pytest.mark.timeout(120)
def test_a_program_runs_a_copy_without_an_answer(ext: dict[str, ModuleType]):
    copy = ext["guesses"].workshop_copy(small(), pages=SITE)
    NotebookClient(copy, timeout=60, kernel_name="python3").execute()
    assert copy.cells[-1].get("outputs") == []  # nothing was guessed


@pytest.mark.timeout(120)
def test_a_copy_waits_until_somebody_has_written_something(ext: dict[str, ModuleType]):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    prompts, printed, answers = [], [], iter(["", "  ", "three"])

    def answer(message: dict[str, Any]) -> None:
        prompts.append(message["content"]["prompt"])
        client.input(next(answers))

    def hear(message: dict[str, Any]) -> None:
        printed.append(message["content"].get("text", ""))

    try:
        code = "\n".join([ext["guesses"].HELPER, 'guess("question 1")', "print(guesses)"])
        client.execute_interactive(code, stdin_hook=answer, output_hook=hear, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert prompts == ["In your words, question 1: "] * 3
    assert "{'question 1': 'three'}" in "".join(printed)


# ---- sheets and keys


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_stem)
def test_a_sheet_has_room_for_each_guess(path: Path, ext: dict[str, ModuleType]):
    notebook = read(path)
    page = BeautifulSoup(ext["pages"].sheet(notebook, mathjax="m.js"), "html.parser")
    asked = ext["guesses"].questions(notebook)
    places = page.select("section.question")
    assert [place.select_one(".number").get_text() for place in places] == [
        str(k + 1) for k in range(len(asked))
    ]
    assert all(len(place.select("label > textarea")) == 2 for place in places)
    assert all("Predict" in place.get_text() for place in places)
    assert "**" not in page.get_text()
    sections = list(dict.fromkeys(one.section for one in asked))
    assert len(page.select("h2 small")) == len(sections)
    assert bool(page.find("script", src="m.js")) == ("\\(" in str(page) or "\\[" in str(page))


def test_a_key_shows_what_came_out_and_nothing_else(ext: dict[str, ModuleType]):
    notebook = small()
    own = {"text/html": "<style>.own{}</style><i>log</i>"}
    notebook.cells[3].outputs.insert(0, v4.new_output("display_data", own))
    page = ext["pages"].key(notebook, mathjax="m.js")
    for part in (
        "<figure class='aim'>F1</figure>",
        "Four it was.",
        "31 &lt;dB&gt;",
        "A came first.",
    ):
        assert page.count(part) == 1
    assert page.count(".aim{}") == 1  # the style of all figures
    assert page.count(".own{}") == 1  # and that of one kind, though it comes first
    assert "500/500" not in page
    assert 'href="../notebooks/a.html"' in page
    assert "next question" not in page
    rows = BeautifulSoup(page, "html.parser").select("tbody tr")
    assert [cell.get_text() for cell in rows[1].find_all(["th", "td"])] == [
        *("Light", "2", "1", "20", "5", "20 s")
    ]


def test_a_key_sends_to_the_next_question_where_nothing_came_out(ext: dict[str, ModuleType]):
    page = ext["pages"].key(small(run=False), mathjax="m.js")
    assert page.count("stands with the next question") == 2


# ---- the built book


@pytest.mark.book
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_stem)
def test_the_site_has_sheet_key_and_copy(path: Path, built: Path, ext: dict[str, ModuleType]):
    folder = built / "workshop"
    asked = ext["guesses"].questions(read(path))
    sheet = (folder / f"{path.stem}_guesses.html").read_text(encoding="utf-8")
    key = BeautifulSoup(
        (folder / f"{path.stem}_answers.html").read_text(encoding="utf-8"), "html.parser"
    )
    assert sheet.count('class="question"') == len(asked) == len(key.select(".asked"))
    assert key.select("figure.aim, pre, img")
    seconds = [row.select("td")[2].get_text() for row in key.select_one("tbody").select("tr")]
    assert sum(map(float, seconds)) > 0
    nbformat.validate(read(folder / f"{path.stem}_workshop.ipynb"))
    notebook = (built / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
    assert "_answers.html" not in notebook


@pytest.mark.book
def test_the_search_knows_no_answer_key(built: Path):
    assert "Answer key:" not in (built / "searchindex.js").read_text(encoding="utf-8")
    assert "_answers" not in (built / "searchindex.js").read_text(encoding="utf-8")


@pytest.mark.book
def test_the_page_lists_all_and_each_plan_fits_the_seconds_of_this_build(
    built: Path, ext: dict[str, ModuleType]
):
    page = BeautifulSoup(
        (built / "book" / "teaching.html").read_text(encoding="utf-8"), "html.parser"
    )
    links = {a["href"] for a in page.select("article a[href]")}
    for path in NOTEBOOKS:
        for ending in ("guesses.html", "workshop.ipynb", "answers.html"):
            assert f"../workshop/{path.stem}_{ending}" in links
    told = re.findall(r": (\d+) minutes?(?: with|[.;])", page.get_text())
    planned = [
        step["minutes"] for plan in PLANS.values() for step in plan["steps"] if "notebook" in step
    ]
    assert len(told) == len(planned)
    assert all(int(least) < given for least, given in zip(told, planned, strict=True))
