"""What the panel needs of the page beyond widgets: a listener for all its buttons, scrolling, the clipboard, cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

from or_magic.jupyter.panel.comms import free_one


class Page(anywidget.AnyWidget):
    """Invisible; listens on the panel that it stands in.

    Args:
        on_press: told of each button of ours that is pressed: ``do`` says which, the rest are its facts, all as text.
            Called in the main thread or a subshell's; it must return at once.
    """

    # As texts: anywidget keeps a widget whose source is a path alive for good.
    _esm = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("panel.css").read_text(encoding="utf-8")

    def __init__(self, on_press: Callable[[Mapping[str, str]], object]) -> None:
        super().__init__()
        self._on_press = on_press
        self.on_msg(self._hear)

    def copy(self, text: str) -> None:
        """Puts a text into the clipboard of who pressed a button just now."""
        self.send({"do": "copy", "text": text})

    def go_to_end(self) -> None:
        """Shows the end of the conversation, and follows it."""
        self.send({"do": "end"})

    def _hear(self, widget: object, content: Any, buffers: object) -> None:
        facts = content if isinstance(content, dict) else {}
        self._on_press({str(name): str(value)[:1_000] for name, value in facts.items()})

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        free_one(self)
