"""Conversations in files: written as Markdown or as messages of OpenAI's API, read from the latter.

What is read is foreign. It is size-capped and checked field by field; nothing in it is carried out: texts are texts,
also where they look like templates; calls of tools are history, not calls; signatures of reasoning are left out, since
they are another service's. Imported turns cost nothing and count nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.client.requests import message_objects
from or_magic.errors import CommandError
from or_magic.files import read_json, write_text
from or_magic.ledger.records import IMPORTED, NewTurn, Turn
from or_magic.types import (
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningDetailsPart,
    SoundPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
)

if TYPE_CHECKING:
    from or_magic.chat.session import Session

LARGEST_FILE = 20_000_000
_ROLES = ("system", "developer", "user", "assistant", "tool")
_ADDRESS = re.compile(r"https://|data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)
_IMAGE = re.compile(r"https://|data:image/(png|jpeg|gif|webp);base64,", re.ASCII)


def write(path: Path, turns: Sequence[Turn], system: str, *, overwrite: bool = False) -> Path:
    """Writes turns into ``.md`` or ``.json``; the absolute path.

    Raises:
        CommandError: the file is there already, cannot be written, or has another ending.
    """
    path = path.expanduser().absolute()
    if path.suffix.lower() not in (".md", ".json"):
        raise CommandError(f"{path.name} ends in neither .md (to read) nor .json (as messages). Name a file that does.")
    text = _markdown(turns, system) if path.suffix.lower() == ".md" else _json(turns, system)
    write_text(path, text, overwrite=overwrite)
    return path


def import_file(session: Session, path: Path) -> str:
    """Puts the messages of a file on a new thread, named after it, which becomes the current one; its name.

    Raises:
        CommandError: the file cannot be read, is too large, or is no conversation; the message says where.
    """
    messages = _read(path)
    system = "\n\n".join(message.text for message in messages if message.role == "system") or None
    exchanges = list(_exchanges([message for message in messages if message.role != "system"], path.name))
    location = session.host.where()
    wish = "".join(letter if letter.isprintable() else "_" for letter in path.stem.strip())[:60] or "imported"
    name = session.threads.begin(location.notebook, wish, None, system).name
    for number, exchange in enumerate(exchanges):
        turn = NewTurn(
            notebook=location.notebook,
            budget_scope=location.budget_scope,
            cell_id=None,
            service=IMPORTED,
            model_asked=None,
            parameters={},
            system=system,
            prompt=exchange[0],
            thread=name,
            ask_number=number,
            run=IMPORTED,
        )
        opened = session.ledger.open_turn(turn)
        session.ledger.finish_imported(opened.id, exchange[1:])
    return name


def _json(turns: Sequence[Turn], system: str) -> str:
    messages = [Message.of_text("system", system)] if system else []
    messages += [message for turn in turns for message in (turn.prompt, *turn.between, turn.answer) if message]
    objects = message_objects(map(_without_signatures, messages))
    return json.dumps({"messages": objects}, ensure_ascii=False, indent=1) + "\n"


def _without_signatures(message: Message) -> Message:
    return Message(message.role, tuple(p for p in message.parts if not isinstance(p, ReasoningDetailsPart)))


def _markdown(turns: Sequence[Turn], system: str) -> str:
    blocks = [f"## System\n\n{system}"] if system else []
    for turn in turns:
        model = turn.model or turn.model_asked or "assistant"
        who = "Tools" if turn.prompt.role == "tool" else "User"
        blocks.append(f"## {who}\n\n{turn.prompt.said}")
        blocks.append(f"## {model}\n\n{turn.answer.said if turn.answer else ''}")
    return "\n\n".join(block.rstrip() for block in blocks) + "\n"


def _read(path: Path) -> list[Message]:
    path = path.expanduser()
    told = read_json(path, LARGEST_FILE, "%openrouter import takes what export FILE.json wrote.")
    listed = told.get("messages") if isinstance(told, dict) else told
    if not isinstance(listed, list) or not listed:
        raise CommandError(f'{path.name} holds no messages: [{{"role": "user", "content": "..."}}, ...] is expected.')
    messages = []
    for number, each in enumerate(listed, 1):
        try:
            messages.append(_message(each))
        except CommandError as error:
            raise CommandError(f"{path.name}, message {number}: {error}") from None
    return messages


def _message(told: Any) -> Message:
    if not isinstance(told, dict):
        raise CommandError("it is no object.")
    role = told.get("role")
    if role not in _ROLES:
        raise CommandError(f"its role is {str(role)[:40]!r}; it wants one of {', '.join(_ROLES)}.")
    if role == "tool":
        return Message("tool", (ToolResultPart(_text(told, "tool_call_id"), _joined(told.get("content"))),))
    parts = tuple(_parts(told.get("content")))
    calls = tuple(map(_call, _list(told, "tool_calls"))) if role == "assistant" else ()
    return Message("system" if role == "developer" else role, (*parts, *calls))


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        yield from [TextPart(content)] if content else []
        return
    if content is None:
        return
    if not isinstance(content, list):
        raise CommandError("its content is neither text nor a list of parts.")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "input_text", "output_text"):
            yield TextPart(_text(part, "text"))
        elif kind == "image_url":
            address = part.get("image_url")
            url = _text(address, "url") if isinstance(address, dict) else str(address)
            if not _IMAGE.match(url):
                raise CommandError("an image of it is neither an https address nor data of png, jpeg, gif or webp.")
            yield ImagePart(url)
        elif kind in ("file", "input_audio", "video_url") and isinstance(inner := part.get(kind), dict):
            yield _medium(kind, inner)
        else:
            raise CommandError(f"a part of it is of kind {str(kind)[:40]!r}, which cannot be imported.")


def _medium(kind: str, inner: dict[str, Any]) -> Part:
    if kind == "input_audio":
        return SoundPart(_text(inner, "data"), _text(inner, "format"))
    url = _text(inner, "file_data" if kind == "file" else "url")
    if not _ADDRESS.match(url):
        raise CommandError(f"a {kind} of it is neither an https address nor data.")
    return FilePart(_text(inner, "filename"), url) if kind == "file" else VideoPart(url)


def _joined(content: Any) -> str:
    return "".join(part.text for part in _parts(content) if isinstance(part, TextPart))


def _call(told: Any) -> ToolCall:
    function = told.get("function") if isinstance(told, dict) else None
    if not isinstance(function, dict):
        raise CommandError("a tool call of it names no function.")
    return ToolCall(_text(told, "id"), _text(function, "name"), _text(function, "arguments"))


def _list(told: dict[str, Any], name: str) -> list[Any]:
    value = told.get(name) or []
    if not isinstance(value, list):
        raise CommandError(f"its {name} is no list.")
    return value


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise CommandError(f"its {name} is no text.")
    return value


def _exchanges(messages: list[Message], name: str) -> Iterator[list[Message]]:
    """Turns: what the user said (messages in a row are one), and all that follows until the user says more."""
    exchange: list[Message] = []
    for number, message in enumerate(messages, 1):
        if not exchange and message.role != "user":
            raise CommandError(
                f"{name}: a conversation begins with the user, and message {number} is of the {message.role}."
            )
        if message.role == "user" and len(exchange) == 1:
            exchange = [Message("user", (*exchange[0].parts, *message.parts))]
        elif message.role == "user":
            yield from [exchange] if exchange else []
            exchange = [message]
        else:
            exchange.append(message)
    yield from [exchange] if exchange else []
