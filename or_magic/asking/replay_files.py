"""Kept answers in files, so that a notebook runs in class, in CI or on a plane: without a key, and for nothing.

A file holds answers and the keys (hashes) of the requests that they answer, not the questions. What is read is foreign:
it is capped, checked field by field, and shown as safely as what a model says.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from or_magic.asking.files import read_json, write_text
from or_magic.errors import CommandError, StoreError
from or_magic.ledger.records import KeptAnswer
from or_magic.ledger.tree import kind_and_content, part_of
from or_magic.messages import AnnotationsPart, ImagePart, Message, Part, ReasoningDetailsPart, ToolResultPart
from or_magic.money import pico_usd, usd

LARGEST_FILE = 200_000_000
_VERSION = 1
_HOW = "%openrouter replay export FILE.json writes such a file."
_TEXTS = ("model", "provider", "service_tier", "generation_id", "native_finish_reason")


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
