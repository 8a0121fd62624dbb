"""Commands that show and set what can be tuned: times, retries, the address that is asked."""

from __future__ import annotations

import difflib

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk
from or_magic.options import BY_NAME, OPTIONS

_UNSET = "default"


def put(desk: Desk, text: str) -> None:
    """``%openrouter set [NAME VALUE]``: sets an option for this notebook; alone it shows all of them."""
    if not text:
        return config(desk, "")
    name, _, value = text.partition(" ")
    value = value.strip()
    if name != "base_url" and name not in BY_NAME:
        raise CommandError(_no_such(name))
    if not value:
        raise CommandError(f"%openrouter set {name} wants a value, or the word {_UNSET} to take back what was set.")
    if name == "base_url":
        _put_base_url(desk, value)
    elif value == _UNSET:
        desk.session.settings.notebook.pop(name, None)
    else:
        desk.session.settings.put(BY_NAME[name], value)
    return print(_row(desk, name))


def config(desk: Desk, text: str) -> None:
    """``%openrouter config``: every setting, its value, and who set it."""
    if text:
        raise CommandError(f"%openrouter config takes nothing more; {text!r} was typed. To set: %openrouter set.")
    chosen = desk.session.settings.model()
    print(f"{'model':<20} {chosen.value} ({chosen.source})")
    print(_row(desk, "base_url"))
    rows = {option: _row(desk, option.name) for option in OPTIONS}
    width = max(map(len, rows.values()))
    for option, row in rows.items():
        print(f"{row:<{width}}  {option.help}")
    print("%openrouter set NAME VALUE changes one for this notebook.")


def _put_base_url(desk: Desk, value: str) -> None:
    notebook = desk.session.settings.notebook
    before = notebook.pop("base_url", None)
    if value == _UNSET:
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
    setting = settings.base_url() if name == "base_url" else settings.option(name)
    unit = f" {BY_NAME[name].unit}" if name in BY_NAME and BY_NAME[name].unit else ""
    return f"{name:<20} {setting.value}{unit} ({setting.source})"


def _no_such(name: str) -> str:
    names = ["base_url", *(option.name for option in OPTIONS)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if name == "model":
        return "The model is set by %openrouter model ID."
    return f"No option {name!r}. " + (f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}.")
