"""What `%load_ext or_magic` does not import."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"pandas", "ipywidgets", "sqlalchemy", "httpx", "aiohttp", "pydantic", "altair"}

_LOAD = """
import sys
from IPython.core.interactiveshell import InteractiveShell

InteractiveShell.instance().run_line_magic("load_ext", "or_magic")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_loading_imports_nothing_heavy(environment: dict[str, str]) -> None:
    """Loading the extension imports none of the packages that take long, so a notebook starts at once."""
    done = subprocess.run(
        [sys.executable, "-c", _LOAD], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    imported = set(done.stdout.split())
    assert "or_magic" in imported
    assert imported & HEAVY == set()
