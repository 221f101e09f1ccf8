#!/usr/bin/env bash
# Print the folder of a bare environment: this package as it would be published, what it depends on,
# traccuracy, Optuna and anywidget, and a kernel, called "bare". It is kept in _build, and made anew with other pins.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scripts/wheel.sh "$work/dist"

key=$({ cat requirements.txt pyproject.toml; "$python" --version; } | sha256sum | cut -c1-12)
folder=$PWD/_build/bare-$key
pip=("$folder/bin/python" -m pip --disable-pip-version-check --quiet install --no-compile)
if [ -e "$folder/complete" ]; then
  "${pip[@]}" --no-deps --force-reinstall "$work"/dist/*.whl >&2
else
  echo "Making an environment with the package and its dependencies only" >&2
  rm -rf _build/bare-*
  "$python" -m venv "$folder"
  # The pins as constraints: an unpinned torch would bring gigabytes of CUDA.
  "${pip[@]}" --constraint requirements.txt "$(echo "$work"/dist/*.whl)[tracking,search,labelling]" ipykernel >&2
  "$folder/bin/python" -m ipykernel install --prefix "$folder" --name bare >/dev/null 2>&1
  touch "$folder/complete"
fi
echo "$folder"
