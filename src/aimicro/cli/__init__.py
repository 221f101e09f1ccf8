"""The command ``aimicro``: what the notebooks do, for folders of files.

A mistake in what was asked ends with one line on stderr and exit status 2.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import aimicro
from aimicro.cli import simulate


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage above it."""
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    Used in chapter 6, *Image formation*.
    """
    whole = _Parser(prog="aimicro", description="The command line of the book AI in Microscopy.")
    whole.add_argument("--version", action="version", version=f"aimicro {aimicro.__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    simulate.add_to(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status: 0, or 2 for a mistake in what was asked.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of this process.

    Notes
    -----
    Used in chapter 6, *Image formation*.
    """
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"aimicro {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"aimicro {options.command}: interrupted", file=sys.stderr)
        return 130
    return 0
