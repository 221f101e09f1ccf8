#!/usr/bin/env bash
# The newest CPython here, with the newest release of everything: unit tests, and notebooks.
# Where torch would bring CUDA, gigabytes of it, what needs torch is left out.   Usage: test_newest.sh REPORTS | install
set -uo pipefail
cd "$(dirname "$0")/.."
newer=$(scripts/newer_python.sh) || { echo "Left out: there is no CPython newer than the book's on this machine."; exit 0; }
folder=$PWD/_build/newest
python=$folder/bin/python
[ "$("$python" --version 2>&1)" = "$("$newer" --version)" ] || "$newer" -m venv --clear "$folder" || exit 1
without=()
if ! scripts/light_torch.sh "$python" "$(python scripts/bounds.py newest | grep '^torch>' | cut -d';' -f1)"; then
  echo "Left out: torch, which comes with gigabytes of CUDA for this Python, and all that needs it."
  without=(--without-torch)
fi
echo "Installing the newest release of every dependency for $("$newer" --version)"
pip=("$python" -m pip --disable-pip-version-check --quiet install --no-compile)
python scripts/bounds.py newest test tracking search labelling "${without[@]}" >"$folder/requirements.txt"
"${pip[@]}" --upgrade setuptools ipykernel pyyaml --requirement "$folder/requirements.txt" &&
  "${pip[@]}" --no-deps --no-build-isolation --editable . || exit 1
[ "$1" != install ] || exit 0
failed=0
scripts/unit.sh "$python" "$1/newest.xml" || failed=1
"$python" scripts/run_notebooks.py torch-free --report "$1/newest-notebooks.xml" || failed=1
exit "$failed"
