"""Commands that show and set what can be tuned: times, retries, the address that is asked."""

from __future__ import annotations

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk
from or_magic.options import BY_NAME, OPTIONS
from or_magic.parameter_table import PARAMETER_BY_NAME, PARAMETERS
from or_magic.parameters import UNSET_WORD
from or_magic.settings import NAMES, no_such

_DEFAULT = "default"
_ALIASES = {parameter.long_flag.lstrip("-"): parameter.name for parameter in PARAMETERS if parameter.flag}


def put(desk: Desk, text: str) -> None:
    """``%openrouter set [NAME VALUE]``: sets an option for this notebook; alone it shows all of them."""
    if not text:
        return config(desk, "")
    name, _, value = text.partition(" ")
    value = value.strip()
    name = _ALIASES.get(name.lstrip("-"), name.lstrip("-").replace("-", "_"))
    if name == "model":
        raise CommandError("The model is set by %openrouter model ID.")
    if name not in NAMES:
        raise CommandError(no_such(name))
    if not value:
        raise CommandError(f"%openrouter set {name} wants a value, or the word {UNSET_WORD} to take back what was set.")
    if name == "base_url":
        _put_base_url(desk, value)
    elif value == UNSET_WORD or (value == _DEFAULT and name in BY_NAME):
        desk.session.settings.notebook.pop(name, None)
    else:
        desk.session.settings.put(name, value.strip("'\""))
    return print(_row(desk, name))


def config(desk: Desk, text: str) -> None:
    """``%openrouter config``: every setting, its value, and who set it."""
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
    print("%openrouter set NAME VALUE changes one for this notebook; %openrouter help flags lists all parameters.")


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
    setting = settings.base_url() if name == "base_url" else settings.option(name)
    unit = f" {BY_NAME[name].unit}" if name in BY_NAME and BY_NAME[name].unit else ""
    return f"{name:<20} {setting.value}{unit} ({setting.source})"
