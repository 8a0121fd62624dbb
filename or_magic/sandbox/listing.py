"""The catalog over HTTP: models (searched, filtered, sorted), one model, who serves it, and the providers.

Needs no key, as with the service; only the user's own list does. Source: openrouter.ai/docs, "List models" (2026-08).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from or_magic.sandbox.account import require_key
from or_magic.sandbox.models import CATALOG, Model, find_model, shelf_model
from or_magic.sandbox.responses import Refusal, json_answer
from or_magic.sandbox.routing import PROVIDERS

_MOST_ROWS = 1000
Row = Mapping[str, Any]


def routes(root: str) -> list[Route]:
    """The routes below the root of the API."""
    return [
        Route(f"{root}/models", _models),
        Route(f"{root}/models/user", _user_models),
        Route(f"{root}/models/count", _count),
        Route(f"{root}/models/{{author}}/{{slug}}/endpoints", _endpoints),
        Route(f"{root}/model/{{author}}/{{slug}}", _model),
        Route(f"{root}/providers", _providers),
        Route(f"{root}/endpoints/zdr", _private_endpoints),
    ]


async def _models(request: Request) -> Response:
    query = request.query_params
    rows = [row for row in (model.row() for model in _listed(request)) if all(fits(row, query) for fits in _FILTERS)]
    if (sort := _SORTS.get(query.get("sort", ""))) is not None:
        rows.sort(key=sort)
    offset, limit = _number(query, "offset", 0), _number(query, "limit", None)
    if limit is not None and not 1 <= limit <= _MOST_ROWS:
        raise Refusal(400, f"limit: must be from 1 to {_MOST_ROWS}")
    page = rows[offset or 0 :][:limit]
    return json_answer({"data": page, "total_count": len(rows), "links": {"next": None}})


async def _user_models(request: Request) -> Response:
    require_key(request)
    return await _models(request)


async def _count(request: Request) -> Response:
    return json_answer({"data": {"count": len(_listed(request))}})


def _listed(request: Request) -> list[Model]:
    """The models of the catalog, and as many made-up ones as its behaviour wants."""
    wanted: int = request.app.state.service.controls.behaviour.models
    return [*CATALOG, *(shelf_model(number) for number in range(1, wanted - len(CATALOG) + 1))]


async def _model(request: Request) -> Response:
    return json_answer({"data": _named(request).row()})


async def _endpoints(request: Request) -> Response:
    model = _named(request)
    row = model.row()
    offers = [] if model.routes_to else [offer.row(row) for offer in model.offers()]
    facts = {name: row[name] for name in ("id", "name", "created", "description", "architecture")}
    return json_answer({"data": {**facts, "endpoints": offers}})


async def _providers(request: Request) -> Response:
    return json_answer({"data": [provider.row() for provider in PROVIDERS]})


async def _private_endpoints(request: Request) -> Response:
    voices = [model for model in CATALOG if not model.routes_to]
    offers = [(model, offer) for model in voices for offer in model.offers() if not offer.provider.trains]
    return json_answer({"data": [offer.row(model.row()) for model, offer in offers]})


def _named(request: Request) -> Model:
    name = "{author}/{slug}".format_map(request.path_params)
    found = find_model(name)
    if found is None:
        raise Refusal(404, f"Model {name} not found")
    return found[0]


def _number(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refusal(400, f"{name}: must be a whole number")
    return int(text)


def _fits_text(row: Row, query: Mapping[str, str]) -> bool:
    wanted = query.get("q", "").lower()
    return wanted in f"{row['id']} {row['name']} {row['description']}".lower()


def _fits_parameters(row: Row, query: Mapping[str, str]) -> bool:
    wanted = filter(None, query.get("supported_parameters", "").split(","))
    return set(wanted) <= set(row["supported_parameters"])


def _fits_modalities(row: Row, query: Mapping[str, str]) -> bool:
    architecture = row["architecture"]
    for name in ("input_modalities", "output_modalities"):
        wanted = query.get(name, "")
        if wanted and wanted != "all" and not set(wanted.split(",")) & set(architecture[name]):
            return False
    return True


def _fits_numbers(row: Row, query: Mapping[str, str]) -> bool:
    price = Decimal(row["pricing"]["prompt"]) * 1_000_000
    most, least = query.get("max_price"), query.get("context")
    try:
        return (most is None or 0 <= price <= Decimal(most)) and int(least or 0) <= row["context_length"]
    except (ArithmeticError, ValueError):
        raise Refusal(400, "max_price and context: must be numbers") from None


_FILTERS = (_fits_text, _fits_parameters, _fits_modalities, _fits_numbers)
_SORTS: Mapping[str, Callable[[Row], Any]] = {
    "newest": lambda row: -row["created"],
    "pricing-low-to-high": lambda row: Decimal(row["pricing"]["prompt"]),
    "pricing-high-to-low": lambda row: -Decimal(row["pricing"]["prompt"]),
    "context-high-to-low": lambda row: -row["context_length"],
}
