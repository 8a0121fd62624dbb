"""Recorded answers of the real service, where a copy of them lies beside the repository."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "streams"


class _Loader(yaml.SafeLoader):
    """YAML with the tag by which one of the recorders marks base64."""


_Loader.add_constructor("!binary", lambda loader, node: base64.b64decode(loader.construct_scalar(node)))


@dataclass(frozen=True)
class Recording:
    """One recorded HTTP answer. `asked` is the body of the request, as JSON text; "" where it was not recorded."""

    name: str
    status: int
    body: bytes
    asked: str = ""

    @property
    def is_chat_stream(self) -> bool:
        return b'"chat.completion.chunk"' in self.body

    @property
    def is_chat(self) -> bool:
        """Whether it is an answer of ``/chat/completions``, streamed or whole."""
        return self.is_chat_stream or b'"chat.completion"' in self.body


def recordings() -> list[Recording]:
    """Every recorded answer, or [] where the folder is absent."""
    return [recording for file in sorted(FOLDER.glob("*.y*ml")) for recording in _answers(file)]


def chat_streams() -> list[Any]:
    """The recorded chat streams as pytest parameters; one skipped parameter where there are none."""
    streams = [recording for recording in recordings() if recording.is_chat_stream]
    if not streams:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER.name}"), id="absent")]
    return [pytest.param(stream, id=stream.name) for stream in streams]


def _answers(file: Path) -> Iterator[Recording]:
    document = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    for number, interaction in enumerate(document.get("http_interactions") or document["interactions"]):
        response = interaction["response"]
        status = response["status"]["code"]
        body = response.get("body", {})
        content = body.get("string") or base64.b64decode(body.get("base64_string", ""))
        if parsed := response.get("parsed_body"):  # one recorder keeps JSON answers parsed
            content = json.dumps(parsed)
        encoded = content if isinstance(content, bytes) else content.encode()
        yield Recording(f"{file.stem}-{number}", status, encoded, _asked(interaction["request"]))


def _asked(request: dict[str, Any]) -> str:
    if parsed := request.get("parsed_body"):
        return json.dumps(parsed, ensure_ascii=False)
    body = request.get("body") or ""
    text = body.get("string") or base64.b64decode(body.get("base64_string", "")) if isinstance(body, dict) else body
    return text.decode() if isinstance(text, bytes) else str(text)
