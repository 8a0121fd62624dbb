"""The conversation in the panel: an item for each question, and a snapshot of it for where no widget is alive.

An item is a widget that keeps its place while its question changes: it draws only what differs. A question that is
asked here has an item before it has a turn; the item stays as its answer arrived in it.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from typing import Any, cast

from IPython.display import DisplayHandle, display
from ipywidgets import HTML, HTMLMath, VBox

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import Approval, FooterData
from or_magic.errors import Stopped
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.live import Frame, LiveView, status_html
from or_magic.jupyter.panel.turn_html import (
    AskedQuestion,
    approval_html,
    asked_html,
    bar_html,
    button,
    error_html,
    foot_html,
    question_html,
    snapshot_html,
)
from or_magic.ledger.records import TurnId
from or_magic.text import sendable
from or_magic.types import Message

SHOWN = 30  # questions; a button shows as many more
_NEEDS_A_KERNEL = "The panel of or_magic: it needs a kernel. The conversation stands below."
_SNAPSHOT_MAX = 100_000  # characters of HTML


class ConversationView(VBox):  # type: ignore[misc]  # ipywidgets is not typed
    """The items of a thread, the oldest first: the last `SHOWN`, and as many more as were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("orm-conversation")
        self._head = HTML()
        self._items: dict[TurnId, Item] = {}
        self._arrived: list[ArrivingItem] = []
        self.shown = SHOWN
        self.children = (self._head,)

    def keep(self, item: ArrivingItem) -> None:
        """An item whose answer has arrived stays as it is; from any thread."""
        self._arrived.append(item)

    def show(self, asked: list[AskedQuestion], total: int, arriving: ArrivingItem | None) -> None:
        """Shows questions.

        Args:
            asked: those at the end of the thread.
            total: how many the thread has.
            arriving: the question of this panel that is under way; it stands last, where the ledger does not say
                otherwise.
        """
        new = [self._arrived.pop() for _ in range(len(self._arrived))] + ([arriving] if arriving is not None else [])
        earlier = total - len(asked)
        if arriving is not None and arriving.turn_id is None:  # it may be one of those that are open
            asked = [each for each in asked if each.last.state != "open" or each.id in self._items]
        before = [*self._items.values(), *new]
        self._items |= {item.turn_id: item for item in new if item.turn_id is not None}
        items = []
        for number, each in enumerate(asked):
            item = self._items.get(each.id) or Item()
            item.show(each, is_last=number == len(asked) - 1)
            items.append((each.id, item))
        self._items = dict(items)
        shown = [item for _, item in items]
        if arriving is not None and arriving not in shown:
            shown.append(arriving)
        self._head.value = _head_html(earlier, is_empty=not shown)
        self.children = (self._head, *shown)
        for item in before:
            if item not in shown:
                item.close_all()


def _head_html(earlier: int, *, is_empty: bool) -> str:
    if earlier > 0:
        return f'<div class="orm-bar">{button("earlier", f"Show earlier ({earlier:,})")}</div>'
    if is_empty:
        return (
            '<div class="orm-empty"><p>Nothing has been asked in this thread yet.</p>'
            "<p>What you ask here and what <code>%%openrouter</code> cells ask is one conversation, with the same "
            "model, settings and budget.</p></div>"
        )
    return ""


class Item(VBox):  # type: ignore[misc]  # ipywidgets is not typed
    """A question that has been asked: what is to be seen of it, and the buttons below.

    Args:
        html: the question, safe.
    """

    def __init__(self, html: str = "") -> None:
        super().__init__()
        self._body, self._bar = HTMLMath(html), HTML()
        self._key: tuple[object, ...] | None = None
        self._bar_key: tuple[object, ...] = ()
        self.add_class("orm-item")
        self.children = (self._body, self._bar)

    def show(self, asked: AskedQuestion, *, is_last: bool) -> None:
        """Draws what has changed."""
        if asked.key != self._key:
            self._draw(asked)
        bar_key = (asked.key, asked.branches, is_last)
        if bar_key != self._bar_key:
            self._bar_key, self._bar.value = bar_key, bar_html(asked, is_last=is_last)

    def _draw(self, asked: AskedQuestion) -> None:
        self._key, self._body.value = asked.key, asked_html(asked)

    def close_all(self) -> None:
        """Takes it, and all that is in it, out of the page and the kernel's memory."""
        for widget in (*self.children, self):
            _close(widget)


