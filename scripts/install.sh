#!/usr/bin/env bash
# Make .venv: the pinned requirements and this package, editable.   Usage: install.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
stop() { echo "install: $*" >&2; exit 1; }

command -v "$python" >/dev/null || stop "Expected Python 3.11 or later, got no '$python'. Install Python, or name it: make PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "Expected Python 3.11 or later, got $("$python" --version). Name a newer one: make PYTHON=/path/to/python3.11"

# Debian keeps half of the venv module in a package of its own.
"$python" -c 'import ensurepip' 2>/dev/null || scripts/apt_install.sh python3-venv ||
  stop "Expected Python's venv module, got Debian's Python without it. Run: sudo apt-get install python3-venv"

.venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
scripts/light_torch.sh .venv/bin/python "$(grep '^torch==' requirements.txt)" ||
  echo "PyTorch comes with CUDA for this Python: several GB. To spare them, stop here, and set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds."
echo "Installing requirements.txt into .venv (a few minutes the first time)"
# Python compiles what it imports and keeps it; pip would compile everything, which takes as long as all the rest.
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet install --no-compile)
"${pip[@]}" --requirement requirements.txt
"${pip[@]}" --no-deps --no-build-isolation --editable .
touch .venv/.installed
