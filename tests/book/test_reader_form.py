"""The forms of the book: every control has a name, and the pages count the questions."""

import runpy
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = {
    "data_card": "chapter05_training_data",
    "offer": "deciding",
    "tool_plan": "chapter08_choosing_a_tool",
}
TABLES = {
    name: yaml.safe_load((BOOK / f"{name}.yml").read_text(encoding="utf-8")) for name in CHAPTERS
}


def questions(name: str) -> list[dict]:
    return [question for part in TABLES[name]["parts"] for question in part["questions"]]


@pytest.fixture(params=CHAPTERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def form(name: str) -> BeautifulSoup:
    extension = runpy.run_path(str(BOOK / "_ext" / "reader_form.py"))
    return BeautifulSoup(extension["form"](TABLES[name]), "html.parser")


def test_every_question_has_something_to_think_about_and_real_options(name: str):
    for question in questions(name):
        assert question["ask"].endswith("?")
        assert question["think"][-1] in ".?"
        assert question["words"]
        assert ("options" in question) == ("choose" in question)
        if "options" in question:
            assert question["choose"] in ("one", "several")
            options = question["options"]
            assert len(set(options)) == len(options) >= 3
            assert all(isinstance(o, str) for o in options)  # YAML takes a bare no for false


def test_questions_have_names_of_their_own(name: str):
    asked = questions(name)
    assert len({question["id"] for question in asked}) == len(asked)


@pytest.mark.parametrize(
    ("table", "count"), [("data_card", "Twelve"), ("offer", "Five"), ("tool_plan", "Sixteen")]
)
def test_the_page_says_how_many_questions_there_are(table: str, count: str):
    chapter = (BOOK / f"{CHAPTERS[table]}.md").read_text(encoding="utf-8")
    assert f"{{reader-form}} {table}\n" in chapter
    assert f"{count} questions" in chapter
    assert len(questions(table)) == {"Five": 5, "Twelve": 12, "Sixteen": 16}[count]


def test_every_control_has_a_label(name: str, form: BeautifulSoup):
    controls = form.select("input, textarea, select")
    assert len({control["id"] for control in controls}) == len(controls)
    for control in controls:
        assert form.select_one(f"label[for={control['id']}]").get_text()
    offered = [option for question in questions(name) for option in question.get("options", [])]
    assert [form.select_one(f"label[for={box['id']}]").text for box in form("input")] == offered


def test_one_answer_is_asked_with_radio_buttons_and_several_with_boxes(
    name: str, form: BeautifulSoup
):
    for question in questions(name):
        kinds = {box["type"] for box in form.select(f"input[name=plan-{question['id']}]")}
        expected = {"one": {"radio"}, "several": {"checkbox"}, None: set()}
        assert kinds == expected[question.get("choose")]


def test_a_question_is_described_by_what_there_is_to_think_about(name: str, form: BeautifulSoup):
    for field, question in zip(form("fieldset"), questions(name), strict=True):
        assert question["ask"] in field.legend.get_text()
        assert form.find(id=field["aria-describedby"]).get_text() == question["think"]


def test_only_a_choice_asks_how_much_an_answer_weighs(name: str, form: BeautifulSoup):
    assert len(form("select")) == (len(questions(name)) if name == "tool_plan" else 0)


def test_without_script_there_is_no_button_that_does_nothing(form: BeautifulSoup):
    save, again = form("button")
    assert save.has_attr("hidden")
    assert again["type"] == "reset"
    assert "Print" in form.noscript.get_text()
