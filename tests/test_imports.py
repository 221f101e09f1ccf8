"""Imports run downward only: who may know whom, read from the source without running it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "aimicro"
MAY_KNOW = {
    "": {"benchmarks"},  # aimicro.benchmark, imported when it is asked for
    "checks": set(),
    "io": {"checks"},
    "inspect": {"checks", "io"},  # arrays in, numbers out; of large ones strip by strip
    "metrics": {"checks"},
    "simulate": {"checks"},
    "data": {"checks", "io", "simulate"},  # simulated twins; files to read
    "models": {"checks"},  # and torch
    "restore": {"checks", "io", "metrics", "simulate"},  # the noise model of a camera
    "segment": {"checks", "io", "metrics"},
    "agent": {"checks", "segment"},  # what a model may ask for
    "smart": {"checks", "simulate"},  # a culture and its microscope
    "track": {"checks", "io", "metrics", "simulate"},  # lineages
    "train": {"checks", "io", "models"},
    "predict": {"checks", "io", "models", "train.scaling"},
    "show": {"checks", "io", "metrics"},
    "lab": {"checks", "io", "metrics", "show"},  # a figure that moves
    "benchmarks": {"checks", "restore", "show", "simulate"},  # a table and a picture of results
}
ON_TOP = {"__main__", "cli", "export"}  # know everything but each other's private modules, and show
WITHOUT_TORCH = ["aimicro", *(f"aimicro.{room}" for room in ("checks", "data", "io", "metrics"))]


def room(module: str) -> str:
    """Return the room of a module such as aimicro.train.fit."""
    return [*module.split("."), ""][1]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Return what a module imports of the package, anywhere in it: modules, and names in them."""
    here = module_name(path).split(".") + ([""] if path.stem == "__init__" else [])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = here[: -node.level] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "aimicro"}


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_downward_and_nothing_private(path: Path):
    own = room(module_name(path))
    upward, private = [], []
    for name in sorted(imported(path)):
        if room(name) in ("", own):
            continue
        allowed = MAY_KNOW.get(own, set())
        known = any(f"{name}.".startswith(f"aimicro.{other}.") for other in allowed)
        if not known and not (own in ON_TOP and room(name) != "show"):
            upward.append(name)
        if any(part.startswith("_") and not part.startswith("__") for part in name.split(".")):
            private.append(name)
    assert not upward
    assert not private


def test_every_room_has_its_place_in_the_order():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= MAY_KNOW.keys() | ON_TOP


def test_what_needs_no_torch_does_not_import_it():
    lines = "\n".join(f"import {name}" for name in [*WITHOUT_TORCH, "aimicro.simulate"])
    code = f"import sys\n{lines}\nassert 'torch' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
