"""The one loop of the process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import threading
from concurrent.futures import ThreadPoolExecutor
from or_magic.client import background

together = threading.Barrier(16)

def first_use(_):
    together.wait()
    return background.loop()

with ThreadPoolExecutor(16) as pool:
    assert len(set(pool.map(first_use, range(16)))) == 1
"""


def test_one_loop_for_all_threads() -> None:
    """Threads that need the loop for the first time at the same moment get the same one."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)
