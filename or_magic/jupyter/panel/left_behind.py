"""What stays of a panel where no widget is alive: in a saved notebook, on GitHub, in what nbconvert writes."""

from __future__ import annotations

from typing import Any

from IPython.display import DisplayHandle, display

from or_magic.jupyter.markdown import stylesheet
from or_magic.jupyter.panel.turn_html import Asked, asked_html, left_behind_html
from or_magic.plain_text import sendable

_PLAIN = "The panel of or_magic: it needs a kernel. The conversation stands below."
_MOST_BYTES = 100_000


class LeftBehind:
    """The last state of a panel as an output of its own beside it. A living panel's style hides it."""

    def __init__(self) -> None:
        self._handles: list[DisplayHandle] = []
        self._html = ""
        self._drawn: dict[object, str] = {}

    def show(self, panel: Any) -> None:
        """Displays the panel, and its last state beside it."""
        bundle = panel._repr_mimebundle_()
        view = bundle[0] if isinstance(bundle, tuple) else bundle
        display({**view, "text/plain": _PLAIN}, raw=True)
        handle = DisplayHandle()
        handle.display(self.bundle(), raw=True)
        self._handles.append(handle)

    def renew(self, asked: list[Asked], thread: str) -> None:
        """The state of now; of a long one the end."""
        newest, drawn = self._newest(asked)
        html = left_behind_html(newest, thread, lambda each: drawn[each.key])
        shown = f"<style>{stylesheet()}</style>{html}" if asked else ""
        if shown != self._html:
            self._html = shown
            self._update()

    def _newest(self, asked: list[Asked]) -> tuple[list[Asked], dict[object, str]]:
        """Those that there is room for, at least one, and what they look like, which is drawn once for all times."""
        drawn: dict[object, str] = {}
        room, count = _MOST_BYTES, 0
        for each in reversed(asked):
            drawn[each.key] = self._drawn.get(each.key) or asked_html(each)
            room -= len(drawn[each.key])
            if room < 0 and count:
                break
            count += 1
        self._drawn = drawn
        return asked[len(asked) - count :], drawn

    def open(self) -> None:
        """The panel is gone: nothing hides it any more."""
        self._update()

    def _update(self) -> None:
        for handle in self._handles:
            handle.update(self.bundle(), raw=True)

    def bundle(self) -> dict[str, str]:
        """What is displayed."""
        return {"text/html": sendable(self._html), "text/plain": ""}
