#!/usr/bin/env bash
# A Chromium for tests/browser: the one on the machine, else Debian's, else Playwright's own build.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v chromium >/dev/null && exit
# Only Debian's: the package of this name in Ubuntu is a stub for a snap.
if [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
  scripts/apt_install.sh chromium fonts-liberation && exit
fi
.venv/bin/playwright install chromium ||
  { echo "chromium: Expected a browser for the tests, got none. Install Chromium, then run make test again." >&2; exit 1; }
