"""What an answer really cost, asked for afterwards: the service's record of it, which is written some seconds late.

An answer that was stopped or broke off never told its price. Its generation id did come, and by that the service tells
tokens and price, exactly. Where it does not (another server, no record), the price stays unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from or_magic.errors import OrMagicError
from or_magic.messages import Usage
from or_magic.money import pico_usd
from or_magic.openrouter import background

if TYPE_CHECKING:
    from or_magic.ledger.store import Ledger
    from or_magic.openrouter.account import Generation
    from or_magic.openrouter.client import Client

_ID = "gen-"  # how the service's own ids begin


def reconcile(
    client: Client, generation_id: str, record: Callable[[Usage], None], give_up: Callable[[], None]
) -> Future[None] | None:
    """Asks for the record in the background, and hands what it tells to `record`, in another thread.

    None where there is nothing to ask for. Where nothing is told after some tries, it calls `give_up` instead.
    """
    if not generation_id.startswith(_ID):
        give_up()
        return None
    return background.submit(_ask(client, generation_id, record, give_up))


def settle_left(client: Client, ledger: Ledger, service: str, run: str) -> None:
    """The same for turns of other runs whose cost is not known: of kernels that were killed or shut down."""
    from or_magic.ledger.spending import Spending

    spending = Spending(ledger)
    for turn_id, generation_id in spending.unsettled(service, run):
        reconcile(
            client,
            generation_id,
            functools.partial(spending.reconcile, turn_id),
            functools.partial(spending.release, turn_id),
        )


async def _ask(
    client: Client, generation_id: str, record: Callable[[Usage], None], give_up: Callable[[], None]
) -> None:
    from or_magic.openrouter.account import generation

    try:
        usage = _usage_of(await generation(client, generation_id))
        if usage.cost_pico_usd is not None:
            await asyncio.to_thread(record, usage)
            return
    except OrMagicError:
        pass  # the price stays unknown, as the footer says
    with contextlib.suppress(OrMagicError):
        await asyncio.to_thread(give_up)


def _usage_of(record: Generation) -> Usage:
    return Usage(
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        cached_tokens=record.cached_tokens,
        reasoning_tokens=record.reasoning_tokens,
        cost_pico_usd=None if record.cost_usd is None else pico_usd(record.cost_usd),
        upstream_cost_pico_usd=None if record.upstream_cost_usd is None else pico_usd(record.upstream_cost_usd),
    )
