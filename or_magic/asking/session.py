"""What one notebook owns, and the one way to ask: recorded before it is sent, finished whatever happens."""

from __future__ import annotations

import asyncio
import atexit
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from or_magic.answer import Answer
from or_magic.asking.host import Bill, Host, ScriptHost, View
from or_magic.errors import CommandError, ModelNotFoundError, ServiceError, Stopped, StoreError
from or_magic.messages import Ending, Usage, UsageReported
from or_magic.openrouter import background
from or_magic.settings import LOOPBACK, Settings, origin_of

if TYPE_CHECKING:  # each costs half a second to import, which `%load_ext` must not
    from or_magic.asking.models import Models
    from or_magic.asking.question import Question
    from or_magic.asking.turn import Turn
    from or_magic.ledger.records import Spent
    from or_magic.ledger.store import Ledger
    from or_magic.openrouter.client import Client

TITLE = "or_magic"


class Session:
    """Asks on behalf of one notebook (or one script), and keeps what was asked, answered and paid.

    Attributes:
        host: the place questions are asked from.
        settings: what is configured for it.
        last: the newest answer, also when it was stopped or failed.
    """

    def __init__(self, host: Host | None = None, settings: Settings | None = None) -> None:
        self.host: Host = host or ScriptHost()
        self.settings = settings or Settings()
        self.last: Answer | None = None
        self._ledgers: dict[str | None, Ledger] = {}
        self._asks: list[_Ask] = []  # those under way
        self._models: Models | None = None
        self._id = uuid.uuid4().hex  # told to the service, which serves one session by one provider
        atexit.register(self.close)

    @property
    def ledger(self) -> Ledger:
        """The store that the settings name, opened at first use.

        Raises:
            StoreError: it cannot be opened.
        """
        from or_magic.ledger.store import Ledger

        location = self.settings.store()
        if location not in self._ledgers:
            self._ledgers[location] = Ledger.open(location)
        return self._ledgers[location]

    def spent(self) -> Spent:
        """What this notebook has spent so far at the service that is set now."""
        return self.ledger.spent(self.host.where().purse, self.service)

    @property
    def service(self) -> str:
        """The origin that is asked now, under which money is counted."""
        return origin_of(self.settings.base_url().value)

    @property
    def models(self) -> Models:
        """The catalogue of the service that is set now."""
        from or_magic.asking.models import Models

        if self._models is None:
            self._models = Models(lambda: self.client(needs_key=False), self.client, lambda: self.ledger)
        return self._models

    def client(self, *, needs_key: bool = True) -> Client:
        """A client of the service that is set now, with its key and the patience that is set.

        Args:
            needs_key: False for what the service tells anybody; then the client has no key.

        Raises:
            CommandError: a setting cannot be used.
            MissingKeyError: there is no key for the address that is set.
        """
        from or_magic.openrouter.client import Client, Endpoint

        key = self.settings.key().value if needs_key else ""
        endpoint = Endpoint(self.settings.base_url().value, key)
        return Client(endpoint, patience=self.settings.patience())

    def ask(
        self, prompt: str, *, model: str | None = None, parameters: Mapping[str, Any] | None = None, show: bool = True
    ) -> Answer:
        """Asks, waits for the end and returns the answer; whatever arrived is in the store and in `last`.

        Args:
            prompt: what is asked; sent exactly as it is.
            model: a model id for this question; ``"account"`` sends none.
            parameters: those of this question, by name, as their kinds gave them (`parameter_table`).
            show: whether the host shows the answer as it arrives.

        Raises:
            CommandError: the prompt is empty, or a setting or a parameter cannot be used.
            MissingKeyError: there is no key for the address that is set.
            ServiceError: the service refused or failed.
            StoreError: the store cannot be opened; nothing was sent.
            Stopped: the user interrupted.
        """
        from or_magic.asking.question import prepare

        question = prepare(self.settings, self.models, prompt, model, parameters)
        ask = _Ask(self, question, self.client(), show=show)
        self.last = ask.answer
        self._asks.append(ask)
        try:
            ask.follow()
        finally:
            self._asks.remove(ask)
        return ask.answer

    def attribution(self) -> dict[str, str]:
        """What tells the service who asks: the program's name and a random id of this session; nothing if unwanted.

        Raises:
            CommandError: the option has an impossible value.
        """
        if not self.settings.option_value("attribution"):
            return {}
        return {"X-OpenRouter-Title": TITLE, "x-session-id": self._id}

    def close(self) -> None:
        """Finishes in the store what is still under way (the process ends), and closes it."""
        for ask in list(self._asks):
            ask.abandon()
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers.clear()
        atexit.unregister(self.close)


