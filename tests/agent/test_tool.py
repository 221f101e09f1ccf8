import pytest
from pydantic import BaseModel, Field

from aimicro.agent import RefusedError, Tool, inside


class Angle(BaseModel, extra="forbid"):
    degrees: float = Field(ge=0, le=90)


TILT = Tool("tilt", "Tilts the stage.", Angle, lambda degrees: {"tilted": degrees})


def test_a_call_in_range_returns_what_the_function_does():
    assert TILT.call({"degrees": 30}) == {"tilted": 30}
    assert TILT.card()["arguments"]["degrees"]["maximum"] == 90


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"degrees": 91}, "less than or equal to 90, got 91"),
        ({"degrees": "steep"}, "valid number"),
        ({}, "required"),
        ({"degrees": 3, "force": True}, "force: Extra inputs are not permitted"),
        ({"degrees": float("nan")}, "than or equal to"),
    ],
)
def test_arguments_out_of_their_limits_are_refused_before_anything_is_done(arguments, words):
    done = []
    tool = Tool("tilt", "", Angle, lambda degrees: done.append(degrees) or {})
    with pytest.raises(RefusedError, match=words) as refused:
        tool.call(arguments)
    assert refused.value.rule == "arguments"
    assert not done


def test_a_function_may_refuse_and_a_check_judges_its_result():
    def stuck(degrees):
        raise ValueError("Expected a free stage, got a sample. Lift the objective.")

    with pytest.raises(RefusedError, match="Lift the objective"):
        Tool("tilt", "", Angle, stuck).call({"degrees": 1})
    strict = Tool("tilt", "", Angle, TILT.function, lambda result: "It did not move.")
    with pytest.raises(RefusedError, match="It did not move") as refused:
        strict.call({"degrees": 1})
    assert refused.value.rule == "result"


@pytest.mark.parametrize("path", ["a/b.tif", "a/./b.tif", "a/c/../b.tif", "a\\b.tif", "a//b.tif"])
def test_a_path_inside_is_written_without_detours(path):
    assert inside("a", path) == "a/b.tif"


@pytest.mark.parametrize(
    "path", ["b.tif", "a/../b.tif", "/a/b.tif", "a", "ab/c.tif", "a\\..\\b.tif", "../a/b.tif", ""]
)
def test_a_path_that_leads_out_is_refused(path):
    with pytest.raises(ValueError, match="Expected a path in a/"):
        inside("a", path)
