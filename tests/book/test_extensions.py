"""The book's own Sphinx extensions, on a book of one notebook and one page of results."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTENSIONS = ROOT / "book" / "_ext"
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


RUN = """
import sys
sys.path += [{extensions!r}, {scripts!r}]
import pytest
from fresh_outputs import cache_folder, get_cache, unknown
from nbval_to_cache import Recorder
from pathlib import Path
book = Path({book!r})
cache = get_cache(cache_folder(book, book / "out"))
missing = [str(path) for path in unknown(cache, sorted(book.glob("*.ipynb")))]
options = ["-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", *missing]
sys.exit(pytest.main(options, plugins=[Recorder(cache, book)]) if missing else 0)
"""


def run_notebooks(book: Path) -> subprocess.CompletedProcess:
    """Run what the cache of the book lacks through nbval."""
    code = RUN.format(extensions=str(EXTENSIONS), scripts=str(ROOT / "scripts"), book=str(book))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=book, capture_output=True, text=True, check=False
    )


def build(book: Path) -> str:
    """Build the book without tolerance for warnings, and return the page of results."""
    run = run_notebooks(book)
    assert run.returncode == 0, run.stdout + run.stderr
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


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "book"
    folder.mkdir()
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


def test_teachers_get_sheet_key_and_copy_with_the_seconds_of_the_run(book: Path):
    with (book / "conf.py").open("a") as conf:
        conf.write("extensions.append('workshop')\nhtml_baseurl = 'https://book.example/'\n")
    text = "# Light\n\n## Twice\n\nMore light. **Predict** the count."
    codes = ["import time\ntime.sleep(1.5)\nprint(6 * 7)", "assert True"]
    cells = [nbformat.v4.new_markdown_cell(text), *map(nbformat.v4.new_code_cell, codes)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "light.ipynb")
    (book / "index.md").write_text("# Book\n\n```{toctree}\nlight\nresults\nteaching\n```\n")
    (book / "teaching.md").write_text("# Teach\n\n```{workshop-sheets}\n```\n")
    build(book)
    site = book / "out" / "html"
    sheet, key = (site / "workshop" / f"light_{kind}.html" for kind in ("guesses", "answers"))
    assert sheet.read_text(encoding="utf-8").count("<textarea") == 2
    assert "42" not in sheet.read_text(encoding="utf-8")
    shown = key.read_text(encoding="utf-8")
    assert '<pre tabindex="0">42\n</pre>' in shown
    seconds = re.search(r"Twice</th><td>1</td><td>1</td><td>(\d+)</td>", shown)
    assert 1 <= int(seconds[1]) < 30
    copy = nbformat.read(site / "workshop" / "light_workshop.ipynb", as_version=4)
    assert 'guess("question 1")' in [cell.source for cell in copy.cells]
    assert not any(cell.get("outputs") for cell in copy.cells)
    page = (site / "teaching.html").read_text(encoding="utf-8")
    for name in ("light_guesses.html", "light_answers.html", "light_workshop.ipynb"):
        assert f'href="workshop/{name}"' in page
    assert "answers" not in (site / "searchindex.js").read_text(encoding="utf-8")


def test_a_notebook_that_fails_is_shown_and_not_kept(book: Path):
    codes = [nbformat.v4.new_code_cell(code) for code in ("1 / 0", "open('runs2', 'w')")]
    nbformat.write(nbformat.v4.new_notebook(cells=codes), book / "broken.ipynb")
    for _ in range(2):
        run = run_notebooks(book)
        assert run.returncode == 1
        assert "ZeroDivisionError" in run.stdout
        assert "1 failed, 1 skipped" in run.stdout  # what follows a failure is not run
    assert not (book / "runs2").exists()
    (book / "broken.ipynb").unlink()


def test_outputs_stay_in_their_order_and_the_cells_are_numbered(book: Path):
    codes = ["print(1)\ndisplay(2)\nprint(3)\nprint(4)", "5"]
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "order.ipynb")
    assert run_notebooks(book).returncode == 0
    names = runpy.run_path(str(EXTENSIONS / "fresh_outputs.py"))
    cache = names["get_cache"](names["cache_folder"](book, book / "out"))
    record = cache.match_cache_file(str(book / "order.ipynb"))
    kept = cache.get_cache_bundle(record.pk).nb.cells
    (book / "order.ipynb").unlink()
    assert [cell.execution_count for cell in kept] == [1, 2]
    kinds = [output.output_type for output in kept[0].outputs]
    assert kinds == ["stream", "display_data", "stream"]
    assert kept[0].outputs[2].text == "3\n4\n"
    assert kept[1].outputs[0].execution_count == 2
    measured = {"execution_seconds", "reference_seconds", "peak_bytes", "cell_seconds"}
    assert measured == record.data.keys()
    assert record.data["peak_bytes"] > 1e7
    assert len(record.data["cell_seconds"]) == len(codes)
    assert 0 < sum(record.data["cell_seconds"]) < record.data["execution_seconds"]


def test_a_build_runs_no_notebook_itself(book: Path):
    cells = [nbformat.v4.new_markdown_cell("# New"), nbformat.v4.new_code_cell("open('ran', 'w')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "new.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", book, book / "out" / "html"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    (book / "new.ipynb").unlink()
    assert run.returncode != 0
    assert "Expected outputs of every notebook, got none: new. Run make book." in run.stderr
    assert not (book / "ran").exists()


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