class _Ask:
    """One question under way: its turn in the store, its request on the wire, its view on the screen."""

    def __init__(self, session: Session, question: Question, client: Client, *, show: bool) -> None:
        self._session = session
        self._question = question
        self._place = session.host.where()
        self._service = session.service
        self._ledger = session.ledger
        self._headers = session.attribution() | dict(question.composed.headers)
        self.answer = Answer(model_asked=question.composed.model)
        self.answer.notes, self.answer.parameters = question.notes, question.shareable
        self._turn_id = self._open_turn()
        self._client = client
        self._host: Host = session.host if show else ScriptHost()
        self._turn: Turn | None = None

    def _open_turn(self) -> int:
        from or_magic.ledger.records import NewTurn

        return self._ledger.open_turn(
            NewTurn(
                notebook=self._place.notebook,
                purse=self._place.purse,
                cell_id=self._place.cell_id,
                service=self._service,
                model_asked=self._question.composed.model,
                parameters=self._question.composed.body,
                system=None,
                parent=None,
                prompt=self._question.prompt,
            )
        )

    def _send(self) -> Turn:
        from or_magic.asking.turn import Turn
        from or_magic.openrouter.requests import ChatRequest

        request = ChatRequest(
            messages=(self._question.prompt,),
            model=self.answer.model_asked,
            parameters=self._question.composed.body,
            headers=self._headers,
            asks_for_usage=not self._client.endpoint.counts_unasked,
        )
        self.answer.mark_sent()
        return Turn(self._client, request, self.answer, self._checkpoint)

    def follow(self) -> None:
        """Shows the answer as it arrives, to its end, and leaves it finished in the store and on the screen."""
        ending: Ending = "failed"
        error: str | None = None
        view: View | None = None
        try:
            view = self._host.open_view(self.answer)
            self._turn = self._send()
            for event in self._turn.events():
                view.rest() if event is None else view.show(event)
            ending = "complete"
        except KeyboardInterrupt:
            self._stop()  # first, so that the line counts all that came
            ending, error = "stopped", "stopped by the user"
            raise Stopped(_stopped_line(self.answer)) from None
        except Exception as failure:
            if isinstance(failure, ModelNotFoundError):
                self._session.models.with_nearest(failure, self.answer.model_asked)
            error = str(failure)
            is_free = isinstance(failure, CommandError) or (
                isinstance(failure, ServiceError) and not failure.may_be_charged
            )
            if is_free and not self.answer.may_be_billed_twice:
                self.answer.absorb(UsageReported(Usage(cost_pico_usd=0)))
            raise
        finally:
            self._stop()
            self._finish(view, ending, error)

    def abandon(self) -> None:
        """The process ends while the answer arrives."""
        self._stop()
        self._record("stopped", "the process ended")

    def _stop(self) -> None:
        if self._turn is not None:
            self._turn.stop()

    def _finish(self, view: View | None, ending: Ending, error: str | None) -> None:
        self.answer.finish(ending, error)
        trouble: StoreError | None = None
        try:
            self._record_uninterrupted(ending, error)
        except StoreError as failure:
            trouble = failure
        if view is not None:
            view.close(self.answer, self._bill(trouble))
        if trouble is not None:
            raise trouble

    def _record_uninterrupted(self, ending: Ending, error: str | None) -> None:
        # In a thread of its own: a second interrupt falls on this one and must not lose an answer that was paid for.
        recorded = background.submit(asyncio.to_thread(self._record, ending, error))
        while True:
            try:
                return recorded.result()
            except KeyboardInterrupt:
                continue

    def _record(self, ending: Ending, error: str | None) -> None:
        from or_magic.ledger.records import Progress

        self._ledger.finish_turn(self._turn_id, Progress.of(self.answer), ending, error)

    def _checkpoint(self) -> None:
        from or_magic.ledger.records import Progress

        self._ledger.checkpoint(self._turn_id, Progress.of(self.answer))

    def _bill(self, trouble: StoreError | None) -> Bill:
        hint = ""
        if self._question.model_is_default:
            hint = f"asked {self.answer.model_asked} (%openrouter model ID sets another)"
        if trouble is not None:
            return Bill(self._place.purse_name, spent_pico_usd=None, hint=str(trouble))
        footer = str(self._session.settings.option_value("footer"))
        spent = self._ledger.spent(self._place.purse, self._service)
        name = "sandbox" if is_rehearsal(self._service, self.answer) else self._place.purse_name
        return Bill(name, spent.pico_usd, spent.unknown, hint if spent.turns == 1 else "", footer)


def is_rehearsal(service: str, answer: Answer) -> bool:
    """Whether the answer came from the sandbox, whose money is not real: it says so, and is on this machine."""
    names = f"{answer.provider} {answer.model} {answer.model_asked}"
    return urlsplit(service).hostname in LOOPBACK and "sandbox" in names.lower()


def _stopped_line(answer: Answer) -> str:
    length = len(answer.text)
    if not length:
        return "Stopped before any text came. It may have been charged all the same."
    return f"Stopped after {length:,} characters, which are kept in _answer."
