"""Answers that were paid for are not paid for again: which question is answered from the ledger or from files, and how.

A file holds answers and the keys (hashes) of the requests that they answer, not the questions. What is read is foreign:
it is capped, checked field by field, and shown as safely as what a model says.

Two requests stand for each other where the service, the model, all messages and all parameters that the user set are
equal; what tells about the user, and what a budget added, does not count. The answer must have ended well.

With ``restart`` a kept answer is given again where a cell is run for the first time in a kernel and its last answer was
to the same request: so "Restart and Run All" costs nothing. Run again, the cell asks anew. In a run that nobody watches
the n-th question of a request gets the n-th answer of the last run that asked it.

Where the setting names a folder, every answer comes from the files in it and a request that has none there is an error.
No tool of a kept answer is run again: the next step is asked with what the tools gave then, where that is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from or_magic.answer import Answer
from or_magic.client.requests import message_objects
from or_magic.errors import CommandError, StoreError
from or_magic.files import read_json, write_text
from or_magic.ledger.messages import kind_and_content, part_of
from or_magic.ledger.records import KeptAnswer, NewTurn, Replay, Turn
from or_magic.ledger.replays import Replays, calls_of
from or_magic.money import format_usd, pico_usd, usd
from or_magic.settings.request_fields import private_names
from or_magic.types import (
    Annotated,
    AnnotationsPart,
    AudioDelta,
    AudioPart,
    Began,
    Event,
    FilePart,
    Finished,
    History,
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
    ToolRun,
    Usage,
    UsageReported,
    VideoPart,
)

if TYPE_CHECKING:
    from or_magic.chat.question import Question
    from or_magic.ledger.store import Ledger

LARGEST_FILE = 200_000_000
_VERSION = 1
_HOW = "%openrouter replay export FILE.json writes such a file."
_TEXTS = ("model", "provider", "service_tier", "generation_id", "native_finish_reason")
_WHEN = get_args(Replay)  # any other value of the setting is a folder
_PURPOSE = "or_magic replay 1"
_FAILED = "Error: "  # how what a tool gave begins where it failed


class ReplayFolder:
    """A folder of exported answers, in strict mode: what is not in it is an error.

    Args:
        path: the folder; every ``.json`` in it is read, in the order of their names.

    Raises:
        CommandError: it, or a file in it, cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, list[KeptAnswer]] = defaultdict(list)
        for file in sorted(path.glob("*.json")):
            for kept in read_answers(file):
                self._answers[kept.key].append(kept)

    def answer(self, key: str, number: int) -> KeptAnswer:
        """The answer of that number (0, 1, ...) to such a request; past the last one, the last one.

        Raises:
            CommandError: there is none.
        """
        answers = self._answers.get(key)
        if not answers:
            count = sum(map(len, self._answers.values()))
            raise CommandError(
                f"None of the {count:,} kept answers in {self._path} is to this request: the cell, one before it, the "
                "model or a parameter is not as it was exported. Nothing was sent. %openrouter set replay restart asks."
            )
        return answers[min(number, len(answers) - 1)]


def write_answers(path: Path, answers: Sequence[KeptAnswer], *, overwrite: bool = False) -> Path:
    """Writes answers into a ``.json``; the absolute path.

    Raises:
        CommandError: the file is there already, cannot be written, or has another ending.
    """
    path = path.expanduser().absolute()
    if path.suffix.lower() != ".json":
        raise CommandError(f"{path.name} does not end in .json. Name a file that does.")
    told = {"or_magic_replay": _VERSION, "answers": [_object(kept) for kept in answers]}
    # In ASCII: an answer may hold half of a surrogate pair.
    write_text(path, json.dumps(told, indent=1) + "\n", overwrite=overwrite)
    return path


def read_answers(path: Path) -> list[KeptAnswer]:
    """The answers in a file that `write_answers` wrote.

    Raises:
        CommandError: it cannot be read, is too large, or holds something else; the message says where.
    """
    path = path.expanduser()
    told = read_json(path, LARGEST_FILE, _HOW)
    listed = told.get("answers") if isinstance(told, dict) and told.get("or_magic_replay") == _VERSION else None
    if not isinstance(listed, list):
        raise CommandError(f"{path.name} holds no kept answers. {_HOW}")
    answers = []
    for number, each in enumerate(listed, 1):
        try:
            answers.append(_kept_answer(each))
        except (KeyError, TypeError, ValueError, InvalidOperation, OverflowError, StoreError):
            raise CommandError(f"{path.name}: answer {number} is damaged. Export it anew.") from None
    return answers


