"""An answer in a terminal: the text as it comes, then the footer."""

from __future__ import annotations

from typing import TextIO

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text, waiting_text
from or_magic.chat.host import FooterData
from or_magic.text import finished_terminal_length, strip_terminal
from or_magic.types import Event, ReasoningDelta, TextDelta, Waiting

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class TerminalView:
    """The text as it comes, then the footer; dim only where the stream is a terminal.

    Escape sequences in a model's text would be carried out by the terminal, so they are taken out of what is printed;
    the `Answer` keeps them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_tty = stream.isatty()
        self._is_thinking = False
        self._at_line_start = True
        self._held = ""  # the beginning of an escape sequence whose end still arrives

    def show(self, event: Event) -> None:
        """Prints the text of the event."""
        if isinstance(event, ReasoningDelta) and not self._is_thinking:
            self._is_thinking = True
            self._print(self._dim("thinking …") + "\n")
        if isinstance(event, Waiting):
            self._print(self._dim(strip_terminal(waiting_text(event))) + "\n")
        if isinstance(event, TextDelta):
            text = self._held + event.text
            length = finished_terminal_length(text)
            self._held = text[length:]
            self._print(strip_terminal(text[:length]))

    def rest(self) -> None:
        """Nothing is pending: text is printed as it comes."""

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """Prints the footer on a line of its own."""
        self._print(strip_terminal(self._held))
        sources = "".join(f"[{n}] {source.title} {source.url}\n" for n, source in enumerate(answer.citations, 1))
        below = strip_terminal(sources + footer_text(answer, footer_data)).rstrip("\n")
        self._print(("" if self._at_line_start else "\n") + (self._dim(below) + "\n" if below else ""))

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """What was printed stays."""

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self._is_tty else text

    def _print(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._at_line_start = text.endswith("\n")


class LateTerminalView(TerminalView):
    """Prints the whole answer at its end: what arrived in the background would run into what is being typed."""

    def show(self, event: Event) -> None:
        """Prints nothing yet."""

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """Prints the answer and the footer."""
        self._print("\n" + strip_terminal(answer.text))
        super().close(answer, footer_data)
