#!/usr/bin/env bash
# aiohttp 3.13.2: importing it makes TLS contexts, before anything is asked for: one that verifies (which reads all
# certificates of the system) and one that does not. A client that only talks to http on this machine pays for both, and a
# library that makes a context of its own for https pays for a third.
# Seen: 1 call of ssl.create_default_context and 2 or more of SSLContext() while `import aiohttp` runs.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check 'aiohttp==3.13.2'
"$folder/venv/bin/python" - <<'PY'
import ssl

made, made_by_default = [], []
own, default = ssl.SSLContext.__new__, ssl.create_default_context


def counted_new(cls, *arguments, **more):
    made.append(cls)
    return own(cls, *arguments, **more)


def counted_default(*arguments, **more):
    made_by_default.append(1)
    return default(*arguments, **more)


ssl.SSLContext.__new__ = staticmethod(counted_new)
ssl.create_default_context = counted_default
import aiohttp

print("aiohttp", aiohttp.__version__, "default contexts:", len(made_by_default), "contexts:", len(made))
assert len(made_by_default) >= 1 and len(made) >= 2
PY
echo "as described"
