"""The book's site hands out the package that its pages were built with."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
INSTALL = runpy.run_path(str(ROOT / "scripts" / "write_install_lines.py"))


@pytest.fixture
def installed(site: str, tmp_path: Path) -> Path:
    """What pip gets by the line of the pages, if the site is asked for at this machine."""
    line = INSTALL["LINE"].search((ROOT / "index.md").read_text(encoding="utf-8"))[0]
    address = f"{site}/{line.rsplit('/', 1)[-1]}"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", tmp_path]
    environment = os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    subprocess.run([*pip, address], check=True, capture_output=True, env=environment)
    return tmp_path


def test_the_line_of_the_pages_brings_the_package_of_this_book(installed: Path):
    source = ROOT / "src" / "aimicro"
    files = [path for path in source.rglob("*") if path.suffix in {".py", ".css", ".js", ".toml"}]
    assert len(files) > 100
    for path in files:
        copy = installed / "aimicro" / path.relative_to(source)
        assert copy.read_bytes() == path.read_bytes(), path


def test_what_was_installed_runs(installed: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = {"cwd": elsewhere, "env": os.environ | {"PYTHONPATH": str(installed)}}
    settings |= {"check": True, "capture_output": True, "text": True}
    simulate = ["aimicro", "simulate", "--task", "denoise", "-n", "3", "-o", "pairs"]
    subprocess.run([sys.executable, "-m", *simulate], **settings)
    assert list((elsewhere / "pairs").rglob("*.tif"))
    where = [sys.executable, "-c", "import aimicro; print(aimicro.__file__)"]
    printed = subprocess.run(where, **settings).stdout
    assert Path(printed.strip()).is_relative_to(installed)
