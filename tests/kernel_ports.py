"""Ports for kernels that no connection takes from them.

A kernel is told its five ports before it binds them, and `jupyter_client` (8.10) has the system choose them: from those
that it gives to every connection that is made, too. Where much is going on, one of them is taken in between, and the
kernel ends with "Address already in use".
"""

from __future__ import annotations

import os
import socket
from itertools import count

from jupyter_client.connect import LocalPortCache

_FIRST, _EACH, _PROCESSES = 10_000, 500, 40  # all below what Linux, macOS and Windows give to connections


class KernelPorts(LocalPortCache):
    """Ports below those of connections, others for each process. ``KernelPorts.instance()`` puts it in use."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()

    def find_available_port(self, ip: str) -> int:
        """The next port of this process that is free and not promised to another kernel."""
        base = _FIRST + os.getpid() % _PROCESSES * _EACH
        while True:
            port = base + next(self._numbers) % _EACH
            if port not in self.currently_used_ports and _is_free(ip, port):
                self.currently_used_ports.add(port)
                return port


def _is_free(ip: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True
