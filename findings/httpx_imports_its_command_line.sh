#!/usr/bin/env bash
# httpx 0.28.1: `import httpx` also imports its command line (httpx._main), and with it click, rich and pygments, wherever
# those happen to be installed together, as in many a data environment. Nothing of it is used by a
# program that only sends requests; it is paid at import.
# Seen: without the extra 'cli' none of them is imported; with it click, rich and pygments are.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
told='import sys, httpx; print(httpx.__version__, [name for name in ("click", "rich", "pygments") if name in sys.modules])'
"$python" -m pip install -q --disable-pip-version-check 'httpx==0.28.1'
bare=$("$python" -c "$told"); echo "bare: $bare"
"$python" -m pip install -q --disable-pip-version-check 'httpx[cli]==0.28.1' 'click==8.1.8' 'rich==13.9.4' 'pygments==2.19.2'
full=$("$python" -c "$told"); echo "with the libraries there: $full"
[ "$bare" = "0.28.1 []" ]
[ "$full" = "0.28.1 ['click', 'rich', 'pygments']" ]
echo "as described"
