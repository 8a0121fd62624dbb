"""Recorded answers of the real service, given again: ``replay/NAME`` for each file of a folder.

A file holds the body of one answer, byte for byte: ``.sse`` or ``.txt`` a stream, ``.json`` a whole answer. Cassettes
(``.yaml``, ``.yml``: vcrpy and Ruby VCR) are read where PyYAML is installed; of several answers in one file each is
``replay/NAME-0``, ``-1`` and so on.
Recorders keep neither the timing nor the network's cuts: the knobs give both.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from or_magic.sandbox.behaviour import Behaviour
from or_magic.sandbox.responses import StreamBody, chunked

PREFIX = "replay/"


class Recordings:
    """The answers of a folder by name, read once.

    Args:
        folder: None for no recordings.

    Raises: OSError: the folder cannot be read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.bodies: dict[str, bytes] = {}
        if folder is None:
            return
        for file in sorted(folder.iterdir()):
            self.bodies |= dict(_bodies(file))

    def answer(self, model: object, behaviour: Behaviour) -> Response | None:
        """The recorded answer that a model id names; None where it names none."""
        name = model.removeprefix(PREFIX) if isinstance(model, str) and model.startswith(PREFIX) else None
        body = self.bodies.get(name) if name else None
        if body is None:
            return None
        if body.lstrip()[:1] == b"{":
            return chunked(Response(body, media_type="application/json"))
        return _ReplayedStream(body, behaviour)


class _ReplayedStream(Response):
    """A recorded stream, event by event, at the pace of the knobs."""

    def __init__(self, body: bytes, behaviour: Behaviour) -> None:
        super().__init__(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        chunked(self)
        self._body, self._behaviour = body, behaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        stream_body = StreamBody(send, self._behaviour, None)
        for event in self._body.split(b"\n\n"):
            if event.strip():
                await stream_body.raw(event + b"\n\n")
                await asyncio.sleep(1 / self._behaviour.pace if self._behaviour.pace else 0)
        await stream_body.flush()
        await send({"type": "http.response.body", "body": b""})


def _bodies(file: Path) -> Iterator[tuple[str, bytes]]:
    if file.suffix in (".sse", ".txt", ".json"):
        yield file.stem, file.read_bytes()
    elif file.suffix in (".yaml", ".yml"):
        answers = list(_of_cassette(file))
        for number, body in enumerate(answers):
            yield (file.stem if len(answers) == 1 else f"{file.stem}-{number}"), body


def _of_cassette(file: Path) -> Iterator[bytes]:
    try:
        yaml: Any = import_module("yaml")
    except ImportError:
        return
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!binary", lambda _, node: base64.b64decode(node.value))
    cassette: Mapping[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=loader) or {}
    for interaction in cassette.get("http_interactions") or cassette.get("interactions") or ():
        response = interaction["response"]
        body = response.get("body") or {}
        content = body.get("string") or base64.b64decode(body.get("base64_string", ""))
        if parsed := response.get("parsed_body"):
            content = json.dumps(parsed)
        if response["status"]["code"] == 200 and content:
            yield content.encode() if isinstance(content, str) else content
