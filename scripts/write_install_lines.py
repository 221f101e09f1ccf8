"""Write the line that installs the package into all pages and notebooks.

    write_install_lines.py           write it
    write_install_lines.py --check   name the files where another one stands, and fail

Colab opens a notebook as it is in the repository, and nothing there knows the book's address. So
the line stands in each of them, and is written by this script from ``_config.yml``: its repository,
and ``install_from``. The book's site carries the wheel that it was built with.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
from address import pages_address  # noqa: E402

PAGES = ["README.md", "index.md", "CONTRIBUTING.md", "book/*.md"]
LINE = re.compile(
    r"(pip install (?:-q )?)"
    r"(?:\"aimicro(\[[a-z,]+\]) @ https://[^\"]+\"|\"?aimicro(\[[a-z,]+\])?\"?|https://\S+?\.whl)"
    r"(?=[`\s]|$)"
)


def wheel_name() -> str:
    """Return the name of the wheel's file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['name']}-{project['version']}-py3-none-any.whl"


def requirement(extras: str = "") -> str:
    """Return what pip is to install, such as with ``[tracking]``."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    source = config["sphinx"]["config"]["install_from"]
    if source not in ("site", "pypi"):
        raise ValueError(f"Expected install_from in _config.yml as site or pypi, got {source!r}.")
    wheel = pages_address(config["repository"]["url"]) + wheel_name()
    if source == "site":
        return f'"aimicro{extras} @ {wheel}"' if extras else wheel
    return f'"aimicro{extras}"' if extras else "aimicro"


def written(text: str) -> str:
    """Return a text with the line of today in place of any other one."""
    return LINE.sub(lambda line: line[1] + requirement(line[2] or line[3] or ""), text)


def in_page(path: Path) -> tuple[str, str]:
    """Return a page as it is, and as it should be."""
    text = path.read_text(encoding="utf-8")
    return text, written(text)


def in_notebook(path: Path) -> tuple[str, str]:
    """Return a notebook as it is, and as it should be: its first code cell installs the package."""
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    before = "".join(cell["source"])
    if written(before) == before:
        return text, text
    cell["source"] = written(before).splitlines(keepends=True)
    return text, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    kinds: list[tuple[str, Callable[[Path], tuple[str, str]]]] = [
        *((pattern, in_page) for pattern in PAGES),
        ("notebooks/*.ipynb", in_notebook),
    ]
    other = []
    for pattern, read in kinds:
        for path in sorted(ROOT.glob(pattern)):
            before, after = read(path)
            if before != after:
                other.append(path.relative_to(ROOT).as_posix())
                if not check:
                    path.write_text(after, encoding="utf-8")
    if other and check:
        print(f"Expected the line of scripts/write_install_lines.py, got another one in {other}.")
    return int(check and bool(other))


if __name__ == "__main__":
    sys.exit(main())
