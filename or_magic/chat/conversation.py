"""The conversation of a notebook as an object: a sequence of turns, with the verbs of ``%openrouter``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from or_magic.chat.question import checked_arguments
from or_magic.chat.transcripts import import_file, write
from or_magic.ledger.records import Thread, Turn
from or_magic.money import usd
from or_magic.prompt.converters import prompt_content
from or_magic.text import strip_terminal

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.answer import Answer
    from or_magic.chat.session import Session

_SHOWN = 400  # characters of an answer in a readable view


class Conversation(Sequence[Turn]):
    """A thread of a notebook: its turns, the oldest first. Always as it is now: it is read at each look.

    ``conversation()[-1].answer.text`` is the last answer, ``len(conversation())`` the number of turns.

    Args:
        session: that of the notebook.
        thread: the thread; None for the one that the notebook's cells work in at the moment of each look.

    Raises:
        CommandError: at each look, where there is no thread of that name.
    """

    def __init__(self, session: Session, thread: str | None = None) -> None:
        self._session, self._thread = session, thread
        if thread is not None:
            session.threads.path(self.notebook, thread)

    @property
    def notebook(self) -> str:
        """How the notebook is named in the store: its path, or the kernel or process where nothing tells it."""
        return self._session.host.where().notebook

    @property
    def thread(self) -> str:
        """The name of the thread."""
        return self._thread or self._session.threads.current_name(self.notebook)

    @property
    def threads(self) -> list[Thread]:
        """All threads of the notebook, the oldest first."""
        return self._session.threads.of(self.notebook)

    @property
    def system(self) -> str:
        """The system prompt that is sent along; "" for none. `set_system` changes it."""
        return self._session.system(self.thread)

    def set_system(self, text: str | None) -> None:
        """Sets the system prompt of the notebook's current thread: "" for none, None for what is set for all."""
        self._session.threads.set_system(self.notebook, text)

    @property
    def turns(self) -> list[Turn]:
        """The turns as they are now; of many, this is read once."""
        ids = self._session.threads.path(self.notebook, self._thread)
        return self._session.ledger.turns_of(ids)

    def __len__(self) -> int:
        return len(self._session.threads.path(self.notebook, self._thread))

    @overload
    def __getitem__(self, index: int) -> Turn: ...

    @overload
    def __getitem__(self, index: slice) -> list[Turn]: ...

    def __getitem__(self, index: int | slice) -> Turn | list[Turn]:
        return self.turns[index]

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def ask(self, prompt: object, *, model: str | None = None, **parameters: Any) -> Answer:
        """Goes on the conversation, and returns the answer; nothing is shown.

        Args:
            prompt: what is asked: a text, or a list of texts and values, as for `or_magic.ask`.
            model: a model id; None for what is set.
            parameters: as for `or_magic.ask`.

        Raises:
            or_magic.errors.OrMagicError: one of its kinds, see `or_magic.errors`.
        """
        content, checked = prompt_content(prompt), checked_arguments(parameters)
        return self._session.ask(content, model=model, parameters=checked, thread=self._thread, show=False)

    def undo(self, count: int = 1) -> list[Turn]:
        """Takes the last `count` turns out; those that were taken out. `redo` brings them back.

        Raises:
            CommandError: there are none.
        """
        return self._session.ledger.turns_of(self._session.threads.undo(self.notebook, count, self._thread))

    def redo(self, count: int | None = 1) -> list[Turn]:
        """Brings back turns that were undone since the last answer (None: all); those that came back.

        Raises:
            CommandError: there are none.
        """
        return self._session.ledger.turns_of(self._session.threads.redo(self.notebook, count, self._thread))

    def reset(self) -> int:
        """Begins anew; how many turns were taken out. `redo` brings them back."""
        return self._session.threads.reset(self.notebook, self._thread)

    def fork(self, name: str) -> Conversation:
        """A new thread that goes on from here; the notebook's cells work in it from now on.

        Raises:
            CommandError: there is a thread of that name, or it cannot be one.
        """
        self._session.threads.fork(self.notebook, name)
        return Conversation(self._session, name)

    def switch(self, name: str) -> Conversation:
        """Another thread, in which the notebook's cells work from now on.

        Raises:
            CommandError: there is none of that name.
        """
        self._session.threads.switch(self.notebook, name)
        return Conversation(self._session, name)

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the conversation into a file: ``.md`` to read, ``.json`` as ``{"messages": [...]}`` of OpenAI's API.

        Raises:
            CommandError: the file is there already, cannot be written, or has another ending.
        """
        return write(Path(path), self.turns, self.system, overwrite=overwrite)

    def import_(self, path: str | Path) -> Conversation:
        """A new thread with the messages of a ``.json`` file; the notebook's cells work in it from now on.

        Nothing in it is carried out: no template, no call of a tool; signatures of reasoning are left out.

        Raises:
            CommandError: the file cannot be read, is too large, or is no conversation; the message says where.
        """
        return Conversation(self._session, import_file(self._session, Path(path)))

    def df(self) -> pd.DataFrame:
        """One row a turn, the oldest first; see `turns_table` for the columns."""
        return turns_table(self.turns)

    def __repr__(self) -> str:
        return transcript(self.turns) or f"<thread {self.thread!r}: no turns yet>"


class Turns(Sequence[Turn]):
    """Turns that were found: as a readable view, or by `df` as a table.

    Args:
        shown: how many characters of a text the plain view shows; None for all.
    """

    def __init__(self, turns: Sequence[Turn], *, shown: int | None = _SHOWN) -> None:
        self.turns = list(turns)
        self._shown = shown

    @overload
    def __getitem__(self, index: int) -> Turn: ...

    @overload
    def __getitem__(self, index: slice) -> list[Turn]: ...

    def __getitem__(self, index: int | slice) -> Turn | list[Turn]:
        return self.turns[index]

    def __len__(self) -> int:
        return len(self.turns)

    def df(self) -> pd.DataFrame:
        """One row a turn; see `turns_table` for the columns."""
        return turns_table(self.turns)

    def __repr__(self) -> str:
        return transcript(self.turns, self._shown) or "No turns."


def transcript(turns: Sequence[Turn], shown: int | None = _SHOWN) -> str:
    """Turns as plain text, a block each; of long texts the first `shown` characters.

    Control characters are left out: a terminal would obey them.
    """
    return strip_terminal("\n\n".join(_block(turn, shown) for turn in turns))


def turns_table(turns: Sequence[Turn]) -> pd.DataFrame:
    """Turns as a table, one row each, in their order.

    Index ``turn`` (int64). Columns: ``asked`` (datetime64, UTC), ``notebook``, ``thread``, ``cell`` (str or None),
    ``model`` and ``provider`` (str; who answered), ``state`` (str: complete, stopped, failed, interrupted or open),
    ``prompt`` and ``answer`` (str, whole), ``history_turns`` (Int64: earlier turns that went along),
    ``prompt_tokens``, ``completion_tokens``, ``cached_tokens``, ``reasoning_tokens`` (Int64, as the service counted),
    ``cost_usd`` (Decimal, exact; None where it is not known), ``cost_source`` (str or None), ``seconds`` (float64),
    ``service`` (str, the origin that was asked), ``generation_id`` (str).
    """
    import pandas as pd

    counts = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
    columns: Mapping[str, Any] = {
        "asked": pd.to_datetime([turn.started_utc for turn in turns], utc=True),
        "notebook": [turn.notebook for turn in turns],
        "thread": [turn.thread for turn in turns],
        "cell": [turn.cell_id for turn in turns],
        "model": [turn.model or turn.model_asked or "" for turn in turns],
        "provider": [turn.provider for turn in turns],
        "state": [turn.state for turn in turns],
        "prompt": [turn.prompt.text for turn in turns],
        "answer": [turn.answer.text if turn.answer else "" for turn in turns],
        "history_turns": pd.array([turn.history_turns for turn in turns], dtype="Int64"),
        **{name: pd.array([getattr(turn.usage, name, None) for turn in turns], dtype="Int64") for name in counts},
        "cost_usd": [_cost(turn) for turn in turns],
        "cost_source": [turn.cost_source for turn in turns],
        "seconds": pd.array([turn.seconds for turn in turns], dtype="float64"),
        "service": [turn.service for turn in turns],
        "generation_id": [turn.generation_id for turn in turns],
    }
    return pd.DataFrame(columns, index=pd.Index([turn.id for turn in turns], name="turn", dtype="int64"))


def head(turn: Turn) -> str:
    """The line above a turn: its number, when, by whom it was answered, how it ended."""
    asked = turn.started_utc.astimezone()
    parts = [f"turn {turn.id}", f"{asked:%d %b %Y, %H:%M}", turn.model or turn.model_asked or "the account's model"]
    parts += [turn.state] if turn.state != "complete" else []
    return " · ".join(parts)


def _block(turn: Turn, shown: int | None) -> str:
    asked, answered = turn.prompt.said, turn.answer.said if turn.answer else ""
    return f"{head(turn)}\n> {_cut(asked, shown)}\n{_cut(answered, shown)}".rstrip()


def _cut(text: str, shown: int | None) -> str:
    return text if shown is None or len(text) <= shown else f"{text[:shown].rstrip()} … ({len(text):,} characters)"


def _cost(turn: Turn) -> Any:
    pico = turn.usage.cost_pico_usd if turn.usage else None
    return None if pico is None else usd(pico)
