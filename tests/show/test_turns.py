from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from aimicro import show

TURNS = [
    SimpleNamespace(thought="I look.", call="look(<1>)", result={"agreement": 0.7}, refusal=""),
    SimpleNamespace(thought="", call="erase()", result={}, refusal="There is no such tool."),
    SimpleNamespace(thought="", call="answer(n=3)", result={}, refusal=""),
]


def test_each_turn_is_a_row_and_a_refusal_is_said():
    page = BeautifulSoup(show.log(TURNS, name="A run").html, "html.parser")
    rows = [
        [cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tbody tr")
    ]
    assert rows == [
        ["1", "I look.", "look(<1>)", "agreement 0.7"],
        ["2", "", "erase()", "Refused. There is no such tool."],
        ["3", "", "answer(n=3)", "accepted"],
    ]
    assert page.caption.string == "A run"


def test_rows_may_have_names_and_the_alternative_text_tells_all():
    figure = show.log({"bad": TURNS[1]}, name="Refused")
    assert repr(figure) == "Refused. bad: erase() was refused: There is no such tool."


def test_bad_input():
    with pytest.raises(ValueError, match="one turn or more, got none"):
        show.log([], name="A run")
    with pytest.raises(ValueError, match="name to be a text"):
        show.log(TURNS, name=" ")
