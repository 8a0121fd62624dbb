"""What belongs to the thread that asks: the host that it is at, and the last answer that it was given.

A cell and a panel may ask on behalf of one notebook at the same moment; what each of them asked last is its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.asking.host import Host

_NO_HOSTS: Mapping[object, Host] = {}
_NO_ANSWERS: Mapping[object, Answer] = {}
_HOSTS: ContextVar[Mapping[object, Host]] = ContextVar("or_magic_hosts", default=_NO_HOSTS)
_LAST: ContextVar[Mapping[object, Answer]] = ContextVar("or_magic_last", default=_NO_ANSWERS)


@contextlib.contextmanager
def at(session: object, host: Host) -> Iterator[None]:
    """While it lasts, this thread (and what it starts for a question) is at another host of the session."""
    token = _HOSTS.set({**_HOSTS.get(), session: host})
    try:
        yield
    finally:
        _HOSTS.reset(token)


def host_here(session: object, otherwise: Host) -> Host:
    """The host that this thread is at."""
    return _HOSTS.get().get(session, otherwise)


def note_last(session: object, answer: Answer) -> None:
    """This thread is given an answer, or the beginning of one."""
    _LAST.set({**_LAST.get(), session: answer})


def last_here(session: object) -> Answer | None:
    """The last answer of the session that this thread was given; None where it was given none."""
    return _LAST.get().get(session)
