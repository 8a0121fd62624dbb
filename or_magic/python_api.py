"""The functions of ``from or_magic import ...``: asking, the conversation and the catalog in Python.

What they need is imported when they are called, so that the import is instant.
"""

from __future__ import annotations

import functools
import importlib
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

from or_magic.chat.session import current_session
from or_magic.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from or_magic.answer import Answer
    from or_magic.catalog.model import Prices
    from or_magic.catalog.table import ModelTable
    from or_magic.chat.conversation import Conversation
    from or_magic.ledger.records import WhichHistory
    from or_magic.prompt.answer_formats import Format


def ask(
    prompt: object,
    *,
    model: str | None = None,
    system: str | None = None,
    schema: object = None,
    format: Format | None = None,
    rows: int | None = None,
    tools: object = (),
    max_steps: int = 10,
    yes: bool = False,
    history: WhichHistory = "none",
    max_cost: object = None,
    **parameters: Any,
) -> Answer:
    """Asks and returns the whole answer; nothing is shown. Stands alone, unless `history` says otherwise.

    In a notebook that has loaded the extension it asks on the notebook's behalf (its model, its costs), elsewhere on
    behalf of this process.

    Args:
        prompt: what is asked: a text, sent exactly as it is, or a list of texts and values (DataFrames, figures,
            images, paths of files, functions, ...), which become parts of the message in that order.
        model: a model id; ``"account"`` sends none. Default: what is configured, else ``openrouter/auto``.
        system: the system prompt, "" for none. Default: what is configured.
        schema: what the answer shall be: a pydantic model, dataclass, TypedDict, any type that pydantic takes, or a
            JSON schema; ``answer.value`` is that, validated. One that does not fit is asked for once more.
        format: ``"text"``, ``"markdown"``, ``"code"``, ``"json"``, ``"math"``, ``"html"`` or ``"image"``.
        rows: how many rows of a table are sent. Default: as many as about 6,000 tokens hold.
        tools: functions that the model may call (`or_magic.tool` marks them), and names of the service's own, such as
            ``"openrouter:web_search"``. Each call is asked about, where somebody can answer.
        max_steps: how many times the model may be asked for one question with tools.
        yes: run the tools that are marked harmless without asking.
        history: which earlier turns of the notebook's conversation are sent along: ``"none"`` (a function that is
            called in a loop must not send all that it has said before), ``"thread"`` or ``"run"``. `conversation` goes
            on one.
        max_cost: what it may cost at most, in USD, ``0.05`` or ``"0.05"``; else it is not sent.
        parameters: any of the API's, under its own names: ``temperature=0.2``, ``models=["a/b"]`` (fallbacks),
            ``provider={"order": ["openai"]}``, ``reasoning="high"``; ``param={...}`` for what is newer than this
            version. docs/parameters.md lists them. Only what is given, or set in a setting, is sent.

    Raises:
        or_magic.errors.OrMagicError: one of its kinds, see `or_magic.errors`.
        or_magic.errors.Stopped: interrupted; what had arrived is in the store.
    """
    _import_whole()
    from or_magic.chat.question import ToolSettings, checked_arguments
    from or_magic.chat.tools import tools_of
    from or_magic.content import SizeLimit
    from or_magic.money import amount
    from or_magic.prompt.answer_formats import answer_format_of
    from or_magic.prompt.converters import prompt_content

    if history not in ("none", "thread", "run"):
        raise CommandError(f"history is none, thread or run; {history!r} was given.")
    return current_session().ask(
        prompt_content(prompt, SizeLimit(rows=rows)),
        model=model,
        system=system,
        parameters=checked_arguments(parameters),
        answer_format=answer_format_of(format, schema),
        tool_settings=ToolSettings(tools_of(tools), max_steps, yes),
        history=history,
        max_cost=None if max_cost is None else amount(str(max_cost), "max_cost"),
        show=False,
    )


@functools.cache
def _import_whole() -> None:
    """Imports what an answer needs in a thread: an interrupt would leave half a library behind."""
    thread = threading.Thread(target=importlib.import_module, args=("or_magic.chat.run",), daemon=True)
    thread.start()
    thread.join()


def conversation(thread: str | None = None) -> Conversation:
    """The conversation of this notebook (or script): a sequence of its turns, which can be gone on, undone, exported.

    Args:
        thread: a thread of it; None for the one that the cells work in.

    Raises:
        or_magic.errors.CommandError: there is no thread of that name.
        or_magic.errors.StoreError: the store cannot be opened.
    """
    from or_magic.chat.conversation import Conversation

    return Conversation(current_session(), thread)


