"""What one notebook asks with: its services composed, its questions made, what is under way of them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from or_magic.answer import Answer
from or_magic.chat.host import NOTHING_SENT, Host, ScriptHost, current_host, last_of_caller, note_last, use_host
from or_magic.content import Content
from or_magic.errors import CommandError, Stopped
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat
from or_magic.settings.layers import ResolvedSettings, Settings

if TYPE_CHECKING:  # each costs time to import, which `%load_ext` must not
    from or_magic.catalog.source import CatalogSource
    from or_magic.chat.budget import BudgetCheck
    from or_magic.chat.question import Question, ToolSettings, TurnPosition
    from or_magic.chat.replay import Replayer
    from or_magic.chat.run import Job, RunServices
    from or_magic.client.client import Client
    from or_magic.ledger.records import Replay, SpentTotal, TurnId, WhichHistory
    from or_magic.ledger.store import Ledger
    from or_magic.ledger.threads import Threads

TITLE = "or_magic"
_MOST_RUNS = 100  # of cells, whose questions are counted


class QuestionCounter:
    """Numbers the questions of each run of a cell, so that a cell that is run again replaces each of its own turns."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, request: str | None, first: int) -> int:
        """The number of the next question of a run; `first` for the first one, and where nothing names the run."""
        if request is None:
            return first
        number = self._counts[request] = self._counts.pop(request, first - 1) + 1
        while len(self._counts) > _MOST_RUNS:
            del self._counts[next(iter(self._counts))]
        return number


