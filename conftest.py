"""Collecting costs little; and without torch, the tests of what needs it are left out, by name."""

import ast
import functools
import gc
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among all modules and tests: it took a third of collecting them.

    They stay until the end, so the tests need not look through them either.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def imported(path: Path) -> set[str]:
    """Return the modules that a file of tests imports first of all, if they are torch or ours."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in ("aimicro", "torch")}


@functools.cache
def needs_torch(module: str) -> bool:
    """Return whether the import of a module fails for want of torch."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return (error.name or "").split(".")[0] == "torch"  # else a function, no module: fine
    return False


def left_out(path: Path) -> bool:
    """Return whether a module or a file of tests cannot be imported without torch.

    A folder cannot, where its own conftest.py cannot.
    """
    if path.is_dir():
        path /= "conftest.py"
    if not path.is_file() or path.suffix != ".py":
        return False
    names = imported(path)
    parts = path.parts
    if "src" in parts:  # a module is imported with the room that it is in
        names.add(".".join(parts[parts.index("src") + 1 : -1]))
    return any(map(needs_torch, sorted(names)))


if importlib.util.find_spec("torch") is None:

    def pytest_ignore_collect(collection_path: Path) -> bool | None:
        """Leave out what needs torch."""
        return True if left_out(collection_path) else None

    def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
        """Name what was left out: here, since with xdist the collecting is done elsewhere."""
        for folder in map(Path, terminalreporter.config.args):
            for path in sorted(folder.rglob("*.py")):
                if left_out(path):
                    terminalreporter.write_line(f"left out, since it needs torch: {path}")
