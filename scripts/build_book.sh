#!/usr/bin/env bash
# Build _build/html; any warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python scripts/run_notebooks.py book
# Sphinx leaves pages behind that have gone from the contents.
[ _build/html/index.html -nt _toc.yml ] || rm -rf _build/html
# It reports the warnings of a page only when it reads that page: after a failure all of them must be
# read again, or the next build would pass. Executed notebooks stay cached.
.venv/bin/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
# What the pages install: the package that they were built with.
rm -f _build/html/*.whl
scripts/wheel.sh _build/html