class Session:
    """Asks on behalf of one notebook (or one script), and keeps what was asked, answered and paid.

    Attributes:
        settings: what is configured for it.
        last: the newest answer, also when it was stopped or failed.
        last_question: what it answers; None where there is none yet.
        approved: the code of tools whose calls the user has allowed for good.
        run: names this session, until its process ends, in the turns that it makes; told to nobody else.
        watchers: called, in any thread, when a question was written down and when its answer has ended.
    """

    def __init__(self, host: Host | None = None, settings: Settings | None = None) -> None:
        self._host: Host = host or ScriptHost()
        self.settings = settings or Settings()
        self.last: Answer | None = None
        self.last_question: Question | None = None
        self.approved: set[object] = set()
        self.watchers: list[Callable[[], object]] = []
        self._ledgers: dict[str | None, Ledger] = {}
        self._threads: dict[Ledger, Threads] = {}
        self._opening = threading.Lock()
        self._jobs: list[Job] = []  # those under way
        self._models: dict[str, CatalogSource] = {}  # by service
        self._settings_of: dict[str, ResolvedSettings] = {}  # the newest, by service
        self._replayer: Replayer | None = None
        self._has_settled = False  # whether the costs that other runs left open were asked for
        # The first is told to the service, which serves one session by one provider.
        self._id, self.run = uuid.uuid4().hex, uuid.uuid4().hex
        self._counter = QuestionCounter()
        atexit.register(self.close)

    @property
    def host(self) -> Host:
        """The place questions are asked from: the session's own, or the one that this thread uses: see `use_host`."""
        return current_host(self, self._host)

    def use_host(self, host: Host) -> contextlib.AbstractContextManager[None]:
        """While it lasts, this thread (and what it starts for a question) asks from another place."""
        return use_host(self, host)

    @property
    def last_of_caller(self) -> Answer | None:
        """The newest answer that this thread asked for, whatever others have asked since."""
        return last_of_caller(self)

    @property
    def ledger(self) -> Ledger:
        """The ledger that the settings name, opened at first use.

        Raises:
            StoreError: it cannot be opened.
        """
        return self._ledger_at(self.settings.store())

    def _ledger_at(self, location: str | None) -> Ledger:
        with self._opening:
            if location not in self._ledgers:
                from or_magic.ledger.store import Ledger

                self._ledgers[location] = Ledger.open(location)
                self._ledgers[location].mark_interrupted()  # what a kernel that was killed has left
            return self._ledgers[location]

    @property
    def threads(self) -> Threads:
        """The threads of the ledger; this notebook's are named by ``host.where().notebook``.

        Raises:
            StoreError: the ledger cannot be opened.
        """
        return self._threads_of(self.ledger)

    def _threads_of(self, ledger: Ledger) -> Threads:
        if ledger not in self._threads:
            from or_magic.ledger.threads import Threads

            self._threads[ledger] = Threads(ledger)
        return self._threads[ledger]

    def spent(self) -> SpentTotal:
        """What this notebook has spent so far at the service that is set now."""
        return self.ledger.spent(self.host.where().budget_scope, self.service)

    @property
    def service(self) -> str:
        """The origin that is asked now, under which money is counted."""
        return self.settings.resolve().service

    @property
    def models(self) -> CatalogSource:
        """The catalog of the service that is set now."""
        return self.models_of(self.settings.resolve())

    def models_of(self, settings: ResolvedSettings) -> CatalogSource:
        """The catalog of the service that these settings name."""
        service = settings.service
        self._settings_of[service] = settings
        if service not in self._models:
            from or_magic.catalog.source import CatalogSource
            from or_magic.chat.payment import client_of

            self._models[service] = CatalogSource(
                service,
                lambda: client_of(self._settings_of[service], needs_key=False),
                lambda: client_of(self._settings_of[service]),
                lambda: self.ledger,
            )
        return self._models[service]

    @property
    def replayer(self) -> Replayer:
        """Which questions are answered from the ledger."""
        if self._replayer is None:
            from or_magic.chat.replay import Replayer

            self._replayer = Replayer(lambda: self.ledger, self.run)
        return self._replayer

    def client(self, *, needs_key: bool = True) -> Client:
        """A client of the service that is set now, with its key and timeouts.

        Args:
            needs_key: False for what the service tells anybody; then the client has no key.

        Raises:
            CommandError: a setting cannot be used.
            MissingKeyError: there is no key for the address that is set.
        """
        from or_magic.chat.payment import client_of

        return client_of(self.settings.resolve(), needs_key=needs_key)

    def budget_check(self, max_cost: int | None = None) -> BudgetCheck:
        """The budgets that questions are under now.

        Raises:
            CommandError: the daily budget that is set is no amount.
        """
        from or_magic.chat.payment import budget_check

        return budget_check(self, self.settings.resolve(), max_cost)

    def ask(
        self,
        prompt: str | Content,
        *,
        model: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        thread: str | None = None,
        history: WhichHistory | None = None,
        system: str | None = None,
        max_cost: int | None = None,
        over_budget: bool = False,
        replay: Replay | None = None,
        answer_format: AnswerFormat = ANY_FORMAT,
        tool_settings: ToolSettings | None = None,
        replaces: TurnId | None = None,
        in_background: bool = False,
        show: bool = True,
        on_last: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Asks, waits for the end and returns the answer; whatever arrived is in the ledger and in `last`.

        Args:
            prompt: what is asked; a text is sent exactly as it is.
            model: a model id for this question; ``"account"`` sends none.
            parameters: those of this question, by name, as their value types gave them (`settings.parameters`).
            thread: the thread to go on, made where there is none; None for the notebook's current one.
            history: which of its turns are sent along (``"none"``: the thread stays as it is); None for what is set.
            system: the system prompt for this question, "" for none; None for what is set.
            max_cost: what this question may cost at most, in 1e-12 USD.
            over_budget: whether to ask whatever the budgets say.
            replay: when a kept answer is given again instead of asking; None for what is set.
            answer_format: what the answer shall be. One that does not fit a schema is asked for once more.
            tool_settings: the tools that the model may call, and how far it may go; None for none.
            replaces: the turn whose place it takes; None for that of its cell.
            in_background: whether to return at once, with an answer that is not `done` yet. Where nobody watches the
                run (a headless one) it is waited for all the same: the answer would be lost with the process.
            show: whether the host shows the answer as it arrives.
            on_last: called with the last answer when it has ended in the background, however.

        Raises:
            CommandError: the prompt is empty, or a setting or a parameter cannot be used.
            MissingKeyError: there is no key for the address that is set.
            BudgetError: it may cost more than a budget has left; nothing was sent.
            ContextLengthError: with the conversation so far it is too long for the model; nothing was sent.
            SchemaError: the answer does not fit the schema, nor does the second one.
            ServiceError: the service refused or failed.
            StoreError: the ledger cannot be opened; nothing was sent.
            Stopped: the user interrupted.
        """
        try:
            question = self.question(prompt, model, parameters, thread, history, system, answer_format, tool_settings)
        except KeyboardInterrupt:
            raise Stopped(NOTHING_SENT) from None
        position = question.position if replaces is None else replace(question.position, replaces=replaces)
        question = replace(question, position=position, max_cost=max_cost, is_over_budget=over_budget, replay=replay)
        return self._run(question, in_background=in_background, show=show, on_last=on_last)

    def question(
        self,
        prompt: str | Content,
        model: str | None,
        parameters: Mapping[str, Any] | None,
        thread: str | None,
        history: WhichHistory | None,
        system: str | None,
        answer_format: AnswerFormat = ANY_FORMAT,
        tool_settings: ToolSettings | None = None,
        *,
        is_draft: bool = False,
    ) -> Question:
        """A question, composed with the settings of this moment; `ask` explains the arguments.

        Args:
            is_draft: whether it will not be asked, so that what is told once is not told yet.

        Raises:
            CommandError: the prompt is empty, or a setting or a parameter cannot be used.
        """
        from or_magic.chat.question import NO_TOOL_SETTINGS, make, with_warning

        settings, location = self.settings.resolve(model, parameters), self.host.where()
        which = history or cast("WhichHistory", settings.options["history"])
        models, number = self.models_of(settings), self._counter.next(location.request, location.ask_number)
        name, of_thread = self._thread(settings, location.notebook, thread, which)
        if system is None:
            system = str(settings.options["system"]) if of_thread is None else of_thread
        question = make(
            Content.of_text(prompt) if isinstance(prompt, str) else prompt,
            settings,
            models,
            system=system,
            position=_position(name, which, location.cell_id, number),
            location=location,
            is_watched=self.host.is_watched(),
            answer_format=answer_format,
            tool_settings=tool_settings or NO_TOOL_SETTINGS,
        )
        question = self._attributed(question)
        return question if is_draft else with_warning(question, models)

    def dry_run(self, prompt: str | Content, **arguments: Any) -> str:
        """What would be sent, how long it is and what it would cost, for people. Nothing is sent.

        Args:
            arguments: those of `question`, by name.

        Raises:
            CommandError: it could not be asked as it is.
            StoreError: the ledger cannot be read.
        """
        from or_magic.chat.estimates import dry_run

        given: dict[str, Any] = dict.fromkeys(("model", "parameters", "thread", "history", "system")) | arguments
        return dry_run(self, self.question(prompt, **given))

    def go_on(
        self,
        turn_id: TurnId | None = None,
        *,
        in_background: bool = False,
        show: bool = True,
        on_last: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Asks the last model for the rest of its answer, which was stopped, broke off, or met its length limit.

        The new answer holds the old one's text and what follows, and takes its place in the conversation.

        Args:
            turn_id: whose answer; None for the last one. The others are as for `ask`.

        Raises:
            CommandError: there is no such answer. Others as for `ask`.
        """
        question = self.question_for_rest(turn_id)
        return self._run(question, in_background=in_background, show=show, on_last=on_last, has_steps=in_background)

    def question_for_rest(self, turn_id: TurnId | None = None) -> Question:
        """The question of an answer again, with the beginning that is there.

        Args:
            turn_id: the answer's turn; None for the last answer of the session, else of the notebook, which an earlier
                kernel may have left unfinished.

        Raises:
            CommandError: there is no such answer, or it is whole.
        """
        from or_magic.chat.question import question_of_turn, rest_of

        settings, location = self.settings.resolve(), self.host.where()
        if turn_id is not None:
            turn = self.ledger.turn(turn_id)
            thread = self.threads.current_name(location.notebook) if turn.thread is not None else None
            return self._attributed(question_of_turn(turn, settings, location, thread, replaces=turn_id))
        answer, question = self.last, self.last_question
        if answer is None or question is None:
            last = self.ledger.last_turn(location.notebook)
            if last is None or last.state == "complete":
                raise CommandError("There is no answer to go on with.")
            return self._attributed(question_of_turn(last, settings, location, last.thread))
        if not answer.done:
            raise CommandError("The last answer still arrives: %openrouter stop ends it, %openrouter jobs lists it.")
        if answer.ending == "complete" and answer.finish_reason != "length":
            raise CommandError("The last answer is whole: there is nothing to go on with. Ask a new question.")
        question = replace(question, settings=settings, location=location, is_watched=self.host.is_watched())
        return rest_of(question, answer.text)

    def paid_document(
        self, path: str, body: Mapping[str, Any], *, kind: str, prompt: str, max_cost: int | None = None
    ) -> dict[str, Any]:
        """What a request that costs something, and is no question of a chat, is answered with in one piece.

        Args:
            path: below the base URL, such as ``/embeddings``.
            body: what is sent; ``body["model"]`` names who is asked.
            kind: of the turn in the ledger, such as ``"embeddings"``. It is no part of a conversation.
            prompt: what the turn says was asked.
            max_cost: what it may cost at most, in 1e-12 USD.

        Raises:
            BudgetError: it may cost more than a budget has left, or nobody knows how much; nothing was sent.
            CommandError: it is no JSON, asks for a stream, or is larger than the service takes; nothing was sent.
            MissingKeyError: there is no key for the address that is set.
            ServiceError: the service refused or failed.
            StoreError: the ledger cannot be opened; nothing was sent.
            Stopped: the user interrupted.
        """
        from or_magic.chat.question import Document, Question
        from or_magic.chat.run import Job, paid_document
        from or_magic.client.requests import encode_body
        from or_magic.settings.request_fields import Composed
        from or_magic.types import Message

        encode_body(body)
        model = body.get("model")
        if not isinstance(model, str | None) or body.get("stream"):
            raise CommandError("A request that is answered in one piece names one model, and has no stream.")
        settings, location = self.settings.resolve(), self.host.where()
        number = self._counter.next(location.request, location.ask_number)
        question = Question(
            prompt=Message.of_text("user", prompt),
            model_is_default=False,
            composed=Composed(model, {}, {}),
            notes=(),
            system=None,
            position=_position(None, "none", location.cell_id, number),
            location=location,
            settings=settings,
            max_cost=max_cost,
            kind=kind,
            document=Document(path, body),
        )
        job = Job()
        self._jobs.append(job)
        try:
            return paid_document(self._attributed(question), self._services(settings), job)
        except KeyboardInterrupt:
            job.stop()  # wherever it fell: what is under way would go on, and be billed
            raise
        finally:
            self._jobs.remove(job)
            self.tell_watchers()

    def jobs(self) -> list[Job]:
        """The questions that are under way in the background, the oldest first."""
        return [job for job in self._jobs if job.is_in_background and job.has_begun and not job.answer.done]

    def system(self, thread: str | None) -> str:
        """The system prompt that is set: of the thread, else for all notebooks; "" for none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        _, of_thread = self.threads.current(self.host.where().notebook, thread) if thread is not None else ("", None)
        return str(self.settings.option_value("system")) if of_thread is None else of_thread

    def next_position(self, position: TurnPosition) -> TurnPosition:
        """Where a question stands that follows one of the same cell."""
        location = self.host.where()
        number = self._counter.next(location.request, location.ask_number)
        return _position(position.thread, position.history, location.cell_id, number)

    def note_opened(self, answer: Answer, question: Question) -> None:
        """A turn is in the ledger now: its answer is the last one."""
        self.last, self.last_question = answer, question
        note_last(self, answer)
        if not self._has_settled and answer.replayed_utc is None:
            self._has_settled = True
            self._settle_left(question)
        self.tell_watchers()

    def tell_watchers(self) -> None:
        """Something has changed that others may show."""
        for watcher in tuple(self.watchers):
            watcher()

    def close(self) -> None:
        """Finishes in the ledger what is still under way (the process ends), and closes it."""
        for job in list(self._jobs):
            job.abandon()
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers.clear()
        self._threads.clear()
        atexit.unregister(self.close)

    def _run(
        self,
        question: Question,
        *,
        in_background: bool,
        show: bool,
        on_last: Callable[[Answer], object],
        has_steps: bool = True,
    ) -> Answer:
        from or_magic.chat.run import Job, Run

        job, host, services = Job(), self.host, self._services(question.settings)
        job.is_in_background = in_background and (host if show else ScriptHost()).is_watched()
        run = Run(question, services, host, job, show=show)
        self._jobs.append(job)
        try:
            first = run.begin()
            if not job.is_in_background:
                return run.follow() if has_steps else run.follow_one()
        except BaseException as error:
            job.is_in_background = False
            if isinstance(error, KeyboardInterrupt):
                job.stop()  # wherever it fell: what is under way would go on, and be billed
            raise
        finally:
            if not job.is_in_background:
                self._jobs.remove(job)
                self.tell_watchers()

        def end(last: Answer) -> None:
            first.release(last)
            self._jobs.remove(job)
            on_last(last)
            self.tell_watchers()

        run.follow_in_background(end)
        return first

    def _services(self, settings: ResolvedSettings) -> RunServices:
        from or_magic.chat.run import RunServices

        return RunServices(
            self._ledger_at(settings.store),
            self.models_of(settings),
            self.run,
            self.replayer,
            self.approved,
            self.next_position,
            self.note_opened,
            self.tell_watchers,
        )

    def _thread(
        self, settings: ResolvedSettings, notebook: str, thread: str | None, which: WhichHistory
    ) -> tuple[str | None, str | None]:
        """The thread that a question goes on, and the thread's system prompt; None for none."""
        if which != "none":
            threads = self._threads_of(self._ledger_at(settings.store))
            return threads.current(notebook, None if thread is None else _checked_name(thread))
        if thread is not None:
            raise CommandError(f"Without history it goes on no thread: leave out --thread {thread} or --no-history.")
        return None, None

    def _attributed(self, question: Question) -> Question:
        """The question with what tells the service who asks: the program's name, a random id; nothing if unwanted."""
        if not question.settings.options["attribution"]:
            return question
        headers = {"X-OpenRouter-Title": TITLE, "x-session-id": self._id, **question.composed.headers}
        return replace(question, composed=replace(question.composed, headers=headers))

    def _settle_left(self, question: Question) -> None:
        from or_magic.chat.payment import client_of, settle_left

        settle_left(client_of(question.settings), self.ledger, question.settings.service, self.run)


def _checked_name(thread: str) -> str:
    from or_magic.ledger.threads import thread_name

    return thread_name(thread)


def _position(thread: str | None, history: WhichHistory, cell_id: str | None, number: int) -> TurnPosition:
    from or_magic.chat.question import TurnPosition

    return TurnPosition(thread, history, cell_id, number)


def current_session() -> Session:
    """The session that a call in Python belongs to."""
    context = loaded_context()
    if context is None:
        return _script_session()
    session: Session = context.session
    return session


def loaded_context() -> Any:
    """The context of the notebook that has loaded the extension; None where none has."""
    if "or_magic.jupyter.extension" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    magics = shell.magics_manager.registry.get("OpenRouterMagics") if shell is not None else None
    return None if magics is None else magics.context


@functools.cache
def _script_session() -> Session:
    return Session()
