#!/usr/bin/env bash
# The oldest releases that pyproject.toml promises, on the oldest CPython: the unit tests.
# Test tools are as pinned for the book. So is torch where its oldest would bring gigabytes of CUDA.
# The extra for tracking is left out: it asks for newer releases of its own.   Usage: test_oldest.sh REPORTS | install
set -uo pipefail
cd "$(dirname "$0")/.."
old=$(command -v python3.11 || echo .venv/bin/python)
"$old" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || old=.venv/bin/python
"$old" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
  { echo "Left out: there is no CPython 3.11 on this machine."; exit 0; }
folder=$PWD/_build/oldest
python=$folder/bin/python
constraints=$folder/constraints.txt
"$python" --version >/dev/null 2>&1 || "$old" -m venv --clear "$folder" || exit 1
python scripts/bounds.py oldest search labelling >"$constraints"
torch=$(grep '^torch=' "$constraints")
if ! scripts/light_torch.sh "$python" "$torch"; then
  pin=$(grep '^torch=' requirements.txt)
  echo "Left out: $torch, which comes with gigabytes of CUDA. Here it is $pin."
  sed -i "s/^torch=.*/$pin/" "$constraints"
fi
# Old Matplotlib calls pyparsing by names that 3.3 warns of, and a warning is an error here.
echo "pyparsing<3.3" >>"$constraints"
echo "Installing the oldest release of every dependency for $("$python" --version)"
pip=("$python" -m pip --disable-pip-version-check --quiet install --no-compile)
"${pip[@]}" setuptools beautifulsoup4 hypothesis jsonschema nbformat numpydoc psfmodels psutil pytest pytest-timeout pytest-xdist pyyaml \
  --constraint "$constraints" --requirement <(python scripts/bounds.py newest search labelling) &&
  "${pip[@]}" --no-deps --no-build-isolation --editable . || exit 1
[ "$1" != install ] || exit 0
echo "Left out: the extra for tracking, and the tests that score with it."
scripts/unit.sh "$python" "$1/oldest.xml"
