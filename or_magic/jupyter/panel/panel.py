"""The widget panel: choose a model, talk with it, watch the money, without a magic; and what its buttons do.

Callbacks of widgets run in the main thread or in a subshell's; which of them cannot be known before (ipykernel 7.4). So
no callback does anything but hand over: to `worker.Worker`, one thread that looks and draws, or to a thread of its own
that asks.

What is said is to be seen: a line that tells what has been done comes after it was drawn, so that whoever acts on the
line finds the panel as it says.
"""

from __future__ import annotations

import contextlib
import functools
import keyword
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Dropdown, HBox, VBox

from or_magic.answer import Answer
from or_magic.chat.estimates import cost_line, estimate_cost
from or_magic.chat.host import Location
from or_magic.chat.question import NO_TOOL_SETTINGS, ToolSettings
from or_magic.chat.replay import answer_of
from or_magic.chat.session import loaded_context
from or_magic.commands.arguments import CellLine
from or_magic.content import Content
from or_magic.errors import CommandError, OrMagicError
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.kernel import running_loop
from or_magic.jupyter.panel import meter, settings_form
from or_magic.jupyter.panel.items import SHOWN, ArrivingItem, ConversationView, PanelSnapshot
from or_magic.jupyter.panel.picker import ModelPicker
from or_magic.jupyter.panel.promptbox import Attachment, PromptBox
from or_magic.jupyter.panel.questions import (
    PanelHost,
    PanelQuestion,
    PanelRequest,
    attachments_of,
    content_of_draft,
    line_of,
    names_for,
)
from or_magic.jupyter.panel.turn_html import AskedQuestion, button
from or_magic.jupyter.panel.worker import PanelPage, Worker, free, within
from or_magic.ledger.records import MAIN, Thread, Turn, TurnId
from or_magic.ledger.store import Budgets
from or_magic.ledger.threads import Branches, BranchPoint
from or_magic.money import amount, format_usd
from or_magic.text import sendable
from or_magic.types import Message

if TYPE_CHECKING:
    from or_magic.jupyter.notebook_context import JupyterContext

_BUSY = "An answer is on its way: wait for it, or stop it."
_WHILE_BUSY = frozenset({"copy", "bind", "earlier", "approve"})  # what can be done meanwhile


