#!/usr/bin/env bash
# Succeed where pip would install a requirement such as "torch>=2.4" without CUDA's libraries, which
# are gigabytes. Asks for the list only, and downloads none of it.   Usage: light_torch.sh PYTHON REQUIREMENT
set -euo pipefail
report=$("$1" -m pip --disable-pip-version-check --quiet install --dry-run --ignore-installed --report - "$2" 2>/dev/null)
! grep -qE '"name": "(nvidia|cuda|triton)' <<<"$report"
