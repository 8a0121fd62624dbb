"""What stands in the prompt box, as what is asked; and the names that could stand between its braces."""

from __future__ import annotations

import base64
import types
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from or_magic.asking.content.converting import message_parts
from or_magic.asking.content.files import named_bytes
from or_magic.asking.template import evaluate_plainly
from or_magic.content import Content, Room
from or_magic.jupyter.panel.attachments import Attachment
from or_magic.messages import FilePart, ImagePart, Message

_ROOM = Room()
_MOST_NAMES = 50
_DATA = ";base64,"


def content_of_draft(text: str, attachments: Iterable[Attachment], names: Mapping[str, Any]) -> Content:
    """What is asked: the text with the values of its templates, then what is attached.

    Raises:
        CommandError: a template or a file is not what it should be; nothing was sent.
    """
    values: list[tuple[str, Any]] = evaluate_plainly(text, names) if "{{" in text else [("", text)]
    values += [(each.name, named_bytes(each.data, each.name, _ROOM)) for each in attachments]
    return message_parts(values)


def attachments_of(prompt: Message) -> tuple[list[Attachment], int]:
    """The images and files of an earlier question, as attachments; and how many of them cannot be one."""
    kept, left_out = [], 0
    for number, part in enumerate(prompt.parts, 1):
        if not isinstance(part, (ImagePart, FilePart)):
            continue
        mime, found, data = part.url.removeprefix("data:").partition(_DATA)
        if not found:  # it lies at an address
            left_out += 1
            continue
        name = part.name if isinstance(part, FilePart) else f"image {number}.{mime.partition('/')[2] or 'png'}"
        whole = base64.b64decode(data)
        kept.append(Attachment(uuid.uuid4().hex, name, len(whole), mime, whole))
    return kept, left_out


def names_for(prefix: str, names: Mapping[str, Any], hidden: Iterable[str]) -> list[tuple[str, str]]:
    """What could stand there: the user's names, behind a dot the attributes of a value, behind ``["`` its columns.

    None of the user's code is run to find them.

    Args:
        prefix: what stands between the braces and the cursor.
        names: the user's.
        hidden: those that are not the user's own.
    """
    begun = prefix.lstrip()
    owner, bracket, key = begun.partition("[")
    if bracket and owner.isidentifier() and owner in names:
        found = _keys(owner, names[owner], key.lstrip("\"'"))
    elif "." in begun:
        owner, _, attribute = begun.rpartition(".")
        found = _attributes(owner, names[owner], attribute) if owner in names else iter(())
    else:
        found = _variables(begun, names, frozenset(hidden))
    return [each for each, _ in zip(found, range(_MOST_NAMES), strict=False)]


def _variables(begun: str, names: Mapping[str, Any], hidden: frozenset[str]) -> Iterator[tuple[str, str]]:
    known = {
        name: value
        for name, value in list(names.items())
        if not name.startswith("_") and name not in hidden and not isinstance(value, types.ModuleType)
    }
    first = [name for name in known if name.lower().startswith(begun.lower())]
    rest = [name for name in known if name not in first and begun.lower() in name.lower()]
    yield from ((name, type(known[name]).__name__) for name in (*first, *rest))


def _attributes(owner: str, value: Any, begun: str) -> Iterator[tuple[str, str]]:
    listed = dict.fromkeys([*_own(value), *(name for base in type(value).__mro__ for name in vars(base))])
    for name in listed:
        if name.startswith(begun) and not name.startswith("_"):
            yield f"{owner}.{name}", "attribute"


def _own(value: Any) -> list[str]:
    try:
        return list(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return []


def _keys(owner: str, value: Any, begun: str) -> Iterator[tuple[str, str]]:
    listed: Any = ()
    if type(value) is dict:
        listed = list(value)[:1_000]
    elif any(base.__module__.partition(".")[0] in ("pandas", "polars") for base in type(value).__mro__):
        listed = list(getattr(value, "columns", ()))[:1_000]
    for key in listed:
        if isinstance(key, str) and key.startswith(begun):
            yield f"{owner}[{key!r}]", "key" if type(value) is dict else "column"
