"""What all tests share: Ctrl-C reaches them and what they start, and there is a sandbox to ask."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from or_magic.sandbox import Behaviour, Sandbox, start
from tests.kernel_ports import KernelPorts

NOBODY_WAITS = {"pace": 0, "first_token_s": 0, "record_delay_s": 600}
LONGEST_FIRST = ("browser", "kernel", "faults")


def pytest_configure(config: pytest.Config) -> None:
    """Takes Ctrl-C back: a script's background job is started with SIGINT ignored, which every child would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    KernelPorts.instance()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest, so that several processes end at about the same time."""
    folders = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: folders.get(item.path.parent.name, len(folders)))


@pytest.hookimpl(optionalhook=True)  # called by pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of several processes one does all the tests of a file, and one all those of the browser, which share a Lab."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "browser" if "/browser/" in file else file

    return Files(config, log)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox that makes nobody wait and tells no records of answers; ``@pytest.mark.sandbox`` turns its knobs."""
    told = [mark.kwargs for mark in request.node.iter_markers("sandbox")]
    knobs = {name: value for kwargs in (NOBODY_WAITS, *reversed(told)) for name, value in kwargs.items()}
    with start(behaviour=Behaviour(**knobs)) as running:
        yield running
