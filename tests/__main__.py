"""``python -m tests``: all tests in two runs beside each other, those of the browser and of kernels apart.

They wait for different things, and are about as long. What the first has to say is printed when the second has ended.
The status is that of the worse one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

_PYTEST = (sys.executable, "-m", "pytest", "-q", "-m", "not soak and not pictures and not bench")
_WITH_BROWSER = tuple(f"tests/{name}" for name in ("browser", "ledger", "openrouter", "sandbox", "soak"))


def main() -> int:
    """Runs both."""
    ignored = [word for path in _WITH_BROWSER for word in ("--ignore", path)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        with subprocess.Popen([*_PYTEST, *_WITH_BROWSER], stdout=told, stderr=subprocess.STDOUT) as first:
            status = subprocess.run([*_PYTEST, "tests", *ignored], check=False).returncode
            status = max(status, first.wait())
        told.seek(0)
        print(told.read(), end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
