"""Asking from a script: the answer, what is kept of it, and what happens when it goes wrong."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from or_magic.answer import Answer
from or_magic.chat.host import ScriptHost, View
from or_magic.chat.session import Session
from or_magic.errors import (
    AuthenticationError,
    CommandError,
    ModelNotFoundError,
    NotReachableError,
    ServiceError,
    Stopped,
    StoreError,
    TruncatedError,
)
from or_magic.ledger.audit import verify
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import Event


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}


@pytest.fixture
def session(environment: dict[str, str]) -> Iterator[Session]:
    owner = Session(settings=Settings(environment))
    yield owner
    owner.close()


def test_an_answer_is_kept_with_its_exact_cost(session: Session, sandbox: Sandbox) -> None:
    """The answer, the ledger and the service's own book agree to the last digit."""
    answer = session.ask("{x} $5 \\n %d \u2028 é", model="sandbox/echo")

    (turn,) = session.ledger.turns()
    charge = sandbox.charges.find(answer.id)
    assert answer.text == "{x} $5 \\n %d \u2028 é" == turn.prompt.text == turn.answer.text
    assert charge is not None
    assert answer.cost == charge.cost_usd == Decimal(turn.usage.cost_pico_usd) / 10**12
    assert (turn.state, turn.model, turn.generation_id) == ("complete", "sandbox/echo", answer.id)
    assert verify(session.ledger) == []


def test_the_account_model_is_not_sent(session: Session, sandbox: Sandbox) -> None:
    """`account` leaves the model out of the request; the default names openrouter/auto."""
    session.ask("hi", model="account")
    assert "model" not in sandbox.requests[-1].body

    session.ask("hi", history="none")
    assert sandbox.requests[-1].body == {
        "model": "openrouter/auto",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},  # the sandbox is no openrouter.ai, so it is asked for usage
    }


def test_an_empty_prompt_is_not_sent(session: Session, sandbox: Sandbox) -> None:
    """Nothing to ask is an error before anything is sent or recorded."""
    before = len(sandbox.requests)

    with pytest.raises(CommandError, match="nothing to ask"):
        session.ask(" \n")

    assert (len(sandbox.requests), session.ledger.turns()) == (before, [])


@pytest.mark.parametrize(
    ("changes", "model", "kind"),
    [
        pytest.param({"OPENROUTER_API_KEY": "sk-or-wrong"}, "sandbox/echo", AuthenticationError, id="wrong key"),
        pytest.param({}, "foo/bar", ModelNotFoundError, id="unknown model"),
        pytest.param({"OPENROUTER_BASE_URL": "http://127.0.0.1:9/v1"}, "a/b", NotReachableError, id="nobody there"),
    ],
)
def test_refusals_are_recorded_and_free(
    environment: dict[str, str], changes: dict[str, str], model: str, kind: type[ServiceError]
) -> None:
    """A refusal is one line of its kind; the turn is kept as failed, and costs nothing."""
    session = Session(settings=Settings({**environment, **changes}))

    with pytest.raises(kind) as caught:
        session.ask("hi", model=model)

    (turn,) = session.ledger.turns()
    assert (turn.state, turn.error) == ("failed", str(caught.value))
    assert "\n" not in turn.error
    assert "sk-or-wrong" not in turn.error
    assert (session.spent().pico_usd, session.spent().unknown) == (0, 0)
    session.close()


def test_a_stream_that_breaks_off_keeps_its_text(session: Session, sandbox: Sandbox) -> None:
    """What came before the break is in the answer and in the ledger, and its cost is not known."""
    sandbox.cut_next(after_events=5)

    with pytest.raises(TruncatedError):
        session.ask("one two three four five six seven eight nine ten", model="sandbox/echo")

    (turn,) = session.ledger.turns()
    assert session.last is not None
    assert turn.state == "failed"
    assert turn.answer is not None
    assert turn.answer.text == session.last.text != ""
    assert session.spent().unknown == 1


def test_no_store_no_question(environment: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """Where the store cannot be opened, nothing is sent: an answer that could not be kept is not paid for."""
    (tmp_path / "notes.txt").write_text("not a store " * 100)
    before = len(sandbox.requests)

    with pytest.raises(StoreError):
        Session(settings=Settings({**environment, "OR_MAGIC_STORE": str(tmp_path / "notes.txt")})).ask("hi")

    assert len(sandbox.requests) == before


def test_the_id_comes_before_the_first_word(session: Session, sandbox: Sandbox) -> None:
    """An answer that breaks off before its first word has its id, by which the service tells what it cost."""
    sandbox.cut_next(after_bytes=0)

    with pytest.raises(ServiceError):
        session.ask("hi", model="sandbox/echo")

    assert session.last is not None
    assert (session.last.text, session.last.id[:4]) == ("", "gen-")


class Interrupting(ScriptHost):
    """A front whose user interrupts at the moment at which the answer's place is made, or when it is finished."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self._when = when

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        if self._when == "opening":
            raise KeyboardInterrupt
        view = super().open_view(answer, in_background=in_background, is_live=is_live)
        view.show = self._show  # type: ignore[method-assign]  # the one moment that is of interest
        return view

    def _show(self, event: Event) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["opening", "showing"])
def test_an_interrupt_stops_wherever_it_falls(environment: dict[str, str], sandbox: Sandbox, when: str) -> None:
    """Before anything of an answer is shown, or with its first word: it is stopped, and recorded so."""
    session = Session(Interrupting(when), Settings(environment))

    with pytest.raises(Stopped):
        session.ask("one two three four five six seven eight nine ten", model="sandbox/slow")

    (turn,) = session.ledger.turns()
    assert (turn.state, turn.error) == ("stopped", "stopped by the user")
    assert session.jobs() == []
    assert all(request.ending != "complete" for request in sandbox.requests if request.path.endswith("/completions"))
    session.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to one thread")
def test_an_interrupt_while_the_ledger_is_made(sandbox: Sandbox, tmp_path: Path) -> None:
    """Wherever in the making of a new ledger an interrupt falls, it is told as one; the next question is answered."""
    told, main = [], threading.main_thread().ident or 0
    for number in range(12):
        file = tmp_path / f"{number}.sqlite"
        session = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(file)}))
        timer = threading.Timer(0.001 * number, lambda: signal.pthread_kill(main, signal.SIGINT))
        try:
            timer.start()
            session.ask("hi", model="sandbox/echo", show=False)
            timer.join()
            time.sleep(0.05)
        except Stopped as error:
            told.append(str(error))
        except KeyboardInterrupt:  # it fell behind the answer
            told.append("late")
        assert session.ask("again", model="sandbox/echo", show=False).text == "again"
        session.close()

    assert [each for each in told if "Stopped" not in each and each != "late"] == []
    assert any("Nothing was charged" in each for each in told)