def _object(kept: KeptAnswer) -> dict[str, Any]:
    cost = None if kept.cost_pico_usd is None else f"{usd(kept.cost_pico_usd):f}"
    given = {"given": [list(kind_and_content(part)) for part in kept.given]} if kept.given else {}
    return given | {
        "key": kept.key,
        "cell": kept.cell_id,
        "ask_number": kept.ask_number,
        "asked_utc": kept.asked_utc.astimezone(UTC).isoformat(timespec="seconds"),
        "model_asked": kept.model_asked,
        "finish_reason": kept.finish_reason,
        **{name: getattr(kept, name) for name in _TEXTS},
        "cost_usd": cost,
        "parts": [list(kind_and_content(part)) for part in kept.answer.parts],
    }


def _kept_answer(told: Any) -> KeptAnswer:
    """Raises: one of those that `read_answers` names."""
    cost = told["cost_usd"]
    return KeptAnswer(
        key=_text(told["key"]),
        cell_id=_text_or_none(told["cell"]),
        ask_number=int(told["ask_number"]),
        answer=Message("assistant", tuple(_part(*map(_text, part)) for part in told["parts"])),
        model_asked=_text_or_none(told["model_asked"]),
        finish_reason=_text_or_none(told["finish_reason"]),
        **{name: _text(told[name]) for name in _TEXTS},
        cost_pico_usd=None if cost is None else pico_usd(Decimal(_text(cost))),
        asked_utc=datetime.fromisoformat(_text(told["asked_utc"])).astimezone(UTC),
        given=tuple(_given(*map(_text, part)) for part in told.get("given", [])),
    )


def _given(kind: str, content: str) -> Part:
    part = _part(kind, content)
    if not isinstance(part, ToolResultPart | ImagePart):
        raise TypeError
    return part


def _part(kind: str, content: str) -> Part:
    part = part_of(kind, content)
    if isinstance(part, ReasoningDetailsPart | AnnotationsPart):
        objects = json.loads(part.json)
        if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
            raise TypeError
    return part


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError
    return told


def _text_or_none(told: Any) -> str | None:
    return None if told is None else _text(told)


class Replayer:
    """Decides for one session which questions are answered by a kept answer. May be used from any thread.

    Args:
        ledger: gives the ledger.
        run: names the session in its turns.
    """

    def __init__(self, ledger: Callable[[], Ledger], run: str) -> None:
        self._ledger, self._run = ledger, run
        self._ran: set[tuple[str, str | None, int, bool]] = set()
        self._asked: Counter[str] = Counter()
        self._folders: dict[str, ReplayFolder] = {}
        self._given = self._saved_pico_usd = 0
        self._results: dict[frozenset[str], tuple[Part, ...]] = {}

    def results_of(self, answer: Answer) -> tuple[Part, ...]:
        """What the tools gave that a kept answer calls; () where that is not kept."""
        return self._results.get(frozenset(call.id for call in answer.calls), ())

    def note(self, question: Question, kept: Turn) -> str:
        """Counts an answer that is given again, and says how many there were, or how to ask anew."""
        if (calls := calls_of(kept.answer)) and calls not in self._results:
            self._results[calls] = Replays(self._ledger()).given_after(kept)
        self._given += 1
        self._saved_pico_usd += (kept.usage.cost_pico_usd if kept.usage else None) or 0
        if self._given > 1:
            return f"{self._given:,} replayed so far, saved {format_usd(self._saved_pico_usd)}"
        when = _when(question)
        ways = {"restart": "run it again to ask anew", "always": "--fresh asks anew"}
        return ways.get(when) or f"kept in {Path(when).name}"

    def choose(self, question: Question) -> str:
        """When a kept answer may stand for this question: one of the words of `Replay`, or a folder.

        Called once for each question that is asked: it remembers which cells have run.
        """
        position = question.position
        cell = (question.location.notebook, position.cell_id, position.ask_number, bool(question.begun))
        is_first = position.cell_id is not None and cell not in self._ran
        self._ran.add(cell)
        when = _when(question)
        has_tools = bool(question.composed.body.get("tools") or question.composed.body.get("plugins"))
        return "never" if when == "restart" and (not is_first or has_tools) else when

    def find(
        self, question: Question, when: str, turn: NewTurn, messages: tuple[Message, ...]
    ) -> tuple[str, Turn | None]:
        """The key of a request, and the turn whose answer is given again for it; None where it is to be asked.

        Args:
            when: what `choose` gave.
            messages: all that would be sent.

        Raises:
            CommandError: a folder that is named has no answer to it.
            StoreError: the ledger cannot be read.
        """
        key = request_hash(turn, messages)
        number = self._asked[key]
        self._asked[key] += 1
        if when == "never":
            return key, None
        replays = Replays(self._ledger())
        if when not in _WHEN:
            kept = self._folder(when).answer(key, number)
            if kept.given:
                self._results[calls_of(kept.answer)] = kept.given
            return key, self._ledger().turn(replays.keep(kept, turn.notebook, turn.budget_scope)[0])
        if when == "always":
            return key, replays.newest(key)
        if not question.is_watched:
            return key, replays.of_last_run(key, number, self._run)
        return key, replays.of_cell(key, turn, self._run) or replays.imported(key, number, turn.notebook)

    def _folder(self, path: str) -> ReplayFolder:
        if path not in self._folders:
            self._folders[path] = ReplayFolder(Path(path))
        return self._folders[path]


