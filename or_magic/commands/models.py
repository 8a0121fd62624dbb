"""Commands that show what the service offers: models, who serves them, what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from or_magic.commands import money
from or_magic.commands.context import NotebookContext
from or_magic.commands.subcommand import Argument, command, moment, one_of
from or_magic.errors import CommandError

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from or_magic.catalog.table import ModelTable
    from or_magic.charts import Chart

_CHARTS = ("context", "intelligence", "history", "spending")


@command(
    "models",
    "the models as a table",
    Argument("query", "QUERY", "words in the id or the name", default="", takes="many", names="model"),
    Argument("--free", help="those that cost nothing", takes="switch"),
    Argument("--vision", help="those that see images", takes="switch"),
    Argument("--tools", help="those that call functions", takes="switch"),
    Argument("--structured", help="those that answer in a schema", takes="switch"),
    Argument("--reasoning", help="those that think first", takes="switch"),
    Argument("--min-context", "TOKENS", "at least so many tokens of context: 200k", wants="tokens, such as 200k"),
    Argument("--max-price", "USD", "at most, for a million prompt tokens: 1", wants="an amount in USD, such as 1"),
    Argument("--author", "NAMES", "whose they are: openai,google", wants="who makes them, such as openai"),
    Argument("--since", "DATE", "added since: 2026-01-01", wants="a date, such as 2026-01-01"),
    Argument(
        "--modality",
        "KIND",
        "what goes in or comes out: text, image, file, audio, video",
        wants="text, image, file, audio or video",
        words=("text", "image", "file", "audio", "video"),
    ),
    Argument(
        "--sort",
        "BY",
        "price, context, newest, intelligence, value or name",
        wants="price, context, newest, intelligence, value or name",
        words=("price", "context", "newest", "intelligence", "value", "name"),
    ),
    Argument("--limit", "N", "so many at most", wants="a number of models"),
    Argument("--job", "JOB", "add the price of a job: 2000in,500out", wants="a job, such as 2000in,500out"),
    Argument("--user", help="what your account's settings let through", takes="switch", default=False),
    Argument("--refresh", help="ask the service anew", takes="switch", default=False),
)
def models(context: NotebookContext, query: str, user: bool, refresh: bool, **filters: Any) -> ModelTable:
    """The models as a table, which is a DataFrame. ``off`` behind --free ... --reasoning takes those without."""
    return find(context, query, user, refresh, **filters)


def find(context: NotebookContext, query: str, user: bool, refresh: bool, **filters: Any) -> ModelTable:
    """The models that are as wanted.

    Args:
        context: the notebook.
        query: words in the id or the name.
        user: only those that the settings of the account let through.
        refresh: whether the service is asked anew.
        filters: of `ModelFilter`; None for those that were not typed.

    Raises:
        CommandError: a filter has an impossible value.
    """
    from or_magic.catalog.table import ModelFilter, find_models, models_table

    known = context.session.models
    given = {name: value for name, value in filters.items() if value is not None}
    wanted = ModelFilter.of({"query": query, **given})
    if refresh:
        known.refresh()
    return find_models(models_table(known.user_body() if user else known.body()), wanted)


@command(
    "endpoints",
    "who serves a model, at which price, how well",
    Argument("id", "MODEL", "the model (the notebook's)", names="model"),
)
def endpoints(context: NotebookContext, id: str | None) -> pd.DataFrame:
    """A DataFrame, one row a provider, the cheapest first."""
    from or_magic.catalog.table import endpoints_table

    id = context.session.settings.model(id).value
    offers = context.session.models.endpoints(id)
    if not offers:
        raise CommandError(f"Nobody is named who serves {id}: routers and aliases hand a question on.")
    return endpoints_table(offers)


@command("providers", "the companies that serve models")
def providers(context: NotebookContext) -> pd.DataFrame:
    """A DataFrame, one row a company."""
    from or_magic.catalog.table import providers_table

    return providers_table(context.session.models.providers())


@command(
    "changes",
    "models that came, went, were repriced, since a day",
    Argument("since", "SINCE", "a day such as 2026-11-25 (the last look)", convert=moment),
)
def changes(context: NotebookContext, since: datetime | None) -> pd.DataFrame:
    """What was added, removed, repriced since a day, or the last look: a DataFrame.

    A snapshot of the catalog is kept of each day on which it was used.
    """
    context.session.models.catalog()  # so that today's is there
    return context.session.models.snapshots.changes(since.date() if since else None)


@command(
    "chart",
    "prices and spending as pictures: context, intelligence, history, spending",
    Argument(
        "what",
        "WHAT",
        "context, intelligence, history or spending",
        convert=one_of(*_CHARTS),
        wants="what it draws: context, intelligence, history or spending",
        is_required=True,
        words=_CHARTS,
    ),
    Argument("rest", "...", "what models, endpoints or cost take", default="", takes="text"),
)
def chart(context: NotebookContext, what: str, rest: str) -> Chart:
    """A picture, light or dark, which needs no network.

    ``context [QUERY, flags of models]``: price against context; ``intelligence [...]``: price against intelligence,
    with those that none beats at both; ``history [MODEL]``: what a model has cost; ``spending``: by day and model. It
    takes altair: ``pip install 'or_magic[charts]'``.
    """
    from or_magic import charts

    if what == "spending":
        given = money.cost.parse(rest)
        return charts.spending(money.costs_of(context, everything=given["all"], since=given["since"]))
    if what == "history":
        id = context.session.settings.model(endpoints.parse(rest)["id"]).value
        context.session.models.catalog()
        prices = context.session.models.snapshots.prices(id)
        if prices.empty:
            raise CommandError(f"No snapshot of the catalog has a price of {id}.")
        return charts.price_history(prices, id)
    draw = charts.price_context if what == "context" else charts.price_intelligence
    return draw(find(context, **models.parse(rest)))
