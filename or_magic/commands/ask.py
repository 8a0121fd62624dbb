"""Commands that ask: in one line, for the rest of an answer, about code and errors."""

from __future__ import annotations

import time

from or_magic.answer import Answer
from or_magic.commands import cells
from or_magic.commands.context import NotebookContext
from or_magic.commands.next_cell import CellWriter
from or_magic.commands.subcommand import Argument, command, positive
from or_magic.content import Content
from or_magic.errors import CommandError
from or_magic.prompt.answer_formats import AnswerFormat
from or_magic.prompt.failed_code import EXPLAIN_CODE, EXPLAIN_ERROR, FIX, Failure, question_about

_NOTHING_FAILED = "No cell has failed in this kernel. %openrouter explain N explains cell N."
_WITH_VALUES = Argument("--values", help="tell the model the values of the variables too")
_CELL_LINE = Argument("line", "FLAGS", "the model and the flags of a cell", default="", takes="cell")


@command(
    "ask",
    "ask in one line",
    Argument("text", "TEXT", takes="text", is_required=True, wants="a question: %openrouter ask Why is the sky blue?"),
    is_text=True,
)
def ask(context: NotebookContext, text: str) -> None:
    """The rest of the line is the prompt, exactly."""
    cells.ask(context, text)


@command("continue", "the rest of an answer that was stopped or cut")
def go_on(context: NotebookContext) -> None:
    """Asks for the rest of the last answer, which was stopped, broke off or met its length limit."""
    cells.go_on(context)


@command("jobs", "the answers that arrive in the background")
def jobs(context: NotebookContext) -> None:
    """Lists the answers that still arrive in the background, with their numbers."""
    under_way = context.session.jobs()
    for job in under_way:
        answer = job.newest
        model = answer.model or answer.model_asked or "the account's model"
        print(f"{job.turn_id:>6}  {model}  {time.monotonic() - answer.sent_at:.0f} s  {len(answer.text):,} characters")
    print("%openrouter stop ID stops one, %openrouter stop all of them." if under_way else "Nothing is under way.")


@command(
    "stop",
    "stop answers in the background",
    Argument("which", "ID|all", "the answer's number (%openrouter jobs)", default="", words=("all",), names="job"),
)
def stop(context: NotebookContext, which: str) -> None:
    """Stops answers in the background; alone, the only one there is."""
    under_way = context.session.jobs()
    wanted = under_way if which == "all" else [job for job in under_way if which in ("", str(job.turn_id))]
    if not under_way:
        raise CommandError("Nothing is under way in the background.")
    if not wanted:
        raise CommandError(f"There is no {which!r} under way. %openrouter jobs lists them.")
    if not which and len(wanted) > 1:
        raise CommandError(f"{len(wanted)} answers are under way: %openrouter stop ID, or stop all.")
    for job in wanted:
        job.stop()
        print(f"Stopped {job.turn_id} after about {job.answer.about_tokens:,} tokens, which are kept.")


@command(
    "insert",
    "put block N of the last answer's code into the next cell",
    Argument("number", "N", "which block (1)", convert=positive, wants="the number of a block", default=1),
)
def insert(context: NotebookContext, number: int) -> None:
    """Puts the N-th block of code of the last answer into the next cell; alone the first.

    Nothing is run. A block of another language comes with its magic, such as ``%%bash``.
    """
    answer = context.session.last
    if answer is None:
        raise CommandError("There is no answer yet whose code could be inserted.")
    CellWriter(context).insert(answer, number)


@command("fix", "what was wrong with the cell that failed, and the cell anew", _WITH_VALUES, _CELL_LINE)
def fix(context: NotebookContext, values: bool, line: str) -> None:
    """Asks what was wrong with the last cell that failed, and for it anew.

    The proposed cell is put next, with what changed shown; it is not run. The model is sent the cell, the traceback,
    the user's functions on its way, and types and shapes of the variables: their values only with --values. The
    question stands alone: it is not part of the conversation, unless ``--thread`` names one.
    """
    failure = context.last_failure()
    if failure is None:
        raise CommandError(_NOTHING_FAILED)
    answer = _ask_about(context, failure, FIX, line, AnswerFormat("code"), with_values=values)
    if answer is not None and answer.done and (diff := CellWriter(context).offer_changed(answer, failure.source)):
        context.session.host.show_code(diff, "diff")


@command(
    "explain",
    "what the last error means, or what cell N does",
    Argument("number", "N", "the cell's number, which stands beside it", convert=positive),
    _WITH_VALUES,
    _CELL_LINE,
)
def explain(context: NotebookContext, number: int | None, values: bool, line: str) -> None:
    """Asks what the last error means, or what cell N does. What the model is sent is as for ``fix``."""
    if number is None:
        failure = context.last_failure()
        if failure is None:
            raise CommandError(_NOTHING_FAILED)
    elif number < len(context.cells) and context.cells[number].strip():
        failure = Failure(context.cells[number], context.error_of_cell(number))
    else:
        raise CommandError(f"There is no cell [{number}] in this kernel: the numbers stand beside the cells.")
    task = EXPLAIN_CODE if failure.error is None else EXPLAIN_ERROR
    _ask_about(context, failure, task, line, AnswerFormat(), with_values=values)


def _ask_about(
    context: NotebookContext,
    failure: Failure,
    task: str,
    line: str,
    answer_format: AnswerFormat,
    *,
    with_values: bool,
) -> Answer | None:
    """Asks about a cell; None where nothing is sent, because the flags say so."""
    asked = cells.cell_line(context, line)
    question = question_about(failure, task, context.variables, with_values=with_values)
    is_alone = not asked.values.get("thread") and not asked.history
    options = {"history": "none"} if is_alone else {}
    return cells.ask_ready(context, Content.of_text(question), asked, answer_format, **options)