def provenance(path: str | Path) -> pd.DataFrame:
    """The answers in a saved notebook, one row each: who was asked, who answered, with what, at which exact cost.

    See `or_magic.jupyter.provenance.provenance` for the columns.

    Raises:
        or_magic.errors.CommandError: the file cannot be read, or is no notebook.
    """
    from or_magic.jupyter.provenance import provenance as read

    return read(path)


def find(query: str = "", *, user: bool = False, refresh: bool = False, **filters: Any) -> ModelTable:
    """The models of the service that is set, one row each. In a notebook it is shown as a table to search and sort.

    Args:
        query: words in the id or the name; the best matches come first.
        user: only those that your account's own settings let through (your key is sent along).
        refresh: fetch the list anew, instead of one of at most an hour ago.
        filters: ``free``, ``vision``, ``tools``, ``structured``, ``reasoning`` (bool), ``min_context`` (``"200k"``),
            ``max_price`` (USD per million prompt tokens), ``author``, ``since`` (a day), ``modality``, ``sort`` (price,
            context, newest, intelligence, value, name), ``limit``, and ``job`` (``"2000in,500out"`` adds ``job_usd``);
            see `or_magic.catalog.table.Wanted`.

    Returns:
        A DataFrame; its columns are those of `or_magic.catalog.table.models_table`.

    Raises:
        or_magic.errors.CommandError: a filter has an impossible value.
        or_magic.errors.ServiceError: there is no list yet, and none can be fetched.
    """
    from or_magic.catalog.table import ModelFilter, find_models, models_table

    wanted = ModelFilter.of({"query": query, **filters})
    known = current_session().models
    if refresh:
        known.refresh()
    return find_models(models_table(known.user_body() if user else known.body()), wanted)


def price(id: str) -> Prices:
    """The exact prices of a model in USD, as Decimals: per token, per unit for request, image and web_search.

    ``price("a/b").at(300_000)`` are those that count for so long a prompt.

    Raises:
        or_magic.errors.CommandError: there is no such model.
        or_magic.errors.ServiceError: there is no list yet, and none can be fetched.
    """
    from or_magic.catalog.search import unknown_line

    known = current_session().models
    model = known.model(id)
    if model is None:
        raise CommandError(unknown_line(known.catalog(), id))
    return model.prices


def endpoints(id: str) -> pd.DataFrame:
    """Who serves a model, at which price and how well; see `or_magic.catalog.table.endpoints_table`.

    Raises:
        or_magic.errors.ServiceError: it cannot be asked, or knows no such model.
    """
    from or_magic.catalog.table import endpoints_table

    return endpoints_table(current_session().models.endpoints(id))


def providers() -> pd.DataFrame:
    """The companies that serve models; see `or_magic.catalog.table.providers_table`.

    Raises:
        or_magic.errors.ServiceError: it cannot be asked.
    """
    from or_magic.catalog.table import providers_table

    return providers_table(current_session().models.providers())


def changes(since: str | date | None = None) -> pd.DataFrame:
    """What was added, removed, repriced and deprecated since a day, or since the last look but one.

    A snapshot is kept of each day on which the list was used. See `or_magic.catalog.snapshots.changes_table`.

    Raises:
        or_magic.errors.CommandError: there is only one snapshot yet, or that is no day.
        or_magic.errors.StoreError: the store cannot be read.
    """
    try:
        day = date.fromisoformat(since[:10]) if isinstance(since, str) else since
    except ValueError:
        raise CommandError(f"{since!r} is no day: 2026-01-31.") from None
    return current_session().models.snapshots.changes(day)


def price_history(id: str) -> pd.DataFrame:
    """What a model has cost, one row for each day of which there is a snapshot; see `Snapshots.prices`.

    Raises:
        or_magic.errors.StoreError: the store cannot be read.
    """
    return current_session().models.snapshots.prices(id)


class _Models:
    """``or_magic.models(...)``, and what goes with it as its attributes."""

    __call__ = staticmethod(find)
    changes, endpoints, providers = staticmethod(changes), staticmethod(endpoints), staticmethod(providers)
    price, price_history = staticmethod(price), staticmethod(price_history)

    def __repr__(self) -> str:
        return "<or_magic.models: call it for a table; .changes(), .endpoints(id), .providers(), .price(id)>"


models = _Models()
