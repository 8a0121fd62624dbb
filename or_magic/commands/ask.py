"""Commands that ask: in one line, for the rest of an answer, about code and errors."""

from __future__ import annotations

import re
import time

from or_magic.answer import Answer
from or_magic.commands import cells
from or_magic.commands.context import NotebookContext
from or_magic.commands.next_cell import CellWriter
from or_magic.content import Content
from or_magic.errors import CommandError
from or_magic.prompt.answer_formats import AnswerFormat
from or_magic.prompt.failed_code import EXPLAIN_CODE, EXPLAIN_ERROR, FIX, Failure, question_about


def ask(context: NotebookContext, text: str) -> None:
    """``%openrouter ask TEXT``: the rest of the line is the prompt, exactly."""
    if not text:
        raise CommandError("There is nothing to ask: %openrouter ask Why is the sky blue?")
    cells.ask(context, text)


def go_on(context: NotebookContext, text: str) -> None:
    """``%openrouter continue``: the rest of the last answer, which was stopped, broke off or met its length limit."""
    if text:
        raise CommandError(f"%openrouter continue takes nothing more; {text!r} was typed.")
    cells.go_on(context)


def jobs(context: NotebookContext, text: str) -> None:
    """``%openrouter jobs``: the answers that still arrive in the background."""
    if text:
        raise CommandError(
            f"%openrouter jobs takes nothing more; {text!r} was typed. To stop one: %openrouter stop ID."
        )
    under_way = context.session.jobs()
    for job in under_way:
        answer = job.newest
        model = answer.model or answer.model_asked or "the account's model"
        print(f"{job.turn_id:>6}  {model}  {time.monotonic() - answer.sent_at:.0f} s  {len(answer.text):,} characters")
    print("%openrouter stop ID stops one, %openrouter stop all of them." if under_way else "Nothing is under way.")


def stop(context: NotebookContext, text: str) -> None:
    """``%openrouter stop [ID|all]``: stops answers in the background; alone, the only one there is."""
    under_way = context.session.jobs()
    wanted = under_way if text == "all" else [job for job in under_way if text in ("", str(job.turn_id))]
    if not under_way:
        raise CommandError("Nothing is under way in the background.")
    if not wanted:
        raise CommandError(f"There is no {text!r} under way. %openrouter jobs lists them.")
    if not text and len(wanted) > 1:
        raise CommandError(f"{len(wanted)} answers are under way: %openrouter stop ID, or stop all.")
    for job in wanted:
        job.stop()
        print(f"Stopped {job.turn_id} after about {job.answer.about_tokens:,} tokens, which are kept.")


_VALUES = re.compile(r"(?<!\S)--values(?!\S)")


def insert(context: NotebookContext, text: str) -> None:
    """``%openrouter insert [N]``: puts the N-th block of code of the last answer into the next cell; alone the first.

    Nothing is run. A block of another language comes with its magic, such as ``%%bash``.
    """
    if text and not text.isdecimal():
        raise CommandError(f"%openrouter insert wants the number of a block; {text!r} was typed.")
    answer = context.session.last
    if answer is None:
        raise CommandError("There is no answer yet whose code could be inserted.")
    CellWriter(context).insert(answer, int(text or 1))


def fix(context: NotebookContext, text: str) -> None:
    """``%openrouter fix [--values] [flags]``: asks what was wrong with the last cell that failed, and for it anew.

    The proposed cell is put next, with what changed shown; it is not run. The model is sent the cell, the traceback,
    the user's functions on its way, and types and shapes of the variables: their values only with --values. The
    question stands alone: it is not part of the conversation, unless ``--thread`` names one.
    """
    failure = context.last_failure()
    if failure is None:
        raise CommandError("No cell has failed in this kernel. %openrouter explain N explains cell N.")
    answer = _ask(context, failure, FIX, text, AnswerFormat("code"))
    if answer is not None and answer.done and (diff := CellWriter(context).offer_changed(answer, failure.source)):
        context.session.host.show_code(diff, "diff")


def explain(context: NotebookContext, text: str) -> None:
    """``%openrouter explain [N] [--values] [flags]``: asks what the last error means, or what cell N does.

    What the model is sent is as for ``fix``.
    """
    first, _, rest = text.partition(" ")
    if not first.isdecimal():
        failure = context.last_failure()
        if failure is None:
            raise CommandError("No cell has failed in this kernel. %openrouter explain N explains cell N.")
        _ask(context, failure, EXPLAIN_ERROR, text, AnswerFormat())
        return
    sources, number = context.cells, int(first)
    if not 0 < number < len(sources) or not sources[number].strip():
        raise CommandError(f"There is no cell [{number}] in this kernel: the numbers stand beside the cells.")
    failure = Failure(sources[number], context.error_of_cell(number))
    _ask(context, failure, EXPLAIN_CODE if failure.error is None else EXPLAIN_ERROR, rest, AnswerFormat())


def _ask(
    context: NotebookContext, failure: Failure, task: str, text: str, answer_format: AnswerFormat
) -> Answer | None:
    """Asks about a cell; None where nothing is sent, because the flags say so."""
    asked = cells.cell_line(context, _VALUES.sub(" ", text))
    question = question_about(failure, task, context.variables, with_values=bool(_VALUES.search(text)))
    history = None if asked.values.get("thread") or asked.history else "none"
    options = {} if history is None else {"history": history}
    return cells.ask_ready(context, Content.of_text(question), asked, answer_format, **options)
