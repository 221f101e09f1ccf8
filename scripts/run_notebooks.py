"""Run notebooks through nbval, each once, alone in an empty folder.

    run_notebooks.py book           all of them, for the book
    run_notebooks.py without-data   those that use real data, without data and network
    run_notebooks.py torch-free     those that need no torch, in the Python that runs this

The first two use the environment of scripts/bare.sh: the package as it would be published and what
it depends on, nothing else. Each keeps the outputs in a cache, for scripts/build_book.sh and
scripts/build_without_data.py, and runs what that cache lacks. Notebooks that need torch are known
by what they import or call.

As many notebooks run at a time as there are cores, up to four, each on one core: two of them on two
cores are done well before one after the other on both: small networks hardly use the second.
"""

import argparse
import io
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stdout
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
WORK = ROOT / "_build" / "notebooks"
BUILDS = {"book": ROOT / "_build", "without-data": ROOT / "_build" / "without-data" / "_build"}
SECONDS_A_CELL = 300  # a cell that takes longer hangs
MOST_AT_A_TIME = 4  # each may take 2 GB of memory
# Seconds for every notebook, if its process did it; what an environment lacks is passed over.
SLOW_TO_IMPORT = [
    "nbformat",
    "jupyter_cache.base",
    "sphinx.application",
    "aimicro.cli.reference_work",
]
latest_reference: Synchronized | None = None  # the same place in every process that runs notebooks
IMPORTED = r"from aimicro import (?:\([^)]*|[^(\n]*)\b({rooms})\b|aimicro\.({rooms})\b"
# A collection is asked for; networks that were trained before come with the package.
REAL_DATA = re.compile(r"(?<![.\w])data\.(?!card\(|weights\()[a-z_]+\(")
TORCH = re.compile(
    r"\bimport torch\b|\bfrom torch\b|!aimicro (train|apply)\b|"
    + IMPORTED.format(rooms="models|train|predict|export")
)


def code(path: Path) -> str:
    """Return the code of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def with_real_data() -> list[Path]:
    """Return the notebooks that use real data."""
    return [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if REAL_DATA.search(code(path))]


def bare_environment() -> str:
    """Return the name of the bare environment's kernel, after making both known to this process."""
    made = subprocess.run([ROOT / "scripts" / "bare.sh"], check=True, stdout=subprocess.PIPE)
    folder = Path(made.stdout.decode().strip())
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"  # has !aimicro
    os.environ["JUPYTER_PATH"] = str(folder / "share" / "jupyter")
    os.environ.pop("PYTHONPATH", None)
    return "bare"


def quiet_kernels(settings: Path) -> None:
    """Spare each kernel two warnings.

    One is of traffic, all on this machine, that is not encrypted. In the other tqdm, imported by
    pooch, misses widgets for its bars.
    """
    profile = settings / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    profile.joinpath("ipython_kernel_config.py").write_text(
        "get_config().IPKernelApp.log_level = 40\n"
    )
    os.environ["IPYTHONDIR"] = str(settings)
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"


def go_offline(empty: Path) -> None:
    """Take network and every cache away from what is started from here."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ[name] = "http://127.0.0.1:9"  # nobody listens there
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ[name] = str(empty / name)


def know(latest: Synchronized) -> None:
    """Tell this process where the latest seconds of the reference work are kept."""
    global latest_reference
    latest_reference = latest


def run_one(
    path: Path, kernel: str | None, report: Path | None, build: Path | None
) -> tuple[int, str]:
    """Run a notebook in a folder of its own; return an exit status and what there is to read.

    Its outputs go into the cache of ``build``, if there is one.
    """
    plugins = []
    if build:
        sys.path.append(str(ROOT / "book" / "_ext"))
        from fresh_outputs import open_cache  # the book's environment alone has them
        from nbval_to_cache import Recorder

        plugins = [Recorder(open_cache(ROOT, build), NOTEBOOKS, latest_reference)]
    which = f"--nbval-kernel-name={kernel}" if kernel else "--nbval-current-env"
    options = ["-q", "--nbval-lax", which, f"--nbval-cell-timeout={SECONDS_A_CELL}"]
    if report:
        options.append(f"--junitxml={report.with_name(f'{report.stem}-{path.stem}.xml')}")
    with redirect_stdout(io.StringIO()) as written:
        print(f"\n{path.stem}")
        folder = WORK / path.stem
        status = pytest.main([*options, f"--rootdir={ROOT}", str(folder)], plugins=plugins)
    return int(status), written.getvalue()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    notebooks: list[Path], *, kernel: str | None, report: Path | None, build: Path | None
) -> int:
    """Run notebooks, each in a folder of its own that must stay empty; return an exit status."""
    shutil.rmtree(WORK, ignore_errors=True)
    for path in notebooks:
        (WORK / path.stem).mkdir(parents=True)
        shutil.copy(path, WORK / path.stem)
    os.environ["OMP_NUM_THREADS"] = "1"  # threads of several notebooks would wait for each other
    # A fresh process for each, as pytest and the watch over a kernel's memory expect.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(SLOW_TO_IMPORT)
    status = 0
    with ProcessPoolExecutor(
        min(cores(), MOST_AT_A_TIME),
        mp_context=fresh,
        max_tasks_per_child=1,
        initializer=know,
        initargs=(fresh.Value("d", 0.0),),
    ) as pool:
        started = partial(pool.submit, run_one, kernel=kernel, report=report, build=build)
        for ended in as_completed(map(started, notebooks)):
            failed, written = ended.result()
            status = status or failed
            print(written, flush=True)
    left = [str(f.relative_to(WORK)) for f in WORK.rglob("*") if f.is_file()]
    left = [name for name in left if not name.endswith(".ipynb")]
    if left:
        print(f"Expected notebooks that write into temporary folders alone, got {left}.")
    return status or bool(left)


def run_missing(which: str, everything: list[Path], *, report: Path | None) -> int:
    """Run what the cache of a build lacks, and keep the outputs there."""
    build = BUILDS[which]
    sys.path.append(str(ROOT / "book" / "_ext"))
    from fresh_outputs import open_cache, unknown  # the book's environment alone has them

    missing = unknown(open_cache(ROOT, build), everything)
    print(f"{len(missing)} notebooks to run; the outputs of {len(everything) - len(missing)} hold.")
    if not missing:
        return 0
    kernel = bare_environment()
    if which == "without-data":
        go_offline(ROOT / "_build" / "empty")
    return run(missing, kernel=kernel, report=report, build=build)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=["book", "without-data", "torch-free"])
    parser.add_argument("--report", type=Path, help="file for a JUnit report")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    quiet_kernels(ROOT / "_build" / "ipython")
    everything = sorted(NOTEBOOKS.glob("*.ipynb"))
    if chosen.which == "torch-free":
        notebooks = [path for path in everything if not TORCH.search(code(path))]
        left_out = [path.stem for path in everything if path not in notebooks]
        print(f"Left out, since they need torch: {', '.join(left_out) or 'none'}.")
        return run(notebooks, kernel=None, report=chosen.report, build=None)
    if chosen.which == "without-data":
        everything = with_real_data()
        os.environ.pop("AIMICRO_DATA_DIR", None)  # the cache is another one, too
    return run_missing(chosen.which, everything, report=chosen.report)


if __name__ == "__main__":
    sys.exit(main())
