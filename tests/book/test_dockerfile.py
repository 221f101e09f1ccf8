"""The recipe of the container: linted, and each of its steps run as a script, without an engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def steps() -> Iterator[tuple[str, str]]:
    """Instructions and what they are given, in order."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n?", "", RECIPE, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, lines.splitlines())):
        instruction, _, given = line.partition(" ")
        yield instruction, given.strip()


def copied() -> list[str]:
    """What leaves the checkout."""
    words = [shlex.split(given) for instruction, given in steps() if instruction == "COPY"]
    return [name for line in words for name in line[:-1] if not name.startswith("--")]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_is_the_python_of_the_pins() -> None:
    base = dict(steps())["FROM"]
    lowest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert lowest
    assert base == f"python:{lowest[1]}-slim-bookworm"


def test_all_that_is_copied_is_in_the_repository_and_nothing_else_is_sent() -> None:
    tracked = run("git", "ls-files", *copied(), cwd=ROOT).stdout.splitlines()
    missing = [n for n in copied() if not any(t == n or t.startswith(f"{n}/") for t in tracked)]
    assert not missing
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())
    unwanted = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    assert not [t for t in tracked if any(fnmatch(p, u) for p in Path(t).parts for u in unwanted)]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The box, as a folder: its steps in order, with its own Python."""
    root = tmp_path_factory.mktemp("box")
    venv.create(root / "python", with_pip=True)
    # What is installed here already counts as installed there: nothing is fetched but the build.
    around = {
        "PATH": f"{root / 'python/bin'}:{os.environ['PATH']}",
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    made: dict[str, object] = {"root": root, "env": {**os.environ, **around}, "cwd": root}
    for instruction, given in steps():
        here = re.sub(r"(?<![\w.])(?=/(?:build|home)\b)", str(root), given)
        follow(instruction, here, made)
    return made


def follow(instruction: str, given: str, made: dict) -> None:  # type: ignore[type-arg]
    """Do what an engine would."""
    if instruction == "WORKDIR":
        made["cwd"] = Path(given)
        made["cwd"].mkdir(parents=True, exist_ok=True)
    elif instruction in ("ENV", "ARG"):
        made["env"] |= dict(pair.split("=", 1) for pair in shlex.split(given))
    elif instruction == "COPY":
        *names, target = [word for word in shlex.split(given) if not word.startswith("--")]
        for name in names:
            place = made["cwd"] / (target if target != "./" else name)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, place)
    elif instruction == "RUN":
        run("bash", "-euc", given, cwd=made["cwd"], env=made["env"])
    elif instruction == "CMD":
        made["command"] = json.loads(given)
    else:
        assert instruction in ("FROM", "USER", "EXPOSE")


def test_the_command_line_is_in_the_box(box: dict) -> None:  # type: ignore[type-arg]
    place = run("bash", "-c", "command -v aimicro", env=box["env"]).stdout.strip()
    assert place == str(box["root"] / "python/bin/aimicro")
    code = "import aimicro, sys; sys.exit(print(aimicro.__file__))"
    where = run("python", "-c", code, cwd=box["cwd"], env={**box["env"], "PYTHONPATH": ""})
    assert Path(where.stdout.strip()).is_relative_to(box["root"] / "python")
    made = run("aimicro", "simulate", "--help", cwd=box["cwd"], env=box["env"])
    assert "aimicro simulate" in made.stdout


def test_the_lab_starts_where_the_notebooks_are(box: dict) -> None:  # type: ignore[type-arg]
    command = [*box["command"], "--show-config-json"]
    shown = run(sys.executable, "-m", *command, cwd=box["cwd"], env=box["env"])
    settings = json.loads(shown.stdout)["ServerApp"]
    assert settings["ip"] == "0.0.0.0"
    assert not settings["open_browser"]
    assert list((box["cwd"] / box["command"][-1]).glob("chapter*.ipynb"))
    assert box["cwd"] == Path(box["env"]["HOME"])


def test_nobody_is_root_and_the_key_stays_on() -> None:
    given = dict(steps())
    assert re.fullmatch(r"[1-9]\d*", given["USER"])
    assert "token" not in given["CMD"].lower()
    assert given["EXPOSE"] == "8888"
