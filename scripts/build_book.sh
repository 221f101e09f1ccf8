#!/usr/bin/env bash
# Build _build/html; any warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"  # notebooks call the command aimicro
# Every kernel warns that its traffic is not encrypted; it never leaves this machine. Errors still show.
export IPYTHONDIR="$PWD/_build/ipython"
mkdir -p "$IPYTHONDIR/profile_default"
echo 'get_config().IPKernelApp.log_level = 40' > "$IPYTHONDIR/profile_default/ipython_kernel_config.py"
# Sphinx leaves pages behind that have gone from the contents.
[ _build/html/index.html -nt _toc.yml ] || rm -rf _build/html
# It reports the warnings of a page only when it reads that page: after a failure all of them must be
# read again, or the next build would pass. Executed notebooks stay cached.
.venv/bin/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
