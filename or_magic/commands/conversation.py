"""Commands on the conversation of the notebook: what was said, taking it back, other threads, files."""

from __future__ import annotations

import difflib
from pathlib import Path

from or_magic.chat.conversation import Conversation, Turns
from or_magic.chat.transcripts import LARGEST_FILE
from or_magic.commands.arguments import NO_SYSTEM
from or_magic.commands.context import NotebookContext
from or_magic.commands.money import moment
from or_magic.commands.subcommand import words_of
from or_magic.errors import CommandError, StoreError
from or_magic.ledger.records import Turn

_MOST = 1_000  # turns that are looked at in one view of all notebooks
_SHORT = 60


def history(context: NotebookContext, text: str) -> Conversation | Turns:
    """``%openrouter history [--all] [--search TEXT]``: this thread's turns; of all notebooks; those with these words.

    What it returns is shown; its ``.df()`` is a table, one row a turn.
    """
    words = words_of(text)
    if not words:
        return Conversation(context.session)
    is_all = "--all" in words
    rest = [word for word in words if word != "--all"]
    if rest and rest[0] != "--search":
        raise CommandError(f"%openrouter history takes --all and --search TEXT; {rest[0]!r} was typed.")
    wanted = " ".join(rest[1:])
    if rest and not wanted:
        raise CommandError("%openrouter history --search wants the words to look for.")
    notebook = None if is_all else context.session.host.where().notebook
    return Turns(context.session.ledger.find(notebook, wanted, limit=_MOST))


def undo(context: NotebookContext, text: str) -> None:
    """``%openrouter undo [N]``: takes the last turns out of the conversation; what they were is kept."""
    taken = _questions(Conversation(context.session).undo(_count(text, "undo")))
    print(f"Took out {_turns(len(taken))}: {_quoted([turn.prompt.text for turn in taken])}")
    _say_length(context, "%openrouter redo brings back.")


def redo(context: NotebookContext, text: str) -> None:
    """``%openrouter redo [N|all]``: brings back what was undone since the last answer."""
    back = _questions(Conversation(context.session).redo(None if text == "all" else _count(text, "redo")))
    print(f"Brought back {_turns(len(back))}: {_quoted([turn.prompt.text for turn in back])}")
    _say_length(context)


def _questions(turns: list[Turn]) -> list[Turn]:
    """Those that the user asked: not the steps with tools that followed."""
    return [turn for turn in turns if turn.prompt.role != "tool"]


def reset(context: NotebookContext, text: str) -> None:
    """``%openrouter reset``: begins the conversation anew; what it was is kept."""
    _nothing(text, "reset")
    count = Conversation(context.session).reset()
    if not count:
        return print("The conversation is empty already.")
    return print(f"The conversation begins anew. {_turns(count)} taken out; %openrouter redo all brings back.")


def fork(context: NotebookContext, text: str) -> None:
    """``%openrouter fork NAME``: a new thread that goes on from here; the cells work in it from now on."""
    if not text:
        raise CommandError("%openrouter fork wants a name for the new thread.")
    before = Conversation(context.session).thread
    Conversation(context.session).fork(text)
    print(f"Thread {text} goes on from here. %openrouter switch {before} goes back.")
    _say_length(context)


def switch(context: NotebookContext, text: str) -> None:
    """``%openrouter switch NAME``: another thread, in which the cells work from now on."""
    if not text:
        raise CommandError("%openrouter switch wants the name of a thread; %openrouter threads lists them.")
    Conversation(context.session).switch(text)
    _say_length(context)


def threads(context: NotebookContext, text: str) -> None:
    """``%openrouter threads``: the threads of this notebook, and which is the current one."""
    _nothing(text, "threads")
    talk = Conversation(context.session)
    rows = talk.threads
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


def show(context: NotebookContext, text: str) -> Turns:
    """``%openrouter show TURN``: one turn, whole; its number stands in ``%openrouter history``."""
    if not text.isdecimal():
        raise CommandError("%openrouter show wants the number of a turn; %openrouter history tells them.")
    return Turns([context.session.ledger.turn(int(text))], shown=None)


def system(context: NotebookContext, text: str) -> None:
    """``%openrouter system [TEXT|@NAME|none|unset]``: shows or sets what this thread's questions begin with.

    ``@NAME`` is the prompt that was named so by ``%openrouter prompt``.
    """
    talk = Conversation(context.session)
    if text.startswith("@"):
        talk.set_system(context.session.settings.prompt(text[1:]))
    elif text:
        talk.set_system(None if text == "unset" else "" if text.lower() == NO_SYSTEM else text.strip("'\""))
    print(f"System prompt of thread {talk.thread}: {talk.system or 'none'}")


