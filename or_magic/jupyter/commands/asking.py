"""Commands that ask."""

from __future__ import annotations

import time

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk


def ask(desk: Desk, text: str) -> None:
    """``%openrouter ask TEXT``: the rest of the line is the prompt, exactly."""
    if not text:
        raise CommandError("There is nothing to ask: %openrouter ask Why is the sky blue?")
    desk.ask(text)


def go_on(desk: Desk, text: str) -> None:
    """``%openrouter continue``: the rest of the last answer, which was stopped, broke off or met its length limit."""
    if text:
        raise CommandError(f"%openrouter continue takes nothing more; {text!r} was typed.")
    desk.go_on()


def jobs(desk: Desk, text: str) -> None:
    """``%openrouter jobs``: the answers that still arrive in the background."""
    if text:
        raise CommandError(
            f"%openrouter jobs takes nothing more; {text!r} was typed. To stop one: %openrouter stop ID."
        )
    under_way = desk.session.jobs()
    for ask in under_way:
        answer = next((step.answer for step in desk.session.steps_after(ask)), ask.answer)
        model = answer.model or answer.model_asked or "the account's model"
        print(f"{ask.turn_id:>6}  {model}  {time.monotonic() - answer.sent_at:.0f} s  {len(answer.text):,} characters")
    print("%openrouter stop ID stops one, %openrouter stop all of them." if under_way else "Nothing is under way.")


def stop(desk: Desk, text: str) -> None:
    """``%openrouter stop [ID|all]``: stops answers in the background; alone, the only one there is."""
    under_way = desk.session.jobs()
    wanted = under_way if text == "all" else [ask for ask in under_way if text in ("", str(ask.turn_id))]
    if not under_way:
        raise CommandError("Nothing is under way in the background.")
    if not wanted:
        raise CommandError(f"There is no {text!r} under way. %openrouter jobs lists them.")
    if not text and len(wanted) > 1:
        raise CommandError(f"{len(wanted)} answers are under way: %openrouter stop ID, or stop all.")
    for ask in wanted:
        ask.stop()
        print(f"Stopped {ask.turn_id} after about {ask.answer.about_tokens:,} tokens, which are kept.")
