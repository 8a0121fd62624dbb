"""Commands that show and set what can be tuned: times, retries, the address that is asked."""

from __future__ import annotations

from pathlib import Path

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk
from or_magic.jupyter.flags import model_id
from or_magic.options import BY_NAME, OPTIONS
from or_magic.parameter_table import PARAMETER_BY_NAME, PARAMETERS
from or_magic.parameters import UNSET_WORD
from or_magic.settings import ALIASES, NAMES, PROMPTS, no_such

_DEFAULT = "default"
_SHOWN = 80  # characters of a named prompt
_ALIASES = {parameter.long_flag.lstrip("-"): parameter.name for parameter in PARAMETERS if parameter.flag}


def put(desk: Desk, text: str) -> None:
    """``%openrouter set [--user] [NAME VALUE]``: sets an option for this notebook; alone it shows all of them.

    With --user for all notebooks, in the settings file (%openrouter config tells where it is); unset takes it out.
    """
    if not text:
        return config(desk, "")
    words, is_for_all = without_flag(text, "--user")
    name, _, value = words.partition(" ")
    value = value.strip()
    name = _ALIASES.get(name.lstrip("-"), name.lstrip("-").replace("-", "_"))
    if name == "model" and not is_for_all:
        raise CommandError("The model is set by %openrouter model ID; for all notebooks by set --user model ID.")
    if name not in NAMES:
        raise CommandError(no_such(name))
    if not value:
        raise CommandError(f"%openrouter set {name} wants a value, or the word {UNSET_WORD} to take back what was set.")
    if is_for_all:
        settings = desk.session.settings
        known = settings.names_of(ALIASES)
        value = value.strip("'\"")
        if name == "model" and value != UNSET_WORD and value not in known:
            model_id(value)
        settings.put_for_user(name, None if value in (UNSET_WORD, _DEFAULT) else value)
    elif name == "base_url":
        _put_base_url(desk, value)
    elif value == UNSET_WORD or (value == _DEFAULT and name in BY_NAME):
        desk.session.settings.notebook.pop(name, None)
    else:
        desk.session.settings.put(name, value.strip("'\""))
    return print(_row(desk, name))


def config(desk: Desk, text: str) -> None:
    """``%openrouter config``: every setting, its value, and who set it; where the user's file is, and what is named."""
    if text:
        raise CommandError(f"%openrouter config takes nothing more; {text!r} was typed. To set: %openrouter set.")
    settings = desk.session.settings
    chosen = settings.model()
    print(f"{'model':<20} {chosen.value} ({chosen.source})")
    print(_row(desk, "base_url"))
    rows = {option: _row(desk, option.name) for option in OPTIONS}
    width = max(map(len, rows.values()))
    for option, row in rows.items():
        print(f"{row:<{width}}  {option.help}")
    for name in settings.parameters():
        print(_row(desk, name))
    for title, table in (("alias", ALIASES), ("prompt", PROMPTS)):
        for name, told in settings.names_of(table).items():
            print(f"{title} {name:<{19 - len(title)}} {shortened(told)}")
    path = settings.file.path
    print(f"For all notebooks: {_from_home(path)}{'' if path.exists() else ' (not there yet)'}")
    print("%openrouter set NAME VALUE changes one for this notebook; %openrouter help flags lists all parameters.")


def without_flag(text: str, flag: str) -> tuple[str, bool]:
    """What was typed without a flag that may stand first or last, and whether it did."""
    words = text.split(" ")
    if flag in (words[0], words[-1]):
        words.remove(flag)
        return " ".join(words).strip(), True
    return text, False


def shortened(text: str) -> str:
    """A text on one line, of a long one the beginning."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _from_home(path: Path) -> str:
    """The path as a reader knows it; notebooks are shared, and a home folder names its owner."""
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else str(path)


def _put_base_url(desk: Desk, value: str) -> None:
    notebook = desk.session.settings.notebook
    before = notebook.pop("base_url", None)
    if value in (UNSET_WORD, _DEFAULT):
        return
    notebook["base_url"] = value
    try:
        desk.session.settings.base_url()
    except CommandError:
        notebook.pop("base_url")
        if before is not None:
            notebook["base_url"] = before
        raise


def _row(desk: Desk, name: str) -> str:
    settings = desk.session.settings
    if name in PARAMETER_BY_NAME:
        value = settings.parameters().get(name)
        return f"{name:<20} {'not set' if value is None else f'{value.value} ({value.source})'}"
    if name == "model":
        return f"{name:<20} {settings.model().value} ({settings.model().source})"
    setting = settings.base_url() if name == "base_url" else settings.option(name)
    unit = f" {BY_NAME[name].unit}" if name in BY_NAME and BY_NAME[name].unit else ""
    return f"{name:<20} {setting.value}{unit} ({setting.source})"