def export(context: NotebookContext, text: str) -> None:
    """``%openrouter export FILE [--force]``: the conversation as .md to read or .json as messages."""
    words = words_of(text)
    files = [word for word in words if word != "--force"]
    if len(files) != 1:
        raise CommandError("%openrouter export wants one file, such as talk.md or talk.json.")
    talk = Conversation(context.session)
    path = talk.export(files[0], overwrite="--force" in words)
    print(f"Wrote {_turns(len(talk))} to {path.name}.")


def import_(context: NotebookContext, text: str) -> None:
    """``%openrouter import FILE``: a new thread with the messages of a .json file. Nothing in it is carried out."""
    words = words_of(text)
    if len(words) != 1:
        raise CommandError(
            f"%openrouter import wants one .json file of messages, of at most {LARGEST_FILE // 1_000_000} MB."
        )
    talk = Conversation(context.session).import_(words[0])
    print(f"Thread {talk.thread} holds {_turns(len(talk))} of {Path(words[0]).name}; the cells go on from there.")


def adopt(context: NotebookContext, text: str) -> None:
    """``%openrouter adopt OLD.ipynb``: the conversation of a notebook that was renamed or copied to this one.

    Where the front end does not tell which notebook this is, the kernel becomes OLD from now on.
    """
    words = words_of(text)
    if len(words) != 1:
        raise CommandError("%openrouter adopt wants the notebook's old name, such as adopt old.ipynb.")
    location, known = context.session.host.where(), context.session.threads.notebooks()
    old = _notebook(
        words[0], known, Path(location.notebook).parent if location.budget_scope_name == "notebook" else Path.cwd()
    )
    if location.budget_scope_name != "notebook":
        context.join_notebook(old)
        return _say_length(context, f"This kernel goes on the conversation of {Path(old).name}.")
    is_moved = old.endswith(".ipynb") and not Path(old).exists()
    names = context.session.threads.adopt(old, location.notebook, is_moved=is_moved)
    cost = "with what it cost" if is_moved else "what it cost stays with the old notebook"
    return _say_length(context, f"Adopted {', '.join(names)} of {Path(old).name}; {cost}.")


def forget(context: NotebookContext, text: str) -> None:
    """``%openrouter forget [--notebook | --thread [NAME] | --before DATE] [--yes]``: deletes for good, after asking."""
    from or_magic.ledger.forgetting import Deletion

    words = words_of(text)
    is_sure = "--yes" in words
    what, *values = [word for word in words if word != "--yes"] or [""]
    notebook, ledger = context.session.host.where().notebook, context.session.ledger

    def delete(forgetting: Deletion) -> int:
        if what == "--notebook" and not values:
            return forgetting.notebook(notebook)
        if what == "--thread" and len(values) <= 1:
            name = values[0] if values else context.session.threads.current_name(notebook)
            context.session.threads.path(notebook, name)  # says what is near where there is none
            return forgetting.thread(notebook, name)
        if what == "--before" and len(values) == 1:
            return forgetting.before(notebook, moment(values[0]))
        raise CommandError("%openrouter forget wants one of --notebook, --thread [NAME], --before 2026-11-25.")

    count = delete(Deletion(ledger, really=False))
    if not is_sure and not _agrees(context, f"Delete {_turns(count)} and their costs for good?"):
        return print("Nothing was deleted.")
    delete(Deletion(ledger))
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


def _nothing(text: str, command: str) -> None:
    if text:
        raise CommandError(f"%openrouter {command} takes nothing more; {text!r} was typed.")


def _count(text: str, command: str) -> int:
    if text and (not text.isdecimal() or int(text) == 0):
        raise CommandError(f"%openrouter {command} wants a number of turns; {text!r} was typed.")
    return int(text or 1)


def _turns(count: int) -> str:
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _quoted(prompts: list[str]) -> str:
    lines = [" ".join(prompt.split()) for prompt in prompts]
    return "; ".join(line if len(line) <= _SHORT else f"{line[:_SHORT]}…" for line in lines[-3:])


def _say_length(context: NotebookContext, more: str = "") -> None:
    talk = Conversation(context.session)
    print(f"Thread {talk.thread}: {_turns(len(talk))}. {more}".rstrip())


def thread_row(context: NotebookContext) -> str:
    """The current thread, how long it is and what goes along, for the state."""
    talk = Conversation(context.session)
    which = str(context.session.settings.option("history").value)
    along = {"thread": "", "run": ", those of this kernel go along", "none": ", none goes along"}.get(which, "")
    try:
        return f"{talk.thread}, {_turns(len(talk))}{along}"
    except StoreError as error:
        return str(error)
