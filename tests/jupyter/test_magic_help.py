"""``%openrouter?`` in IPython."""

from __future__ import annotations

import subprocess
import sys

ASK_FOR_HELP = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "or_magic")
print(shell.object_inspect("%openrouter")["docstring"])
"""


def test_the_help_of_ipython_lists_all_commands() -> None:
    """IPython's own help on the magic is the list of what can be typed, from the commands' declarations."""
    done = subprocess.run([sys.executable, "-c", ASK_FOR_HELP], capture_output=True, text=True, timeout=60, check=True)

    assert "--max-tokens" in done.stdout
    assert "  %openrouter undo [N] " in done.stdout
    assert "(--all, --since DATE, --plot)" in done.stdout
