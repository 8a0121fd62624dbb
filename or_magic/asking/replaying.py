"""Answers that were paid for are not paid for again: which question is answered from the store, and how.

Two requests stand for each other where the service, the model, all messages and all parameters that the user set are
equal; what tells about the user, and what a budget added, does not count. The answer must have ended well.

With ``restart`` a kept answer is given again where a cell is run for the first time in a kernel and its last answer was
to the same request: so "Restart and Run All" costs nothing. Run again, the cell asks anew. In a run that nobody watches
the n-th question of a request gets the n-th answer of the last run that asked it.

Where the setting names a folder, every answer comes from the files in it and a request that has none there is an error.
No tool of a kept answer is run again: the next step is asked with what the tools gave then, where that is kept.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from or_magic.asking.replay_files import ReplayFolder
from or_magic.ledger.records import NewTurn, Replay, Turn
from or_magic.ledger.replays import Replays, calls_of
from or_magic.messages import (
    Annotated,
    AnnotationsPart,
    AudioDelta,
    AudioPart,
    Began,
    Event,
    FilePart,
    Finished,
    ImageArrived,
    ImagePart,
    Message,
    Part,
    ReasoningDelta,
    ReasoningDetailsDelta,
    ReasoningDetailsPart,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    SoundPart,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolResultPart,
    Usage,
    UsageReported,
    VideoPart,
)
from or_magic.money import format_usd
from or_magic.openrouter.composing import private_names
from or_magic.openrouter.requests import message_objects

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session

Choice = Callable[[NewTurn, tuple[Message, ...]], tuple[str, Turn | None]]
_WHEN = get_args(Replay)  # any other value of the setting is a folder
_PURPOSE = "or_magic replay 1"


class Replayer:
    """Decides for one session which kept answers are given again.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ran: set[tuple[str, str | None, int, bool]] = set()
        self._asked: Counter[str] = Counter()
        self._folders: dict[str, ReplayFolder] = {}
        self._given = self._saved_pico_usd = 0
        self._results: dict[frozenset[str], tuple[Part, ...]] = {}

    def results_of(self, answer: Answer) -> tuple[Part, ...]:
        """What the tools gave that a kept answer calls; () where that is not kept."""
        return self._results.get(frozenset(call.id for call in answer.calls), ())

    def note(self, question: Question, kept: Turn) -> str:
        """Counts an answer that is given again; what is to be said: how many there were, or how to ask anew."""
        if (calls := calls_of(kept.answer)) and calls not in self._results:
            self._results[calls] = Replays(self._session.ledger).given_after(kept)
        self._given += 1
        self._saved_pico_usd += (kept.usage.cost_pico_usd if kept.usage else None) or 0
        if self._given > 1:
            return f"{self._given:,} replayed so far, saved {format_usd(self._saved_pico_usd)}"
        when = self.when(question)
        ways = {"restart": "run it again to ask anew", "always": "--fresh asks anew"}
        return ways.get(when) or f"kept in {Path(when).name}"

    def when(self, question: Question) -> str:
        """When a kept answer is given again for this question: one of the words of `Replay`, or a folder."""
        setting = str(self._session.settings.option_value("replay"))
        return setting if setting not in _WHEN else question.replay or setting  # nothing is asked past a folder

    def choose(self, question: Question) -> Choice:
        """A function that takes a question's turn and messages, and gives its key and the turn to give again, if any.

        Called once for each question that is asked: it remembers which cells have run.
        """
        place, seat = self._session.host.where(), question.seat
        cell = (place.notebook, seat.cell_id, seat.ask_number, bool(question.begun))
        is_first = seat.cell_id is not None and cell not in self._ran
        self._ran.add(cell)
        when = self.when(question)
        has_tools = bool(question.composed.body.get("tools") or question.composed.body.get("plugins"))
        if when == "restart" and (not is_first or has_tools):
            when = "never"
        return functools.partial(self._chosen, when)

    def _chosen(self, when: str, turn: NewTurn, messages: tuple[Message, ...]) -> tuple[str, Turn | None]:
        key = request_hash(turn, messages)
        number = self._asked[key]
        self._asked[key] += 1
        replays, run = Replays(self._session.ledger), self._session.run
        if when not in _WHEN:
            kept = self._folder(when).answer(key, number)
            if kept.given:
                self._results[calls_of(kept.answer)] = kept.given
            return key, self._session.ledger.turn(replays.keep(kept, turn.notebook, turn.purse)[0])
        if when == "never":
            return key, None
        if when == "always":
            return key, replays.newest(key)
        if not self._session.host.is_watched():
            return key, replays.of_last_run(key, number, run)
        return key, replays.of_cell(key, turn, run) or replays.imported(key, number, turn.notebook)

    def _folder(self, path: str) -> ReplayFolder:
        if path not in self._folders:
            self._folders[path] = ReplayFolder(Path(path))
        return self._folders[path]


def request_hash(turn: NewTurn, messages: tuple[Message, ...]) -> str:
    """The key of a request, as 64 hex digits."""
    private = private_names()
    told = {
        "purpose": _PURPOSE,
        "service": turn.service,
        "model": turn.model_asked,
        "messages": message_objects(messages),
        "parameters": {name: value for name, value in turn.parameters.items() if name not in private},
    }
    text = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def events_of(turn: Turn, begun: str) -> Iterator[Event]:
    """A kept answer as the events that it came in; nothing is charged for it.

    Args:
        begun: the beginning of its text that is shown already; "" for none.
    """
    yield Began(turn.generation_id, turn.model, turn.provider, turn.service_tier)
    for number, part in enumerate(turn.answer.parts if turn.answer else ()):
        match part:
            case ReasoningPart(text):
                yield ReasoningDelta(text)
            case ReasoningDetailsPart(text):
                yield ReasoningDetailsDelta(tuple(json.loads(text)))
            case TextPart(text):
                yield TextDelta(text.removeprefix(begun))
            case RefusalPart(text):
                yield RefusalDelta(text)
            case AnnotationsPart(text):
                yield Annotated(tuple(json.loads(text)))
            case ImagePart(url):
                yield ImageArrived(url)
            case AudioPart(id, data, transcript):
                yield AudioDelta(id, data, transcript)
            case ToolCall(id, name, arguments):
                yield ToolCallDelta(number, id, name, arguments)
            case ToolResultPart() | FilePart() | SoundPart() | VideoPart():
                pass  # no answer of a model holds one
    yield Finished(turn.finish_reason or "stop", turn.native_finish_reason)
    yield UsageReported(Usage(cost_pico_usd=0))
