"""The log of an agent as a table: what it thought, what it asked for, and what came of it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Protocol

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure


class Turn(Protocol):
    """One turn of a loop, such as `aimicro.agent.Step`."""

    @property
    def thought(self) -> str:
        """The reason that was given."""

    @property
    def call(self) -> str:
        """What was asked for."""

    @property
    def result(self) -> Mapping[str, Any]:
        """What came back."""

    @property
    def refusal(self) -> str:
        """Why nothing came back, or an empty text."""


def log(
    turns: Sequence[Turn] | Mapping[str, Turn],
    *,
    name: str,
    caption: str = "",
) -> Figure:
    """Show the turns of an agent, those that were refused in bold.

    Parameters
    ----------
    turns : sequence or mapping of Turn
        The steps of an `aimicro.agent.Log`, or some of them under names of their own.
    name : str
        What they are the turns of; the heading of the table.
    caption : str
        What to notice.

    Returns
    -------
    Figure
        A table with a row for each turn.

    Raises
    ------
    ValueError
        If there is no turn, or no name.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> turn = SimpleNamespace(thought="", call="look()", result={"agreement": 0.7}, refusal="")
    >>> log([turn], name="One turn")
    One turn. 1: look() gave agreement 0.7.
    """
    rows = dict(turns) if isinstance(turns, Mapping) else dict(_numbered(turns))
    if not rows:
        raise ValueError("Expected one turn or more, got none. Run the agent first.")
    title = escape(checked_text(name, "name"))
    lines = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(turn.thought)}</td>'
        f"<td><code>{escape(turn.call)}</code></td><td>{_came(turn)}</td></tr>"
        for label, turn in rows.items()
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Turn", *_HEADS))
    body = (
        f"<style>{_STYLE}</style>"
        f'<div class="aim-scroll aim-log" tabindex="0" role="group" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )
    told = " ".join(
        f"{label}: {turn.call} "
        + (f"was refused: {turn.refusal}" if turn.refusal else f"gave {_listed(turn.result)}.")
        for label, turn in rows.items()
    )
    return Figure(body, alt=f"{name}. {told}", caption=caption)


_HEADS = ("Thought", "Call", "What came of it")
# Words break into lines here, as no number of a table may. Apart from the sheet of all figures,
# since no other one needs it.
_STYLE = (
    ".aim-log :is(th,td){min-width:9em;text-align:left!important;white-space:normal!important;"
    "overflow-wrap:anywhere}"
    ".aim-log tr>:first-child{min-width:2.5em;overflow-wrap:normal}"
    ".aim-log code{padding:0;border:0;background:none;color:inherit;font-size:.92em}"
)


def _numbered(turns: Sequence[Turn]) -> list[tuple[str, Turn]]:
    return [(str(number), turn) for number, turn in enumerate(turns, start=1)]


def _came(turn: Turn) -> str:
    """A result, or in bold the words of a refusal."""
    if turn.refusal:
        return f"<b>Refused.</b> {escape(turn.refusal)}"
    return escape(_listed(turn.result))


def _listed(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in result.items()) or "accepted"