class Panel(VBox):  # type: ignore[misc]  # ipywidgets is not typed
    """Choose a model, talk with it, watch the money.

    Args:
        context: the notebook's; None for the one that has loaded the extension.

    Attributes:
        context, session: the notebook's.
        picker, conversation, box, meter, form, page: its parts.
        worker: the thread that looks and draws.
        branch_points: the questions of the thread that is shown.
        editing: the turn whose question stands in the box, and whose place the next one takes; None for none.
        attempt: a turn that did not end well, and is shown all the same; None for none.

    Raises:
        CommandError: the extension is not loaded.
    """

    def __init__(self, context: JupyterContext | None = None) -> None:
        found = context or loaded_context()
        if found is None:
            raise CommandError("The panel needs the extension: run %load_ext or_magic first.")
        self.context: JupyterContext = found
        self.session = self.context.session
        self._loop = running_loop()
        self._is_display = self.context.host.location.front_end() != "headless"
        self._idle_host = self._host()  # for what is looked up while nothing is asked
        self._question: PanelQuestion | None = None
        self._begin_lock = threading.Lock()
        self._turns: dict[TurnId, Turn] = {}
        self.branch_points: list[BranchPoint] = []
        self.editing: Turn | None = None
        self.attempt: TurnId | None = None
        self._chosen_thread = ""  # the user's choice, until it is carried out
        self._drawing_thread = 0  # of Python: the one that draws the list of threads just now
        self.worker = Worker(self.fail)
        super().__init__()
        self._make_parts()
        self._place_parts()
        self._unfollow = [_after_each_cell(self), _at_each_answer(self)]
        self.worker.do(self.session.settings.key)  # where there is none, it is said before something is written
        self.refresh()

    def _make_parts(self) -> None:
        self.picker = ModelPicker(self.session, is_alone=False)
        self._thread = Dropdown(description="Thread")
        self._tools = HTML(head_html())
        self.conversation = ConversationView()
        self.box = PromptBox(
            on_send=self._ask,
            on_stop=self._stop,
            on_draft=lambda text: self.worker.do(functools.partial(self._estimate, text), newest="estimate"),
            on_names=lambda request, prefix: self.worker.do(
                functools.partial(self._name, request, prefix), newest="name"
            ),
            on_cancel=self._cancel,
        )
        self.meter = meter.Meter(self.session, self.where, self.worker)
        self.form = settings_form.SettingsForm(self.session, self._names, self.where, self.worker)
        self.page = PanelPage(self._pressed)
        self._snapshot = PanelSnapshot()

    def _place_parts(self) -> None:
        styles = (stylesheet(), settings_form.CSS, meter.CSS, ".orm-left{display:none}")
        head = HBox([self.picker, HBox([self._thread, self._tools])])
        foot = HBox([self.meter, HTML(money_html())])
        self.children = (
            HTML(f"<style>{''.join(styles)}</style>"),
            *(head, self.form, self.conversation, self.box, foot, self.page),
        )
        foot.add_class("orm-foot")
        self.children[0].add_class("orm-style")
        head.add_class("orm-head")
        head.children[1].add_class("orm-threads")
        self.add_class("orm-panel")
        self._thread.observe(lambda change: self._switch(change["new"]), "value")
        self.picker.observe(lambda _: self._model_changed(), "value")

    def _ipython_display_(self, **_: Any) -> None:
        """Shows it, and beside it the conversation as a saved notebook keeps it."""
        if not self._is_display:  # what comes after the cell, a run that nobody watches may lose
            with contextlib.suppress(OrMagicError):
                self._look()
                self._renew_snapshot()
        self._snapshot.show(self)
        self.worker.do(self._renew_snapshot)

    def close(self) -> None:
        """Takes it out of the page. An answer that is on its way arrives all the same, and is kept."""
        for unfollow in self._unfollow:
            unfollow()
        self.worker.close()
        self._snapshot.open()
        for widget in (self.picker, *within(*self.children)):
            widget.close()
        super().close()

    def where(self) -> Location:
        """The notebook that it belongs to."""
        return self._idle_host.where()

    @property
    def notebook(self) -> str:
        """How the notebook is named in the store."""
        return self.where().notebook

    @property
    def is_busy(self) -> bool:
        """Whether an answer to a question of this panel is on its way."""
        return self._question is not None

    def say(self, line: str, kind: str = "hint") -> None:
        """Shows a line of text under the box."""
        self.box.notice_kind, self.box.notice = kind if line else "", line

    def fail(self, error: BaseException) -> None:
        """Shows what went wrong."""
        self.say(line_of(error), "error")

    def refresh(self) -> None:
        """Takes over what has changed, soon, in its own thread; from any thread."""
        self.worker.do(self._look, newest="look")
        self.worker.do(self._renew_snapshot, newest="snapshot")
        self.picker.refresh()
        self.form.refresh()
        self.meter.refresh()

    def begin(
        self, request: PanelRequest, prompt: Message, give_back: Callable[[BaseException], object] | None = None
    ) -> None:
        """Asks.

        Args:
            request: what is asked.
            prompt: the question as far as it is known by now, to be shown.
            give_back: called with the reason where nothing was sent; None where it is enough to say it.
        """
        failed = give_back or self.fail
        with self._begin_lock:
            if self._question is not None:
                failed(CommandError(_BUSY))
                return
            item = ArrivingItem(prompt, lambda: self.worker.do(self._look, newest="look"))
            question = PanelQuestion(self.session, item, self._host, functools.partial(self._ended, item), failed)
            self._question, self.box.is_busy = question, True
        self.attempt = None
        self.say("")
        question.begin(request)
        self.page.go_to_end()
        self.worker.do(self._look, newest="look")

    def tool_settings(self) -> ToolSettings:
        """The tools that are chosen."""
        if not self.form.tool_names:
            return NO_TOOL_SETTINGS
        chosen = {"tools": [",".join(self.form.tool_names)], "yes": self.form.is_told_yes}
        return self.context.prompt_builder.tool_settings(CellLine(values=chosen))

    def _ask(self, text: str, attachments: tuple[Attachment, ...]) -> None:
        content = functools.partial(self._content, text, attachments)
        request = PanelRequest(content, self.form.answer_format, self.tool_settings, again=self.editing)
        give_back = functools.partial(self._give_back, text, attachments, self.editing, self.box.editing)
        self._cancel()
        self.box.recall = [*self.box.recall, text]
        self.begin(request, Message.of_text("user", text), give_back)

    def _content(self, text: str, attachments: Iterable[Attachment]) -> Any:
        return content_of_draft(text, attachments, self._names())

    def _stop(self) -> None:
        if (question := self._question) is not None:
            question.stop()

    def _cancel(self) -> None:
        self.editing, self.box.editing = None, ""

    def _ended(self, item: ArrivingItem, last: Answer | None) -> None:
        """The answer has ended, in whichever thread."""
        self.conversation.keep(item)
        item.settle()
        if last is not None:
            self.context.shell.user_ns["_answer"] = last
            if last.ending == "complete" and last.error:  # its tools, or its schema: the item does not tell it
                self.say(last.error, "error")
        with self._begin_lock:  # together: else the next question's Stop could become Send again
            self._question, self.box.is_busy = None, False
        if item.turn_id is None:
            item.close_all()
        self.worker.do(functools.partial(self._settle, last))
        self.meter.refresh(last)
        self.worker.do(self._renew_snapshot, newest="snapshot")

    def _settle(self, last: Answer | None) -> None:
        """Looks, and says how it ended where that cannot be seen: an earlier answer has its place back."""
        self._look()
        is_seen = last is None or any(last.turn_id in point.steps for point in self.branch_points)
        if last is not None and last.ending != "complete" and not is_seen:
            self.say(f"{last.error} The answer that was there stands.", "hint" if last.ending == "stopped" else "error")

    def _give_back(
        self, text: str, attachments: tuple[Attachment, ...], editing: Turn | None, banner: str, error: BaseException
    ) -> None:
        """Nothing was sent: what was written comes back, where nothing else was written since."""
        if not self.box.draft.strip():
            self.editing = editing
            self.box.put(text, attachments, is_live=True)
            self.box.editing = banner
        self.fail(error)

    def _look(self) -> None:
        """What is there now, drawn where it differs."""
        with self.session.use_host(self._idle_host):
            self.branch_points = Branches(self.session.ledger).branch_points(self.notebook, None, self.attempt)
            asked = self.questions(self.branch_points[-self.conversation.shown :])
            threads = self.session.threads.of(self.notebook)
        question = self._question
        self.conversation.show(asked, len(self.branch_points), question.item if question is not None else None)
        self._show_threads(threads)
        if not self.box.recall:
            self.box.recall = [each.turns[0].prompt.text for each in asked if len(each.turns[0].prompt.text) < 5_000]
        free(self)

    def questions(self, points: list[BranchPoint]) -> list[AskedQuestion]:
        """The turns of some questions; those whose cost is known are read once."""
        ids = [id for point in points for id in point.steps]
        missing = [id for id in ids if id not in self._turns or self._turns[id].cost_source is None]
        self._turns |= {turn.id: turn for turn in self.session.ledger.turns_of(missing)}
        self._turns = {id: self._turns[id] for id in ids if id in self._turns}
        found = [
            (tuple(self._turns[id] for id in point.steps if id in self._turns), point.branches) for point in points
        ]
        return [AskedQuestion(turns, branches) for turns, branches in found if turns]

    def _show_threads(self, threads: list[Thread]) -> None:
        names = tuple(sendable(thread.name) for thread in threads) or (MAIN,)
        current = next((sendable(thread.name) for thread in threads if thread.is_current), names[0])
        current = self._chosen_thread if self._chosen_thread in names else current
        if (names, current) == (self._thread.options, self._thread.value):
            return
        self._drawing_thread = threading.get_ident()
        with self._thread.hold_sync():
            self._thread.options, self._thread.value = names, current
        self._drawing_thread = 0

    def _switch(self, name: str | None) -> None:
        """A thread was chosen; not where it is drawn here, which tells observers as well."""
        if name is None or self._drawing_thread == threading.get_ident():
            return
        self._chosen_thread = name  # until the switch is made, a look that was due before must not take it back

        def switch() -> None:
            try:
                self.session.threads.switch(self.notebook, name)
                self.attempt = None
            finally:
                self._chosen_thread = ""
                self.session.tell_watchers()

        self.worker.do(switch)

    def _model_changed(self) -> None:
        self.session.tell_watchers()
        self.worker.do(lambda: self._estimate(self.box.draft), newest="estimate")

    def _estimate(self, text: str) -> None:
        """What sending the box would cost; nothing is said of what cannot be sent yet."""
        line = ""
        if text.strip():
            with contextlib.suppress(OrMagicError), self.session.use_host(self._idle_host):
                content = content_of_draft(text, (), self._names())
                format = self.form.answer_format()
                question = self.session.question(content, None, None, None, None, None, format, is_draft=True)
                line = cost_line(estimate_cost(self.session, question, is_offline=True, location=self.where()))
                line += ", besides what is attached" if self.box.attachments else ""
        self.box.estimate = line

    def _name(self, request: int, prefix: str) -> None:
        self.box.offer(request, names_for(prefix, self._names(), self.context.shell.user_ns_hidden))

    def _names(self) -> dict[str, Any]:
        return self.context.prompt_builder.names

    def _pressed(self, facts: Mapping[str, str]) -> None:
        """A button was pressed, in whichever thread."""
        name = facts.get("do", "")
        if name == "approve":
            if (question := self._question) is not None:
                question.item.allow(facts.get("token", ""), facts.get("answer", ""))
        elif name in ACTIONS:
            self.worker.do(lambda: self._act(name, facts))

    def _act(self, name: str, facts: Mapping[str, str]) -> None:
        if self.is_busy and name not in _WHILE_BUSY:
            return self.say(_BUSY)
        turn = facts.get("turn", "")
        if "turn" in facts and not turn.isdecimal():
            raise CommandError(f"{turn!r} is no turn.")
        self.say("")
        with self.session.use_host(self._idle_host):
            line = ACTIONS[name](self, int(turn or 0), facts.get("name", ""))
        if line:
            self._look()
            self.say(line)
        return None

    def _host(self, **traits: Any) -> PanelHost:
        return PanelHost(self.context.host, self._loop, is_display=self._is_display, **traits)

    def _renew_snapshot(self) -> None:
        """Renews what a saved notebook shows: the questions that have ended; one that is open comes in at its end."""
        with self.session.use_host(self._idle_host):
            shown = self.questions(self.branch_points[-self.conversation.shown :])
            ended = [each for each in shown if each.last.state != "open"]
            self._snapshot.renew(ended, self.session.threads.current_name(self.notebook))


