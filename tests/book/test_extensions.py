"""The book's own Sphinx extensions, on a book of one notebook and one page of results."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

EXTENSIONS = Path(__file__).resolve().parents[2] / "book" / "_ext"
BOARD = {
    "columns": [{"name": "", "unit": "dB PSNR", "better": "higher"}],
    "headline": {"row": "U-Net", "value": 31.24, "baseline": "Gaussian", "difference": 4.31},
}


def write_notebook(book: Path, *, task: str) -> None:
    """Write a notebook that leaves a scoreboard."""
    data = {"text/html": "<table id='board'></table>"}
    data["application/vnd.aimicro.scoreboard+json"] = BOARD | {"name": task}
    code = (
        "import time\nfrom IPython.display import display\n"
        "time.sleep(1)\nopen('runs', 'a').write('x')\n"
        f"display({data!r}, raw=True)"
    )
    bar = f"!{sys.executable} -c 'from tqdm import trange; list(trange(7, mininterval=0))'"
    codes = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell(bar)]
    cells = [nbformat.v4.new_markdown_cell("# Denoising"), *codes]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "denoising.ipynb")


def build(book: Path) -> str:
    """Build the book without tolerance for warnings, and return the page of results."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-b",
        "html",
        book,
        book / "out" / "html",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return (book / "out" / "html" / "results.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.append({str(EXTENSIONS)!r})\n"
        "extensions = ['myst_nb', 'fresh_outputs', 'progress_bars', 'results']\n"
        "exclude_patterns = ['out']\nnb_execution_mode = 'cache'\nnb_ipywidgets_js = {}\n"
        "nb_merge_streams = True\n"
        "suppress_warnings = ['mystnb.unknown_mime_type']\n"
    )
    (folder / "index.md").write_text("# Book\n\n```{toctree}\ndenoising\nresults\n```\n")
    (folder / "results.md").write_text("# Results\n\n```{results}\n```\n")
    (folder / "requirements.txt").write_text("numpy==2.4\n")
    return folder


def test_results_follow_the_notebooks_from_build_to_build(book: Path):
    def run_time(page: str) -> int:
        row = r'href="denoising.html">Denoising</a></p></td>\s*<td><p>(\d+)'
        return int(re.search(row, page)[1])

    write_notebook(book, task="Filaments at 12 photons")
    first = build(book)
    assert "Filaments at 12 photons" in first
    assert "31.2 dB PSNR" in first
    assert "+4.3 on Gaussian" in first
    assert "<table id='board'>" in first

    assert run_time(first) >= 1

    # Of a progress bar only the end is left.
    bars = (book / "out" / "html" / "denoising.html").read_text(encoding="utf-8")
    assert re.findall(r"\| (\d)/7 \[", bars) == ["7"]

    # The page has to be read again, and the outputs come from the cache with their run time.
    (book / "denoising.ipynb").touch()
    assert run_time(build(book)) == run_time(first)
    assert (book / "runs").read_text() == "x"

    # The page of results itself did not change, and is right all the same.
    write_notebook(book, task="Nuclei at 5 photons")
    second = build(book)
    assert "Nuclei at 5 photons" in second
    assert "Filaments" not in second

    # With the notebook gone, its results are.
    (book / "denoising.ipynb").unlink()
    (book / "index.md").write_text("# Book\n\n```{toctree}\nresults\n```\n")
    assert "Nuclei" not in build(book)


def test_a_change_of_the_package_or_its_pins_names_another_cache(tmp_path: Path):
    fingerprint = runpy.run_path(str(EXTENSIONS / "fresh_outputs.py"))["fingerprint"]
    module = tmp_path / "src" / "aimicro" / "restore" / "denoise.py"
    module.parent.mkdir(parents=True)
    module.write_text("SIGMA = 1\n")
    (tmp_path / "requirements.txt").write_text("numpy==2.4\n")
    names = [fingerprint(tmp_path), fingerprint(tmp_path)]
    assert names[0] == names[1]
    module.write_text("SIGMA = 2\n")
    names.append(fingerprint(tmp_path))
    (tmp_path / "requirements.txt").write_text("numpy==2.5\n")
    names.append(fingerprint(tmp_path))
    module.rename(module.with_name("filter.py"))
    names.append(fingerprint(tmp_path))
    assert len(set(names)) == 4


def test_the_address_of_the_pages_follows_from_the_repository():
    pages_address = runpy.run_path(str(EXTENSIONS / "address.py"))["pages_address"]
    assert pages_address("https://github.com/lab/book") == "https://lab.github.io/book/"
    assert pages_address("https://github.com/lab/book/") == "https://lab.github.io/book/"
