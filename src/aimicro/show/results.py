"""What a scoreboard says: methods, measures and numbers, ready for JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Better = Literal["higher", "lower", "neither"]
Values = Mapping[str, float] | Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Column:
    """One measure: its name, its unit, and which end of it is good, if one is."""

    name: str
    unit: str
    better: Better


@dataclass(frozen=True)
class Row:
    """One method and its value in each column."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Headline:
    """The number to remember: of one method, in the first column, against a baseline."""

    row: str
    value: float
    baseline: str | None
    difference: float | None


@dataclass(frozen=True)
class Results:
    """What a scoreboard says, ready for JSON.

    The book's page of results reads it from the executed notebook, under the mime type
    ``application/vnd.aimicro.scoreboard+json``.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    headline: Headline
    version: int = 1


def collect(
    name: str,
    values: Values,
    *,
    unit: str | Mapping[str, str],
    better: Better | Mapping[str, Better],
    headline: str | None,
    baseline: str | None,
    caption: str,
) -> Results:
    """Bring the arguments of `aimicro.show.scoreboard` into their final form."""
    columns = _columns(values, unit, better)
    rows = tuple(_row(method, measured, columns) for method, measured in values.items())
    top = _headline(rows, columns[0].better, headline, baseline)
    return Results(name, caption, columns, rows, top)


def _columns(
    values: Values,
    unit: str | Mapping[str, str],
    better: Better | Mapping[str, Better],
) -> tuple[Column, ...]:
    """Return the measures of the first method with their units and good ends."""
    first = next(iter(values.values()), None)
    names = list(first) if isinstance(first, Mapping) else [""]
    if first is None or not names:
        raise ValueError("Expected at least one method and one measure, got none. Pass a mapping.")
    columns = []
    for name in names:
        end = better if isinstance(better, str) else better.get(name, "higher")
        if end not in get_args(Better):
            raise ValueError(f"Expected better to be one of {get_args(Better)}, got {end!r}.")
        columns.append(Column(name, unit if isinstance(unit, str) else unit.get(name, ""), end))
    for setting in (unit, better):
        if not isinstance(setting, str) and (strangers := set(setting) - set(names)):
            raise ValueError(
                f"Expected units and ends for {names}, got {sorted(strangers)}. Check the names."
            )
    return tuple(columns)


def _row(method: str, value: float | Mapping[str, float], columns: Sequence[Column]) -> Row:
    """Return the values of one method as plain numbers, in the order of the columns."""
    measured = value if isinstance(value, Mapping) else {"": value}
    names = [column.name for column in columns]
    if set(measured) != set(names):
        raise ValueError(
            f"Expected {names} for every method, got {list(measured)} for {method!r}. "
            "Measure all of them alike."
        )
    values = tuple(float(measured[name]) for name in names)
    if not all(map(math.isfinite, values)):
        raise ValueError(
            f"Expected finite numbers, got {values} for {method!r}. Find out what went wrong."
        )
    return Row(method, values)


def _headline(
    rows: Sequence[Row], better: Better, method: str | None, baseline: str | None
) -> Headline:
    """Return the number to remember, in the first column."""
    first = {row.name: row.values[0] for row in rows}
    for named in (method, baseline):
        if named is not None and named not in first:
            raise ValueError(f"Expected one of the methods {list(first)}, got {named!r}.")
    if method is None and better == "neither":
        raise ValueError(
            f"Expected the method to remember, got none, and no end of the first measure is the "
            f"better one. Name one of {list(first)} as headline."
        )
    best = min if better == "lower" else max
    method = method or best(first, key=first.__getitem__)
    difference = None if baseline is None else first[method] - first[baseline]
    return Headline(method, first[method], baseline, difference)
