#!/usr/bin/env bash
# Every check, cheap ones first. All of them run; one failure fails the whole.   Usage: test.sh [STAGE ...]
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
reports=_build/reports
rm -rf "$reports" && mkdir -p "$reports"

lint()      { ruff check . && ruff format --check .; }
types()     { mypy; }
stripped()  { nbstripout --verify --keep-id notebooks/*.ipynb; }
# One test a processor, and one thread a test: threads of several tests would wait for each other.
unit()      { OMP_NUM_THREADS=1 pytest -q -n auto --dist worksteal src/aimicro tests --ignore=tests/book \
                --ignore=tests/browser --ignore=tests/notebooks --junitxml="$reports/unit.xml"; }
book()      { make --no-print-directory book; }
pages()     { pytest -q tests/book --junitxml="$reports/pages.xml"; }
browser()   { pytest -q -n auto --dist worksteal tests/browser --junitxml="$reports/browser.xml"; }
notebooks() { pytest -q --nbval-lax --nbval-current-env notebooks --junitxml="$reports/notebooks.xml"; }
bare()      { pytest -q -s tests/notebooks --junitxml="$reports/bare.xml"; }

table="" failed=0
for stage in ${*:-lint types stripped unit book pages browser notebooks bare}; do
  printf '\n=== %s\n' "$stage"
  start=$SECONDS
  if "$stage"; then verdict=ok; else verdict=FAILED failed=1; fi
  table+=$(printf '%-10s %5d s  %s' "$stage" $((SECONDS - start)) "$verdict")$'\n'
done
printf '\n%s%-10s %5d s\n' "$table" all "$SECONDS"
python scripts/sum_reports.py "$reports"
exit "$failed"
