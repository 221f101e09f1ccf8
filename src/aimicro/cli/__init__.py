"""The command ``aimicro``: what the notebooks do, for folders of files.

A mistake in what was asked ends with one line on stderr and exit status 2.
"""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import aimicro
from aimicro.cli import apply, check, ready, segment, simulate, train

_EXAMPLE = """\
from pairs to a restored film (appendix A of the book explains each step):
  aimicro simulate --task denoise -n 20 -o pairs    or your own pairs, in the same folders
  aimicro check pairs
  aimicro train -c config.json -o model
  aimicro apply -m model -i film.tif -o restored.tif
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage above it."""
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    Used in chapter 6, *Image formation*.
    """
    whole = _Parser(
        prog="aimicro",
        description="The command line of the book AI in Microscopy.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"aimicro {aimicro.__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (simulate, check, train, apply, segment, ready):
        command.add_to(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of this process.

    Returns
    -------
    int
        0; 1 where ``aimicro check`` or ``aimicro ready`` found something to mend; 2 for a mistake
        in what was asked.

    Notes
    -----
    Used in chapter 6, *Image formation*.
    """
    _mend_streams()
    try:
        options = parser().parse_args(arguments)
    except BrokenPipeError:  # whoever read what an option printed has seen enough: | head
        return 0
    name = f"aimicro {options.command}"
    try:
        with _warnings_in_one_line(name):
            status = options.run(options)
    except (ValueError, TypeError, OSError, FloatingPointError, MemoryError) as error:
        # Advice to pass an argument in Python is of no use here.
        _tell(f"{name}: {getattr(error, 'plain', error)}")
        return 2
    except KeyboardInterrupt:
        _tell(f"{name}: interrupted")
        return 130
    return status or 0


def _mend_streams() -> None:
    """Let all that is printed go somewhere, also where a stream is closed or not UTF-8."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: 2>&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, it lives as long as the run
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _tell(line: str) -> None:
    with suppress(OSError):  # whoever listened is gone
        print(line, file=sys.stderr)


@contextmanager
def _warnings_in_one_line(name: str) -> Iterator[None]:
    """Show a warning like an error, without the place in the code that it comes from."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{name}: warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = usual
