#!/usr/bin/env bash
# Build the package's wheel into a folder, from a copy that nothing old lies in.   Usage: wheel.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Others may be compiling and installing what lies there: their files come and go.
tar -cf - --exclude='*.egg-info' --exclude=__pycache__ pyproject.toml README.md LICENSE src | tar -xf - -C "$work"
.venv/bin/python -m build --wheel --no-isolation --outdir "$1" "$work" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
