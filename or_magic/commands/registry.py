"""The subcommands of ``%openrouter``: one table, from which dispatch and help come.

A command is a function that takes the `NotebookContext` and what was typed behind its name, and prints what it has to
say.
Adding one is one function in a file of this folder and one line in the table.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from or_magic.commands import ask, conversation, models, money, settings
from or_magic.commands.arguments import flags_help
from or_magic.commands.context import NotebookContext
from or_magic.errors import CommandError


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand.

    Attributes:
        usage: what is typed.
        help: what it does, in one line.
        run: the function that does it.
        takes_text: whether what is typed behind it is a text, in which nothing is special.
    """

    usage: str
    help: str
    run: Callable[[NotebookContext, str], object]
    takes_text: bool = False

    @property
    def name(self) -> str:
        """The word that is typed behind ``%openrouter``."""
        return self.usage.split()[0]

    @property
    def page(self) -> str:
        """All that is to be said of it."""
        told = inspect.cleandoc(self.run.__doc__ or "").replace("``", "")
        return f"%openrouter {self.usage}: {self.help}\n\n{told}"


COMMANDS = (
    Command("ask TEXT", "ask in one line", ask.ask, takes_text=True),
    Command("continue", "the rest of an answer that was stopped or cut", ask.go_on),
    Command("jobs", "the answers that arrive in the background", ask.jobs),
    Command("stop [ID|all]", "stop answers in the background", ask.stop),
    Command("insert [N]", "put block N of the last answer's code into the next cell", ask.insert),
    Command("fix", "what was wrong with the cell that failed, and the cell anew; --values", ask.fix),
    Command("explain [N]", "what the last error means, or what cell N does; --values", ask.explain),
    Command("panel", "a widget to choose a model, talk and watch the money in", settings.show_panel),
    Command("model [ID]", "show the model of this notebook, or set it", settings.model),
    Command("set [NAME VALUE]", "show or set an option of this notebook; --user: of all", settings.put),
    Command("alias [NAME ID]", "a short name for a model, for all notebooks; --notebook: for this", settings.alias),
    Command("prompt [NAME TEXT]", "a text to begin with: %%openrouter --prompt NAME", settings.prompt, takes_text=True),
    Command("config", "every setting, its value, who set it, and where the file is", settings.config),
    Command("history", "this thread's turns; --all notebooks, --search TEXT; .df() is a table", conversation.history),
    Command("show TURN", "one turn, whole", conversation.show),
    Command("undo [N]", "take the last turns out of the conversation", conversation.undo),
    Command("redo [N|all]", "bring back what was undone", conversation.redo),
    Command("reset", "begin the conversation anew", conversation.reset),
    Command("fork NAME", "a new thread that goes on from here", conversation.fork),
    Command("switch NAME", "go to another thread", conversation.switch),
    Command("threads", "the threads of this notebook", conversation.threads),
    Command(
        "system [TEXT]",
        "show or set the system prompt of this thread; none, unset, @prompt",
        conversation.system,
        takes_text=True,
    ),
    Command("export FILE", "the conversation as .md, or .json of messages", conversation.export),
    Command("import FILE", "a .json of messages as a new thread", conversation.import_),
    Command("adopt OLD", "the conversation of a notebook that was renamed or copied", conversation.adopt),
    Command("forget WHAT", "delete for good: --notebook, --thread [NAME], --before DATE", conversation.forget),
    Command("cost", "what this notebook has spent; --all, --since DATE, --plot; .df() and .by()", money.cost_or_chart),
    Command("budget [USD]", "show or set what may be spent; --day, --thread; off", money.budget),
    Command("replay WHAT FILE", "answers of this kernel in a file: export FILE, import FILE", money.replay),
    Command("models [QUERY]", "the models as a table: --free --vision --max-price 1 --sort value", models.models),
    Command("endpoints [MODEL]", "who serves a model, at which price, how well", models.endpoints),
    Command("providers", "the companies that serve models", models.providers),
    Command("changes [SINCE]", "models that came, went, were repriced, since a day", models.changes),
    Command("chart WHAT", "prices and spending as pictures: context, intelligence, history, spending", models.chart),
    Command("credits", "what the account has left", money.credits),
    Command("limits", "what this key may spend, and has", money.limits),
    Command("key", "type a key; it is kept in this kernel's memory alone", settings.key),
    Command("sandbox [stop]", "rehearse without a key: answers from this machine, with play money", settings.sandbox),
)


def run_line(context: NotebookContext, line: str) -> object:
    """Carries out ``%openrouter LINE``; alone it shows the settings. What a command returns is the line's value.

    Raises:
        CommandError: there is no such subcommand, or it cannot take what was typed.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        settings.show(context)
        return None
    if name in ("help", "-h", "--help"):
        return print(flags_help(all_of_them=True) if rest.strip() == "flags" else help_text())
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        raise CommandError(_no_such(name, line.strip()))
    if rest.strip() in ("-h", "--help"):
        return print(command.page)
    if command.takes_text:
        return command.run(context, rest.strip())
    # As other magics have it; in a text that is asked nothing is special.
    return command.run(context, context.expand(_without_comment(rest)))


def _without_comment(text: str) -> str:
    """What stands before a ``# comment``, as in Python and in a shell: not one inside quotes or a word."""
    quote = ""
    for location, letter in enumerate(text):
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif letter == "#" and not quote and (location == 0 or text[location - 1].isspace()):
            return text[:location].strip()
    return text.strip()


def _no_such(name: str, line: str) -> str:
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS] + ["help"], n=1, cutoff=0.6)
    if near:
        return f"No subcommand {name!r}. Did you mean %openrouter {near[0]}?"
    return (
        f"No subcommand {name!r}. To ask: %openrouter ask {line[:60]}, or a cell that begins with %%openrouter. "
        "%openrouter help lists all."
    )


def help_text() -> str:
    """All that can be typed, as text."""
    usages = [("", "the state: model, key, notebook, spent")]
    usages += [(command.usage, command.help) for command in COMMANDS]
    usages.append(("help [flags]", "this; every flag of a cell"))
    lines = [f"  %openrouter {usage:<16} {help}" for usage, help in usages]
    return "\n".join(
        [
            "A cell that asks:",
            "  %%openrouter [MODEL] [flags]     (or %%or)",
            "  the prompt; {{ expression }} is a value of Python, all else is sent as it stands",
            "",
            flags_help(),
            "",
            "In one line:",
            *lines,
        ]
    )
