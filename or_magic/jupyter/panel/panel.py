"""What the buttons of the panel do. Each is called in the panel's own thread, with the turn and name it is given."""

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


def again(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks a question again, as another branch, with the model and settings of now."""
    turn = panel.session.ledger.turn(turn_id)
    wish = PanelRequest(lambda: Content(turn.prompt.parts), panel.form.answer_form, panel.tool_settings, again=turn)
    panel.begin(wish, turn.prompt)


def edit(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Puts a question into the box; what is sent then is another branch of it."""
    turn = panel.session.ledger.turn(turn_id)
    attachments, left_out = attachments_of(turn.prompt)
    number = next((n for n, spot in enumerate(panel.spots, 1) if turn_id in spot.steps), None)
    panel.editing = turn
    panel.box.editing = f"Editing question {number or ''}: sending makes another branch".replace(" :", ":")
    panel.box.put(turn.prompt.text, attachments)
    if left_out:
        panel.say(f"What lies at an address ({left_out}) does not come along.")


def go_on(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks for the rest of an answer."""
    panel.begin(PanelRequest(rest_of=turn_id), panel.session.ledger.turn(turn_id).prompt)


def copy(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Puts the text of an answer into the clipboard."""
    turn = panel.session.ledger.turn(turn_id)
    panel.page.copy(turn.answer.text if turn.answer is not None else "")


def fork(panel: Panel, turn_id: TurnId, name: str) -> None:
    """A new thread that goes on from a turn."""
    threads, turn = panel.session.threads, panel.session.ledger.turn(turn_id)
    of_thread = next((each for each in threads.of(panel.notebook) if each.is_current), None)
    tip = turn_id if turn.state == "complete" else turn.previous
    base = of_thread.name if of_thread is not None else "main"
    made = threads.begin(panel.notebook, f"{base}-fork", tip, of_thread.system if of_thread is not None else None)
    panel.session.tell_watchers()
    panel.say(f"Thread {made.name} goes on from here, in the panel and in cells.")


def undo(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Takes a question, and what follows it, out of the conversation."""
    location = next((n for n, spot in enumerate(panel.spots) if turn_id in spot.steps), None)
    if location is None:
        raise CommandError("This question is not part of the conversation any more.")
    complete = [spot for spot in panel.spots[location:] if _is_on_path(panel, spot.steps[-1])]
    panel.session.threads.undo(panel.notebook, len(complete))
    panel.session.tell_watchers()
    panel.say(f"Taken out: {len(complete)} question{'s' if len(complete) > 1 else ''}. Redo brings back one at a time.")


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


def bind(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Makes an answer a variable of the user's."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise CommandError(f"{name!r} is no name for a variable: letters, digits and _, not beginning with a digit.")
    panel.context.shell.user_ns[name] = answer_of(panel.session.ledger.turn(turn_id))
    panel.say(f"{name} is the answer now: {name}.text, {name}.code, {name}.df().")


def earlier(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Shows more of the thread's beginning."""
    panel.talk.shown += SHOWN
    panel.session.tell_watchers()


def thread(panel: Panel, turn_id: TurnId, name: str) -> None:
    """A new thread, in which nothing has been asked."""
    made = panel.session.threads.begin(panel.notebook, name, None, None)
    panel.attempt = None
    panel.session.tell_watchers()
    panel.say(f"Thread {made.name} begins, in the panel and in cells.")


def reset(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Begins the thread anew."""
    count = panel.session.threads.reset(panel.notebook)
    panel.attempt = None
    panel.session.tell_watchers()
    panel.say(f"Begun anew; {count} turn{'s' if count != 1 else ''} taken out. Redo brings them back.")


def budget(panel: Panel, turn_id: TurnId, name: str) -> None:
    """What this notebook may spend; nothing takes the limit away."""
    limit = amount(name, "The budget") if name else None
    location, session = panel.where(), panel.session
    Budgets(session.ledger).put(location.budget_scope, session.service, "notebook", limit)
    session.tell_watchers()
    panel.say(
        f"This {location.budget_scope_name} may spend {format_usd(limit)}."
        if limit is not None
        else "No budget is set."
    )


def key(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Takes a key, as ``%openrouter key`` does: into this kernel's memory alone."""
    if not name:
        raise CommandError("No key was typed; nothing changed.")
    panel.session.settings.give_key(name)
    panel.session.tell_watchers()
    panel.say(f"The key for {panel.session.service} is set for this kernel. It is not written anywhere.")


def rehearse(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks a sandbox on this machine from now on, or the service again."""
    if panel.context.sandbox is None:
        panel.context.open_sandbox()
        panel.say("Answers come from this machine now: no key, no cost, no model. The same button goes back.")
    else:
        panel.context.close_sandbox()
        panel.say(f"This notebook asks {panel.session.service} again.")
    panel.session.tell_watchers()


ACTIONS: dict[str, Callable[[Panel, TurnId, str], None]] = {
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


def _field(label: str, value: str, told: str, *, kind: str = "text") -> str:
    return (
        f'<label class="orm-bind">{label} <input type="{kind}" data-name value="{value}" spellcheck="false" '
        f'autocomplete="off" aria-label="{told}"></label>'
    )


def _menu(label: str, told: str, entries: tuple[str, ...]) -> str:
    inner = "".join(f'<div class="orm-entry">{entry}</div>' for entry in entries)
    return (
        f'<details class="orm-menu"><summary aria-label="{told}" title="{told}">{label}</summary>'
        f'<div class="orm-entries">{inner}</div></details>'
    )


_BUSY = "An answer is on its way: wait for it, or stop it."
_WHILE_BUSY = frozenset({"copy", "bind", "earlier", "approve"})  # what can be done meanwhile


class Panel(VBox):  # type: ignore[misc]  # ipywidgets is not typed
    """Choose a model, talk, watch the money.

    Args:
        desk: of the notebook; None for the one that has loaded the extension.

    Attributes:
        picker, talk, box, meter, form: its parts.

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
        self._standing = self._host()
        self._asking: PanelQuestion | None = None
        self._beginning = threading.Lock()
        self._turns: dict[TurnId, Turn] = {}
        self.spots: list[BranchPoint] = []
        self.editing: Turn | None = None
        self._chosen, self._drawn_by = "", 0
        self.attempt: TurnId | None = None  # one that did not end well, and is to be shown all the same
        self.work = Worker(self.fail)
        super().__init__()
        self._make_parts()
        self._place_parts()
        self._ends = [_after_each_cell(self), _at_each_answer(self)]
        self.work.do(self.session.settings.key)  # where there is none, it is said before something is written
        self.refresh()

    def _make_parts(self) -> None:
        self.picker = ModelPicker(self.session, is_alone=False)
        self._thread = Dropdown(description="Thread")
        self._tools = HTML(head_html())
        self.talk = ConversationView()
        self.box = PromptBox(
            on_send=self._ask,
            on_stop=self._stop,
            on_draft=lambda text: self.work.do(functools.partial(self._estimate, text), newest="estimate"),
            on_names=lambda request, prefix: self.work.do(
                functools.partial(self._name, request, prefix), newest="name"
            ),
            on_cancel=self._cancel,
        )
        self.meter = meter.Meter(self.session, self.where, self.work)
        self.form = settings_form.SettingsForm(self.session, self._names, self.where, self.work)
        self.page = PanelPage(self._pressed)
        self._left = PanelSnapshot()

    def _place_parts(self) -> None:
        styles = (stylesheet(), settings_form.CSS, meter.CSS, ".orm-left{display:none}")
        head = HBox([self.picker, HBox([self._thread, self._tools])])
        foot = HBox([self.meter, HTML(money_html())])
        self.children = (
            HTML(f"<style>{''.join(styles)}</style>"),
            *(head, self.form, self.talk, self.box, foot, self.page),
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
                self._leave()
        self._left.show(self)
        self.work.do(self._leave)

    def close(self) -> None:
        """Takes it out of the page. An answer that is on its way arrives all the same, and is kept."""
        for end in self._ends:
            end()
        self.work.close()
        self._left.open()
        for widget in (self.picker, *within(*self.children)):
            widget.close()
        super().close()

    def where(self) -> Location:
        """The notebook that it belongs to."""
        return self._standing.where()

    @property
    def notebook(self) -> str:
        """How the notebook is named in the store."""
        return self.where().notebook

    @property
    def is_busy(self) -> bool:
        """Whether an answer is on its way here."""
        return self._asking is not None

    def say(self, line: str, kind: str = "hint") -> None:
        """Shows a line of text under the box."""
        self.box.notice_kind, self.box.notice = kind if line else "", line

    def fail(self, error: BaseException) -> None:
        """Shows what went wrong."""
        self.say(line_of(error), "error")

    def refresh(self) -> None:
        """Takes over what has changed, soon, in its own thread; from any thread."""
        self.work.do(self._look, newest="look")
        self.work.do(self._leave, newest="leave")
        self.picker.refresh()
        self.form.refresh()
        self.meter.refresh()

    def begin(
        self, wish: PanelRequest, prompt: Message, give_back: Callable[[BaseException], object] | None = None
    ) -> None:
        """Asks.

        Args:
            wish: what.
            prompt: the same as far as it is known now, to be shown.
            give_back: told why nothing was sent; None where it is enough to say so.
        """
        failed = give_back or self.fail
        with self._beginning:
            if self._asking is not None:
                failed(CommandError(_BUSY))
                return
            item = ArrivingItem(prompt, lambda: self.work.do(self._look, newest="look"))
            self._asking = PanelQuestion(self.session, item, self._host, functools.partial(self._ended, item), failed)
        self.attempt = None
        self.say("")
        self.box.is_busy = True
        self._asking.begin(wish)
        self.page.go_to_end()
        self.work.do(self._look, newest="look")

    def tool_settings(self) -> ToolSettings:
        """The tools that are chosen."""
        if not self.form.tool_names:
            return NO_TOOL_SETTINGS
        chosen = {"tools": [",".join(self.form.tool_names)], "yes": self.form.is_told_yes}
        return self.context.prompt_builder.tool_settings(CellLine(values=chosen))

    def _ask(self, text: str, attachments: tuple[Attachment, ...]) -> None:
        content = functools.partial(self._content, text, attachments)
        wish = PanelRequest(content, self.form.answer_form, self.tool_settings, again=self.editing)
        give_back = functools.partial(self._give_back, text, attachments, self.editing, self.box.editing)
        self._cancel()
        self.box.recall = [*self.box.recall, text]
        self.begin(wish, Message.of_text("user", text), give_back)

    def _content(self, text: str, attachments: Iterable[Attachment]) -> Any:
        return content_of_draft(text, attachments, self._names())

    def _stop(self) -> None:
        asking = self._asking
        if asking is not None:
            asking.stop()

    def _cancel(self) -> None:
        self.editing, self.box.editing = None, ""

    def _ended(self, item: ArrivingItem, last: Answer | None) -> None:
        """The answer has ended, in whichever thread."""
        self.talk.keep(item)
        with self._beginning:
            self._asking = None
        item.settle()
        if last is not None:
            self.context.shell.user_ns["_answer"] = last
            if last.ending == "complete" and last.error:  # its tools, or its schema: the item does not tell it
                self.say(last.error, "error")
        if item.turn_id is None:
            item.close_all()
        self.box.is_busy = False
        self.work.do(functools.partial(self._settle, last))
        self.meter.refresh(last)
        self.work.do(self._leave, newest="leave")

    def _settle(self, last: Answer | None) -> None:
        """Looks, and says how it ended where that is not to be seen: an earlier answer has its place back."""
        self._look()
        is_seen = last is None or any(last.turn_id in spot.steps for spot in self.spots)
        if last is not None and last.ending != "complete" and not is_seen:
            self.say(f"{last.error} The answer that was there stands.", "hint" if last.ending == "stopped" else "error")

    def _give_back(
        self, text: str, attachments: tuple[Attachment, ...], editing: Turn | None, banner: str, error: BaseException
    ) -> None:
        """Nothing was sent: what was written comes back, where nothing else was written since."""
        self.fail(error)
        if not self.box.draft.strip():
            self.editing, self.box.editing = editing, banner
            self.box.put(text, attachments, is_live=True)

    def _look(self) -> None:
        """What is there now, drawn where it differs."""
        with self.session.use_host(self._standing):
            self.spots = Branches(self.session.ledger).spots(self.notebook, None, self.attempt)
            asked = self.asked(self.spots[-self.talk.shown :])
            threads = self.session.threads.of(self.notebook)
        asking = self._asking
        self.talk.show(asked, len(self.spots), asking.item if asking is not None else None)
        self._show_threads(threads)
        if not self.box.recall:
            self.box.recall = [each.turns[0].prompt.text for each in asked if len(each.turns[0].prompt.text) < 5_000]
        free(self)

    def asked(self, spots: list[BranchPoint]) -> list[AskedQuestion]:
        """The turns of some questions; those whose cost is known are read once."""
        ids = [id for spot in spots for id in spot.steps]
        missing = [id for id in ids if id not in self._turns or self._turns[id].cost_source is None]
        self._turns |= {turn.id: turn for turn in self.session.ledger.turns_of(missing)}
        self._turns = {id: self._turns[id] for id in ids if id in self._turns}
        found = [(tuple(self._turns[id] for id in spot.steps if id in self._turns), spot.branches) for spot in spots]
        return [AskedQuestion(turns, branches) for turns, branches in found if turns]

    def _show_threads(self, threads: list[Thread]) -> None:
        names = tuple(sendable(thread.name) for thread in threads) or (MAIN,)
        current = next((sendable(thread.name) for thread in threads if thread.is_current), names[0])
        current = self._chosen if self._chosen in names else current
        if (names, current) == (self._thread.options, self._thread.value):
            return
        self._drawn_by = threading.get_ident()
        with self._thread.hold_sync():
            self._thread.options, self._thread.value = names, current
        self._drawn_by = 0

    def _switch(self, name: str | None) -> None:
        """A thread was chosen; not where it is drawn here, which tells observers as well."""
        if name is None or self._drawn_by == threading.get_ident():
            return
        self._chosen = name  # until the switch is made, a look that was due before must not take it back

        def switch() -> None:
            try:
                self.session.threads.switch(self.notebook, name)
                self.attempt = None
            finally:
                self._chosen = ""
                self.session.tell_watchers()

        self.work.do(switch)

    def _model_changed(self) -> None:
        self.session.tell_watchers()
        self.work.do(lambda: self._estimate(self.box.draft), newest="estimate")

    def _estimate(self, text: str) -> None:
        """What sending the box would cost; nothing is said of what cannot be sent yet."""
        line = ""
        if text.strip():
            with contextlib.suppress(OrMagicError), self.session.use_host(self._standing):
                content = content_of_draft(text, (), self._names())
                form = self.form.answer_form()
                question = self.session.question(content, None, None, None, None, None, form, is_draft=True)
                line = cost_line(estimate_cost(self.session, question, is_offline=True, location=self.where()))
                line += ", besides what is attached" if self.box.attachments else ""
        self.box.estimate = line

    def _name(self, request: int, prefix: str) -> None:
        self.box.offer(request, names_for(prefix, self._names(), self.context.shell.user_ns_hidden))

    def _names(self) -> dict[str, Any]:
        return self.context.prompt_builder.names

    def _pressed(self, facts: Mapping[str, str]) -> None:
        """A button was pressed, in whichever thread."""
        action = facts.get("do", "")
        if action == "approve":
            asking = self._asking
            if asking is not None:
                asking.item.allow(facts.get("token", ""), facts.get("answer", ""))
        elif action in ACTIONS:
            self.work.do(lambda: self._act(action, facts))

    def _act(self, action: str, facts: Mapping[str, str]) -> None:
        if self.is_busy and action not in _WHILE_BUSY:
            return self.say(_BUSY)
        turn = facts.get("turn", "")
        if "turn" in facts and not turn.isdecimal():
            raise CommandError(f"{turn!r} is no turn.")
        self.say("")
        with self.session.use_host(self._standing):
            ACTIONS[action](self, int(turn or 0), facts.get("name", ""))
        return None

    def _host(self, **traits: Any) -> PanelHost:
        return PanelHost(self.context.host, self._loop, is_display=self._is_display, **traits)

    def _leave(self) -> None:
        """Renews what a saved notebook shows: what has ended; what arrives comes later, once."""
        with self.session.use_host(self._standing):
            shown = self.asked(self.spots[-self.talk.shown :])
            asked = [each for each in shown if each.last.state != "open"]
            self._left.renew(asked, self.session.threads.current_name(self.notebook))


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
    whose = weakref.ref(panel)

    def look(*_: object) -> None:
        if (still := whose()) is not None:
            still.refresh()

    return look
