"""Commands about code: what a cell does, why it failed, how to put it right, and blocks of an answer as cells."""

from __future__ import annotations

import re

from or_magic.answer import Answer
from or_magic.asking.fixing import EXPLAIN_CODE, EXPLAIN_ERROR, FIX, Failure, question_about
from or_magic.asking.forms import Form
from or_magic.content import Content
from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk

_VALUES = re.compile(r"(?<!\S)--values(?!\S)")


def insert(desk: Desk, text: str) -> None:
    """``%openrouter insert [N]``: puts the N-th block of code of the last answer into the next cell; alone the first.

    Nothing is run. A block of another language comes with its magic, such as ``%%bash``.
    """
    if text and not text.isdecimal():
        raise CommandError(f"%openrouter insert wants the number of a block; {text!r} was typed.")
    answer = desk.session.last
    if answer is None:
        raise CommandError("There is no answer yet whose code could be inserted.")
    desk.cells.insert(answer, int(text or 1))


def fix(desk: Desk, text: str) -> None:
    """``%openrouter fix [--values] [flags]``: asks what was wrong with the last cell that failed, and for it anew.

    The proposed cell is put next, with what changed shown; it is not run. The model is sent the cell, the traceback,
    the user's functions on its way, and types and shapes of the variables: their values only with --values. The
    question stands alone: it is not part of the conversation, unless ``--thread`` names one.
    """
    failure = desk.failed.last()
    if failure is None:
        raise CommandError("No cell has failed in this kernel. %openrouter explain N explains cell N.")
    answer = _ask(desk, failure, FIX, text, Form("code"))
    if answer is not None and answer.done and (diff := desk.cells.offer_changed(answer, failure.source)):
        desk.host.show_code(diff, "diff")


def explain(desk: Desk, text: str) -> None:
    """``%openrouter explain [N] [--values] [flags]``: asks what the last error means, or what cell N does.

    What the model is sent is as for ``fix``.
    """
    first, _, rest = text.partition(" ")
    if not first.isdecimal():
        failure = desk.failed.last()
        if failure is None:
            raise CommandError("No cell has failed in this kernel. %openrouter explain N explains cell N.")
        _ask(desk, failure, EXPLAIN_ERROR, text, Form())
        return
    cells = desk.prompting.names.get("In", [])
    number = int(first)
    if not 0 < number < len(cells) or not cells[number].strip():
        raise CommandError(f"There is no cell [{number}] in this kernel: the numbers stand beside the cells.")
    failure = Failure(cells[number], desk.failed.error_of(number))
    _ask(desk, failure, EXPLAIN_CODE if failure.error is None else EXPLAIN_ERROR, rest, Form())


def _ask(desk: Desk, failure: Failure, task: str, text: str, form: Form) -> Answer | None:
    """Asks about a cell; None where nothing is sent, because the flags say so."""
    asked = desk.flags(_VALUES.sub(" ", text))
    question = question_about(failure, task, desk.shell.user_ns, with_values=bool(_VALUES.search(text)))
    history = None if asked.values.get("thread") or asked.history else "none"
    options = {} if history is None else {"history": history}
    return desk.ask_ready(Content.of_text(question), asked, form, **options)
