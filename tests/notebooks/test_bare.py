"""Every notebook runs as on Colab: alone in an empty folder, with the package and nothing else.

There is no network and no downloaded data here; make test also runs the notebooks with both.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_SECONDS = 60
MOST_BYTES = 2e9
EXECUTE = """
import sys, nbclient, nbformat
nbclient.NotebookClient(nbformat.read(sys.argv[1], as_version=4), kernel_name="python3").execute()
"""


def run(*command: str | Path) -> None:
    """Run a command, and show what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be published, built from a copy that nothing old lies in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", source / "src", ignore=junk)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", source)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="session")
def bare_python(wheel: Path) -> Path:
    """A Python with the package, its dependencies, traccuracy, and what executes a notebook.

    It is kept in _build, and made anew when the pins or the dependencies change.
    """
    pins = ROOT / "requirements.txt"
    inputs = pins.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    folder = ROOT / "_build" / f"bare-{hashlib.sha256(inputs).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    if (folder / "complete").exists():
        run(*pip, "--no-deps", "--force-reinstall", wheel)
        return python
    for old in folder.parent.glob("bare-*"):
        shutil.rmtree(old)
    venv.create(folder, with_pip=True)
    # The pins as constraints: an unpinned torch would bring gigabytes of CUDA.
    run(*pip, "--constraint", pins, f"{wheel}[tracking]", "nbclient", "ipykernel")
    (folder / "complete").touch()
    return python


def offline_environment(folder: Path, python: Path) -> dict[str, str]:
    """Return an environment without network, without data, and with caches that are empty.

    The commands of this Python come first, as where it has been activated, and as on Colab.
    """
    environment = {
        k: v for k, v in os.environ.items() if k not in ("AIMICRO_DATA_DIR", "PYTHONPATH")
    }
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        environment[name] = "http://127.0.0.1:9"  # nobody listens there
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "IPYTHONDIR"):
        environment[name] = str(folder / name)
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    return environment


def memory_of_children(process: psutil.Process) -> int:
    """Return the resident bytes of what a process has started: here, the kernel."""
    total = 0
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@pytest.mark.timeout(5 * MOST_SECONDS)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_an_empty_folder(notebook: Path, bare_python: Path, tmp_path: Path):
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(notebook, folder)
    log = tmp_path / "log"
    peak = 0
    start = time.monotonic()
    with log.open("w") as stream:
        process = psutil.Popen(
            [bare_python, "-c", EXECUTE, notebook.name],
            cwd=folder,
            env=offline_environment(tmp_path, bare_python),
            stdout=stream,
            stderr=stream,
        )
        while process.poll() is None:
            peak = max(peak, memory_of_children(process))
            time.sleep(0.25)
    seconds = time.monotonic() - start
    print(f"\n{notebook.stem}: {seconds:.0f} s, {peak / 1e9:.2f} GB")
    assert process.returncode == 0, log.read_text()[-4000:]
    assert [path.name for path in folder.iterdir()] == [notebook.name]
    assert seconds <= MOST_SECONDS
    assert peak <= MOST_BYTES
