"""``python -m tests``: all tests, those of the browser beside the others, which wait for different things.

What the browser's have to say is printed when the others have ended. The status is that of the worse one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

_PYTEST = (sys.executable, "-m", "pytest", "-q", "-m", "not soak and not pictures and not bench")


def main() -> int:
    """Runs both."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        with subprocess.Popen([*_PYTEST, "tests/browser"], stdout=told, stderr=subprocess.STDOUT) as browser:
            status = subprocess.run([*_PYTEST, "tests", "--ignore", "tests/browser"], check=False).returncode
            status = max(status, browser.wait())
        told.seek(0)
        print(told.read(), end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
