"""The decision guide of chapter 10: complete, and about metrics that the package has."""

import re
import runpy
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

import aimicro.metrics

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTER = (BOOK / "chapter10_output_quality.md").read_text(encoding="utf-8")
GUIDE = yaml.safe_load((BOOK / "metric_guide.yml").read_text(encoding="utf-8"))
ANSWERS = {
    f"{question['id']}-{name}": answer
    for question in GUIDE["questions"]
    for name, answer in question["answers"].items()
}


@pytest.fixture(scope="module")
def form() -> BeautifulSoup:
    extension = runpy.run_path(str(BOOK / "_ext" / "metric_guide.py"))
    return BeautifulSoup(extension["form"](GUIDE), "html.parser")


@pytest.mark.parametrize("name", GUIDE["metrics"])
def test_a_metric_is_a_function_of_the_package_and_defined_in_the_chapter(name: str):
    metric = GUIDE["metrics"][name]
    assert metric["function"].split(".")[0] in aimicro.metrics.__all__
    assert callable(attrgetter(metric["function"])(aimicro.metrics))
    assert f"{{#metric-{metric['place']}}}" in CHAPTER
    assert metric["state"].endswith(".")
    assert any(name in answer.get("take", []) for answer in ANSWERS.values())


@pytest.mark.parametrize("question", GUIDE["questions"], ids=lambda question: question["id"])
def test_every_question_has_an_outcome(question: dict):
    answers = question["answers"].values()
    assert len(answers) >= 2
    assert any(answer.get("take") for answer in answers)
    for answer in answers:
        assert isinstance(answer["say"], str)  # YAML takes a bare yes for a truth value
        assert answer["because"].endswith(".")
        take, leave = set(answer.get("take", [])), set(answer.get("leave", []))
        assert take | leave <= set(GUIDE["metrics"])
        assert not take & leave


def test_the_page_says_how_many_questions_there_are():
    number = re.search(r"Answer the (\w+) questions", CHAPTER)[1]
    numbers = ["five", "six", "seven", "eight", "nine", "ten"]
    assert numbers.index(number) + 5 == len(GUIDE["questions"])


def test_every_answer_is_a_labelled_button_of_its_question(form: BeautifulSoup):
    buttons = form.select("fieldset input[type=radio]")
    assert [button["id"] for button in buttons] == [f"guide-{name}" for name in ANSWERS]
    for button in buttons:
        assert button["id"].startswith(f"{button['name']}-")
        assert form.select_one(f"label[for={button['id']}]").get_text()


def test_the_outcome_stands_under_its_answer_for_who_has_no_style(form: BeautifulSoup):
    for name, answer in ANSWERS.items():
        outcome = form.find(id=f"guide-{name}").find_next(class_="guide-outcome").get_text()
        assert answer["because"] in outcome
        for metric in (*answer.get("take", []), *answer.get("leave", [])):
            assert GUIDE["metrics"][metric]["name"] in outcome


def test_nothing_on_the_form_is_a_script(form: BeautifulSoup):
    assert not form.find_all("script")
    assert not [
        tag for tag in form.find_all(True) if any(key.startswith("on") for key in tag.attrs)
    ]
