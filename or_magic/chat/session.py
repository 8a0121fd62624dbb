"""Numbers the questions of one run of a cell, so that a cell that is run again replaces each of its own turns."""

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
from or_magic.chat.host import Host, ScriptHost, at, current_host, last_of_caller, note_last
from or_magic.chat.question import NO_TOOL_SETTINGS, ToolSettings
from or_magic.chat.run import FollowUp, needs_follow_up
from or_magic.content import Content
from or_magic.endpoint import origin_of
from or_magic.errors import CommandError, Stopped
from or_magic.money import amount
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat
from or_magic.settings.layers import Settings
from or_magic.types import TextPart, Usage

if TYPE_CHECKING:
    from or_magic.catalog.source import CatalogSource
    from or_magic.chat.budget import BudgetCheck
    from or_magic.chat.question import Question, TurnPosition
    from or_magic.chat.replay import Replayer
    from or_magic.chat.run import Ask
    from or_magic.client.client import Client
    from or_magic.ledger.records import Replay, SpentTotal, TurnId, WhichHistory
    from or_magic.ledger.store import Ledger
    from or_magic.ledger.threads import Threads

_MOST = 100  # runs that are remembered


class QuestionCounter:
    """Counts 0, 1, ... for each run of a cell; several may be under way at once."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, request: str | None, first: int) -> int:
        """The number of the next question of a run; `first` for the first one, and where nothing names the run."""
        if request is None:
            return first
        number = self._counts[request] = self._counts.pop(request, first - 1) + 1
        while len(self._counts) > _MOST:
            del self._counts[next(iter(self._counts))]
        return number


TITLE = "or_magic"


class Session:
    """Asks on behalf of one notebook (or one script), and keeps what was asked, answered and paid.

    Attributes:
        settings: what is configured for it.
        last: the newest answer, also when it was stopped or failed.
        last_question: what it answers; None where there is none yet.
        run: names this session, until its process ends, in the turns that it makes; told to nobody else.
        watchers: called, in any thread, when a question was written down and when its answer has ended.
    """

    def __init__(self, host: Host | None = None, settings: Settings | None = None) -> None:
        self._host: Host = host or ScriptHost()
        self.settings = settings or Settings()
        self.last: Answer | None = None
        self.approved: set[object] = set()  # the code of tools whose calls the user has allowed for good
        self._ledgers: dict[str | None, Ledger] = {}
        self._opening = threading.Lock()
        self._asks: list[Ask] = []  # those under way
        self.last_question: Question | None = None
        self.watchers: list[Callable[[], object]] = []
        self._models: CatalogSource | None = None
        self._replayer: Replayer | None = None
        self._has_settled = False  # whether the costs that other runs left open were asked for
        # The first is told to the service, which serves one session by one provider.
        self._id, self.run = uuid.uuid4().hex, uuid.uuid4().hex
        self._numbering = QuestionCounter()
        atexit.register(self.close)

    @property
    def host(self) -> Host:
        """The place questions are asked from: the session's own, or in a thread that is `at` another, that one."""
        return current_host(self, self._host)

    def at(self, host: Host) -> contextlib.AbstractContextManager[None]:
        """While it lasts, this thread (and what it starts for a question) is at another host: see `here.at`."""
        return at(self, host)

    @property
    def last_of_caller(self) -> Answer | None:
        """The newest answer that this thread asked for, whatever others have asked since."""
        return last_of_caller(self)

    @property
    def ledger(self) -> Ledger:
        """The store that the settings name, opened at first use.

        Raises:
            StoreError: it cannot be opened.
        """
        from or_magic.ledger.store import Ledger

        location = self.settings.store()
        with self._opening:
            if location not in self._ledgers:
                self._ledgers[location] = Ledger.open(location)
                self._ledgers[location].mark_interrupted()  # what a kernel that was killed has left
            return self._ledgers[location]

    @property
    def threads(self) -> Threads:
        """The threads of the store; this notebook's are named by ``host.where().notebook``.

        Raises:
            StoreError: the store cannot be opened.
        """
        from or_magic.ledger.threads import Threads

        return Threads(self.ledger)

    def spent(self) -> SpentTotal:
        """What this notebook has spent so far at the service that is set now."""
        return self.ledger.spent(self.host.where().budget_scope, self.service)

    @property
    def service(self) -> str:
        """The origin that is asked now, under which money is counted."""
        return origin_of(self.settings.base_url().value)

    @property
    def models(self) -> CatalogSource:
        """The catalog of the service that is set now."""
        from or_magic.catalog.source import CatalogSource

        if self._models is None:
            self._models = CatalogSource(lambda: self.client(needs_key=False), self.client, lambda: self.ledger)
        return self._models

    @property
    def replayer(self) -> Replayer:
        """Which questions are answered from the store."""
        from or_magic.chat.replay import Replayer

        if self._replayer is None:
            self._replayer = Replayer(self)
        return self._replayer

    def client(self, *, needs_key: bool = True) -> Client:
        """A client of the service that is set now, with its key and patience.

        Args:
            needs_key: False for what the service tells anybody; then the client has no key.

        Raises:
            CommandError: a setting cannot be used.
            MissingKeyError: there is no key for the address that is set.
        """
        from or_magic.client.client import Client, Endpoint

        key = self.settings.key().value if needs_key else ""
        endpoint = Endpoint(self.settings.base_url().value, key)
        return Client(endpoint, timeouts=self.settings.timeouts())

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
        tool_settings: ToolSettings = NO_TOOL_SETTINGS,
        replaces: TurnId | None = None,
        in_background: bool = False,
        show: bool = True,
        on_last: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Asks, waits for the end and returns the answer; whatever arrived is in the store and in `last`.

        Args:
            prompt: what is asked; a text is sent exactly as it is.
            model: a model id for this question; ``"account"`` sends none.
            parameters: those of this question, by name, as their kinds gave them (`parameter_table`).
            thread: the thread to go on, made where there is none; None for the notebook's current one.
            history: which of its turns go along (``"none"``: the thread stays as it is); None for what is set.
            system: the system prompt for this question, "" for none; None for what is set.
            max_cost: what this question may cost at most, in 1e-12 USD.
            over_budget: whether to ask whatever the budgets say.
            replay: when a kept answer is given again instead of asking; None for what is set.
            form: what the answer shall be. One that does not fit a schema is asked for once more.
            belt: the tools that the model may call, and how far it may go.
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
            StoreError: the store cannot be opened; nothing was sent.
            Stopped: the user interrupted.
        """
        question = self.question(prompt, model, parameters, thread, history, system, answer_format, tool_settings)
        position = question.position if replaces is None else replace(question.position, replaces=replaces)
        question = replace(question, position=position, max_cost=max_cost, is_over_budget=over_budget, replay=replay)
        answer = self.follow(question, in_background=in_background, show=show, on_last=on_last)
        return FollowUp(self, question, show=show).follow(answer) if answer.done else answer

    def question(
        self,
        prompt: str | Content,
        model: str | None,
        parameters: Mapping[str, Any] | None,
        thread: str | None,
        history: WhichHistory | None,
        system: str | None,
        answer_format: AnswerFormat = ANY_FORMAT,
        tool_settings: ToolSettings = NO_TOOL_SETTINGS,
        *,
        is_draft: bool = False,
    ) -> Question:
        """A question made ready, with the settings of this moment; `ask` explains the arguments.

        Args:
            is_draft: whether it will not be asked, so that what is told once is not told yet.

        Raises:
            CommandError: the prompt is empty, or a setting or a parameter cannot be used.
        """
        from or_magic.chat.question import prepare, warned

        content = Content.of_text(prompt) if isinstance(prompt, str) else prompt
        if not any(not isinstance(part, TextPart) or part.text.strip() for part in content.parts):
            raise CommandError("There is nothing to ask: the prompt is empty.")
        position = self._position(thread, history)
        system = self.system(position.thread) if system is None else system
        question = prepare(
            self.settings, self.models, content, model, parameters, system, position, answer_format, tool_settings
        )
        return question if is_draft else warned(question, self.models)

    def _end_late(self, question: Question, first: Ask, on_last: Callable[[Answer], object], *, show: bool) -> None:
        """What follows an answer in the background, in its thread."""
        last = first.answer
        try:
            last = FollowUp(self, question, show=show, first=first).follow_late()
        finally:
            first.answer.release(last)
            self._asks.remove(first)
            on_last(last)
            self.tell_watchers()

    def steps_after(self, first: Ask) -> list[Ask]:
        """What is under way that follows an answer in the background: a step with tools, or one that is to fit."""
        return [ask for ask in self._asks if ask.after is first]

    def next_position(self, position: TurnPosition) -> TurnPosition:
        """The place of a question that follows one of the same cell."""
        return self._position(position.thread, position.history)

    def record_unsent(self, question: Question, why: str) -> None:
        """Writes down what tools gave before their turn was stopped; the next question tells it.

        Raises:
            StoreError: it cannot be written.
        """
        from or_magic.ledger.records import Progress

        opened = self.ledger.open_turn(question.turn(self.host.where(), self.service, self.run))
        unpaid = Progress(usage=Usage(cost_pico_usd=0))
        self.ledger.finish_turn(opened.id, unpaid, "complete", why)

    def system(self, thread: str | None) -> str:
        """The system prompt that is set: of the thread, else for all notebooks; "" for none.

        Raises:
            StoreError: the store cannot be read.
        """
        known = self.threads.of(self.host.where().notebook) if thread is not None else []
        of_thread = next((each.system for each in known if each.name == thread), None)
        return str(self.settings.option_value("system")) if of_thread is None else of_thread

    def _position(self, thread: str | None, history: WhichHistory | None) -> TurnPosition:
        from or_magic.chat.question import TurnPosition
        from or_magic.ledger.threads import thread_name

        location = self.host.where()
        number = self._numbering.next(location.request, location.ask_number)
        which = history or cast("WhichHistory", self.settings.option_value("history"))
        if which == "none":
            if thread is not None:
                raise CommandError(
                    f"Without history it goes on no thread: leave out --thread {thread} or --no-history."
                )
            return TurnPosition(None, which, location.cell_id, number)
        name = thread_name(thread) if thread is not None else self.threads.current_name(location.notebook)
        return TurnPosition(name, which, location.cell_id, number)

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
        from or_magic.chat.run import question_for_rest

        return self.follow(question_for_rest(self, turn_id), in_background=in_background, show=show, on_last=on_last)

    def jobs(self) -> list[Ask]:
        """The questions that are under way in the background, the oldest first."""
        first = (ask for ask in self._asks if ask.is_in_background and ask.after is None)
        return [ask for ask in first if not ask.answer.done]

    def follow(
        self,
        question: Question,
        *,
        in_background: bool = False,
        after: Ask | None = None,
        show: bool,
        on_last: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Asks one question that is ready; what may follow its answer is `FollowUp`'s.

        Args:
            in_background, show, on_last: as for `ask`.
            after: the one in the background that it follows, if it follows one.
        """
        from or_magic.chat.run import Ask, settle_left

        try:
            ask = Ask(self, question, self.replayer.choose(question), show=show)
        except KeyboardInterrupt:
            raise Stopped("Stopped before anything was sent. Nothing was charged.") from None
        if ask.client is not None and not self._has_settled:
            self._has_settled = True
            settle_left(ask.client, self.ledger, self.service, self.run)
        self.last, self.last_question = ask.answer, question
        note_last(self, ask.answer)
        self._asks.append(ask)
        self.tell_watchers()
        if after is not None:
            ask.come_after(after)
        if in_background and ask.can_run_in_background:
            if needs_follow_up(question):
                ask.answer.hold()
            ask.follow_in_background(lambda: self._end_late(question, ask, on_last, show=show))
            return ask.answer
        try:
            ask.follow()
        finally:
            self._asks.remove(ask)
            self.tell_watchers()
        return ask.answer

    def tell_watchers(self) -> None:
        """Something has changed that others may show."""
        for watcher in tuple(self.watchers):
            watcher()

    def budgeting(self, max_cost: int | None = None) -> BudgetCheck:
        """The budgets that questions are under now.

        Raises:
            CommandError: the daily budget that is set is no amount.
        """
        from or_magic.chat.budget import BudgetCheck

        daily = str(self.settings.option_value("daily_budget"))
        limit = amount(daily, "daily_budget") if daily else None
        return BudgetCheck(self.ledger, self.models, limit, max_cost)

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


def current_session() -> Session:
    """The session that a call in Python belongs to."""
    context = loaded_context()
    if context is None:
        return _script_session()
    session: Session = context.session
    return session


def loaded_context() -> Any:
    """The desk of the notebook that has loaded the extension; None where none has."""
    if "or_magic.jupyter.extension" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    magics = shell.magics_manager.registry.get("OpenRouterMagics") if shell is not None else None
    return None if magics is None else magics.context


@functools.cache
def _script_session() -> Session:

    return Session()
