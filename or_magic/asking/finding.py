"""Which models of the catalogue: filters by ability, price and age, an order, and what a stated job would cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError
from or_magic.openrouter.lenient import as_object
from or_magic.openrouter.prices import prices_of
from or_magic.openrouter.searching import ranked

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd

    from or_magic.asking.model_table import ModelTable

_TOKENS = re.compile(r"(?P<number>\d+(?:[.,_]\d+)*)\s*(?P<unit>[km]?)", re.IGNORECASE)
_JOB = re.compile(
    r"\s*(?P<prompt>[\d.,_]+\s*[km]?)\s*in\s*[,+/ ]\s*(?P<answer>[\d.,_]+\s*[km]?)\s*out\s*", re.IGNORECASE
)
SORTS = ("price", "context", "newest", "intelligence", "value", "name")
_ABILITIES = ("free", "vision", "tools", "structured", "reasoning")
_PROMPT_PART = 0.75  # of the tokens of a typical question, for an order by price


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        query: words in the id or the name; best matches first.
        free, vision, tools, structured, reasoning: True for those that are or can, False for those that do not.
        min_context: how many tokens the context has at least: ``200_000`` or ``"200k"``.
        max_price: what a million prompt tokens cost at most, in USD.
        author: such as ``openai``; several with commas between.
        since: when it was added at the earliest: ``2026-01-01``, or a date.
        modality: what goes in or comes out: text, image, file, audio, video.
        sort: price (three prompt tokens to one of the answer), context, newest, intelligence, value (intelligence
            for its price) or name; "" for the service's own order, or the best match first.
        limit: how many at most.
        job: what is to be paid: ``"2000in,500out"`` adds ``job_usd``, the exact price of that as a float.
    """

    query: str = ""
    free: bool | None = None
    vision: bool | None = None
    tools: bool | None = None
    structured: bool | None = None
    reasoning: bool | None = None
    min_context: Any = None
    max_price: Any = None
    author: str = ""
    since: Any = None
    modality: str = ""
    sort: str = ""
    limit: int | None = None
    job: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Wanted:
        """The same from arguments by name.

        Raises:
            CommandError: there is no such filter.
        """
        import difflib

        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
                raise CommandError(f"Models have no filter {name!r}. {hint}")
        return cls(**given)


def find_models(table: ModelTable, wanted: Wanted) -> ModelTable:
    """The models that are as wanted, in the wanted order. The table itself stays as it is.

    Raises:
        CommandError: a filter has an impossible value.
    """
    found = table[_mask(table, wanted)]
    if wanted.job:
        found = found.assign(job_usd=_job_prices(found, wanted.job))
    if wanted.query:
        prices = _blended(found).tolist()
        found = found.iloc[ranked(wanted.query, found.index.tolist(), found["name"].tolist(), prices)]
    if wanted.sort:
        found = _sorted(found, wanted.sort)
    return found if wanted.limit is None else found.head(_count(wanted.limit))


def tokens(value: Any, what: str) -> int:
    """A number of tokens, also as people write it: 200k, 1M.

    Raises:
        CommandError: it is none.
    """
    found = _TOKENS.fullmatch(str(value).strip())
    if found is None:
        raise CommandError(f"{what} is {value!r}; it wants a number of tokens, such as 200000, 200k or 1M.")
    unit = {"": 1, "k": 1_000, "m": 1_000_000}[found["unit"].lower()]
    return int(Decimal(found["number"].replace(",", "").replace("_", "")) * unit)


def job_tokens(job: str) -> tuple[int, int]:
    """How many tokens go in and come out of a stated job.

    Raises:
        CommandError: it does not say so.
    """
    found = _JOB.fullmatch(job)
    if found is None:
        raise CommandError(f"A job is such as 2000in,500out; {job!r} was asked for.")
    return tokens(found["prompt"], "job"), tokens(found["answer"], "job")


def _mask(table: ModelTable, wanted: Wanted) -> pd.Series[bool]:
    import pandas as pd

    mask = pd.Series(True, index=table.index)
    for name, column in (
        ("free", "is_free"),
        *((each,) * 2 for each in ("vision", "tools", "structured", "reasoning")),
    ):
        if (wish := getattr(wanted, name)) is not None:
            mask &= table[column] == bool(wish)
    if wanted.min_context is not None:
        mask &= (table["context"] >= tokens(wanted.min_context, "min_context")).fillna(False).astype(bool)
    if wanted.max_price is not None:
        mask &= table["prompt_usd_per_m"] <= _price(wanted.max_price)
    if wanted.author:
        authors = {author.strip().lower() for author in wanted.author.split(",")}
        mask &= table["author"].str.lower().isin(authors)
    if wanted.since is not None:
        mask &= (table["created"] >= _moment(wanted.since)).fillna(False)
    if wanted.modality:
        mask &= _has_modality(table, wanted.modality.lower())
    return mask


def _has_modality(table: ModelTable, modality: str) -> Any:
    import numpy as np

    known = ("text", "image", "file", "audio", "video", "embeddings")
    if modality not in known:
        raise CommandError(f"modality is {modality!r}; it wants one of {', '.join(known)}.")
    pairs = zip(table["input_modalities"], table["output_modalities"], strict=True)
    return np.array([modality in inputs or modality in outputs for inputs, outputs in pairs], dtype="bool")


def _sorted(table: ModelTable, order: str) -> ModelTable:
    keys: dict[str, Callable[[], Any]] = {
        "price": lambda: _blended(table),
        "context": lambda: -table["context"].astype("float64"),
        "newest": lambda: -table["created"].astype("int64").where(table["created"].notna()),
        "intelligence": lambda: -table["intelligence"],
        "value": lambda: -table["intelligence"] / _blended(table).clip(lower=0.001),
        "name": lambda: table.index.to_series(),
    }
    if order not in keys:
        raise CommandError(f"sort is {order!r}; it wants one of {', '.join(SORTS)}.")
    places = keys[order]().reset_index(drop=True).sort_values(kind="stable", na_position="last").index
    ordered: ModelTable = table.iloc[places]
    return ordered


def _blended(table: ModelTable) -> pd.Series[float]:
    """What a million tokens of a typical question cost, in USD."""
    return _PROMPT_PART * table["prompt_usd_per_m"] + (1 - _PROMPT_PART) * table["completion_usd_per_m"]


def _job_prices(table: ModelTable, job: str) -> list[float]:
    """The exact price of a job at each model, with the prices that count at that length; NaN where it is not known."""
    prompt, answer = job_tokens(job)
    costs = []
    for id in table.index:
        prices = prices_of(as_object(table.attrs["raw"][id].get("pricing"))).at(prompt)
        known = prices.prompt is not None and prices.completion is not None
        cost = prompt * (prices.prompt or 0) + answer * (prices.completion or 0) + (prices.request or 0)
        costs.append(float(cost) if known else float("nan"))
    return costs


def _price(value: Any) -> float:
    try:
        return float(str(value).lstrip("$"))
    except ValueError:
        raise CommandError(
            f"max_price is {value!r}; it wants USD per million prompt tokens, such as 1 or 0.25."
        ) from None


def _moment(value: Any) -> Any:
    import pandas as pd

    try:
        moment = pd.Timestamp(value if not isinstance(value, str) else datetime.fromisoformat(value))
    except (ValueError, TypeError):
        raise CommandError(f"since is {value!r}; it wants a day such as 2026-01-31.") from None
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _count(value: Any) -> int:
    if not str(value).isdecimal() or int(value) == 0:
        raise CommandError(f"limit is {value!r}; it wants a number of models, such as 20.")
    return int(value)
