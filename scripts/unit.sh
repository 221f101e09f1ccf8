#!/usr/bin/env bash
# The unit tests and the doctests, on all processors.   Usage: unit.sh PYTHON REPORT [OPTION ...]
# One test a processor, and one thread a test: threads of several tests would wait for each other.
cd "$(dirname "$0")/.."
export PATH="$(dirname "$1"):$PATH" OMP_NUM_THREADS=1
exec "$1" -m pytest -q -n auto --dist worksteal -p no:nbval src/aimicro tests \
  --ignore=tests/book --ignore=tests/browser --ignore=tests/notebooks --junitxml="$2" "${@:3}"
