import pytest
from bs4 import BeautifulSoup

from aimicro import show

OPTIONS = [
    ("The lens", False, "A lens passes light."),
    ("The photons", True, "They arrive at random."),
]


def test_each_answer_opens_to_a_verdict_and_a_reason():
    page = BeautifulSoup(show.quiz("Where is the <noise>?", OPTIONS).html, "html.parser")
    assert page.select_one(".aim-quiz > p").string == "Where is the <noise>?"
    answers = page.find_all("details")
    assert [a.summary.string for a in answers] == ["The lens", "The photons"]
    assert [a.p.get_text() for a in answers] == [
        "✗ Not this one. A lens passes light.",
        "✓ Right. They arrive at random.",
    ]
    assert not any(a.has_attr("open") for a in answers)
    assert not page.find_all("script")


def test_without_html_the_question_stands_without_its_solution():
    assert repr(show.quiz("Where?", OPTIONS)) == "Where? The lens / The photons"


@pytest.mark.parametrize("options", [OPTIONS[:1], OPTIONS[1:], [OPTIONS[0]] * 2])
def test_bad_input(options):
    with pytest.raises(ValueError, match="two or more options with a right one, got"):
        show.quiz("Where?", options)


def test_a_quiz_asks_something():
    with pytest.raises(ValueError, match="question to be a text, got ' '"):
        show.quiz(" ", OPTIONS)
