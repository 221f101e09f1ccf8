"""Show outputs of this package and these pins only, and run no notebook here.

scripts/run_notebooks.py runs the notebooks and keeps their outputs in a cache. jupyter-cache
compares the cells of a notebook with those it knows, and nothing else. Here the folder of the cache
is named after everything else that the outputs depend on. A build with an unknown notebook stops.
"""

import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError


def fingerprint(root: Path) -> str:
    """Return a hash of the package, the pins, the Python, and the real data at hand."""
    digest = hashlib.sha256(sys.version.encode())
    package = (root / "src" / "aimicro").rglob("*.*")
    for path in [root / "pyproject.toml", root / "requirements.txt", *sorted(package)]:
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    data = os.environ.get("AIMICRO_DATA_DIR")
    for path in sorted(Path(data).rglob("*")) if data else []:
        digest.update(f"{path.relative_to(data)} {path.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def cache_folder(root: Path, build: Path) -> Path:
    """Return the folder of this fingerprint's cache, and drop the older ones."""
    folder = build / ".jupyter_cache" / fingerprint(root)
    for old in folder.parent.glob("*"):
        if old != folder:
            shutil.rmtree(old)
    return folder


def open_cache(root: Path, build: Path) -> JupyterCacheAbstract:
    """Return the cache of the book in ``root`` that is built into ``build``."""
    return get_cache(cache_folder(root, build))


def unknown(cache: JupyterCacheAbstract, notebooks: list[Path]) -> list[Path]:
    """Return the notebooks that the cache has no outputs of."""

    def known(path: Path) -> bool:
        with suppress(KeyError):
            return bool(cache.match_cache_file(str(path)))
        return False

    return [path for path in notebooks if not known(path)]


def choose_cache(app: Sphinx, config: Config) -> None:
    """Point myst-nb to the cache of this fingerprint."""
    folder = cache_folder(Path(app.srcdir), Path(app.outdir).parent)
    config.nb_execution_cache_path = str(folder)


def check_cache(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Stop before myst-nb runs a notebook by itself."""
    paths = [Path(env.doc2path(name)) for name in docnames]
    notebooks = [path for path in paths if path.suffix == ".ipynb"]
    missing = unknown(get_cache(app.config.nb_execution_cache_path), notebooks)
    if missing:
        names = ", ".join(path.stem for path in missing)
        raise ExtensionError(
            f"Expected outputs of every notebook, got none: {names}. Run make book."
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", choose_cache)
    app.connect("env-before-read-docs", check_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
