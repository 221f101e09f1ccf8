"""Run a notebook anew when the package or its pins changed.

jupyter-cache compares the cells of a notebook with those it ran before, and nothing else. Here
the folder of its cache is named after everything else that the outputs depend on.
"""

import hashlib
import os
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def fingerprint(root: Path) -> str:
    """Return a hash of the package, the pins, and whether real data are at hand."""
    digest = hashlib.sha256(os.environ.get("AIMICRO_DATA_DIR", "").encode())
    package = (root / "src" / "aimicro").rglob("*.*")
    for path in [root / "requirements.txt", *sorted(package)]:
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def choose_cache(app: Sphinx, config: Config) -> None:
    """Point myst-nb to the cache of this fingerprint, and drop the older ones."""
    folder = Path(app.outdir).parent / ".jupyter_cache"
    config.nb_execution_cache_path = str(folder / fingerprint(Path(app.srcdir)))
    for old in folder.glob("*"):
        if str(old) != config.nb_execution_cache_path:
            shutil.rmtree(old)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
