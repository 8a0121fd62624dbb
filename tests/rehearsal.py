"""A pytest plugin for runs of the notebooks: a sandbox at full speed and an empty store, for all of a process."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from or_magic.sandbox import Behaviour, start
from tests.kernel_ports import KernelPorts


def pytest_configure(config: pytest.Config) -> None:
    """Starts the sandbox before any kernel; both end with the run. Takes Ctrl-C back, as tests/conftest.py does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    KernelPorts.instance()
    folder = tempfile.TemporaryDirectory(prefix="or_magic_rehearsal_")
    config.add_cleanup(folder.cleanup)
    sandbox = start(behaviour=Behaviour(pace=0, first_token_s=0))
    config.add_cleanup(sandbox.close)
    os.environ.pop("OPENROUTER_API_KEY", None)
    os.environ["OPENROUTER_BASE_URL"] = sandbox.base_url
    os.environ["OR_MAGIC_STORE"] = str(Path(folder.name) / "ledger.sqlite")
