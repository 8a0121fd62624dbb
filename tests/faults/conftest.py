"""Asking a scripted server from a real session with a real ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from or_magic.chat.session import Session
from or_magic.settings.layers import Settings

PATIENCE = {
    "OR_MAGIC_RETRIES": "1",
    "OR_MAGIC_CONNECT_TIMEOUT": "2",
    "OR_MAGIC_FIRST_EVENT_TIMEOUT": "2.5",
    "OR_MAGIC_SILENCE_TIMEOUT": "2.5",
    "OR_MAGIC_TOTAL_TIMEOUT": "8",
    "OR_MAGIC_RETRY_TIME": "20",
}
Open = Callable[..., Session]


@pytest.fixture
def session_for(tmp_path: Path) -> Iterator[Open]:
    """Makes a session that asks a base URL, with short times; further settings as environment variables."""
    sessions = []

    def make(base_url: str, **environment: str) -> Session:
        settings = {"OPENROUTER_BASE_URL": base_url, "OPENROUTER_API_KEY": "sk-or-test", **PATIENCE, **environment}
        sessions.append(Session(settings=Settings({**settings, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")})))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
