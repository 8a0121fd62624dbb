"""What a process holds after its first answer, and what is imported before it is asked."""

from __future__ import annotations

import subprocess
import sys

# Each of them is 5 to 40 MB that an answer does not need.
UNWANTED = {"pandas", "pydantic", "tomlkit", "openai", "litellm", "ipywidgets", "psycopg", "PIL"}

_ASK = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_cell("%load_ext or_magic")
shell.run_cell("%%openrouter sandbox/echo\\nWie geht es?")
assert shell.user_ns["_answer"].text == "Wie geht es?"
print("", *sorted(sys.modules), sep="\\n")
"""

_WARM = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from or_magic.jupyter.extension import NEEDED_FOR_AN_ANSWER, import_for_an_answer

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "or_magic")
import_for_an_answer()
assert set(NEEDED_FOR_AN_ANSWER) <= set(sys.modules)
before = set(sys.modules)
shell.run_cell("%%openrouter sandbox/echo\\nWie geht es?")
print("", *sorted(set(sys.modules) - before), sep="\\n")
"""

_THREADS = """
import threading
from IPython.core.interactiveshell import InteractiveShell

started = []
threading.Thread.start = lambda thread: started.append(thread.name)
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "or_magic")
print("by loading:", started.count("or_magic imports"))
for cell in ("1", "2", "3"):
    shell.run_cell(cell)
print("by cells:", started.count("or_magic imports"))
"""


def lines_of(script: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_an_answer_loads_nothing_that_it_does_not_need(environment: dict[str, str]) -> None:
    """After an answer, kept in SQLite, the process holds none of the large packages that other things need."""
    imported = lines_of(_ASK, environment)

    assert "or_magic.chat.run" in imported
    assert UNWANTED.isdisjoint(imported)


def test_all_that_an_answer_needs_is_imported_beforehand(environment: dict[str, str]) -> None:
    """After the warm-up the first cell imports no module of ours any more, and none of the HTTP client.

    But for the very first one of a user, which makes the ledger.
    """
    lines_of(_ASK, environment)
    imported = lines_of(_WARM, environment)

    late = [name for name in imported if name.partition(".")[0] in ("or_magic", "aiohttp", "httpx")]
    assert late == []


def test_the_imports_begin_when_the_loading_cell_has_ended(environment: dict[str, str]) -> None:
    """``%load_ext`` itself starts no thread; the end of the cell that it stands in starts one, once."""
    told = lines_of(_THREADS, environment)

    assert "by loading: 0" in told
    assert "by cells: 1" in told
