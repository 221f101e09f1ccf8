#!/usr/bin/env bash
# A Chromium for tests/browser: Debian's, else one on the path, else Playwright's own build.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian alone: Ubuntu's package of this name is a stub. Playwright's Node.js needs libatomic.
if [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
  packages=(chromium fonts-liberation libatomic1)
  dpkg --status "${packages[@]}" >/dev/null 2>&1 && exit
  scripts/apt_install.sh "${packages[@]}" && exit
fi
command -v chromium >/dev/null && exit
.venv/bin/playwright install chromium ||
  { echo "chromium: Expected a browser for the tests, got none. Install Chromium, then run make test again." >&2; exit 1; }
