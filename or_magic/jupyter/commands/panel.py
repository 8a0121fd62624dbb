"""The command that shows the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk

if TYPE_CHECKING:  # ipywidgets is imported when a panel is made
    from or_magic.jupyter.panel.panel import Panel


def show(desk: Desk, text: str) -> Panel:
    """``%openrouter panel``: one widget with the model, the conversation, the settings and the money of this notebook.

    What is asked there and in cells is one conversation. ``or_magic.Panel()`` makes the same; `close` takes it away.
    """
    if text:
        raise CommandError(f"%openrouter panel takes nothing more; {text!r} was typed.")
    if desk.host.place.front_end() == "terminal":
        raise CommandError(
            "The panel needs a notebook: JupyterLab, Notebook or VS Code. Here %openrouter ask TEXT asks."
        )
    from or_magic.jupyter.panel.panel import Panel

    return Panel(desk)
