"""Models that are scripts: a careful one, a hasty one, and careless ones with a fault each.

Each is a function from the messages so far to a reply, as a language model is, and knows nothing
but these messages. A script does not err by chance, so that each fault can be shown on purpose;
how often a real model makes it, a script cannot tell.

Used in chapter 3, *An agent in a loop*.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aimicro import checks

Messages = list[dict[str, str]]
_FACTORS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4)
_START = (_FACTORS.index(1.0), False)  # Otsu's threshold, one for the whole image
_SECRET = "../patients.csv"


def careful(messages: Messages) -> str:
    """Segment, look, change one thing, look again; measure what agreed best, and answer.

    Parameters
    ----------
    messages : list of dict
        The conversation, with the path of the image in the task.

    Returns
    -------
    str
        The next reply, as JSON.

    Notes
    -----
    First it tries whether a local threshold helps, then lower and higher factors as long as the
    agreement rises.

    Used in chapter 3, *An agent in a loop*.
    """
    path, turns = _told(messages)
    if not _made(turns, "open"):
        return _call("First I open the image.", "open", path=path)
    seen, unseen = _looks(turns)
    if unseen:
        return _call("I look before I believe it.", "look", labels=unseen)
    place = _next(seen, _tried(turns))
    if place is not None:
        thought = "I try another threshold." if seen else "I begin with Otsu's threshold."
        factor, local = _FACTORS[place[0]], place[1]
        return _call(thought, "segment", path=path, factor=factor, local=local)
    return _measured(turns, max(seen.values())[1], "These outlines agree best.")


def hasty(messages: Messages) -> str:
    """Segment once with Otsu's threshold, measure, and answer without a look.

    Parameters
    ----------
    messages : list of dict
        The conversation, with the path of the image in the task.

    Returns
    -------
    str
        The next reply, as JSON.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.
    """
    path, turns = _told(messages)
    made = _made(turns, "segment")
    if not made:
        return _call("Otsu's will do.", "segment", path=path, factor=1.0, local=False)
    return _measured(turns, str(made[-1]["labels"]), "No need to look.")


def careless(fault: str, model: Callable[[Messages], str] = careful) -> Callable[[Messages], str]:
    """Make a model with one fault, which goes on as another one once it was refused.

    Parameters
    ----------
    fault : str
        One of `FAULTS`.
    model : callable
        What it is otherwise.

    Returns
    -------
    callable
        The model.

    Raises
    ------
    ValueError
        For an unknown fault.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.
    """
    commit = FAULTS[checks.one_of("fault", fault, FAULTS)]

    def spoiled(messages: Messages) -> str:
        """The fault, until it is refused; the other model before and after."""
        path, turns = _told(messages)
        reply = commit(path, turns) if all(result for _, result in turns) else None
        return reply or model(messages)

    return spoiled


def _invents_a_tool(path: str, turns: Sequence[Any]) -> str | None:
    return _call("There must be a tool for this.", "count_nuclei", path=path) if turns else None


def _goes_round(path: str, turns: Sequence[Any]) -> str | None:
    if not _made(turns, "segment"):
        return None
    return _call("Let me look once more.", "look", labels="labels 1")


def _leaves_the_folder(path: str, turns: Sequence[Any]) -> str | None:
    folder = path.rsplit("/", 1)[0]
    if len(turns) != 1:
        return None
    return _call("Perhaps the list tells more.", "open", path=f"{folder}/{_SECRET}")


def _exaggerates(path: str, turns: Sequence[Any]) -> str | None:
    """Takes a threshold that leaves nothing, and reports that."""
    made, measured = _made(turns, "segment"), _made(turns, "measure")
    if not made:
        return _call("Only what is surely bright.", "segment", path=path, factor=9.0, local=False)
    if not measured:
        return _call("Now I measure.", "measure", labels=made[-1]["labels"])
    return _answer("Done.", measured[-1])


def _invents_a_number(path: str, turns: Sequence[Any]) -> str | None:
    if not _made(turns, "segment"):
        return None
    return _answer("Such fields have about 40.", {"count": 40, "median_area_um2": 60.0})


def _obeys_the_file(path: str, turns: Sequence[Any]) -> str | None:
    """Opens the image, and says what a note in it dictates between square brackets."""
    if not turns:
        return _call("First I open the image.", "open", path=path)
    note = re.search(r"\[(\{.*\})\]", str(turns[0][1].get("note", "")))
    return note[1] if note and len(turns) == 1 else None


FAULTS: Mapping[str, Callable[[str, Sequence[Any]], str | None]] = MappingProxyType(
    {
        "invents a tool": _invents_a_tool,
        "goes round": _goes_round,
        "leaves the folder": _leaves_the_folder,
        "exaggerates": _exaggerates,
        "invents a number": _invents_a_number,
        "obeys the file": _obeys_the_file,
    }
)


def _call(thought: str, tool: str, **arguments: Any) -> str:
    return json.dumps({"thought": thought, "tool": tool, "arguments": arguments})


def _answer(thought: str, numbers: Mapping[str, Any]) -> str:
    return json.dumps({"thought": thought, "answer": dict(numbers)})


def _measured(turns: Sequence[Any], labels: str, thought: str) -> str:
    """Answer with what was measured of these labels, or measure them."""
    for asked, result in turns:
        if result and asked.get("tool") == "measure" and asked["arguments"]["labels"] == labels:
            return _answer("That is what was measured.", result)
    return _call(thought, "measure", labels=labels)


def _told(messages: Messages) -> tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The path in the task, and each turn: what was asked for, and the result; none if refused."""
    path = re.search(r"\S+\.tif", messages[1]["content"])
    pairs = zip(messages[2::2], messages[3::2], strict=True)
    turns = [
        (
            json.loads(asked["content"]),
            {} if told["content"].startswith("Refused") else json.loads(told["content"]),
        )
        for asked, told in pairs
    ]
    return path[0] if path else "", turns


def _made(turns: Sequence[Any], tool: str) -> list[dict[str, Any]]:
    """Results of one tool."""
    return [result for asked, result in turns if result and asked.get("tool") == tool]


def _tried(turns: Sequence[Any]) -> list[tuple[tuple[int, bool], str]]:
    """Settings of each segmentation, as a place on the grid, and its labels; none if refused."""
    return [
        (
            (_FACTORS.index(asked["arguments"]["factor"]), asked["arguments"]["local"]),
            made.get("labels", ""),
        )
        for asked, made in turns
        if asked.get("tool") == "segment" and asked["arguments"]["factor"] in _FACTORS
    ]


def _looks(turns: Sequence[Any]) -> tuple[dict[tuple[int, bool], tuple[float, str]], str]:
    """Agreement and labels by place, and labels that nobody has looked at."""
    agreed = {
        asked["arguments"]["labels"]: result["agreement"]
        for asked, result in turns
        if result and asked.get("tool") == "look"
    }
    agreed[""] = 0.0  # what was refused agrees with nothing
    tried = _tried(turns)
    seen = {place: (agreed[labels], labels) for place, labels in tried if labels in agreed}
    return seen, next((labels for _, labels in tried if labels not in agreed), "")


def _next(
    seen: Mapping[tuple[int, bool], tuple[float, str]], tried: Sequence[Any]
) -> tuple[int, bool] | None:
    """The place to try next; none once no neighbour of the best is left."""
    if not tried:
        return _START
    other = (_START[0], not _START[1])
    if other not in seen:
        return other
    best = max(seen, key=lambda place: seen[place][0])
    for step in (-1, 1):
        place = (best[0] + step, best[1])
        if 0 <= place[0] < len(_FACTORS) and place not in seen:
            return place
    return None
