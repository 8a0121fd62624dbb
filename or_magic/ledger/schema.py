"""Today's schema: the tables and their columns, as the statements expect them and the migrations make them.

A name tells what is in a column: ``_utc`` is a time in UTC, ``is_`` and ``may_`` are true or false, ``_pico_usd`` is
1e-12 USD; see `databases` for how text is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA_NUMBER = 5  # how many migrations lead to it
TABLES: Mapping[str, tuple[str, ...]] = {
    "migrations": (
        "number",
        "applied_utc",
    ),
    "notebooks": (
        "id",
        "identity",  # an absolute path, or kernel:<id>
        "created_utc",
        "thread",  # the one that its cells work in; NULL before the first question
    ),
    "threads": (
        "id",
        "notebook",
        "name",
        "tip",  # the last turn of the path; NULL where it has none
        "undone",  # the turn that redo leads back to; NULL where nothing was undone
        "forked_from",  # a name
        "system",
        "created_utc",
    ),
    "messages": (
        "hash",  # see `messages`
        "parent",  # a hash; NULL at the beginning of a conversation
        "role",
    ),
    "parts": (
        "message",
        "position",  # 0, 1, 2, ...
        "kind",
        "content",
    ),
    "turns": (
        "id",
        "notebook",
        "purse",  # the budget scope, by its first name
        "cell_id",
        "service",
        "model_asked",
        "parameters",  # JSON
        "system",
        "prompt",  # a hash
        "answer",  # a hash; NULL while the turn is open, or where nothing arrived
        "state",
        "error",
        "started_utc",
        "ended_utc",
        "generation_id",
        "model",
        "provider",
        "finish_reason",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_pico_usd",  # 1e-12 USD; NULL is "not known"
        "cost_source",
        "seconds_to_first_token",
        "seconds",
        "partial_text",  # what the last checkpoint had; NULL once the turn is finished
        "partial_reasoning",
        "partial_parts",  # JSON: [[kind, content], ...] of the parts that are neither
        "cache_write_tokens",
        "image_tokens",
        "audio_tokens",
        "web_searches",
        "upstream_cost_pico_usd",  # what the provider charges the user's own key there
        "is_byok",
        "service_tier",
        "native_finish_reason",
        "attempts",
        "may_be_billed_twice",
        "thread",  # NULL for a turn that stands alone
        "previous",  # the turn before it on its path; its id is always smaller
        "displaced",  # the tip that it took the place of, and gives back unless it ends well
        "ask_number",  # 0, 1, ... for the questions of one run of its cell
        "history_turns",  # how many earlier turns were sent along
        "run",  # which session of which process asked
        "owner",  # the process that writes it, see `store.this_process`
        "seen_utc",  # when that process last wrote
        "reserved_pico_usd",  # what it may cost at most, held back until its cost is known
        "estimated_pico_usd",  # about what it cost, where the service did not tell
        "prompt_bytes",  # of all text that was sent, in UTF-8
        "answer_bytes",  # of the text that came
        "request_hash",  # equal for requests whose answers stand for each other; see chat/replay.py
        "replayed_from",  # the turn whose answer was given again, at no cost
        "kind",  # what is paid for, such as chat; NULL in turns of an older ledger is chat
    ),
    "budgets": (
        "purse",  # the budget scope, by its first name
        "service",
        "scope",  # notebook, day, or thread:<id>
        "limit_pico_usd",
    ),
    "catalogs": (
        "service",  # an origin
        "kind",  # the path that was asked, such as models or providers
        "day",  # of fetched_utc, 2026-11-25
        "fetched_utc",
        "body",  # the answer's JSON, gzip
    ),
    "catalog_fetches": (
        "service",
        "kind",
        "holder",  # who fetches now
        "until_utc",  # and until when others leave it alone
    ),
}
