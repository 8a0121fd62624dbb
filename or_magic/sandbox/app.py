"""The application: which path leads where."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from or_magic.sandbox import listing
from or_magic.sandbox.account import Account
from or_magic.sandbox.answers import Refusal, refusal_answer
from or_magic.sandbox.chat import Chat
from or_magic.sandbox.control import Control
from or_magic.sandbox.gate import API_ROOT, Gate
from or_magic.sandbox.service import Service


def build_app(service: Service, *, port: int) -> ASGIApp:
    """The whole sandbox as one ASGI application that answers under 127.0.0.1:port."""
    account = Account(service)
    routes = [
        Route(f"{API_ROOT}/chat/completions", Chat(service).complete, methods=["POST"]),
        *listing.routes(API_ROOT),
        Route(f"{API_ROOT}/key", account.key),
        Route(f"{API_ROOT}/auth/key", account.key),
        Route(f"{API_ROOT}/credits", account.credits),
        Route(f"{API_ROOT}/generation", account.generation),
        *Control(service).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={Refusal: _refused, HTTPException: _not_routed})
    app.router.redirect_slashes = False
    app.state.service = service
    return Gate(app, service, port=port)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_answer(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    wanted = f"{request.method} {request.url.path}"
    message = {
        404: f"There is no {wanted} here. The sandbox answers under {API_ROOT}.",
        405: f"{wanted} is not allowed. Allowed: {(error.headers or {}).get('Allow', '')}",
    }.get(error.status_code, error.detail)
    return refusal_answer(Refusal(error.status_code, message, headers=error.headers))
