"""What is wrong with a configuration, in one line that tells where, and what to do."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# What pydantic calls a fault, and what was expected there.
_EXPECTED = {
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "missing": "a path",
    "model_type": "an object in {{ }}",
    "string_pattern_mismatch": "a path without line breaks and tabs",
    "string_too_short": "a path",
    "string_type": "a path in quotes",
    "string_unicode": "a path of whole characters",
    "too_long": "a list of {max_length} or fewer",
    "too_short": "a list of {min_length} or more",
    "tuple_type": "a list in [ ]",
}
_SEPARATORS = "Write each \\ of a path twice, or write /."


def parsed(content: bytes) -> Any:
    """Read JSON in which no key is there twice, and 1e2 is a whole number."""
    # Given bytes, json.loads finds out by itself about a byte order mark and about UTF-16.
    return json.loads(content, object_pairs_hook=_without_duplicates, parse_float=_number)


def in_one_line(error: Exception, defaults: Mapping[str, Any]) -> str:
    """Say what an exception of reading means, to follow the name of the file.

    Parameters
    ----------
    error
        What was raised while a file was read, parsed or validated.
    defaults
        The known keys and their defaults.
    """
    match error:
        case ValidationError():
            return _first_fault(error, defaults)
        case json.JSONDecodeError(msg=message):
            look = "Look there, and just before, for a comma, quote or bracket that is too much or "
            return (
                f", line {error.lineno}, column {error.colno}: Expected valid JSON, got: {message}."
                f" {_SEPARATORS if 'escape' in message else look + 'missing.'}"
            )
        case UnicodeDecodeError(start=start):
            return (
                f": Expected text in UTF-8, got byte {error.object[start]:#04x} at {start}. "
                "Save the file as UTF-8."
            )
        case OSError():
            return f": Expected a readable file, got: {error.strerror}. Check the path."
        case _:
            return f": {error}"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in pairs:
        if key in settings:
            raise ValueError(f"Expected each key once, got {_json(key)} twice. Delete one of them.")
        settings[key] = value
    return settings


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _first_fault(error: ValidationError, defaults: Mapping[str, Any]) -> str:
    # A misspelt key comes first: it is often why another one is missing.
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    first, others = _in_words(faults[0], defaults), len(faults) - 1
    if not others:
        return first
    return f"{first} There {'is 1 more fault' if others == 1 else f'are {others} more faults'}."


def _in_words(fault: ErrorDetails, defaults: Mapping[str, Any]) -> str:
    kind, place, context = fault["type"], list(fault["loc"]), fault.get("ctx", {})
    if kind == "value_error":  # two keys that do not fit together, in words already
        return f": {context['error']}"
    if kind == "extra_forbidden":
        name = str(place.pop())
        known = ["raw", "gt"] if place else list(defaults)
        nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)[0]
        return (
            f"{_where(place)}: Expected a known key, got {_json(name)}. The nearest is {nearest}."
        )
    expected = _EXPECTED[kind].format(**context)
    got = "nothing" if kind == "missing" else _json(fault["input"])
    return f"{_where(place)}: Expected {expected}, got {got}. {_advice(kind, place, defaults)}"


def _where(place: list[int | str]) -> str:
    """From ("metrics", 0) to ", metrics[0]"."""
    keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return f", {keys[1:]}" if keys else ""


def _advice(kind: str, place: list[int | str], defaults: Mapping[str, Any]) -> str:
    key = str(place[0]) if place else ""
    if kind == "string_pattern_mismatch":
        return _SEPARATORS
    if not key:
        return "Put the keys in it."
    if key.endswith("_data_dir"):
        return f'Write "{key}": {{"raw": "FOLDER", "gt": "FOLDER"}}.'
    if key.endswith("_image_pairs"):
        return f'Write "{key}": [{{"raw": "FILE", "gt": "FILE"}}], with any number of pairs.'
    default = defaults[key]
    return f"Leave {key} out for its default" + ("." if default is None else f", {_json(default)}.")


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