def _when(question: Question) -> str:
    setting = str(question.settings.options["replay"])
    return setting if setting not in _WHEN else question.replay or setting  # nothing is asked past a folder


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


def answer_of(turn: Turn) -> Answer:
    """The answer of a turn: its text, parts, figures and cost, as the store has them."""
    answer = Answer(model_asked=turn.model_asked)
    for event in events_of(turn, ""):
        if not isinstance(event, UsageReported):
            answer.absorb(event)
    answer.finish_reason = turn.finish_reason
    private = private_names()
    answer.parameters = {name: value for name, value in turn.parameters.items() if name not in private}
    answer.turn_id = turn.id
    answer.history = History(turns=turn.history_turns)
    answer.attempts, answer.may_be_billed_twice = turn.attempts, turn.may_be_billed_twice
    answer.estimated_pico_usd = turn.estimated_pico_usd
    if turn.usage is not None and turn.cost_source == "reconciled":
        answer.reconcile(turn.usage)
    answer.usage = turn.usage
    if turn.state != "open":
        answer.finish("stopped" if turn.state == "interrupted" else turn.state, turn.error)
    answer.seconds, answer.seconds_to_first_token = turn.seconds, turn.seconds_to_first_token
    answer.seconds_thinking = None  # what is not kept is not told
    return answer


def runs_between(turn: Turn, following: Turn) -> tuple[ToolRun, ...]:
    """The calls of tools that a turn made, with what the prompt of the one behind it says that they gave."""
    calls = turn.answer.parts if turn.answer is not None else ()
    return _runs([part for part in calls if isinstance(part, ToolCall)], following.prompt)


def _runs(calls: Sequence[ToolCall], given: Message) -> tuple[ToolRun, ...]:
    texts = {part.call_id: part.text for part in given.parts if isinstance(part, ToolResultPart)}
    images = tuple(part for part in given.parts if isinstance(part, ImagePart))
    made = [
        ToolRun(
            call.id,
            call.name,
            _arguments(call.arguments),
            None,
            texts[call.id],
            images if number == len(calls) else (),
            error=texts[call.id].removeprefix(_FAILED) if texts[call.id].startswith(_FAILED) else "",
        )
        for number, call in enumerate(calls, 1)
        if call.id in texts
    ]
    return tuple(made)


def _arguments(written: str) -> dict[str, Any] | str:
    """Arguments by name, as the model wrote them; its text where it is no JSON object."""
    try:
        value = json.loads(written or "{}")
    except (ValueError, RecursionError):
        return written
    return value if isinstance(value, dict) else written
