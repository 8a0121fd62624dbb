"""How these tests talk to the sandbox: plain HTTP, numbers kept exact."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx

KEY = "sk-or-v1-of-a-test"


class Talker:
    """Chats with the sandbox over plain HTTP."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, model: str | None, content: Any, **fields: Any) -> httpx.Response:
        """The answer to one user message, as it came."""
        body = {"messages": [{"role": "user", "content": content}], **fields}
        return self.client.post("/chat/completions", json=body | ({"model": model} if model else {}))

    def whole(self, model: str | None, content: Any, **fields: Any) -> dict[str, Any]:
        """The whole answer, its numbers exact."""
        answer = json.loads(self.post(model, content, **fields).text, parse_float=Decimal)
        assert isinstance(answer, dict)
        return answer

    def stream(self, model: str | None, content: Any, **fields: Any) -> list[dict[str, Any]]:
        """The events of a streamed answer, without comments and [DONE]."""
        return events_of(self.post(model, content, stream=True, **fields).text)


def events_of(body: str) -> list[dict[str, Any]]:
    """The JSON events in the body of a stream; numbers as Decimal."""
    lines = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line, parse_float=Decimal) for line in lines]


def text_of(events: list[dict[str, Any]], field: str = "content") -> str:
    """The pieces of one field of all deltas, joined."""
    return "".join(event["choices"][0]["delta"].get(field) or "" for event in events)