class ArrivingItem(Item):
    """A question that is being asked. Its methods are called in the thread that asks, but for `stop` and `allow`.

    Args:
        prompt: what is asked, as far as it is known.
        on_open: told when it is known which turn it is.
    """

    def __init__(self, prompt: Message, on_open: Callable[[], object] = lambda: None) -> None:
        super().__init__(question_html(prompt))
        self._on_open = on_open
        self.turn_id: TurnId | None = None
        self._approval: Future[str] | None = None
        self._token = ""  # of the approval that is asked for; "" while none is
        self._is_stopped = threading.Event()
        self.add_class("orm-arriving")

    def set_prompt(self, prompt: Message) -> None:
        """What is asked, now that it is known."""
        self._body.value = question_html(prompt)

    def open_view(self, answer: Answer) -> ArrivingView:
        """A place for the next answer of this question."""
        if self.turn_id is None:
            self.turn_id = answer.turn_id
            self._on_open()
        return ArrivingView(answer, self)

    def add_display(self) -> WidgetDisplay:
        """Two places for an answer, at the end."""
        display_area = WidgetDisplay()
        self._append(display_area.answer, display_area.tail)
        return display_area

    def add(self, html: str) -> HTMLMath:
        """Safe HTML at the end."""
        widget = HTMLMath(sendable(html))
        self._append(widget)
        return widget

    @contextlib.contextmanager
    def waiting(self, line: str) -> Iterator[None]:
        """Shows a line while it lasts."""
        widget = self.add(status_html(line))
        try:
            yield
        finally:
            widget.value = ""

    def ask(self, call: str, *, can_be_always: bool) -> Approval:
        """Asks whether a call of a tool may be run, and waits for the answer.

        Raises:
            Stopped: the user says to stop.
        """
        self._approval, self._token = Future(), uuid.uuid4().hex
        if self._is_stopped.is_set():
            self.allow(self._token, "stop")
        shown = self.add(approval_html(call, self._token, can_be_always=can_be_always))
        try:
            answer = self._approval.result()
        finally:
            self._token = ""
            shown.value = ""
        if answer == "stop":
            raise Stopped("The tool was not run. What came before is kept in _answer.")
        return cast("Approval", answer)

    def allow(self, token: str, answer: str) -> bool:
        """Gives the answer that `ask` waits for; whether it was asked for, and is one."""
        approval = self._approval
        if approval is None or not self._token or token != self._token or answer not in ("yes", "no", "always", "stop"):
            return False
        try:
            approval.set_result(answer)
        except InvalidStateError:  # of two clicks the first counts
            return False
        return True

    def stop(self) -> None:
        """Nothing more is asked."""
        self._is_stopped.set()
        if self._token:
            self.allow(self._token, "stop")

    def settle(self) -> None:
        """All has arrived."""
        self.remove_class("orm-arriving")

    def _draw(self, asked: AskedQuestion) -> None:
        """Draws it anew only where the turn was put right afterwards: else it shows what has arrived."""
        if asked.last.state == "open":
            return
        if self._key is not None:
            arrived: tuple[Any, ...] = self.children[1:-1]
            self.children = (self._body, self._bar)
            super()._draw(asked)
            for widget in arrived:
                _close(widget)
        self._key = asked.key

    def _append(self, *widgets: Any) -> None:
        self.children = (*self.children[:-1], *widgets, self._bar)


def _close(widget: Any) -> None:
    for each in (widget.layout, getattr(widget, "style", None), widget):
        if each is not None:
            each.close()


class ArrivingView(LiveView):
    """An answer that arrives in the panel; how it ended stands below it."""

    def __init__(self, answer: Answer, item: ArrivingItem) -> None:
        self._item = item
        super().__init__(answer, item.add_display())

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """The answer whole, the footer, and how it ended where it did not end well."""
        super().close(answer, footer_data)
        if answer.ending != "complete":
            line = "Stopped." if answer.ending == "stopped" else answer.error or "It failed."
            self._item.add(f'<div role="alert">{error_html(line)}</div>')

    def footer(self, answer: Answer, footer_data: FooterData) -> str:
        """Without the note that tells how it ended, which has a line of its own here."""
        lines = footer_text(answer, footer_data).split("\n")
        return "\n".join(line for line in lines if answer.error is None or not line.endswith(answer.error))


class WidgetDisplay:
    """The two places of an answer that arrives in the panel."""

    def __init__(self) -> None:
        self.answer, self.tail = HTMLMath(), HTMLMath()
        self.tail.add_class("orm-tail")

    def draw(self, frame: Frame) -> None:
        """Redraws what has changed."""
        if frame.answer is not None:
            self.answer.value = sendable(frame.answer)
        if frame.tail is not None:
            self.tail.value = sendable(frame.tail)

    def show_whole(self, answer: Answer, html: str) -> None:
        """The answer as it stays."""
        self.answer.value = sendable(html)

    def show_footer(self, footer: str) -> None:
        """The line under it."""
        self.tail.value = foot_html(footer)


class PanelSnapshot:
    """The conversation as an output beside the panel, for where no widget is alive. A living panel's style hides it."""

    def __init__(self) -> None:
        self._handles: list[DisplayHandle] = []
        self._html = ""
        self._drawn: dict[object, str] = {}

    def show(self, panel: Any) -> None:
        """Displays the panel, and the snapshot beside it."""
        bundle = panel._repr_mimebundle_()
        view = bundle[0] if isinstance(bundle, tuple) else bundle
        display({**view, "text/plain": _NEEDS_A_KERNEL}, raw=True)
        handle = DisplayHandle()
        handle.display(self.bundle(), raw=True)
        self._handles.append(handle)

    def renew(self, asked: list[AskedQuestion], thread: str) -> None:
        """Takes over the conversation as it is now; of a long one the end."""
        newest, drawn = self._newest(asked)
        html = snapshot_html(newest, thread, lambda each: drawn[each.key])
        shown = f"<style>{stylesheet()}</style>{html}" if asked else ""
        if shown != self._html:
            self._html = shown
            self._update()

    def _newest(self, asked: list[AskedQuestion]) -> tuple[list[AskedQuestion], dict[object, str]]:
        """The newest ones that fit in, at least one, and their HTML by key; each is drawn once."""
        drawn: dict[object, str] = {}
        limit, count = _SNAPSHOT_MAX, 0
        for each in reversed(asked):
            drawn[each.key] = self._drawn.get(each.key) or asked_html(each)
            limit -= len(drawn[each.key])
            if limit < 0 and count:
                break
            count += 1
        self._drawn = drawn
        return asked[len(asked) - count :], drawn

    def open(self) -> None:
        """The panel is gone: nothing hides it any more."""
        self._update()

    def _update(self) -> None:
        for handle in self._handles:
            handle.update(self.bundle(), raw=True)

    def bundle(self) -> dict[str, str]:
        """What is displayed."""
        return {"text/html": sendable(self._html), "text/plain": ""}
