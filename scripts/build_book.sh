#!/usr/bin/env bash
# Build _build/html; any warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
# Sphinx reports a page's warnings only while it reads that page: after a failure every page must be read again
# (the executed notebooks stay cached), or the next build would pass.
.venv/bin/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
