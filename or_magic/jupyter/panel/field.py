"""A labelled field of the panel, with a line below it that tells its help, or what is wrong with what was typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as widgets

from or_magic.plain_text import escape_text
from or_magic.values import Choice, Either, Kind, Switch

NOT_SET = "not set"


class Field(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A labelled control, and the line below it: its help, or what is wrong.

    Args:
        control: a text field, or a list of choices whose values are texts.
        on_change: told that the user has changed it.

    Attributes:
        control: see above.
        known: the text that is set; what differs from it was typed since.
    """

    def __init__(self, control: Any, on_change: Callable[[], object]) -> None:
        self.control, self.known = control, ""
        self._line, self._help, self._message = widgets.HTML(), "", ""
        super().__init__([control, self._line])
        self.add_class("orm-field")
        control.observe(lambda _: on_change(), "value")

    @property
    def text(self) -> str:
        """What stands in it."""
        return str(self.control.value or "").strip()

    def show(self, text: str, unset: str, help: str = "") -> None:
        """Shows what is set, where that is not what it was.

        Args:
            unset: what an empty one stands for.
            help: one line of plain text.
        """
        text = text.strip()
        self._hint(text, unset)
        if text != self.known:
            self.known, self.control.value = text, text
            self.complain("")
        self._help = help
        self._draw_line()

    def complain(self, message: str) -> None:
        """Says what is wrong; "" for nothing."""
        self._message = message
        (self.add_class if message else self.remove_class)("orm-wrong")
        self._draw_line()

    def let_be_seen(self, is_seen: bool) -> None:
        """Shows or hides it."""
        self.layout.display = None if is_seen else "none"

    def _draw_line(self) -> None:
        role = ' role="alert"' if self._message else ""
        self._line.value = f'<div{role} class="orm-field-line">{escape_text(self._message or self._help)}</div>'

    def _hint(self, text: str, unset: str) -> None:
        if not isinstance(self.control, widgets.Dropdown):
            self.control.placeholder = unset
            return
        words = [value for _, value in self.control.options if value]
        options = [(unset, ""), *((word, word) for word in words)]
        if text and text not in words:  # such as an object, which a command has set
            options.append((text, text))
        if options != list(self.control.options):
            chosen = self.control.value
            self.control.options = options
            self.control.value = chosen


def options(words: Iterable[str]) -> list[tuple[str, str]]:
    """What a list offers: nothing, and the words."""
    return [(NOT_SET, ""), *((word, word) for word in words)]


def choices(kind: Kind) -> tuple[str, ...]:
    """The words that a value can be; () where it can be more than some words and objects."""
    if isinstance(kind, Switch):
        return ("on", "off")
    if isinstance(kind, Either):
        return next((each.words for each in kind.kinds if isinstance(each, Choice)), ())
    return kind.words if isinstance(kind, Choice) else ()


def typed(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
