"""What changed in the catalog between two days, what a model has cost, and what one is warned of before asking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from or_magic.catalog.decoding import decode_models
from or_magic.catalog.snapshots import changes_table, compare
from or_magic.chat.session import Session
from or_magic.errors import CommandError
from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.settings.layers import Settings
from tests.faults.server import response, serve

from .test_model_table import body_2025, body_2026, body_of

PRICES = {  # the service's names and ours
    **dict.fromkeys(("prompt", "completion", "request", "image", "web_search"), ""),
    **dict.fromkeys(("image_output", "image_token", "audio", "audio_output"), ""),
    "input_audio_cache": "audio_cache",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
}
TODAY = datetime.now(UTC)


def model(id: str, prompt: str = "0.000001", completion: str = "0.000004", **fields: Any) -> dict[str, Any]:
    return {"id": id, "pricing": {"prompt": prompt, "completion": completion}, "context_length": 1000, **fields}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    listing = (response(200, body_of(model("a/new"))),)
    with serve(listing) as server:
        store = str(tmp_path / "ledger.sqlite")
        owner = Session(settings=Settings({"OPENROUTER_BASE_URL": server.base_url, "OR_MAGIC_STORE": store}))
        yield owner
        owner.close()


def keep(session: Session, days_ago: int, *rows: dict[str, Any]) -> date:
    """Keeps a snapshot of that day."""
    moment = TODAY - timedelta(days=days_ago)
    CatalogCache(session.ledger.store).keep(session.service, "/models", body_of(*rows), moment)
    return moment.date()


def test_two_real_snapshots() -> None:
    """Dec 2025 against Aug 2026: added, removed and repriced are what an independent count over the raw rows says."""
    old, new = body_2025(), body_2026()
    table = changes_table(compare(decode_models(old), decode_models(new)))

    before, after = ({row["id"]: row for row in json.loads(body)["data"]} for body in (old, new))
    assert sorted(table[table["change"] == "added"].index) == sorted(after.keys() - before.keys())
    assert sorted(table[table["change"] == "removed"].index) == sorted(before.keys() - after.keys())
    repriced = set()
    for id in before.keys() & after.keys():
        for theirs, ours in PRICES.items():
            pair = [Decimal(str(row["pricing"].get(theirs) or 0)) for row in (before[id], after[id])]
            if max(pair[0], 0) != max(pair[1], 0):
                repriced.add((id, ours or theirs))
    found = table[table["change"] == "repriced"]
    assert set(zip(found.index, found["what"], strict=True)) == repriced
    assert len(repriced) > 50
    deprecated = {id for id in before.keys() & after.keys() if after[id].get("expiration_date")}
    assert set(table[table["change"] == "deprecated"].index) == deprecated


def test_changes_since_the_last_look(session: Session) -> None:
    """From the snapshot before the newest, or the last before a day: prices per million, factors, ends, contexts."""
    keep(session, 40, model("a/old"), model("a/b", "0.000001"))
    first = keep(session, 9, model("a/gone"), model("a/b", "0.000002"), model("a/free", "0", "0"))
    keep(
        session, 2, model("a/b", "0.000003", context_length=2000, expiration_date="2027-01-31"), model("a/free", "1e-7")
    )

    table = session.models.snapshots.changes()
    rows = {(row.Index, row.change, row.what): row for row in table.itertuples()}
    assert set(rows) == {
        ("a/gone", "removed", ""),
        ("a/b", "repriced", "prompt"),
        ("a/b", "deprecated", ""),
        ("a/b", "context", "context"),
        ("a/free", "repriced", "prompt"),
        ("a/free", "repriced", "completion"),
    }
    prompt = rows["a/b", "repriced", "prompt"]
    assert (prompt.before, prompt.after, prompt.factor) == (2.0, 3.0, 1.5)
    assert rows["a/b", "context", "context"].after == 2000
    assert rows["a/b", "deprecated", ""].expires.date() == date(2027, 1, 31)
    assert table.attrs["since"] == first
    assert set(session.models.snapshots.changes(first - timedelta(days=1)).index) >= {"a/old", "a/free"}
    assert session.models.snapshots.changes(date(2000, 1, 1)).attrs["since"] == (TODAY - timedelta(days=40)).date()
    history = session.models.snapshots.prices("a/b")
    assert history["prompt_usd_per_m"].tolist() == [1.0, 2.0, 3.0]
    assert session.models.snapshots.prices("no/such").empty


def test_one_snapshot_has_no_changes_yet(session: Session) -> None:
    """Without two snapshots it says from when on there will be changes."""
    with pytest.raises(CommandError, match="There is no snapshot of the catalog yet"):
        session.models.snapshots.changes()
    session.models.catalog()
    with pytest.raises(CommandError, match=r"only one snapshot of the catalog, of 20\d\d-"):
        session.models.snapshots.changes()


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (model("a/b", "0.000002"), model("a/b", "0.000001"), "a/b got dearer since"),
        (model("a/b", "0.000002"), model("a/b", "0.000002"), ""),
        (model("a/b", "0.000001"), model("a/b", "0.000002"), ""),
        (model("a/b", expiration_date=f"{TODAY + timedelta(days=7):%Y-%m-%d}"), model("a/b"), "a/b ends on"),
        (model("a/b", expiration_date="2020-01-01"), model("a/b"), "a/b ended on 01 Jan 2020"),
        (model("a/b", expiration_date=f"{TODAY + timedelta(days=90):%Y-%m-%d}"), model("a/b"), ""),
        (model("a/b"), model("a/c"), ""),
    ],
)
def test_warnings_before_a_model_is_used(session: Session, now: Any, before: Any, words: str) -> None:
    """At its first use in a session a model that ends soon, or got dearer within a month, is warned of; once."""
    keep(session, 5, before)
    keep(session, 0, now)
    first = session.question("hi", "a/b", None, None, None, None).notes
    again = session.question("hi", "a/b", None, None, None, None).notes

    assert words in " ".join(first)
    assert bool(first) == bool(words)
    assert again == ()
    if "dearer" in words:
        assert "prompt 1 -> 2 USD per million tokens" in first[0]
