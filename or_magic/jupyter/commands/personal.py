"""Commands about what the user has named: short names of models, and prompts to begin with."""

from __future__ import annotations

from or_magic.errors import CommandError
from or_magic.jupyter.commands.configuration import shortened, without_flag
from or_magic.jupyter.commands.desk import Desk
from or_magic.jupyter.flags import model_id
from or_magic.parameters import UNSET_WORD
from or_magic.settings import ALIASES, PROMPTS


def alias(desk: Desk, text: str) -> None:
    """``%openrouter alias [NAME ID]``: a short name for a model; alone it shows all of them, ``unset`` takes one away.

    ``%openrouter alias fast openai/gpt-5-mini``, then ``%%openrouter fast``. It is kept in the settings file, for all
    notebooks; with --notebook it holds in this kernel, on top of that.
    """
    words, is_here = without_flag(text, "--notebook")
    name, _, id = words.partition(" ")
    if id and id.strip() != UNSET_WORD:
        _check_name(name, "an alias")
        id = model_id(id.strip())
    _put(desk, ALIASES, name, id.strip(), is_here)


def prompt(desk: Desk, text: str) -> None:
    """``%openrouter prompt [NAME TEXT]``: a text to begin with; alone it shows all of them, ``unset`` takes one away.

    ``%openrouter prompt review Review this code.``, then ``%%openrouter --prompt review`` sends it before the cell's
    text; ``--system @review`` sends it as the system prompt. It is sent as it is: {{ }} in it is text. It is kept in
    the settings file, for all notebooks; with --notebook, which stands first, it holds in this kernel, on top of that.
    """
    is_here = text.startswith("--notebook ")
    name, _, told = text.removeprefix("--notebook ").strip().partition(" ")
    if told and told.strip() != UNSET_WORD:
        _check_name(name, "a prompt's name")
    _put(desk, PROMPTS, name, told.strip(), is_here)


def _put(desk: Desk, table: str, name: str, text: str, is_here: bool) -> None:
    """Keeps, takes away or shows what is named."""
    settings = desk.session.settings
    before = settings.names_of(table)  # also looks whether the file is sound
    if text == UNSET_WORD:
        if name not in before:
            raise CommandError(f"There is no {name!r} in {table}. %openrouter config lists what there is.")
        settings.named[table].pop(name, None)
        if not is_here:
            settings.file.put((table, name), None)
        return print(f"{name} is gone.")
    if text and is_here:
        settings.named[table][name] = text
    elif text:
        settings.file.put((table, name), text)
    known = settings.names_of(table)
    shown = known if not name else {name: settings.prompt(name) if table == PROMPTS else known.get(name, "")}
    if not known:
        return print(f"There are no {table} yet. %openrouter {table.rstrip('es')} --help tells how to make one.")
    for each, told in shown.items():
        print(f"{each:<16} {told if name else shortened(told)}" if told else f"There is no alias {each!r}.")
    return None


def _check_name(name: str, what: str) -> None:
    if not name.replace("-", "_").replace(".", "_").isidentifier() or name in ("auto", "account", "help"):
        raise CommandError(f"{name!r} cannot be {what}: letters, digits, _, - and ., beginning with a letter.")
