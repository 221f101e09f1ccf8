#!/usr/bin/env bash
# Print the newest CPython on this machine that is newer than that of .venv; fail where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
ask='import sys
v = sys.version_info
print(*v[:3], sys.executable) if sys.implementation.name == "cpython" and v.releaselevel == "final" else None'
own=$(.venv/bin/python -c 'import sys; print(sys.version_info.minor)')
shopt -s nullglob
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*[0-9]/bin/python /usr/bin/python3.?? /usr/local/bin/python3.?? \
  "$(command -v python3 || true)"; do
  "$python" -c "$ask" 2>/dev/null || true
done | awk -v own="$own" '$2 > own' | sort -k2,2nr -k3,3nr | head -1 | cut -d' ' -f4- | grep .
