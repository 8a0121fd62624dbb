"""Lets a widget be heard while a cell runs.

ipykernel 7.4 answers a comm on the shell that published on it last, whatever the front end asks for: a widget that was
made in a cell is heard when that cell, and whichever runs, has ended. Without that note the front end's own subshell
counts. The note is private to ipykernel, and not there in other versions, where nothing needs to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget

_NOTE = "_reply_subshell_id"


def free(*roots: Widget) -> None:
    """Makes widgets, and those within them, heard on the front end's subshell. Called after they have published."""
    for widget in within(*roots):
        free_one(widget)


def within(*roots: Widget) -> Iterator[Widget]:
    """The widgets, and all that stand in them."""
    pending: list[Any] = list(roots)
    while pending:
        widget = pending.pop()
        yield widget
        pending += getattr(widget, "children", ())


def free_one(widget: Widget) -> None:
    """The same for one widget."""
    comm = getattr(widget, "comm", None)
    if comm is not None:
        getattr(comm, "__dict__", {}).pop(_NOTE, None)
