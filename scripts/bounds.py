"""Print what pyproject.toml asks for, one requirement a line, for pip.

bounds.py oldest                  the lower bound of each dependency, as a constraint
bounds.py newest [EXTRA ...]      the dependencies as they stand, and those of the extras
Add --without-torch to leave torch out.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def main(which: str, *extras: str, without_torch: bool) -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    for line in lines:
        if not (without_torch and line.startswith("torch>")):
            print(line.split(";")[0].replace(">=", "==") if which == "oldest" else line)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--without-torch"]
    main(*words, without_torch="--without-torch" in sys.argv)
