"""What asking needs of the place it runs in, and the plainest such place: a script.

Fronts (notebook, terminal, headless run) implement `Host`; nothing in this package draws.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from or_magic.answer import Answer
from or_magic.messages import Event


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question was asked.

    Attributes:
        notebook: the notebook's absolute path; where nothing tells it, ``kernel:`` and an id of this process's own.
        purse: under what money is counted: the same path, or the working folder where the path is not known.
        purse_name: how the purse is called in a footer: ``notebook`` or ``folder``.
        cell_id: the cell: its id where the front end tells; else what was run, and how often that was in this kernel;
            None where there are no cells.
        request: the run of the cell, so that several questions of one run are told apart; None where there are none.
    """

    notebook: str
    purse: str
    purse_name: str
    cell_id: str | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What the footer says beside the answer's own cost.

    Attributes:
        purse_name: see `Place`; ``sandbox`` where the money is not real.
        spent_pico_usd: all that this purse has spent at this service, this answer included, in 1e-12 USD;
            None where the store cannot tell.
        unknown: how many of its answers have no known cost.
        budgets: how the budgets stand: what counts (``today`` and the like; "" for the purse), spent, and the limit.
        hint: one sentence for the first answer of a notebook, else "".
        footer: how much of it all is told: ``full``, ``brief`` (who and the cost) or ``none``.
        replayed: of an answer that is given again: how many there were in this session, or how to ask anew; else "".
    """

    purse_name: str
    spent_pico_usd: int | None
    unknown: int = 0
    budgets: tuple[tuple[str, int, int], ...] = ()
    hint: str = ""
    footer: str = "full"
    replayed: str = ""


class View(Protocol):
    """Shows one answer. Called from the thread that asked, never from the background."""

    def show(self, event: Event) -> None:
        """The next event of the answer."""

    def rest(self) -> None:
        """Nothing came for a moment; what is due may be drawn."""

    def close(self, answer: Answer, bill: Bill) -> None:
        """The answer is whole, stopped or failed; its final state is to be shown."""

    def amend(self, answer: Answer, bill: Bill) -> None:
        """What it cost is known by now; called later, from another thread. A view that cannot change does nothing."""


class Host(Protocol):
    """A place where questions are asked."""

    def is_watched(self) -> bool:
        """Whether a question may go on after the cell that asked it: somebody is there, and the process stays."""

    def where(self) -> Place:
        """The notebook and the cell of the question that is being asked."""

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """Something to show an answer with that is about to arrive.

        Args:
            in_background: it is shown from another thread, while other cells run.
            is_live: whether it is shown as it arrives, or once at its end.
        """


def unnamed_place(name: str) -> Place:
    """The place of a process whose notebook no front end tells; its money is counted under the working folder."""
    return Place(notebook=name, purse=str(Path.cwd()), purse_name="folder")


class ScriptHost:
    """A plain Python process: nothing is shown, the caller has the `Answer`."""

    def __init__(self) -> None:
        self._name = f"process:{os.getpid()}:{uuid.uuid4().hex[:12]}"

    def is_watched(self) -> bool:
        """A script may go on while it is answered; it waits by `Answer.wait`."""
        return True

    def where(self) -> Place:
        """This process, and the folder it runs in."""
        return unnamed_place(self._name)

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """A view that shows nothing."""
        return _Silent()


class _Silent:
    def show(self, event: Event) -> None:
        pass

    def rest(self) -> None:
        pass

    def close(self, answer: Answer, bill: Bill) -> None:
        pass

    def amend(self, answer: Answer, bill: Bill) -> None:
        pass
