"""What all tests share: Ctrl-C reaches them and what they start, and there is a sandbox to ask."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from or_magic.sandbox import Behaviour, Sandbox, start

NOBODY_WAITS = {"pace": 0, "first_token_s": 0, "record_delay_s": 600}
LONGEST_FIRST = ("browser", "kernel", "faults")


def pytest_configure(config: pytest.Config) -> None:
    """Takes Ctrl-C back: a script's background job is started with SIGINT ignored, which every child would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several processes one does all tests of a file, and of the browser, which share a Lab; the longest first."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder == "browser" else item.path.as_posix()))
    folders = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: folders.get(item.path.parent.name, len(folders)))


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox that makes nobody wait and tells no records of answers; ``@pytest.mark.sandbox`` turns its knobs."""
    told = [mark.kwargs for mark in request.node.iter_markers("sandbox")]
    knobs = {name: value for kwargs in (NOBODY_WAITS, *reversed(told)) for name, value in kwargs.items()}
    with start(behaviour=Behaviour(**knobs)) as running:
        yield running
