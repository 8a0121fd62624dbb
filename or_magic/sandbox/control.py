"""The control endpoint, /sandbox/...: read the book and the log, turn knobs, plan faults.

It answers only to the token made at start-up (`Authorization: Bearer TOKEN`), so that no other program on
the machine, and no web page, can reach behind the scenes.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from or_magic.sandbox.behaviour import Cut, Failure
from or_magic.sandbox.responses import Refusal, json_answer, json_number, read_json
from or_magic.sandbox.service import ReceivedRequest, Service


class Control:
    """The endpoints; each of them checks the token first."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """The routes, to be mounted at /sandbox."""
        return [
            Route("/sandbox/book", self.charges),
            Route("/sandbox/requests", self.requests),
            Route("/sandbox/behaviour", self.behaviour),
            Route("/sandbox/behaviour", self.change, methods=["POST"]),
            Route("/sandbox/fail", self.fail, methods=["POST"]),
            Route("/sandbox/cut", self.cut, methods=["POST"]),
        ]

    async def charges(self, request: Request) -> Response:
        """Every charge, oldest first, and their sum."""
        self._require_token(request)
        charges = self._service.charges
        rows = [asdict(charge) | {"cost_usd": json_number(charge.cost_usd)} for charge in charges]
        return json_answer({"total_usd": json_number(charges.total_usd()), "charges": rows})

    async def requests(self, request: Request) -> Response:
        """The received requests that are still kept, oldest first."""
        self._require_token(request)
        return json_answer({"requests": [_as_json(received) for received in self._service.requests]})

    async def behaviour(self, request: Request) -> Response:
        """The knobs as they stand."""
        self._require_token(request)
        return json_answer(self._service.controls.behaviour)

    async def change(self, request: Request) -> Response:
        """Turn the knobs given in the body; answers with all of them."""
        self._require_token(request)
        knobs = read_json(await request.body(), dict[str, Any])
        try:
            return json_answer(self._service.controls.change(knobs))
        except msgspec.ValidationError as error:
            raise Refusal(400, str(error)) from None

    async def fail(self, request: Request) -> Response:
        """Plan a failure: {"status": 429}, with message, metadata, headers, body or path as in Failure."""
        return await self._plan(request, Failure)

    async def cut(self, request: Request) -> Response:
        """Plan a dropped connection: {"after_bytes": n} or {"after_events": n}."""
        return await self._plan(request, Cut)

    async def _plan(self, request: Request, kind: type[Failure | Cut]) -> Response:
        self._require_token(request)
        fault: Failure | Cut = read_json(await request.body(), kind)
        self._service.controls.plan(fault)
        return json_answer({"planned": fault})

    def _require_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._service.token.encode()):
            raise Refusal(401, "The control endpoint needs the start-up token: Authorization: Bearer TOKEN.")


def _as_json(received: ReceivedRequest) -> dict[str, Any]:
    return asdict(received) | {"closed_by_client": received.closed_by_client}
