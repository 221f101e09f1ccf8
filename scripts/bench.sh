#!/usr/bin/env bash
# Time the slow parts of the package: ratios, each of one run.   Usage: bench.sh [COMMIT]
# With a commit, the benchmarks that both have are timed there, too, in turns on the same machine.
set -euo pipefail
cd "$(dirname "$0")/.."
before=${1:-}
reports=$PWD/_build/bench
rm -rf "$reports" && mkdir -p "$reports"
python=$PWD/.venv/bin/python
time_all() {  # FOLDER REPORT
  (cd "$1" && PYTHONPATH=$PWD/src "$python" -m pytest benchmarks -q --benchmark-json="$reports/$2.json" "${@:3}")
}

if [ -z "$before" ]; then time_all . now-1 -s; exit; fi
trap 'git worktree remove --force _build/before' EXIT
git worktree add --force --detach _build/before "$before" >/dev/null
for turn in 1 2; do
  time_all _build/before "before-$turn" || true  # what fails there is missing from the table
  time_all . "now-$turn" -s
done
"$python" scripts/compare_bench.py "$reports"
