"""Tables of results: for the reader, and as JSON for the book's page of results."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure
from aimicro.show.results import Better, Column, Results, Row, Values, collect

MIME = "application/vnd.aimicro.scoreboard+json"


@dataclass(frozen=True, repr=False)
class Scoreboard(Figure):
    """A table of results with the numbers behind it; see `Figure`.

    Attributes
    ----------
    results : Results
        Rows, columns and headline, as the page of results takes them.

    Notes
    -----
    Used in every chapter that compares methods.
    """

    results: Results = field(kw_only=True)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the table, and the results as JSON."""
        return {**super()._repr_mimebundle_(), MIME: asdict(self.results)}


def scoreboard(
    name: str,
    rows: Values,
    *,
    unit: str | Mapping[str, str] = "",
    better: Better | Mapping[str, Better] = "higher",
    headline: str | None = None,
    baseline: str | None = None,
    caption: str = "",
) -> Scoreboard:
    """Compare methods in a table, and leave the numbers for the page of results.

    Parameters
    ----------
    name : str
        What was measured, on what: "Denoising, filaments at 12 photons".
    rows : mapping
        The value of each method, or a mapping from the measures to the values.
    unit : str or mapping
        The unit, such as "dB", of all measures or of each.  Without measures it names what the
        numbers are: "dB PSNR".
    better : "higher", "lower", "neither" or mapping
        Which end is good, of all measures or of each; "neither" marks no best.
    headline : str, optional
        The method to remember; by default the best in the first measure, if that has a best.
    baseline : str, optional
        The method to beat: adds the differences from it, in the first measure.
    caption : str
        What to notice.

    Returns
    -------
    Scoreboard
        A table for the reader, in which the best of each column is marked; `results` as numbers.

    Raises
    ------
    ValueError
        If a value is not finite, if the methods were not measured alike, if the headline or the
        baseline is not among them, or if there is no headline where no end is good.

    Notes
    -----
    The table rounds to three digits of the largest number in a column; the JSON does not.

    Used in every chapter that compares methods.

    Examples
    --------
    >>> from aimicro import show
    >>> board = show.scoreboard(
    ...     "Denoising", {"Raw": 18.2, "Gaussian": 25.9}, unit="dB PSNR", baseline="Raw"
    ... )
    >>> board.results.headline.row, round(board.results.headline.difference, 1)
    ('Gaussian', 7.7)
    """
    results = collect(
        checked_text(name, "name"),
        rows,
        unit=unit,
        better=better,
        headline=headline,
        baseline=baseline,
        caption=caption,
    )
    texts = _texts(results)
    words = [f"{row.name} {line[0]}" for row, line in zip(results.rows, texts, strict=True)]
    alt = f"{name}. {_heading(results.columns[0])}: {'; '.join(words)}."
    return Scoreboard(_table(results, texts), alt, caption, results=results)


def _heading(column: Column) -> str:
    """Return a measure with its unit; a unit alone names what the numbers are."""
    if column.name and column.unit:
        return f"{column.name} ({column.unit})"
    return column.name or column.unit or "Value"


def _decimals(values: Sequence[float]) -> int:
    """Return the decimals that give the largest number three digits, and the smallest one.

    >>> _decimals([18.2, 30.1]), _decimals([0.871]), _decimals([1234.0]), _decimals([0.004, 1.2])
    (1, 3, 0, 3)
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0
    largest, smallest = (math.floor(math.log10(size)) for size in (max(sizes), min(sizes)))
    return max(0, 2 - largest, -smallest)


def _number(value: float, digits: int, sign: str = "-") -> str:
    """Return a number as it is printed: no minus before what rounds to zero.

    >>> _number(-0.04, 1), _number(-1234.5, 1), _number(0.26, 1, "+")
    ('0.0', '−1,234.5', '+0.3')
    """
    return f"{value:{sign}z,.{digits}f}".replace("-", "−")


def _texts(results: Results) -> list[list[str]]:
    """Return the numbers of each row as they are printed."""
    columns = list(zip(*(row.values for row in results.rows), strict=True))
    digits = [_decimals(values) for values in columns]
    return [
        [_number(value, d) for value, d in zip(row.values, digits, strict=True)]
        for row in results.rows
    ]


def _table(results: Results, texts: Sequence[Sequence[str]]) -> str:
    """Return the results as an HTML table; the best of a column is marked in words."""
    baseline = results.headline.baseline
    best = [
        _best([row.values[k] for row in results.rows], column.better)
        for k, column in enumerate(results.columns)
    ]
    heads = [
        f'<th scope="col">{escape(_heading(c))}'
        + ("" if c.better == "neither" else f" <small>{c.better} is better</small>")
        + "</th>"
        for c in results.columns
    ]
    if baseline is not None:
        heads.insert(1, f'<th scope="col">against {escape(baseline)}</th>')
    lines = []
    for row, numbers in zip(results.rows, texts, strict=True):
        cells = [
            f"<td><small>best</small> <b>{number}</b></td>"
            if value == top
            else f"<td>{number}</td>"
            for number, value, top in zip(numbers, row.values, best, strict=True)
        ]
        if baseline is not None:
            cells.insert(1, f"<td>{_against(row, baseline, results.rows)}</td>")
        lines.append(f'<tr><th scope="row">{escape(row.name)}</th>{"".join(cells)}</tr>')
    name = escape(results.name)
    # A wide table scrolls on a phone, and has to do so from the keyboard, too.
    scroll = f' tabindex="0" role="group" aria-label="{name}"' if len(heads) > 2 else ""
    return (
        f'<div class="aim-scroll"{scroll}><table><caption>{name}</caption>'
        f'<thead><tr><th scope="col">Method</th>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _best(values: Sequence[float], better: Better) -> float | None:
    """Return the best value, if there is one."""
    if better == "neither":
        return None
    return max(values) if better == "higher" else min(values)


def _against(row: Row, baseline: str, rows: Sequence[Row]) -> str:
    """Return the difference from the baseline in the first column, with its sign."""
    if row.name == baseline:
        return "baseline"
    start = next(other.values[0] for other in rows if other.name == baseline)
    digits = _decimals([other.values[0] for other in rows])
    return _number(row.values[0] - start, digits, "+")
