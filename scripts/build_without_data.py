"""Build the pages that use real data once more, as they are without: into _build/without-data.

The outputs are those that `run_notebooks.py without-data` keeps. These pages link to others, which
are not built here; of what else Sphinx warns, any warning is an error, as in scripts/build_book.sh.
"""

import os
import shutil
import subprocess
import sys

import yaml
from run_notebooks import BUILDS, NOTEBOOKS, ROOT, with_real_data

FOLDER = BUILDS["without-data"].parent
ELSEWHERE = ["myst.xref_missing", "ref.doc", "ref.eq", "ref.ref"]  # links to what is left out


def write_contents() -> None:
    """Write the contents and the configuration of the smaller book."""
    chosen = [f"{NOTEBOOKS.name}/{path.stem}" for path in with_real_data()]
    chapters = [{"file": name} for name in ["book/glossary", *chosen, "book/references"]]
    contents = {"format": "jb-book", "root": "book/results", "chapters": chapters}
    FOLDER.joinpath("_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    sphinx = book["sphinx"]
    folders = sphinx["local_extensions"]
    sphinx["local_extensions"] = {name: str(ROOT / place) for name, place in folders.items()}
    sphinx["config"]["suppress_warnings"] += ELSEWHERE
    FOLDER.joinpath("_config.yml").write_text(yaml.safe_dump(book), encoding="utf-8")


def main() -> int:
    """Build; return an exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_contents()
    # A page that Sphinx does not read again hides its warnings, and one that is gone stays.
    for left in ("html", ".doctrees"):
        shutil.rmtree(FOLDER / "_build" / left, ignore_errors=True)
    os.environ.pop("AIMICRO_DATA_DIR", None)
    build = ["jupyter-book", "build", str(ROOT), "--path-output", str(FOLDER)]
    files = ["--toc", str(FOLDER / "_toc.yml"), "--config", str(FOLDER / "_config.yml")]
    return subprocess.run([*build, *files, "-W", "-n", "--keep-going"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
