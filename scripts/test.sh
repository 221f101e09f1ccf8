#!/usr/bin/env bash
# Every check, cheap ones first. All of them run; one failure fails the whole.   Usage: test.sh [STAGE ...]
set -uo pipefail
cd "$(dirname "$0")/.."
# Bytecode is kept, also that of rewritten assertions: otherwise each process compiles everything again.
export PATH="$PWD/.venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=
reports=_build/reports
rm -rf "$reports" && mkdir -p "$reports"
stages=${*:-lint types sources unit long notebooks book bare pages browser newest oldest}

# Some stages work on one core. The other makes an environment that a later stage waits for, if it is
# to come.   Usage: ahead STAGE COMMAND ...
ahead()     { case " $stages " in *" $1 "*) "${@:2}" >/dev/null & esac; }

lint()      { ahead notebooks scripts/bare.sh
              ruff check . && ruff format --check . && find src -name '[a-z]*.py' -exec numpydoc lint {} + &&
                nbstripout --verify --keep-id notebooks/*.ipynb; }
types()     { mypy; }
unit()      { scripts/unit.sh .venv/bin/python "$reports/unit.xml" -m "not long"; }
long()      { scripts/unit.sh .venv/bin/python "$reports/long.xml" -m long; }
# By scope: what a page's lines make, minutes of work, is made once and not by each worker.
sources()   { OMP_NUM_THREADS=1 pytest -q -n auto --dist loadscope --no-loadscope-reorder -m "not book" tests/book \
                --junitxml="$reports/sources.xml"; }
# The run of the book: what nbval passes here is what the pages show.
notebooks() { wait; python scripts/run_notebooks.py book --report "$reports/notebooks.xml"; }
book()      { ahead newest scripts/test_newest.sh install
              make --no-print-directory book; }
pages()     { pytest -q -n auto --dist loadgroup -m book tests/book --junitxml="$reports/pages.xml"; }
browser()   { pytest -q -n auto --dist worksteal tests/browser --junitxml="$reports/browser.xml"; }
# The same pages as of a reader whom no real image reaches.
bare()      { python scripts/run_notebooks.py without-data --report "$reports/bare.xml" &&
                { ahead oldest scripts/test_oldest.sh install; python scripts/build_without_data.py; }; }
newest()    { wait; scripts/test_newest.sh "$reports"; }
oldest()    { wait; scripts/test_oldest.sh "$reports"; }

table="" failed=0
for stage in $stages; do
  printf '\n=== %s\n' "$stage"
  start=$SECONDS
  if "$stage"; then verdict=ok; else verdict=FAILED failed=$((failed + 1)); fi
  table+=$(printf '%-10s %5d s  %s' "$stage" $((SECONDS - start)) "$verdict")$'\n'
done
printf '\n%s%-10s %5d s\n' "$table" all "$SECONDS"
python scripts/sum_reports.py "$reports"
exit $((failed > 0))
