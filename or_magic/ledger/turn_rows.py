"""Turns as rows of the table `turns`, and back. Values in, values out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from or_magic.ledger.databases import Row
from or_magic.ledger.messages import KeptMessage, kind_and_content, part_of
from or_magic.ledger.records import CHAT, NewTurn, Progress, Turn
from or_magic.types import Message, Usage

_LARGEST_INTEGER = 2**63 - 1


def row_of(turn: NewTurn) -> dict[str, Any]:
    """The columns of a new turn that its question gives; the ledger adds notebook, prompt and time."""
    return {
        "state": "open",
        "purse": turn.budget_scope,
        "cell_id": turn.cell_id,
        "service": turn.service,
        "model_asked": turn.model_asked,
        "parameters": json.dumps(dict(turn.parameters), ensure_ascii=False),
        "system": turn.system,
        "ask_number": turn.ask_number,
        "run": turn.run,
        "reserved_pico_usd": turn.worst_pico_usd,
        "prompt_bytes": turn.prompt_bytes,
        "request_hash": turn.request_hash,
        "replayed_from": turn.replayed_from,
        "kind": turn.kind,
    }


def columns_of(progress: Progress) -> dict[str, Any]:
    """What `progress` tells besides the text. What it does not tell is left out, and so erases nothing."""
    told = {
        "generation_id": progress.generation_id or None,
        "model": progress.model or None,
        "provider": progress.provider or None,
        "service_tier": progress.service_tier or None,
        "finish_reason": progress.finish_reason,
        "native_finish_reason": progress.native_finish_reason or None,
        "attempts": progress.attempts,
        "may_be_billed_twice": progress.may_be_billed_twice,
        "seconds_to_first_token": progress.seconds_to_first_token,
        "seconds": progress.seconds,
    }
    columns = {name: value for name, value in told.items() if value is not None}
    return columns if progress.usage is None else columns | _columns_of_usage(progress.usage)


def partial_columns(progress: Progress) -> dict[str, Any]:
    """What has arrived of the answer itself, for a checkpoint."""
    others = [kind_and_content(part) for part in progress.others]
    return {
        "partial_text": progress.text,
        "partial_reasoning": progress.reasoning,
        "partial_parts": json.dumps(others, ensure_ascii=False) if others else None,
    }


def partial_progress(row: Row) -> Progress:
    """What the last checkpoint had of the answer itself."""
    others = tuple(part_of(kind, content) for kind, content in json.loads(row.partial_parts or "[]"))
    return Progress(
        text=row.partial_text or "",
        reasoning=row.partial_reasoning or "",
        others=others,
        attempts=row.attempts or 1,
        may_be_billed_twice=bool(row.may_be_billed_twice),
    )


def turn_of(row: Row, messages: Mapping[str, KeptMessage]) -> Turn:
    """The turn in a row of `turns`, with ``identity`` and ``thread_name``; `messages` hold all of its messages."""
    prompt = messages[row.prompt]
    return Turn(
        id=row.id,
        notebook=row.identity,
        budget_scope=row.budget_scope,
        cell_id=row.cell_id,
        service=row.service,
        model_asked=row.model_asked,
        parameters=json.loads(row.parameters),
        system=row.system,
        parent=prompt.parent,
        prompt=prompt.message,
        prompt_hash=row.prompt,
        between=_between(row, messages),
        answer=_answer_of(row, messages),
        answer_hash=row.answer,
        generation_id=row.generation_id or "",
        model=row.model or "",
        provider=row.provider or "",
        service_tier=row.service_tier or "",
        usage=_usage_of(row),
        cost_source=row.cost_source,
        finish_reason=row.finish_reason,
        native_finish_reason=row.native_finish_reason or "",
        attempts=row.attempts or 1,
        may_be_billed_twice=bool(row.may_be_billed_twice),
        seconds_to_first_token=row.seconds_to_first_token,
        seconds=row.seconds,
        state=row.state,
        error=row.error,
        started_utc=row.started_utc,
        ended_utc=row.ended_utc,
        thread=row.thread_name,
        previous=row.previous,
        ask_number=row.ask_number or 0,
        history_turns=row.history_turns or 0,
        run=row.run or "",
        reserved_pico_usd=row.reserved_pico_usd if row.cost_pico_usd is None else None,
        estimated_pico_usd=row.estimated_pico_usd,
        replayed_from=row.replayed_from,
        kind=row.kind or CHAT,
    )


def _between(row: Row, messages: Mapping[str, KeptMessage]) -> tuple[Message, ...]:
    found: list[Message] = []
    at = messages[row.answer].parent if row.answer is not None else None
    while at is not None and at != row.prompt:
        found.append(messages[at].message)
        at = messages[at].parent
    return tuple(reversed(found))


def _answer_of(row: Row, messages: Mapping[str, KeptMessage]) -> Message | None:
    if row.answer is not None:
        return messages[row.answer].message
    return partial_progress(row).message


def _columns_of_usage(usage: Usage) -> dict[str, Any]:
    cost = _storable(usage.cost_pico_usd)
    return {
        "prompt_tokens": _storable(usage.prompt_tokens),
        "completion_tokens": _storable(usage.completion_tokens),
        "cached_tokens": _storable(usage.cached_tokens),
        "reasoning_tokens": _storable(usage.reasoning_tokens),
        "cache_write_tokens": _storable(usage.cache_write_tokens),
        "image_tokens": _storable(usage.image_tokens),
        "audio_tokens": _storable(usage.audio_tokens),
        "web_searches": _storable(usage.web_searches),
        "upstream_cost_pico_usd": _storable(usage.upstream_cost_pico_usd),
        "is_byok": usage.is_byok,
        "cost_pico_usd": cost,
        "cost_source": None if cost is None else "reported",
    }


def _usage_of(row: Row) -> Usage | None:
    usage = Usage(
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cache_write_tokens=row.cache_write_tokens,
        image_tokens=row.image_tokens,
        audio_tokens=row.audio_tokens,
        web_searches=row.web_searches,
        upstream_cost_pico_usd=row.upstream_cost_pico_usd,
        is_byok=row.is_byok,
        cost_pico_usd=row.cost_pico_usd,
    )
    return None if usage == Usage() else usage


def _storable(count: int | None) -> int | None:
    # A count that fits in no integer column is nonsense of the service; the answer must not be lost for it.
    return count if count is not None and abs(count) <= _LARGEST_INTEGER else None
