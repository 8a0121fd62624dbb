"""Questions of the panel as widgets: drawn where they changed, answered once, and gone with all that is in them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from ipywidgets.widgets.widget import _instances as living

from or_magic.answer import Answer
from or_magic.chat.host import FooterData
from or_magic.errors import Stopped
from or_magic.jupyter.panel.items import ArrivingItem, ConversationView, Item
from or_magic.types import Ending, Message, TextDelta, Usage, UsageReported

from .test_turn_html import Read
from .turns import a_turn, asked

WAIT_S = 20
HI = Message.of_text("user", "hi")


def shown(item: Any) -> str:
    """All HTML of an item, in order."""
    return "\n".join(widget.value for widget in item.children)


def in_thread(fn: Callable[[], Any]) -> Future[Any]:
    """What a function gives, or raises, in a thread of its own."""
    given: Future[Any] = Future()

    def run() -> None:
        try:
            given.set_result(fn())
        except BaseException as error:
            given.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return given


class Call:
    """A call of a tool that a thread waits to be allowed."""

    def __init__(self, item: ArrivingItem, *, can_be_always: bool = True) -> None:
        self.item, asks = item, threading.Event()
        self._look = lambda change: asks.set() if any("orm-approval" in each.value for each in change["new"]) else None
        item.observe(self._look, "children")
        self.given = in_thread(lambda: item.ask("add(a=1)", can_be_always=can_be_always))
        assert asks.wait(WAIT_S)
        self.token = str(Read(shown(item)).buttons[0]["data-token"])

    def result(self) -> Any:
        """What the thread was told."""
        return self.given.result(WAIT_S)


@pytest.mark.parametrize("answer", ["yes", "no", "always"])
def test_a_call_is_allowed(answer: str) -> None:
    """The thread that asks gets what another one presses; then the buttons are gone."""
    item = ArrivingItem(HI)
    call = Call(item)

    assert item.allow(call.token, answer)
    assert call.result() == answer
    assert Read(shown(item)).buttons == []


def test_a_call_that_is_not_run() -> None:
    """Who presses Stop gets the exception of one who stops in a cell."""
    call = Call(ArrivingItem(HI))

    assert call.item.allow(call.token, "stop")
    with pytest.raises(Stopped, match=r"The tool was not run\. What came before is kept in _answer\."):
        call.result()


def test_what_is_no_answer() -> None:
    """A token of another call, an old one, none, or a word that no button says, answers nothing."""
    item = ArrivingItem(HI)
    assert not item.allow("", "yes")
    call = Call(item)

    for token in ("", "0" * 32, call.token[:-1]):
        assert not item.allow(token, "yes")
    for answer in ("maybe", ""):
        assert not item.allow(call.token, answer)
    assert not call.given.done()

    assert item.allow(call.token, "no")
    assert call.result() == "no"
    assert not item.allow(call.token, "yes")


def test_an_old_button() -> None:
    """The button of a call does not answer the next one."""
    item = ArrivingItem(HI)
    first = Call(item)
    item.allow(first.token, "yes")
    assert first.result() == "yes"

    second = Call(item)

    assert not item.allow(first.token, "yes")
    assert not second.given.done()
    item.allow(second.token, "no")
    assert second.result() == "no"


def test_two_clicks() -> None:
    """Of many clicks at the same moment one counts, and it is the one that the thread is told."""
    for _ in range(50):
        call, middleware = Call(ArrivingItem(HI)), threading.Barrier(4)

        def press(answer: str, call: Call = call, middleware: threading.Barrier = middleware) -> tuple[str, bool]:
            middleware.wait(WAIT_S)
            return answer, call.item.allow(call.token, answer)

        clicks = [in_thread(lambda answer=answer: press(answer)) for answer in ("yes", "no", "always", "no")]  # type: ignore[misc]
        counted = [answer for answer, did in (click.result(WAIT_S) for click in clicks) if did]

        assert counted == [call.result()]


def test_a_stop_before() -> None:
    """Who has stopped is asked nothing more: the next call ends it at once."""
    item = ArrivingItem(HI)
    item.stop()
    item.stop()

    for _ in range(2):
        with pytest.raises(Stopped):
            item.ask("add()", can_be_always=False)
    assert Read(shown(item)).buttons == []


def test_a_stop_during() -> None:
    """A stop answers the call that waits; a click behind it counts no more."""
    call = Call(ArrivingItem(HI))

    call.item.stop()
    with pytest.raises(Stopped):
        call.result()
    assert not call.item.allow(call.token, "yes")


def test_a_stop_at_the_same_moment() -> None:
    """A stop that comes while the call is about to be asked about ends it, whichever is first."""
    for _ in range(100):
        item, middleware = ArrivingItem(HI), threading.Barrier(2)

        def stop(item: ArrivingItem = item, middleware: threading.Barrier = middleware) -> None:
            middleware.wait(WAIT_S)
            item.stop()

        stopping = in_thread(stop)
        middleware.wait(WAIT_S)
        with pytest.raises(Stopped):
            item.ask("add()", can_be_always=True)
        stopping.result(WAIT_S)


def test_an_answer_that_arrives() -> None:
    """The question stands first, then the answer whole, its footer, and the bar; its turn is known."""
    item, answer = ArrivingItem(HI), Answer(model_asked="a/b")
    answer.turn_id = 7
    item.set_prompt(Message.of_text("user", "<b>hi</b>"))
    view = item.open_view(answer)
    answer.absorb(TextDelta("Yes."))
    view.show(TextDelta("Yes."))
    answer.finish("complete")
    view.close(answer, FooterData("n", None))

    read = Read(shown(item))
    assert item.turn_id == 7
    assert read.faults == []
    assert re.fullmatch(r"<b>hi</b>\s+Yes\.\s+a/b · .* · cost not known\s*", read.text)
    assert "orm-arriving" in item._dom_classes
    item.settle()
    assert "orm-arriving" not in item._dom_classes


@pytest.mark.parametrize(
    ("ending", "error", "line"),
    [
        ("failed", "It <i>broke</i>.", "It <i>broke</i>."),
        ("failed", None, "It failed."),
        ("stopped", "stopped by the user", "Stopped."),
    ],
)
def test_an_answer_that_did_not_end_well(ending: Ending, error: str | None, line: str) -> None:
    """Why it did not end well is told once, below it, as text; its notes are what they were."""
    item, answer = ArrivingItem(HI), Answer(model_asked="a/b")
    view = item.open_view(answer)
    answer.notes = ("Asked so.", f"{ending.capitalize()}: {error}")
    answer.finish(ending, error)
    view.close(answer, FooterData("n", None))

    text = Read(shown(item)).text
    assert text.count(line) == 1
    assert "Asked so." in text
    assert answer.notes == ("Asked so.", f"{ending.capitalize()}: {error}")
    assert Read(shown(item)).faults == []


def test_a_line_while_something_waits() -> None:
    """A line stands there as long as something waits, also where that fails."""
    item = ArrivingItem(HI)

    def fail() -> None:
        with item.waiting("add <waits>"):
            assert "add <waits>" in Read(shown(item)).text
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "waits" not in shown(item)


def test_a_cost_that_is_known_later() -> None:
    """What has arrived stays as it is; it is drawn from the store where that is put right, and nothing is left."""
    alone = set(living)
    item, answer = ArrivingItem(HI), Answer(model_asked="a/b")
    view = item.open_view(answer)
    item.show(asked(a_turn(state="open", answer=None)), is_last=True)
    assert Read(shown(item)).actions == []
    answer.finish("complete")
    view.close(answer, FooterData("n", None))
    unknown = a_turn(usage=None, cost_source=None)

    item.show(asked(unknown), is_last=True)
    before, count = shown(item), len(living)
    assert "again" in Read(before).actions
    assert "Rayleigh." not in before

    item.show(asked(a_turn(cost_source="reconciled")), is_last=True)
    assert "Rayleigh." in shown(item)
    assert len(living) < count
    answer.absorb(UsageReported(Usage(cost_pico_usd=1)))
    view.amend(answer, FooterData("n", None))  # told to a place that is gone: nothing happens
    item.close_all()
    assert set(living) == alone


def drawn(talk: ConversationView) -> list[Any]:
    """The items that are there."""
    return list(talk.children[1:])


def test_what_has_not_changed() -> None:
    """A question that looks as before keeps its widgets, untouched; one that has changed keeps its place."""
    talk = ConversationView()
    first, second = asked(a_turn(1)), asked(a_turn(2, state="open", answer=None))
    talk.show([first, second], 2, None)
    items, told = drawn(talk), list[Any]()
    for item in items:
        for widget in item.children:
            widget.observe(lambda change: told.append(change["owner"]), "value")

    talk.show([first, second], 2, None)
    assert drawn(talk) == items
    assert told == []

    talk.show([first, asked(a_turn(2))], 2, None)
    assert drawn(talk) == items
    assert set(told) == set(items[1].children)
    assert "Rayleigh." in shown(items[1])


def test_another_branch_beside_it() -> None:
    """Where another version of a question is made the buttons are drawn again, and not the answer."""
    talk = ConversationView()
    talk.show([asked(a_turn(1))], 1, None)
    (item,) = drawn(talk)
    body, bar = (widget.value for widget in item.children)

    talk.show([asked(a_turn(1), branches=(1, 9)), asked(a_turn(2))], 2, None)

    assert item.children[0].value == body
    assert item.children[1].value != bar
    assert "1 of 2" in item.children[1].value
    assert "Undo from here" in item.children[1].value


def test_what_is_gone() -> None:
    """Questions that are shown no more are closed, with all that is in them; the others stay."""
    talk = ConversationView()
    talk.show([], 0, None)
    empty = set(living)
    turns = [asked(a_turn(id)) for id in (1, 2, 3)]
    talk.show(turns, 3, None)
    first = drawn(talk)[0]

    talk.show(turns[:1], 1, None)
    assert drawn(talk) == [first]
    talk.show([], 0, None)

    assert set(living) == empty
    assert first.comm is None


def test_a_question_that_is_asked_here() -> None:
    """It stands last until the store has it, then in its place, as the same widget, while it arrives and after."""
    talk, arriving = ConversationView(), ArrivingItem(HI)
    before = asked(a_turn(1))

    talk.show([before], 1, arriving)
    assert drawn(talk)[-1] is arriving
    arriving.turn_id = 2
    talk.show([before, asked(a_turn(2, state="open", answer=None))], 2, arriving)
    assert drawn(talk)[1:] == [arriving]
    talk.keep(arriving)
    talk.show([before, asked(a_turn(2))], 2, None)
    assert drawn(talk)[1:] == [arriving]
    assert "again" in Read(shown(arriving)).actions


def test_a_look_between() -> None:
    """Where the store has a question before its widget knows which it is, it stands there once all the while."""
    talk, arriving = ConversationView(), ArrivingItem(HI)
    talk.show([], 0, arriving)
    alone = set(living)
    early = asked(a_turn(2, state="open", answer=None))

    talk.show([early], 1, arriving)
    assert drawn(talk) == [arriving]
    arriving.turn_id = 2
    talk.show([early], 1, arriving)

    assert drawn(talk) == [arriving]
    assert set(living) == alone


def test_one_that_did_not_come_to_anything() -> None:
    """A question that the thread does not show after it has ended is closed."""
    talk = ConversationView()
    talk.show([], 0, None)
    empty, arriving = set(living), ArrivingItem(HI)
    talk.show([], 0, arriving)
    arriving.turn_id = 2
    talk.keep(arriving)

    talk.show([], 0, None)

    assert drawn(talk) == []
    assert set(living) == empty


def test_the_head() -> None:
    """Above stands how many questions are not shown, with a button for them; in an empty thread what to do."""
    talk = ConversationView()

    talk.show([asked(a_turn(31))], 1_031, None)
    read = Read(talk.children[0].value)
    assert (read.actions, read.text) == (["earlier"], "Show earlier (1,030)")
    talk.show([asked(a_turn(31))], 1, None)
    assert talk.children[0].value == ""
    talk.show([], 0, None)
    assert "Nothing has been asked in this thread yet." in Read(talk.children[0].value).text
    talk.show([], 0, ArrivingItem(HI))
    assert talk.children[0].value == ""


def test_an_item_is_closed_whole() -> None:
    """An item that is closed leaves no widget behind, nor a layout or a style."""
    before = set(living)
    item = Item("x")
    item.show(asked(), is_last=True)
    assert set(living) > before

    item.close_all()
    item.close_all()

    assert set(living) == before


def test_it_tells_when_its_turn_is_known() -> None:
    """Once, when its first answer is opened, so that who draws it looks again."""
    told: list[int | None] = []
    arriving = ArrivingItem(HI, lambda: told.append(arriving.turn_id))
    answer = Answer(model_asked="a/b")
    answer.turn_id = 2

    arriving.open_view(answer)
    arriving.open_view(answer)

    assert told == [2]
