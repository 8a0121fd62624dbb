"""A sandbox at full speed, and the clients that talk to it in most of these tests.

`verify=False`: there is no TLS here, and each client would spend 30 ms on loading certificates.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from or_magic.sandbox import Sandbox

from .talker import KEY, Talker


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """An HTTP client with an acceptable key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, verify=False) as client:
        yield client


@pytest.fixture(scope="session")
def stranger() -> Iterator[httpx.Client]:
    """An HTTP client without a key."""
    with httpx.Client(verify=False) as client:
        yield client


@pytest.fixture
def talker(client: httpx.Client) -> Talker:
    """Somebody to ask questions with."""
    return Talker(client)


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """An HTTP client of the control endpoint, with its token."""
    root = sandbox.base_url.removesuffix("/api/v1")
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=root, headers=headers, verify=False) as client:
        yield client
