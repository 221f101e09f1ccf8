"""What ``aimicro check`` found, gathered by kind, worst first, in words and for machines."""

import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MEND, LOOK, FINE = "mend", "look", "fine"
_LEVELS = (MEND, LOOK, FINE)
SIGNS = {FINE: "✓", LOOK: "!", MEND: "✗", "then": "→"}
_ASCII = {FINE: "+", LOOK: "!", MEND: "x", "then": "->"}
# In the order in which they are looked at, which is that of the table.
CHECKS = {
    "pairs": "pairs",
    "reading": "reading",
    "shape": "shape and axes",
    "type": "type and range",
    "pixel size": "pixel size",
    "content": "content",
    "saturation": "saturation",
    "registration": "registration",
    "photons": "photons",
    "labels": "labels",
    "sizes": "object sizes",
    "training": "training",
    "splits": "splits",
}
_WIDTH = 96  # columns
_SHOWN = 3  # files of one finding on the page; all of them are in the report for machines


@dataclass
class Finding:
    """One kind of trouble, and the files that have it.

    Attributes
    ----------
    check : str
        A key of `CHECKS`.
    level : str
        "mend" for what spoils a training, "look" for what may, "fine" for what is good to know.
    what, todo : str
        What was found, and what to do, a sentence each.
    files : list of str
        The files, each with its own numbers where there are any.
    """

    check: str
    level: str
    what: str
    todo: str
    files: list[str] = field(default_factory=list)


class Findings:
    """All findings, one of each kind, and a line on each check."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], Finding] = {}
        self.summaries: dict[str, str] = {}
        self.suspects: dict[str, str] = {}  # names of files, each with its first trouble

    def add(
        self,
        check: str,
        level: str,
        what: str,
        todo: str,
        *,
        file: object = None,
        detail: str = "",
    ) -> None:
        """Note a finding; one that is there already gets the file as well."""
        key = (check, level, what, todo)
        finding = self._found.setdefault(key, Finding(*key))
        if file is not None:
            finding.files.append(f"{file} ({detail})" if detail else f"{file}")
            if level != FINE:
                self.suspects.setdefault(str(file), CHECKS[check])

    def sorted(self) -> list[Finding]:
        """Return what must be mended first, then in the order of the checks."""
        places = list(CHECKS)
        return sorted(
            self._found.values(),
            key=lambda one: (_LEVELS.index(one.level), places.index(one.check)),
        )

    def level(self, check: str | None = None) -> str:
        """Return the worst level of one check, or of all."""
        levels = [one.level for one in self._found.values() if check in (None, one.check)]
        return min(levels, key=_LEVELS.index, default=FINE)

    def as_text(self, title: str, *, signs: dict[str, str]) -> str:
        """Lay out the page: a table of the checks, then advice, worst first."""
        lines = [title, ""]
        for check, name in CHECKS.items():
            level, summary = self.level(check), self.summaries.get(check, "")
            if summary or level != FINE:
                lines.append(f"{signs[level]} {level:<5}{name:<16}{summary}".rstrip())
        for number, one in enumerate(self.sorted(), start=1):
            lines += ["", *_wrapped(one.what, f"{number}. {signs[one.level]} ")]
            lines += [f"   {line}" for line in _listed(one.files)]
            lines += _wrapped(one.todo, f"   {signs['then']} ")
        return "\n".join([*lines, "", self.verdict()])

    def verdict(self) -> str:
        """Say in one line what is to be done."""
        counts = [sum(one.level == level for one in self._found.values()) for level in _LEVELS]
        if counts[0]:
            return f"To be mended: {counts[0]}. To be looked at: {counts[1]}."
        if counts[1]:
            return f"Nothing must be mended. To be looked at: {counts[1]}."
        return "Nothing was found that would spoil a training."

    def as_json(self) -> dict[str, Any]:
        """Return all of it in what JSON can hold."""
        return {
            "checks": [
                {"check": check, "level": self.level(check), "summary": self.summaries[check]}
                for check in CHECKS
                if check in self.summaries
            ],
            "findings": [vars(one) for one in self.sorted()],
        }


def _wrapped(text: str, start: str) -> list[str]:
    """Break a text into lines, of which the later ones are indented."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(files: Iterable[str]) -> list[str]:
    """The first files, and how many more there are."""
    names = list(files)
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return names[:_SHOWN] + more


def signs() -> dict[str, str]:
    """Signs that the terminal can show."""
    try:
        "".join(SIGNS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return _ASCII
    return SIGNS
