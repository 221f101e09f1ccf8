import json

import pytest
from pydantic import BaseModel

from aimicro.agent import Tool, run_agent


class Nothing(BaseModel, extra="forbid"):
    pass


class Number(BaseModel, extra="forbid"):
    n: int


TOOLS = [
    Tool("count", "", Nothing, lambda: {"count": 12, "area": 50.0}),
    Tool("square", "", Number, lambda n: {"count": n * n}),
]


def says(*replies):
    """A model that gives these replies in turn, and the last one for ever."""
    left = list(replies)
    return lambda messages: left.pop(0) if len(left) > 1 else left[0]


def call(tool, **arguments):
    return json.dumps({"tool": tool, "arguments": arguments})


def answer(**numbers):
    return json.dumps({"answer": numbers})


def test_a_model_that_measures_and_answers():
    log = run_agent(says(call("count"), answer(count=12, area=50.0)), TOOLS, "How many?")
    assert log.answer == {"count": 12, "area": 50}
    assert (log.stopped, log.refused) == ("answered", [])
    assert [step.call for step in log.steps] == ["count()", "answer(count=12, area=50)"]


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        (call("delete"), "tool"),
        (call("square", n="many"), "arguments"),
        (call("square", n=2, m=3), "arguments"),
        (answer(count=13), "answer"),
        (answer(counts=12), "answer"),
        (answer(count=9, area=50), "answer"),  # each was returned, and not together
        (answer(count=float("nan")), "answer"),
        ("I think that there are twelve.", "reply"),
        ("{}", "reply"),
        (json.dumps({"answer": {}}), "reply"),
        (json.dumps({"answer": {"count": 12}, "tool": "count"}), "reply"),
        (json.dumps({"answer": {"count": "a dozen"}}), "reply"),
        (call("count"), "repeat"),
    ],
)
def test_what_is_refused_is_told_and_mended(reply, rule):
    heard = []

    def model(messages):
        heard.append(messages[-1]["content"])
        turns = [call("count"), call("square", n=3), reply, answer(count=12)]
        return turns[len(heard) - 1]

    log = run_agent(model, TOOLS, "How many?")
    assert log.refused == [rule]
    assert heard[-1].startswith(f"Refused ({rule}). ")
    assert heard[-1].endswith(log.steps[2].refusal)
    assert log.answer == {"count": 12}


def test_a_loop_without_end_ends_with_the_budget():
    log = run_agent(says(call("count")), TOOLS, "How many?", max_calls=5, max_repeats=2)
    assert log.refused == ["repeat"] * 3
    assert log.answer is None
    assert log.stopped == "budget of 5 calls spent"


def test_the_same_call_in_another_order_of_arguments_is_the_same():
    class Two(BaseModel):
        a: int
        b: int

    tool = Tool("add", "", Two, lambda a, b: {"sum": a + b})
    turns = [call("add", a=1, b=2), call("add", b=2, a=1), answer(sum=3)]
    assert run_agent(says(*turns), [tool], "Add.").refused == ["repeat"]


def test_the_log_can_be_kept_and_read_again():
    log = run_agent(says(call("delete"), call("count"), answer(count=12)), TOOLS, "How many µm?")
    first, *steps, last = [json.loads(line) for line in log.json_lines().splitlines()]
    assert first == {"task": "How many µm?"}
    assert [step["rule"] for step in steps] == ["tool", "", ""]
    assert last == {"answer": {"count": 12.0}, "stopped": "answered"}


def test_bad_input():
    with pytest.raises(ValueError, match="different names"):
        run_agent(says("{}"), [TOOLS[0], TOOLS[0]], "?")
    with pytest.raises(ValueError, match="max_calls"):
        run_agent(says("{}"), TOOLS, "?", max_calls=0)
