"""The files around the package say the same thing in every place."""

import json
import re
import runpy
import statistics
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALL = runpy.run_path(str(ROOT / "scripts" / "write_install_lines.py"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """Return the files of the project, without what is installed or built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_only_the_configuration_names_the_repository():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner_and_name = config["repository"]["url"].removeprefix("https://github.com/")
    places = [
        path.relative_to(ROOT)
        for path in tracked_files()
        if owner_and_name.encode() in path.read_bytes()
    ]
    assert places == [Path("_config.yml")]


def test_the_line_that_installs_the_package_is_the_same_everywhere():
    script = [sys.executable, ROOT / "scripts" / "write_install_lines.py", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_site_is_named_in_no_other_line():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address = INSTALL["pages_address"](config["repository"]["url"])
    for path in tracked_files():
        if path.suffix in {".md", ".ipynb", ".py", ".yml", ".sh"}:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".ipynb":
                text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
            assert address not in INSTALL["LINE"].sub("", text), path


@pytest.mark.parametrize(
    "line",
    [
        "pip install aimicro",
        'pip install "aimicro"',
        "pip install https://example.org/aimicro-9.9.9-py3-none-any.whl",
    ],
)
def test_any_line_that_installs_the_package_is_written_anew(line: str):
    written = f"In `python -m pip install {INSTALL['requirement']()}`, more"
    assert INSTALL["written"](f"In `python -m {line}`, more") == written
    extra = INSTALL["written"]("%pip install -q aimicro[tracking]")
    assert extra == f"%pip install -q {INSTALL['requirement']('[tracking]')}"
    assert INSTALL["written"](extra) == extra


def test_other_lines_of_pip_are_left_alone():
    for line in ("pip install aimicro2", 'pip install ".[lab]"', "pip install torch"):
        assert INSTALL["written"](line) == line


def test_the_version_is_the_same_everywhere():
    version = PROJECT["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", changes, flags=re.MULTILINE)
    assert CITATION["version"] == version
    assert not released or released[0] == version
    assert "## [Unreleased]" in changes


def test_the_citation_has_what_a_reference_needs():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "version"} <= set(CITATION)
    assert all("name" in author or "family-names" in author for author in CITATION["authors"])


def test_the_pins_satisfy_the_bounds_of_the_package():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    extras = PROJECT["optional-dependencies"].values()
    for bound in map(Requirement, chain(PROJECT["dependencies"], *extras)):
        pin = pins.get(canonicalize_name(bound.name))
        assert pin is not None, f"requirements.txt does not pin {bound.name}"
        assert bound.specifier.contains(pin), f"requirements.txt pins {pin}, not {bound}"


def test_the_contents_list_every_notebook():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"file: notebooks/(\S+)", contents)
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_installs_the_package_on_colab_alone(path: Path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "google.colab" in first
    assert INSTALL["LINE"].search(first)[1] == "pip install -q "


HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
MOST_LINES = {"visible": 12, "hidden": 20, "imports": 8}
MOST_MEDIAN, MOST_DEFS, MOST_WORDS = 6, 2, 60


def code_cells(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the code cells that show, those that hide, and those that only import."""
    visible, hidden, imports = [], [], []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "\n".join(line for line in "".join(cell["source"]).splitlines() if line.strip())
        if HIDDEN & set(cell["metadata"].get("tags", [])):
            hidden.append(source)
        elif re.match(r"(import|from) ", source) and "google.colab" not in source:
            imports.append(source)
        else:
            visible.append(source)
    return visible, hidden, imports


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_folded_says_what_it_is(path: Path):
    labels = {
        "hide-input": {"Show the code", "Show the preparation"},
        "solution": {"Show a solution"},
    }
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for tag in labels.keys() & set(cell["metadata"].get("tags", [])):
            shown = cell["metadata"].get("mystnb", {}).get("code_prompt_show")
            assert shown in labels[tag], f"{cell['id']}: {shown}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_the_notebook_can_be_read_at_a_glance(path: Path):
    visible, hidden, imports = code_cells(path)
    kinds = {"visible": visible, "hidden": hidden, "imports": imports}
    faults = [
        f"{kind}, {len(cell.splitlines())} lines of {MOST_LINES[kind]}: {cell.splitlines()[0]}"
        for kind, cells in kinds.items()
        for cell in cells
        if len(cell.splitlines()) > MOST_LINES[kind]
    ]
    median = statistics.median(len(cell.splitlines()) for cell in visible)
    if median > MOST_MEDIAN:
        faults.append(f"visible, median of {median} lines, not of {MOST_MEDIAN}")
    defs = sum(len(re.findall(r"^ *(?:def|class) ", cell, re.MULTILINE)) for cell in visible)
    if defs > MOST_DEFS:
        faults.append(f"visible, {defs} definitions, not {MOST_DEFS}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_paragraphs_of_the_notebook_are_short(path: Path):
    """Lists, tables, quotations, formulas and code are no paragraphs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    blocks = chain.from_iterable(re.split(r"\n\s*\n", text) for text in texts)
    paragraphs = [block for block in blocks if not re.match(r"\s*(?:[|>`$#-]|\d+\.)", block)]
    assert not [block for block in paragraphs if len(block.split()) > MOST_WORDS]


VERBATIM = ROOT.parent / "shared" / "tools" / "verbatim.py"
if VERBATIM.is_file():  # it compares with texts that are not part of the public project

    def test_no_sentence_is_copied_from_the_source_documents():
        run = subprocess.run(
            [sys.executable, VERBATIM, ROOT], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout
