"""``aimicro ready``: will this computer do for the notebooks? Asked a day before a workshop."""

import argparse
import textwrap
from typing import Any

from aimicro.cli._findings import FINE, LOOK, MEND, signs
from aimicro.cli._ready_checks import CHECKS, Answer

_NAME_WIDTH, _WIDTH = 14, 96  # columns
_VERDICTS = {
    FINE: "Ready.",
    LOOK: "Ready. What is marked with {sign} is good to know beforehand.",
    MEND: "Not ready yet: do what stands beside each {sign}, then ask again.",
}


def add_to(commands: Any) -> None:
    """Add ``ready`` to the command line."""
    parser = commands.add_parser(
        "ready",
        help="check that this computer can run the notebooks",
        description="Check that this computer can run the notebooks of the book, and how long they "
        "will take here. Meant for each laptop of a workshop, a day before. A line for each check "
        "goes to standard output, as it is done: " + ", ".join(CHECKS) + ". It takes a quarter of "
        "a minute, most of it for importing PyTorch, and downloads one small file at most.",
        epilog="Exit status: 0 where the notebooks will run, 1 where something must be mended "
        "first, 2 where the command is wrong. In Colab: !aimicro ready",
    )
    add = parser.add_argument
    switch: dict[str, Any] = {"action": "store_true"}
    add("--fetch", **switch, help="download all real images of the notebooks now (16 MB), so that "
        "the room needs no network")  # fmt: skip
    add("--offline", **switch, help="do not try the network")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask every check, tell each answer at once, and return the exit status."""
    if options.fetch and options.offline:
        raise ValueError("Expected --fetch or --offline, got both. Leave one of them out.")
    print("Is this computer ready for the notebooks of AI in Microscopy?\n", flush=True)
    worst, sign = FINE, signs()
    for name, check in CHECKS.items():
        answer = check(options)
        print(_laid_out(name, answer, sign), flush=True)
        worst = min(worst, answer.level, key=[MEND, LOOK, FINE].index)
    print("\n" + _VERDICTS[worst].format(sign=sign[worst]))
    return int(worst == MEND)


def _laid_out(name: str, answer: Answer, sign: dict[str, str]) -> str:
    """Lay an answer out beside its name, and under it what to do."""
    margin = " " * (2 + _NAME_WIDTH)
    blocks = [(f"{sign[answer.level]} {name:<{_NAME_WIDTH}}", answer.found)]
    if answer.todo:
        blocks.append((f"{margin}{sign['then']} ", answer.todo))
    return "\n".join(
        textwrap.fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start),
                      break_long_words=False, break_on_hyphens=False)
        for start, text in blocks
    )  # fmt: skip
