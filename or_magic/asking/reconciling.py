"""What an answer really cost, asked for afterwards: the service's record of it, which is written some seconds late.

An answer that was stopped or broke off never told its price. Its generation id did come, and by that the service tells
tokens and price, exactly. Where it does not (another server, no record), the price stays unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from or_magic.errors import OrMagicError
from or_magic.messages import Usage
from or_magic.money import pico_usd
from or_magic.openrouter import background

if TYPE_CHECKING:
    from or_magic.openrouter.account import Generation
    from or_magic.openrouter.client import Client

_ID = "gen-"  # how the service's own ids begin


def reconcile(client: Client, generation_id: str, record: Callable[[Usage], None]) -> Future[None] | None:
    """Asks for the record in the background, and hands what it tells to `record`, in another thread.

    None where there is nothing to ask for. It gives up, silently, after some tries.
    """
    if not generation_id.startswith(_ID):
        return None
    return background.submit(_ask(client, generation_id, record))


async def _ask(client: Client, generation_id: str, record: Callable[[Usage], None]) -> None:
    from or_magic.openrouter.account import generation

    try:
        usage = _usage_of(await generation(client, generation_id))
        if usage.cost_pico_usd is not None:
            await asyncio.to_thread(record, usage)
    except OrMagicError:
        pass  # the price stays unknown, as the footer says


def _usage_of(record: Generation) -> Usage:
    return Usage(
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        cached_tokens=record.cached_tokens,
        reasoning_tokens=record.reasoning_tokens,
        cost_pico_usd=None if record.cost_usd is None else pico_usd(record.cost_usd),
        upstream_cost_pico_usd=None if record.upstream_cost_usd is None else pico_usd(record.upstream_cost_usd),
    )
