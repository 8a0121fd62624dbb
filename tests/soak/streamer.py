"""A process that asks without end and tells what it shows; `test_kills` starts and kills it."""

from __future__ import annotations

import time

from or_magic.answer import Answer
from or_magic.chat.host import FooterData, ScriptHost
from or_magic.chat.session import Session
from or_magic.types import Event


class Telling(ScriptHost):
    """Prints, for each piece of an answer that it shows, its turn, the time, and how many characters are shown."""

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> Telling:
        self.answer = answer
        return self

    def show(self, event: Event) -> None:
        print(self.answer.turn_id, time.time(), len(self.answer.text), flush=True)

    def rest(self) -> None:
        """Nothing to draw."""

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """Nothing to draw."""

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """Nothing to draw."""


def main() -> None:
    """Asks until it is killed."""
    session = Session(Telling())
    while True:
        session.ask("Tell me more.", model="sandbox/essay")


if __name__ == "__main__":
    main()
