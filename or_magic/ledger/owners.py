"""Which process writes a turn, and whether it still lives: how a turn of a killed kernel is told from one under way.

An owner is a host, a process id and the moment the process was started, so that another process with the same id is
not taken for it. Of a process on another machine nothing can be asked; it counts as gone once it has not written for
`SILENT_S`. That may be wrong, so whoever finds its turn marked interrupted and lives still finishes it.
"""

from __future__ import annotations

import functools
import os
import socket
from datetime import UTC, datetime, timedelta

import psutil

SILENT_S = 900.0
_SAME_S = 5.0  # a start is told in seconds since the boot, whose moment moves when the clock is set


def this_process() -> str:
    """The owner that this process is; another one after a fork."""
    return _owner(os.getpid())


def is_gone(owner: str | None, seen_utc: datetime | None) -> bool:
    """Whether the process that wrote last at `seen_utc` has ended."""
    host, id, started = ((owner or "") + "//").split("/")[:3]
    if host != _host():
        return seen_utc is None or seen_utc < datetime.now(UTC) - timedelta(seconds=SILENT_S)
    try:
        process = psutil.Process(int(id))
        is_another = abs(process.create_time() - float(started)) > _SAME_S
        return is_another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except (psutil.Error, ValueError):
        return True


@functools.lru_cache(maxsize=8)
def _owner(process_id: int) -> str:
    return f"{_host()}/{process_id}/{psutil.Process(process_id).create_time():.2f}"


def _host() -> str:
    return socket.gethostname().replace("/", "-")
