"""A ledger on a server: what only a server has, and its password, which nobody sees."""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from or_magic.errors import StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.store import Ledger

from .cluster import Cluster
from .samples import ask

UNREACHABLE = "postgresql+psycopg://ada:s3cr3t-pw@127.0.0.1:9/team"


def test_the_password_is_never_shown(cluster: Cluster) -> None:
    """Neither the location nor any error, with its whole traceback, holds the password."""
    ledger = Ledger.open(cluster.address())
    assert "pa55word" not in f"{ledger.location} {ledger!r} {ledger.store!r}"
    ledger.close()

    with pytest.raises(
        StoreError, match=r"The ledger postgresql\+psycopg://ada:\*\*\*@127.0.0.1:9/team failed"
    ) as refused:
        Ledger.open(UNREACHABLE)

    shown = "".join(traceback.format_exception(refused.value))
    assert "s3cr3t-pw" not in shown
    assert "\n" not in str(refused.value)


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg one line says how to get it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StoreError, match=r"needs psycopg: pip install 'or_magic\[postgres\]'"):
        Ledger.open(UNREACHABLE)


@pytest.mark.parametrize("address", ["postgresql://ada:s3cr3t-pw@host:port/team", "postgresql://"])
def test_no_address(address: str) -> None:
    """What is no address is refused without being repeated."""
    with pytest.raises(StoreError) as refused:
        Ledger.open(address).turns()

    assert "s3cr3t-pw" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_schemes(cluster: Cluster, scheme: str) -> None:
    """All usual ways to write the address work."""
    address = cluster.address().replace("postgresql", scheme, 1)

    ledger = Ledger.open(address)

    assert ledger.turn(ask(ledger)).state == "complete"
    ledger.close()


def test_opening_an_empty_database_together(cluster: Cluster) -> None:
    """Many that open a new database at the same moment all succeed."""
    address = cluster.address()

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(lambda _: ask(Ledger.open(address)), range(6)))

    ledger = Ledger.open(address)
    assert sorted(ids) == [turn.id for turn in ledger.turns()]
    assert verify(ledger) == []
    ledger.close()
