"""POST /chat/completions: from the request's bytes to an answer on its way."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from or_magic.sandbox.account import require_key
from or_magic.sandbox.answers import Refusal, read_json
from or_magic.sandbox.chat_request import chat_request
from or_magic.sandbox.planning import plan, with_preset
from or_magic.sandbox.service import Service
from or_magic.sandbox.streaming import StreamedAnswer, WholeAnswer


class Chat:
    """The endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def complete(self, request: Request) -> Response:
        """Answer a chat request, streamed or whole."""
        require_key(request)
        service, body = self._service, await request.body()
        behaviour = service.controls.behaviour
        fields: dict[str, Any] = read_json(body, dict[str, Any])
        if (replayed := service.recordings.answer(fields.get("model"), behaviour)) is not None:
            return replayed
        fields = with_preset(fields, behaviour.presets)
        chat = chat_request(fields)
        if service.book.total_usd() >= behaviour.credits_usd:
            raise Refusal(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits")
        planned, headers = service.kept_answers.find(request.headers, body)
        if planned is None:
            wants_metadata = request.headers.get("x-openrouter-metadata", "").lower() == "enabled"
            planned = plan(chat, fields, service.controls, wants_metadata=wants_metadata)
            if headers:
                service.kept_answers.keep(request.headers, body, planned)
        kind = StreamedAnswer if chat.stream else WholeAnswer
        return kind(planned, service, headers)
