"""All subcommands of ``%openrouter``, in the order of the help, and what carries out a line.

A subcommand is one function in a file of this folder with its declaration above it (`subcommand.command`).
"""

from __future__ import annotations

import difflib

from or_magic.commands import ask, conversation, models, money, settings
from or_magic.commands.arguments import flags_help
from or_magic.commands.context import NotebookContext
from or_magic.commands.subcommand import Argument, Command, command, one_of
from or_magic.errors import CommandError


@command(
    "help",
    "this; every flag of a cell",
    Argument(
        "what",
        "flags",
        "all flags of a cell, with every parameter of the API",
        one_of("flags"),
        "nothing more, or flags",
        words=("flags",),
    ),
)
def show_help(context: NotebookContext, what: str | None) -> None:
    """All that can be typed; ``flags`` lists every flag of a cell with every parameter of the API."""
    print(flags_help(all_of_them=True) if what == "flags" else help_text())


_MODULES = (ask, settings, conversation, money, models)
_DECLARED = [each for module in _MODULES for each in vars(module).values() if isinstance(each, Command)]
COMMANDS: tuple[Command, ...] = (*_DECLARED, show_help)


def command_of(name: str) -> Command | None:
    """The subcommand of that name; None where there is none."""
    return next((command for command in COMMANDS if command.name == name), None)


def run_line(context: NotebookContext, line: str) -> object:
    """Carries out ``%openrouter LINE``; alone it shows the settings. What a command returns is the line's value.

    Raises:
        CommandError: there is no such subcommand, or it cannot take what was typed.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        settings.show(context)
        return None
    found = command_of("help" if name in ("-h", "--help") else name)
    if found is None:
        raise CommandError(_no_such(name, line.strip()))
    return found.call(context, rest)


def _no_such(name: str, line: str) -> str:
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1, cutoff=0.6)
    if near:
        return f"No subcommand {name!r}. Did you mean %openrouter {near[0]}?"
    return (
        f"No subcommand {name!r}. To ask: %openrouter ask {line[:60]}, or a cell that begins with %%openrouter. "
        "%openrouter help lists all."
    )


def help_text() -> str:
    """All that can be typed, as text."""
    rows = [("", "the state: model, key, notebook, spent"), *((each.usage, each.line) for each in COMMANDS)]
    lines = [f"  %openrouter {usage:<20} {line}" for usage, line in rows]
    return "\n".join(
        [
            "A cell that asks:",
            "  %%openrouter [MODEL] [flags]     (or %%or)",
            "  the prompt; {{ expression }} is a value of Python, all else is sent as it stands",
            "",
            flags_help(),
            "",
            "In one line (NAME --help tells more of each):",
            *lines,
        ]
    )
