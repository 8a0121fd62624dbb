"""The catalog at hand: fetched once, kept, refreshed behind the user's back, and there without a network."""

from __future__ import annotations

import _thread
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from or_magic.catalog.decoding import decode_models
from or_magic.chat.session import Session
from or_magic.errors import ModelNotFoundError, NotReachableError, ServiceError
from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.sandbox import start
from or_magic.settings.layers import Settings
from tests.faults.server import Answer, response, serve

Make = Callable[..., Session]


def body(*ids: str) -> bytes:
    return json.dumps({"data": [{"id": id, "pricing": {"prompt": "0.1"}} for id in ids]}).encode()


def listing(*ids: str) -> Answer:
    return (response(200, body(*ids)),)


@pytest.fixture
def session_at(tmp_path: Path) -> Iterator[Make]:
    made = []

    def make(base_url: str, **environment: str) -> Session:
        store = {"OPENROUTER_BASE_URL": base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
        made.append(Session(settings=Settings({**store, "OR_MAGIC_RETRIES": "0", **environment})))
        return made[-1]

    yield make
    for session in made:
        session.close()


def grow_old(session: Session, hours: float) -> None:
    """Makes the copy in memory so much older."""
    models = session.models
    assert models._copy is not None
    models._copy = replace(models._copy, fetched_utc=models._copy.fetched_utc - timedelta(hours=hours))


def age(session: Session, hours: float, *ids: str) -> None:
    """Puts a copy of that age on disk."""
    fetched = datetime.now(UTC) - timedelta(hours=hours)
    CatalogCache(session.ledger.store).keep(session.service, "/models", body(*ids), fetched)


def test_one_question_about_a_model(session_at: Make) -> None:
    """What is known of a model is one call, without a key, fetched once for this and later processes."""
    with start() as sandbox:
        session = session_at(sandbox.base_url)

        model = session.models.model("sandbox/echo:nitro")
        again = session_at(sandbox.base_url).models.model("sandbox/echo")

        assert model is not None
        assert again is not None
        assert (model.id, model.prices, model.context_tokens) == (again.id, again.prices, again.context_tokens)
        assert [request.path for request in sandbox.requests] == ["/api/v1/models"]


def test_no_key_is_needed_nor_sent(session_at: Make) -> None:
    """The public list is asked for without a key, also by those who have one."""
    with serve(listing("a/b")) as server:
        session_at(server.base_url, OPENROUTER_API_KEY="sk-or-secret").models.catalog()

    assert b"authorization" not in server.requests[0].lower()
    assert b"sk-or-secret" not in server.requests[0]


def test_an_old_copy_is_used_at_once_and_refreshed(session_at: Make) -> None:
    """A copy of two hours ago answers without waiting; soon after, the new one does."""
    with serve((0.3, *listing("new/one"))) as server:
        session = session_at(server.base_url)
        age(session, 2, "old/one")

        first = session.models.catalog()
        assert first.find("old/one") is not None
        assert "2 hours ago" in session.models.age_note
        while session.models.catalog().find("new/one") is None:
            time.sleep(0.02)

    assert session.models.age_note == ""
    assert len(server.requests) == 1


def test_a_refresh_is_as_old_as_it_is(session_at: Make) -> None:
    """A refresh that came long before anybody looks is as old as it is, not as fresh as if it came now."""
    with serve(listing("new/one")) as server:
        session = session_at(server.base_url)
        cache = CatalogCache(session.ledger.store)
        age(session, 2, "old/one")
        session.models.catalog()
        while (kept := cache.newest(session.service, "/models")) is None or kept.body != body("new/one"):
            time.sleep(0.02)
        while session.models.catalog().find("new/one") is None:
            time.sleep(0.02)

    assert session.models._copy is not None
    assert session.models._copy.fetched_utc == kept.fetched_utc


def test_a_newer_copy_of_another_kernel_is_used(session_at: Make) -> None:
    """A kernel whose copy has grown old takes the one that another has fetched meanwhile, and asks nobody."""
    with serve(listing("of/service")) as server:
        session = session_at(server.base_url)
        age(session, 0.5, "old/one")
        assert session.models.catalog().find("old/one") is not None
        grow_old(session, hours=2)
        age(session, 0.1, "of/another-kernel")

        assert session.models.catalog().find("of/another-kernel") is not None

    assert session.models.age_note == ""
    assert server.requests == []


def test_a_copy_of_the_future_is_refreshed(session_at: Make) -> None:
    """A copy that was dated by a wrong clock serves at once, but is never taken for fresh."""
    with serve(listing("new/one")) as server:
        session = session_at(server.base_url)
        age(session, -9000, "future/one")

        while session.models.catalog().find("new/one") is None:
            time.sleep(0.02)

        assert session_at(server.base_url).models.catalog().find("new/one") is not None


def test_offline_it_says_how_old_it_is(session_at: Make) -> None:
    """Without a network the old copy serves, and says its age and why it is not newer."""
    session = session_at("http://127.0.0.1:9/v1")
    age(session, 80, "openai/gpt-5")

    while "could not be refreshed" not in session.models.age_note:
        assert session.models.catalog().find("openai/gpt-5") is not None
        time.sleep(0.02)

    assert "3 days ago" in session.models.age_note


def test_offline_without_a_copy(session_at: Make) -> None:
    """Without a network and without a copy it is the error that it is."""
    with pytest.raises(NotReachableError):
        session_at("http://127.0.0.1:9/v1").models.catalog()


@pytest.mark.parametrize("answer", [b"<html>captive portal</html>", b'{"data": []}', b'{"error":{"code":500}}'])
def test_nonsense_never_takes_the_place_of_a_copy(answer: bytes, session_at: Make) -> None:
    """What is no catalog is an error, and a good copy stays."""
    with serve((response(200, answer),)) as server:
        with pytest.raises(ServiceError):
            session_at(server.base_url).models.catalog()
        session = session_at(server.base_url)
        age(session, 2, "good/one")
        for _ in range(20):
            session.models.catalog()
            time.sleep(0.02)

        assert session.models.catalog().find("good/one") is not None


def test_a_damaged_copy_is_replaced(session_at: Make) -> None:
    """A copy that holds no catalog is fetched again."""
    with serve(listing("a/b")) as server:
        session = session_at(server.base_url)
        CatalogCache(session.ledger.store).keep(session.service, "/models", b"damaged", datetime.now(UTC))

        assert session.models.catalog().find("a/b") is not None
        assert session_at(server.base_url).models.catalog().find("a/b") is not None

    assert len(server.requests) == 1


_RACER = """
import sys
from or_magic.chat.session import Session
session = Session()
session.ledger, session.models
print("ready", flush=True)
sys.stdin.readline()
print(len(session.models.catalog()))
"""


def test_of_several_processes_one_fetches(tmp_path: Path) -> None:
    """Four processes that need the catalog at the same moment ask the service once, and all have it."""
    with serve((0.5, *listing("a/b", "c/d"))) as server:
        environment = {
            "OPENROUTER_BASE_URL": server.base_url,
            "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
            "PATH": "",
        }
        command = [sys.executable, "-c", _RACER]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        racers = [subprocess.Popen(command, env=environment, **pipes) for _ in range(4)]
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 4
        for racer in racers:  # `communicate` alone would start each when the one before it has ended
            racer.stdin.write("go\n")
            racer.stdin.flush()
        counts = [racer.communicate(timeout=60)[0].strip() for racer in racers]

    assert counts == ["2"] * 4
    assert len(server.requests) == 1


def test_a_fetch_that_was_killed_holds_nobody_up(session_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process died while it fetched, the next one waits a little for it, and then fetches itself."""
    monkeypatch.setattr("or_magic.catalog.source._OTHERS_S", 0.2)
    with serve(listing("a/b")) as server:
        session = session_at(server.base_url)
        assert CatalogCache(session.ledger.store).claim(session.service, "/models", "killed", 600)

        assert session.models.catalog(timeout_s=5).find("a/b") is not None


def test_at_hand_never_waits_and_comes_later(session_at: Make) -> None:
    """Where nothing is here yet the answer is None, at once; what it started to fetch is there soon after."""
    hold = threading.Event()
    with serve((hold.wait, *listing("a/b"))) as server:
        session = session_at(server.base_url)

        assert session.models.cached("a/b") is None
        assert session.models.cached("a/b") is None
        hold.set()
        while session.models.cached("a/b") is None:
            time.sleep(0.02)

    assert len(server.requests) == 1


def test_at_hand_tries_again(session_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first fetch that failed is tried again later, not never."""
    monkeypatch.setattr("or_magic.catalog.source._RETRY_S", 0.05)
    with serve((response(400, b"{}"),), listing("a/b")) as server:
        session = session_at(server.base_url)

        while session.models.cached("a/b") is None:
            time.sleep(0.02)

    assert len(server.requests) == 2


def test_nearest_ids_of_the_service(session_at: Make) -> None:
    """The ids near to a mistyped one come from the catalog that is kept."""
    with serve(listing("openai/gpt-4o", "a/b")) as server:
        assert session_at(server.base_url).models.nearest("gpt4o") == ("openai/gpt-4o",)


def test_an_interrupt_ends_the_wait(session_at: Make) -> None:
    """A fetch that takes for ever is ended by an interrupt; nothing goes on behind it, and nobody else is kept out."""
    with serve((30.0, *listing("a/b")), listing("a/b")) as server:
        session = session_at(server.base_url)

        def interrupt() -> None:
            while not server.requests:
                time.sleep(0.01)
            _thread.interrupt_main()

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            session.models.catalog()

        assert server.hung_up.wait(10)
        assert session.models.catalog(timeout_s=5).find("a/b") is not None


def test_an_odd_id_is_one_part_of_the_address(session_at: Make) -> None:
    """What is typed as an id cannot reach another address of the service."""
    with serve((response(200, b'{"data":{"endpoints":[]}}'),)) as server:
        session_at(server.base_url).models.endpoints("a/b:free?x=1#y z")

    assert server.requests[0].split()[1] == b"/v1/models/a/b:free%3Fx=1%23y%20z/endpoints"


def test_a_mistyped_id_names_those_that_are_near(session_at: Make) -> None:
    """The error of an unknown model names the ids that look like it, in the message and as an attribute."""
    with start() as sandbox:
        session = session_at(sandbox.base_url)

        with pytest.raises(ModelNotFoundError, match=r"No model 'sandbox/ech'. Nearest: sandbox/echo") as caught:
            session.ask("hi", model="sandbox/ech")

    assert caught.value.nearest[0] == "sandbox/echo"
    assert session.ledger.turns()[0].error == str(caught.value)


def test_a_refused_id_is_not_near_to_itself(session_at: Make) -> None:
    """An id that the service refuses is not named as what was meant, though an old catalog still has it."""
    with serve(listing("openai/gpt-5", "openai/gpt-5-mini")) as server:
        models = session_at(server.base_url).models

        error = models.with_nearest(ModelNotFoundError("No such model."), "openai/gpt-5")

    assert error.nearest == ("openai/gpt-5-mini",)


def test_endpoints_providers_and_the_users_own_list(session_at: Make) -> None:
    """Offers and companies are asked for without a key, the user's own list with it."""
    offers = response(200, b'{"data":{"endpoints":[{"name":"x","tag":"acme"}]}}')
    companies = response(200, b'{"data":[{"name":"Acme","slug":"acme"}]}')
    with serve((offers,), (companies,), listing("a/b")) as server:
        models = session_at(server.base_url, OPENROUTER_API_KEY="sk-or-mine").models

        assert [offer.tag for offer in models.endpoints("a/b")] == ["acme"]
        assert [company.slug for company in models.providers()] == ["acme"]
        assert len(decode_models(models.user_body())) == 1

    paths = [request.split()[1] for request in server.requests]
    assert paths == [b"/v1/models/a/b/endpoints", b"/v1/providers", b"/v1/models/user"]
    assert [b"sk-or-mine" in request for request in server.requests] == [False, False, True]
