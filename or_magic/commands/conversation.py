"""Commands on the conversation of the notebook: what was said, taking it back, other threads, files."""

from __future__ import annotations

import difflib
from datetime import datetime
from pathlib import Path

from or_magic.chat.conversation import Conversation, Turns
from or_magic.chat.transcripts import LARGEST_FILE
from or_magic.commands.arguments import NO_SYSTEM
from or_magic.commands.context import NotebookContext
from or_magic.commands.subcommand import Argument, command, moment, positive
from or_magic.errors import CommandError, StoreError
from or_magic.ledger.records import Turn

_MOST = 1_000  # turns that are looked at in one view of all notebooks
_SHORT = 60
_FORCE = Argument("--force", help="replace a file that is there")


@command(
    "history",
    "this thread's turns; .df() is a table",
    Argument("--all", help="those of all notebooks"),
    Argument("--search", "TEXT", "those with these words", takes="many", wants="the words to look for"),
)
def history(context: NotebookContext, all: bool, search: str | None) -> Conversation | Turns:
    """This thread's turns; those of all notebooks; those with these words.

    What it returns is shown; its ``.df()`` is a table, one row a turn.
    """
    if not all and search is None:
        return Conversation(context.session)
    notebook = None if all else context.session.host.where().notebook
    return Turns(context.session.ledger.find(notebook, search or "", limit=_MOST))


@command(
    "show",
    "one turn, whole",
    Argument(
        "turn",
        "TURN",
        "its number, which stands in %openrouter history",
        convert=positive,
        wants="the number of a turn, as %openrouter history tells it",
        is_required=True,
    ),
)
def show(context: NotebookContext, turn: int) -> Turns:
    """One turn, whole, with its thoughts and tools; its number stands in ``%openrouter history``."""
    return Turns([context.session.ledger.turn(turn)], shown=None)


@command(
    "undo",
    "take the last turns out of the conversation",
    Argument("count", "N", "how many turns (1)", convert=positive, wants="a number of turns", default=1),
)
def undo(context: NotebookContext, count: int) -> None:
    """Takes the last turns out of the conversation; what they were is kept."""
    taken = _questions(Conversation(context.session).undo(count))
    print(f"Took out {_turns(len(taken))}: {_quoted([turn.prompt.text for turn in taken])}")
    _say_length(context, "%openrouter redo brings back.")


@command(
    "redo",
    "bring back what was undone",
    Argument(
        "count",
        "N|all",
        "how many turns (1)",
        convert=lambda word: None if word == "all" else positive(word),
        wants="a number of turns, or all",
        default=1,
        words=("all",),
    ),
)
def redo(context: NotebookContext, count: int | None) -> None:
    """Brings back what was undone since the last answer."""
    back = _questions(Conversation(context.session).redo(count))
    print(f"Brought back {_turns(len(back))}: {_quoted([turn.prompt.text for turn in back])}")
    _say_length(context)


def _questions(turns: list[Turn]) -> list[Turn]:
    """Those that the user asked: not the steps with tools that followed."""
    return [turn for turn in turns if turn.prompt.role != "tool"]


@command("reset", "begin the conversation anew")
def reset(context: NotebookContext) -> None:
    """Begins the conversation anew; what it was is kept."""
    count = Conversation(context.session).reset()
    if not count:
        return print("The conversation is empty already.")
    return print(f"The conversation begins anew. {_turns(count)} taken out; %openrouter redo all brings back.")


@command(
    "fork",
    "a new thread that goes on from here",
    Argument("name", "NAME", "of the new thread", takes="many", wants="a name for the new thread", is_required=True),
)
def fork(context: NotebookContext, name: str) -> None:
    """A new thread that goes on from here; the cells work in it from now on."""
    before = Conversation(context.session).thread
    Conversation(context.session).fork(name)
    print(f"Thread {name} goes on from here. %openrouter switch {before} goes back.")
    _say_length(context)


@command(
    "switch",
    "go to another thread",
    Argument(
        "name",
        "NAME",
        "of the thread",
        takes="many",
        wants="the name of a thread; %openrouter threads lists them",
        is_required=True,
        names="thread",
    ),
)
def switch(context: NotebookContext, name: str) -> None:
    """Another thread, in which the cells work from now on."""
    Conversation(context.session).switch(name)
    _say_length(context)


@command("threads", "the threads of this notebook")
def threads(context: NotebookContext) -> None:
    """The threads of this notebook, and which is the current one."""
    rows = Conversation(context.session).threads
    width = max((len(thread.name) for thread in rows), default=0)
    for thread in rows:
        mark = "*" if thread.is_current else " "
        count = len(Conversation(context.session, thread.name))
        forked = f", forked from {thread.forked_from}" if thread.forked_from else ""
        system = ", with a system prompt" if thread.system else ""
        print(f"{mark} {thread.name:<{width}}  {_turns(count)}{forked}{system}")
    print(
        "%openrouter switch NAME changes, fork NAME makes one." if rows else "No thread yet: the first cell makes one."
    )


@command(
    "system",
    "show or set the system prompt of this thread; none, unset, @prompt",
    Argument("text", "TEXT", "the prompt; @NAME, none or unset", default="", takes="text", words=("none", "unset")),
    is_text=True,
)
def system(context: NotebookContext, text: str) -> None:
    """Shows or sets what this thread's questions begin with.

    ``@NAME`` is the prompt that was named so by ``%openrouter prompt``.
    """
    talk = Conversation(context.session)
    if text.startswith("@"):
        talk.set_system(context.session.settings.prompt(text[1:]))
    elif text:
        talk.set_system(None if text == "unset" else "" if text.lower() == NO_SYSTEM else text.strip("'\""))
    print(f"System prompt of thread {talk.thread}: {talk.system or 'none'}")


