"""Commands about whom to ask: the key and the sandbox."""

from __future__ import annotations

from getpass import getpass

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk


def key(desk: Desk, text: str) -> None:
    """``%openrouter key``: asks for a key in a field that does not show it; kept in this process's memory alone."""
    if text:
        raise CommandError(
            "A key written into a cell would be saved with the notebook. Delete it from the cell, run %openrouter key "
            "alone and type it into the field; if the notebook was shared, revoke it at openrouter.ai/settings/keys."
        )
    if desk.host.place.front_end() == "headless":
        raise CommandError("Nobody is here to type a key. Set OPENROUTER_API_KEY before the run.")
    typed = getpass(f"Key for {desk.session.service} (begins with sk-or-): ").strip()
    if not typed:
        raise CommandError("No key was typed; nothing changed.")
    desk.session.settings.give_key(typed)
    print(f"Key for {desk.session.service} set for this kernel. It is not written anywhere.")


def sandbox(desk: Desk, text: str) -> None:
    """``%openrouter sandbox``: this notebook asks a rehearsal on this machine; ``stop`` goes back to the service."""
    if text not in ("", "stop"):
        raise CommandError(f"%openrouter sandbox takes nothing more, or stop; {text!r} was typed.")
    if text == "stop":
        desk.close_sandbox()
        print(f"The sandbox is gone. This notebook asks {desk.session.service}.")
        return
    print(f"This notebook now asks the sandbox at {desk.open_sandbox().base_url}: no key, no cost, no model.")
    print("%openrouter sandbox stop goes back.")
