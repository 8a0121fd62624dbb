"""An OpenRouter on 127.0.0.1: rehearse a lesson, a budget or an outage without a key and without paying.

    with start() as sandbox:
        print(sandbox.base_url)      # http://127.0.0.1:PORT/api/v1, for any OpenRouter or OpenAI client

It speaks OpenRouter's protocol over real HTTP and knows nothing of the rest of or_magic: whoever talks
to it cannot tell it from the service, except that its models say openly that they are a rehearsal. Any key
that begins with `sk-or-` is accepted, unless it contains `wrong`, `revoked` or `invalid` (those rehearse a
401). Its money is play money, counted exactly.

Starlette and uvicorn are imported when a sandbox is started, not by importing this package.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from or_magic.sandbox.behaviour import Behaviour
    from or_magic.sandbox.server import Sandbox
    from or_magic.sandbox.service import Charge, Charges, ReceivedRequest, RequestLog

__all__ = ["Behaviour", "Charge", "Charges", "ReceivedRequest", "RequestLog", "Sandbox", "start"]
_HOME = {
    "Behaviour": "behaviour",
    "Charges": "service",
    "Charge": "service",
    "ReceivedRequest": "service",
    "RequestLog": "service",
    "Sandbox": "server",
}


def start(port: int = 0, *, behaviour: Behaviour | None = None, replay: str | Path | None = None) -> Sandbox:
    """Start a sandbox on 127.0.0.1; port 0 takes any free one. It runs until it is closed.

    `replay` is a folder of recorded answers, each to be asked for as ``replay/NAME``.

    Raises: OSError, in one line, if the port is taken or not allowed, or the folder cannot be read.
    """
    from or_magic.sandbox.server import Sandbox

    return Sandbox(port=port, behaviour=behaviour, replay=None if replay is None else Path(replay))


def __getattr__(name: str) -> Any:
    """The other public names, resolved at first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