def _after_each_cell(panel: Panel) -> Callable[[], object]:
    """Lets the panel look after each cell; gives what ends that."""
    events, look = panel.context.shell.events, _weakly(panel)
    events.register("post_run_cell", look)

    def end() -> None:
        with contextlib.suppress(ValueError):
            events.unregister("post_run_cell", look)

    return end


def _at_each_answer(panel: Panel) -> Callable[[], object]:
    """Lets the panel look when an answer begins or has ended, in a cell or elsewhere; gives what ends that."""
    watchers, look = panel.session.watchers, _weakly(panel)
    watchers.append(look)

    def end() -> None:
        with contextlib.suppress(ValueError):
            watchers.remove(look)

    return end


def _weakly(panel: Panel) -> Callable[..., None]:
    """Refreshes the panel as long as there is one."""
    reference = weakref.ref(panel)

    def look(*_: object) -> None:
        if (alive := reference()) is not None:
            alive.refresh()

    return look


# Each is called in the panel's own thread, with the turn and the name that the button was given. It returns the line
# that is said once the panel shows what was done; None for none.


def again(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks a question again, as another branch, with the model and settings of now."""
    turn = panel.session.ledger.turn(turn_id)
    request = PanelRequest(
        lambda: Content(turn.prompt.parts), panel.form.answer_format, panel.tool_settings, again=turn
    )
    panel.begin(request, turn.prompt)


def edit(panel: Panel, turn_id: TurnId, name: str) -> str | None:
    """Puts a question into the box; what is sent then is another branch of it."""
    turn = panel.session.ledger.turn(turn_id)
    attachments, left_out = attachments_of(turn.prompt)
    number = next((n for n, point in enumerate(panel.branch_points, 1) if turn_id in point.steps), None)
    panel.editing = turn
    panel.box.put(turn.prompt.text, attachments)  # before it is said that it is there
    panel.box.editing = f"Editing question {number or ''}: sending makes another branch".replace(" :", ":")
    return f"What lies at an address ({left_out}) does not come along." if left_out else None


def go_on(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks for the rest of an answer."""
    panel.begin(PanelRequest(rest_of=turn_id), panel.session.ledger.turn(turn_id).prompt)


def copy(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Puts the text of an answer into the clipboard."""
    turn = panel.session.ledger.turn(turn_id)
    panel.page.copy(turn.answer.text if turn.answer is not None else "")


def fork(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Makes a thread that goes on from a turn."""
    threads, turn = panel.session.threads, panel.session.ledger.turn(turn_id)
    current = next((each for each in threads.of(panel.notebook) if each.is_current), None)
    tip = turn_id if turn.state == "complete" else turn.previous
    base = current.name if current is not None else MAIN
    made = threads.begin(panel.notebook, f"{base}-fork", tip, current.system if current is not None else None)
    panel.session.tell_watchers()
    return f"Thread {made.name} goes on from here, in the panel and in cells."


def undo(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Takes a question, and what follows it, out of the conversation."""
    first = next((n for n, point in enumerate(panel.branch_points) if turn_id in point.steps), None)
    if first is None:
        raise CommandError("This question is not part of the conversation any more.")
    complete = [point for point in panel.branch_points[first:] if _is_on_path(panel, point.steps[-1])]
    panel.session.threads.undo(panel.notebook, len(complete))
    panel.session.tell_watchers()
    return f"Taken out: {len(complete)} question{'s' if len(complete) > 1 else ''}. Redo brings back one at a time."


def _is_on_path(panel: Panel, turn_id: TurnId) -> bool:
    return panel.session.ledger.turn(turn_id).state in ("complete", "open")


def redo(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Brings back a question that was taken out."""
    panel.session.threads.redo(panel.notebook)
    panel.attempt = None
    panel.session.tell_watchers()


def branch(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Goes to another version of a question, and what followed it."""
    panel.attempt = Branches(panel.session.ledger).go_to(panel.notebook, turn_id)
    panel.session.tell_watchers()


def bind(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Makes an answer a variable of the user's."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise CommandError(f"{name!r} is no name for a variable: letters, digits and _, not beginning with a digit.")
    panel.context.shell.user_ns[name] = answer_of(panel.session.ledger.turn(turn_id))
    return f"{name} is the answer now: {name}.text, {name}.code, {name}.df()."


def earlier(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Shows more of the thread's beginning."""
    panel.conversation.shown += SHOWN
    panel.session.tell_watchers()


def thread(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Makes a thread in which nothing has been asked."""
    made = panel.session.threads.begin(panel.notebook, name, None, None)
    panel.attempt = None
    panel.session.tell_watchers()
    return f"Thread {made.name} begins, in the panel and in cells."


def reset(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Begins the thread anew."""
    count = panel.session.threads.reset(panel.notebook)
    panel.attempt = None
    panel.session.tell_watchers()
    return f"Begun anew; {count} turn{'s' if count != 1 else ''} taken out. Redo brings them back."


def budget(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Sets what this notebook may spend; no amount takes the limit away."""
    limit = amount(name, "The budget") if name else None
    location, session = panel.where(), panel.session
    Budgets(session.ledger).put(location.budget_scope, session.service, "notebook", limit)
    session.tell_watchers()
    if limit is None:
        return "No budget is set."
    return f"This {location.budget_scope_name} may spend {format_usd(limit)}."


def key(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Takes a key, as ``%openrouter key`` does: into this kernel's memory alone."""
    if not name:
        raise CommandError("No key was typed; nothing changed.")
    panel.session.settings.give_key(name)
    panel.session.tell_watchers()
    return f"The key for {panel.session.service} is set for this kernel. It is not written anywhere."


def rehearse(panel: Panel, turn_id: TurnId, name: str) -> str:
    """Asks a sandbox on this machine from now on, or the service again."""
    if panel.context.sandbox is None:
        panel.context.open_sandbox()
        line = "Answers come from this machine now: no key, no cost, no model. The same button goes back."
    else:
        panel.context.close_sandbox()
        line = f"This notebook asks {panel.session.service} again."
    panel.session.tell_watchers()
    return line


ACTIONS: dict[str, Callable[[Panel, TurnId, str], str | None]] = {
    **{each.__name__: each for each in (again, edit, copy, fork, undo, redo, branch, bind, earlier, thread, reset)},
    **{each.__name__: each for each in (budget, key, rehearse)},
    "continue": go_on,
}


def head_html() -> str:
    """The buttons beside the choice of the thread."""
    entries = (
        _field("named", "ideas", "Name of the new thread") + button("thread", "New thread"),
        button("reset", "Begin this thread anew"),
        _field("key", "", "Key of the service", kind="password") + button("key", "Use it", label_for="Use this key"),
        button("rehearse", "Rehearse without a key", title="Answers from this machine, with play money; again: back"),
    )
    redo_button = button("redo", "Redo", title="Bring back what was undone")
    return (
        f'<div class="orm-bar mathjax_ignore">{redo_button}{_menu("⋯", "More for threads and the key", entries)}</div>'
    )


def money_html() -> str:
    """The menu beside the meter."""
    field = _field("USD", "1.00", "Budget of this notebook in USD")
    entries = (field + button("budget", "Set"), button("budget", "No budget", title="Take the limit away"))
    return f'<div class="orm-bar mathjax_ignore">{_menu("Budget", "Set a budget", entries)}</div>'


def _field(label: str, value: str, spoken: str, *, kind: str = "text") -> str:
    return (
        f'<label class="orm-bind">{label} <input type="{kind}" data-name value="{value}" spellcheck="false" '
        f'autocomplete="off" aria-label="{spoken}"></label>'
    )


def _menu(label: str, title: str, entries: tuple[str, ...]) -> str:
    inner = "".join(f'<div class="orm-entry">{entry}</div>' for entry in entries)
    return (
        f'<details class="orm-menu"><summary aria-label="{title}" title="{title}">{label}</summary>'
        f'<div class="orm-entries">{inner}</div></details>'
    )
