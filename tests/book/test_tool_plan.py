"""The questionnaire of chapter 8: every control has a name, and the page counts the questions."""

import runpy
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTER = (BOOK / "chapter08_choosing_a_tool.md").read_text(encoding="utf-8")
PLAN = yaml.safe_load((BOOK / "tool_plan.yml").read_text(encoding="utf-8"))
QUESTIONS = [question for part in PLAN["parts"] for question in part["questions"]]


@pytest.fixture(scope="module")
def form() -> BeautifulSoup:
    extension = runpy.run_path(str(BOOK / "_ext" / "tool_plan.py"))
    return BeautifulSoup(extension["form"](PLAN), "html.parser")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_every_question_has_options_and_something_to_think_about(question: dict):
    assert question["ask"].endswith("?")
    assert question["think"][-1] in ".?"
    assert question["choose"] in ("one", "several")
    options = question["options"]
    assert len(set(options)) == len(options) >= 3
    assert all(isinstance(option, str) for option in options)  # YAML takes a bare no for false


def test_questions_have_names_of_their_own():
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)


def test_the_page_says_how_many_questions_there_are():
    assert len(QUESTIONS) == 16
    assert "\nSixteen questions" in CHAPTER
    assert "If sixteen questions" in CHAPTER


def test_every_control_has_a_label(form: BeautifulSoup):
    controls = form.select("input, textarea, select")
    assert len({control["id"] for control in controls}) == len(controls)
    for control in controls:
        assert form.select_one(f"label[for={control['id']}]").get_text()
    offered = [option for question in QUESTIONS for option in question["options"]]
    assert [form.select_one(f"label[for={box['id']}]").text for box in form("input")] == offered


def test_one_answer_is_asked_with_radio_buttons_and_several_with_boxes(form: BeautifulSoup):
    for question in QUESTIONS:
        kinds = {box["type"] for box in form.select(f"input[name=plan-{question['id']}]")}
        assert kinds == {{"one": "radio", "several": "checkbox"}[question["choose"]]}


def test_a_question_is_described_by_what_there_is_to_think_about(form: BeautifulSoup):
    for field, question in zip(form("fieldset"), QUESTIONS, strict=True):
        assert question["ask"] in field.legend.get_text()
        assert form.find(id=field["aria-describedby"]).get_text() == question["think"]


def test_without_script_there_is_no_button_that_does_nothing(form: BeautifulSoup):
    save, again = form("button")
    assert save.has_attr("hidden")
    assert again["type"] == "reset"
    assert "Print" in form.noscript.get_text()
