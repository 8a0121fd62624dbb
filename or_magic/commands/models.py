"""Commands that show what the service offers: models, who serves them, what changed."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from or_magic.commands.arguments import LineWords
from or_magic.commands.context import NotebookContext
from or_magic.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.catalog.table import ModelTable
    from or_magic.charts import Chart

SWITCHES = ("free", "vision", "tools", "structured", "reasoning", "user", "refresh")


def models(context: NotebookContext, text: str) -> ModelTable:
    """``%openrouter models [QUERY] [flags]``: the models as a table, which is a DataFrame.

    Words of the query stand in the id or the name. Flags: --free --vision --tools --structured --reasoning (off behind
    one takes those without), --min-context 200k, --max-price 1 (USD per million prompt tokens), --author openai,
    --since 2026-01-01, --modality audio, --sort price|context|newest|intelligence|value|name, --limit 20,
    --job 2000in,500out (adds its price), --user (what your account's settings let through), --refresh.
    """
    from or_magic.catalog.table import ModelFilter, find_models, models_table

    query, given = _flags(text)
    known = context.session.models
    is_mine, is_new = given.pop("user", False), given.pop("refresh", False)
    wanted = ModelFilter.of({"query": query, **given})
    if is_new:
        known.refresh()
    return find_models(models_table(known.user_body() if is_mine else known.body()), wanted)


def endpoints(context: NotebookContext, text: str) -> pd.DataFrame:
    """``%openrouter endpoints [MODEL]``: who serves a model, one row a provider, the cheapest first: a DataFrame."""
    from or_magic.catalog.table import endpoints_table

    if len(text.split()) > 1:
        raise CommandError(f"%openrouter endpoints takes one model id; {text!r} was typed.")
    settings = context.session.settings
    id = settings.model(text or None).value
    offers = context.session.models.endpoints(id)
    if not offers:
        raise CommandError(f"Nobody is named who serves {id}: routers and aliases hand a question on.")
    return endpoints_table(offers)


def providers(context: NotebookContext, text: str) -> pd.DataFrame:
    """``%openrouter providers``: the companies that serve models, one row each: a DataFrame."""
    from or_magic.catalog.table import providers_table

    if text:
        raise CommandError(f"%openrouter providers takes nothing more; {text!r} was typed.")
    return providers_table(context.session.models.providers())


def changes(context: NotebookContext, text: str) -> pd.DataFrame:
    """``%openrouter changes [SINCE]``: what was added, removed, repriced since a day, or the last look: a DataFrame.

    A snapshot of the catalog is kept of each day on which it was used.
    """
    from or_magic.commands.money import moment

    since = moment(text).date() if text else None
    context.session.models.catalog()  # so that today's is there
    return context.session.models.snapshots.changes(since)


def chart(context: NotebookContext, text: str) -> Chart:
    """``%openrouter chart WHAT``: a picture, light or dark, which needs no network.

    ``context [QUERY, flags of models]``: price against context; ``intelligence [...]``: price against intelligence,
    with those that none beats at both; ``history [MODEL]``: what a model has cost; ``spending``: by day and model. It
    takes altair: ``pip install 'or_magic[charts]'``.
    """
    from or_magic import charts

    what, _, rest = text.partition(" ")
    if what == "spending":
        from or_magic.commands.money import cost

        return charts.spending(cost(context, rest.strip()))
    if what == "history":
        id = context.session.settings.model(rest.strip() or None).value
        context.session.models.catalog()
        prices = context.session.models.snapshots.prices(id)
        if prices.empty:
            raise CommandError(f"No snapshot of the catalog has a price of {id}.")
        return charts.price_history(prices, id)
    drawn = {"context": charts.price_context, "intelligence": charts.price_intelligence}.get(what)
    if drawn is None:
        raise CommandError(f"%openrouter chart draws context, intelligence, history or spending; {what!r} was typed.")
    return drawn(models(context, rest))


def _flags(text: str) -> tuple[str, dict[str, Any]]:
    """The words of a query and the flags among them."""
    from or_magic.catalog.table import ModelFilter

    known = [*(field.name for field in fields(ModelFilter) if field.name != "query"), "user", "refresh"]
    query: list[str] = []
    given: dict[str, Any] = {}
    words = LineWords(text, {})
    for word in words:
        if not word.startswith("--"):
            query.append(word)
            continue
        flag, equals, value = word.partition("=")
        name = flag[2:].replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean --{near[0].replace('_', '-')}?" if near else "%openrouter models --help lists all."
            raise CommandError(f"%openrouter models has no flag {flag!r}. {hint}")
        if name in SWITCHES:
            given[name] = (value if equals else words.switch()).lower() in ("on", "true", "yes")
        else:
            given[name] = value if equals else words.value(flag)
    return " ".join(query), given