@command(
    "export",
    "the conversation as .md, or .json of messages",
    Argument("file", "FILE", "its kind is told by its name", wants="one file, such as talk.md", is_required=True),
    _FORCE,
)
def export(context: NotebookContext, file: str, force: bool) -> None:
    """Writes the conversation as .md to read or .json as messages."""
    talk = Conversation(context.session)
    path = talk.export(file, overwrite=force)
    print(f"Wrote {_turns(len(talk))} to {path.name}.")


@command(
    "import",
    "a .json of messages as a new thread",
    Argument(
        "file",
        "FILE",
        "messages in OpenAI's form",
        wants=f"one .json file of messages, of at most {LARGEST_FILE // 1_000_000} MB",
        is_required=True,
    ),
)
def import_(context: NotebookContext, file: str) -> None:
    """A new thread with the messages of a .json file. Nothing in it is carried out."""
    talk = Conversation(context.session).import_(file)
    print(f"Thread {talk.thread} holds {_turns(len(talk))} of {Path(file).name}; the cells go on from there.")


@command(
    "adopt",
    "the conversation of a notebook that was renamed or copied",
    Argument("old", "OLD", "its old name", wants="the notebook's old name, such as adopt old.ipynb", is_required=True),
)
def adopt(context: NotebookContext, old: str) -> None:
    """Takes the conversation of a notebook that was renamed or copied to this one.

    Where the front end does not tell which notebook this is, the kernel becomes OLD from now on.
    """
    location, known = context.session.host.where(), context.session.threads.notebooks()
    is_told = location.budget_scope_name == "notebook"
    notebook = _notebook(old, known, Path(location.notebook).parent if is_told else Path.cwd())
    if not is_told:
        context.join_notebook(notebook)
        return _say_length(context, f"This kernel goes on the conversation of {Path(notebook).name}.")
    is_moved = notebook.endswith(".ipynb") and not Path(notebook).exists()
    names = context.session.threads.adopt(notebook, location.notebook, is_moved=is_moved)
    cost = "with what it cost" if is_moved else "what it cost stays with the old notebook"
    return _say_length(context, f"Adopted {', '.join(names)} of {Path(notebook).name}; {cost}.")


@command(
    "forget",
    "delete for good",
    Argument("--notebook", help="all that this notebook has asked", group="what"),
    Argument("--thread", "NAME", "a thread (the current one)", takes="optional", names="thread", group="what"),
    Argument("--before", "DATE", "what is older: 2026-11-25", moment, "a date, such as 2026-11-25", group="what"),
    Argument("--yes", help="do not ask"),
)
def forget(context: NotebookContext, notebook: bool, thread: str | None, before: datetime | None, yes: bool) -> None:
    """Deletes turns of this notebook and their costs for good, after asking."""
    from or_magic.ledger.forgetting import Deletion

    here, known = context.session.host.where().notebook, context.session.threads

    def delete(deletion: Deletion) -> int:
        if notebook:
            return deletion.notebook(here)
        if thread is not None:
            name = thread or known.current_name(here)
            known.path(here, name)  # says what is near where there is none
            return deletion.thread(here, name)
        if before is not None:
            return deletion.before(here, before)
        raise CommandError("%openrouter forget wants one of --notebook, --thread [NAME], --before 2026-11-25.")

    count = delete(Deletion(context.session.ledger, really=False))
    if not yes and not _agrees(context, f"Delete {_turns(count)} and their costs for good?"):
        return print("Nothing was deleted.")
    delete(Deletion(context.session.ledger))
    return print(f"Deleted {_turns(count)}.")


def _agrees(context: NotebookContext, question: str) -> bool:
    if context.front_end == "headless":
        raise CommandError(f"{question} Nobody can be asked here: add --yes.")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _notebook(typed: str, known: list[str], folder: Path) -> str:
    """The notebook that is meant: its whole name, a path from here, or the last part of one that asked before."""
    whole = str((folder / Path(typed).expanduser()).absolute())
    for name in (typed, whole):
        if name in known:
            return name
    same = [name for name in known if Path(name).name == Path(typed).name]
    if len(same) == 1:
        return same[0]
    if len(same) > 1:
        raise CommandError(f"{len(same)} notebooks are called {Path(typed).name}: name the folder too.")
    near = difflib.get_close_matches(Path(typed).name, [Path(name).name for name in known], n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise CommandError(f"No notebook {typed!r} has a conversation here.{hint}")


def _turns(count: int) -> str:
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _quoted(prompts: list[str]) -> str:
    lines = [" ".join(prompt.split()) for prompt in prompts]
    return "; ".join(line if len(line) <= _SHORT else f"{line[:_SHORT]}…" for line in lines[-3:])


def _say_length(context: NotebookContext, more: str = "") -> None:
    talk = Conversation(context.session)
    print(f"Thread {talk.thread}: {_turns(len(talk))}. {more}".rstrip())


def thread_row(context: NotebookContext) -> str:
    """The current thread, how long it is and which turns are sent along, for the state."""
    talk = Conversation(context.session)
    which = str(context.session.settings.option("history").value)
    along = {"run": ", those of this kernel are sent along", "none": ", none is sent along"}.get(which, "")
    try:
        return f"{talk.thread}, {_turns(len(talk))}{along}"
    except StoreError as error:
        return str(error)
