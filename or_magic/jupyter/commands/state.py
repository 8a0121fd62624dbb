"""Commands that show or set the state of the notebook."""

from __future__ import annotations

from pathlib import Path

from or_magic.asking.model_card import model_card
from or_magic.errors import CommandError, MissingKeyError, StoreError
from or_magic.jupyter.commands.conversation import thread_row
from or_magic.jupyter.commands.desk import Desk
from or_magic.jupyter.flags import model_id
from or_magic.money import format_usd
from or_magic.plain_text import strip_terminal
from or_magic.settings import ALIASES


def show(desk: Desk) -> None:
    """``%openrouter`` alone: model, service, key, notebook, spent. The key itself is never shown."""
    settings = desk.session.settings
    chosen, address = settings.model(), settings.base_url()
    rows = {
        "model": f"{chosen.value} ({chosen.source})",
        "service": f"{desk.session.service} ({address.source})",
        "key": _key_row(desk),
        "notebook": _notebook_row(desk),
        "thread": thread_row(desk),
        "spent": _spent_row(desk),
    }
    for name, value in rows.items():
        print(f"{name:<9} {value}")
    print("%openrouter help lists what can be typed.")


def model(desk: Desk, text: str) -> None:
    """``%openrouter model [ID]``: shows or sets the model that this notebook's cells ask, and what is known of it."""
    settings = desk.session.settings
    if text:
        if len(text.split()) > 1:
            raise CommandError(f"%openrouter model takes one id; {text!r} was typed.")
        settings.notebook["model"] = text if text in settings.names_of(ALIASES) else model_id(text)
    chosen = settings.model()
    print(f"{chosen.value} ({chosen.source})")
    print(strip_terminal("\n".join(f"  {line}" for line in model_card(desk.session.models, chosen.value))), end="\n")


def _key_row(desk: Desk) -> str:
    try:
        return f"set ({desk.session.settings.key().source})"
    except MissingKeyError:
        return "none (%openrouter key to type one, %openrouter sandbox to try without)"


def _notebook_row(desk: Desk) -> str:
    place = desk.host.where()
    if place.purse_name == "notebook":
        return Path(place.notebook).name  # not its folder: notebooks are shared, and paths name people
    return "not told by this front end; money is counted under the working folder"


def _spent_row(desk: Desk) -> str:
    try:
        spent = desk.session.spent()
    except StoreError as error:
        return str(error)
    unknown = f", {spent.unknown} of unknown cost" if spent.unknown else ""
    return f"{format_usd(spent.pico_usd)} in {spent.turns:,} answers{unknown}"
