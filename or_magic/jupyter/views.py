"""What a cell shows: an answer in two live outputs or in one at the end, tools, code, and a page in a frame."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from typing import Any

from IPython.display import HTML, DisplayHandle, display

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import FooterData
from or_magic.content import fenced
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.live import Frame, new_id, status_html
from or_magic.jupyter.provenance import provenance_metadata
from or_magic.text import sendable
from or_magic.types import Event, ToolRun

_FRAME_STYLE = "width:100%;height:24em;border:1px solid #8884;resize:vertical;overflow:auto;background:#fff"


class CellDisplay:
    """Two outputs of a cell: the answer and, under it, the tail, which at the end becomes the footer."""

    def __init__(self) -> None:
        self._answer, self._tail = DisplayHandle(), DisplayHandle()
        self._is_open = False

    def draw(self, frame: Frame) -> None:
        """Redraws what has changed; the first time both outputs take their place."""
        if not self._is_open:
            self._answer.display(_bundle(_styled("")), raw=True)
            self._tail.display(_bundle(frame.tail or ""), raw=True)
            self._is_open = True
            return
        if frame.answer is not None:
            self._answer.update(_bundle(_styled(frame.answer)), raw=True)
        if frame.tail is not None:
            self._tail.update(_bundle(frame.tail), raw=True)

    def show_whole(self, answer: Answer, html: str) -> None:
        """The answer as it stays, with its exact text and where it came from."""
        bundle = _bundle(_styled(html), answer.text)
        self._answer.update(bundle, raw=True, metadata={"or_magic": provenance_metadata(answer)})

    def show_footer(self, footer: str) -> None:
        """The line under it."""
        self._tail.update(_bundle(status_html(footer) if footer else "", footer), raw=True)


class HeadlessView:
    """One output at the end, for runs that nobody watches: it does not tell times, so two runs look the same."""

    def __init__(self, answer: Answer) -> None:
        self._id = new_id()

    def show(self, event: Event) -> None:
        """Nothing is drawn before the end."""

    def rest(self) -> None:
        """Nothing is drawn before the end."""

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """The whole answer and its footer."""
        from or_magic.jupyter.html.answers import answer_html

        footer = footer_text(answer, footer_data, times=False)
        html = _styled(answer_html(answer, answer_id=self._id, times=False) + (status_html(footer) if footer else ""))
        text = f"{answer.text}\n\n{footer}".strip("\n") if footer else answer.text
        display(_bundle(html, text), raw=True, metadata={"or_magic": provenance_metadata(answer)})

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """What was shown once stays: nobody watches."""


@contextlib.contextmanager
def shown_while(line: str) -> Iterator[None]:
    """Shows a line for as long as the block runs."""
    handle = DisplayHandle()
    handle.display(_bundle(status_html(line), line), raw=True)
    try:
        yield
    finally:
        handle.update(_bundle("", ""), raw=True)


def show_tool(run: ToolRun, *, times: bool) -> None:
    """Displays what a tool gave: a line, and the rest folded away; `times` tells how long it took."""
    from or_magic.jupyter.html.answers import tool_html, tool_line

    display(_bundle(_styled(tool_html(run, times=times)), tool_line(run, times=times)), raw=True)


def show_code(code: str, language: str) -> None:
    """Displays a piece of untrusted code."""
    from or_magic.jupyter.html.markdown import render

    display(_bundle(_styled(render(fenced(code, language), answer_id=new_id())), code), raw=True)


def answer_display_html(answer: Answer) -> str:
    """An answer that is the value of a cell, as safe HTML."""
    from or_magic.jupyter.html.answers import answer_html

    return _styled(answer_html(answer, answer_id=new_id()))


def _styled(html: str) -> str:
    # In the answer alone: it stands beside the tail in the page, and the tail is redrawn most.
    return f"<style>{stylesheet()}</style>{html}"


def _bundle(html: str, text: str | None = None) -> dict[str, Any]:
    """A mime bundle. Redraws carry HTML alone; the last one also the exact text."""
    shown = {"text/html": sendable(html)}
    return shown if text is None else shown | {"text/plain": sendable(text)}


def show_page(answer: Answer) -> None:
    """Displays the HTML of an answer: of its first block of HTML, else the whole text."""
    blocks = [str(block) for block in answer.code if block.language in ("html", "svg", "")]
    page = html.escape(sendable(blocks[0] if blocks else answer.text), quote=True)
    frame = (
        f'<iframe sandbox="allow-scripts" referrerpolicy="no-referrer" style="{_FRAME_STYLE}" srcdoc="{page}"></iframe>'
    )
    display(HTML(f"{frame}</iframe>"))
