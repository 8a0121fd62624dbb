"""What the buttons of the panel do. Each is called in the panel's own thread, with the turn and name it is given."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import TYPE_CHECKING

from or_magic.asking.recalling import answer_of
from or_magic.content import Content
from or_magic.errors import CommandError
from or_magic.jupyter.panel.asking import Wish
from or_magic.jupyter.panel.drafting import attachments_of
from or_magic.jupyter.panel.items import SHOWN
from or_magic.jupyter.panel.turn_html import button
from or_magic.ledger.branches import Branches
from or_magic.ledger.budgets import Budgets
from or_magic.ledger.records import TurnId
from or_magic.money import amount, format_usd

if TYPE_CHECKING:
    from or_magic.jupyter.panel.panel import Panel


def again(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks a question again, as another branch, with the model and settings of now."""
    turn = panel.session.ledger.turn(turn_id)
    wish = Wish(lambda: Content(turn.prompt.parts), panel.form.answer_form, panel.belt, again=turn)
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
    panel.begin(Wish(rest_of=turn_id), panel.session.ledger.turn(turn_id).prompt)


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
    place = next((n for n, spot in enumerate(panel.spots) if turn_id in spot.steps), None)
    if place is None:
        raise CommandError("This question is not part of the conversation any more.")
    complete = [spot for spot in panel.spots[place:] if _is_on_path(panel, spot.steps[-1])]
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
    panel.desk.shell.user_ns[name] = answer_of(panel.session.ledger.turn(turn_id))
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
    place, session = panel.where(), panel.session
    Budgets(session.ledger).put(place.purse, session.service, "notebook", limit)
    session.tell_watchers()
    panel.say(f"This {place.purse_name} may spend {format_usd(limit)}." if limit is not None else "No budget is set.")


def key(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Takes a key, as ``%openrouter key`` does: into this kernel's memory alone."""
    if not name:
        raise CommandError("No key was typed; nothing changed.")
    panel.session.settings.give_key(name)
    panel.session.tell_watchers()
    panel.say(f"The key for {panel.session.service} is set for this kernel. It is not written anywhere.")


def rehearse(panel: Panel, turn_id: TurnId, name: str) -> None:
    """Asks a sandbox on this machine from now on, or the service again."""
    if panel.desk.sandbox is None:
        panel.desk.open_sandbox()
        panel.say("Answers come from this machine now: no key, no cost, no model. The same button goes back.")
    else:
        panel.desk.close_sandbox()
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
