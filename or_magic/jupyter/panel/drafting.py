"""What stands in the prompt box, as what is asked; and the names that could stand between its braces."""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import keyword
import types
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from or_magic.asking.content.converting import message_parts
from or_magic.asking.content.files import named_bytes
from or_magic.asking.template import evaluate_plainly
from or_magic.content import Content, Room
from or_magic.jupyter.panel.attachments import Attachment
from or_magic.messages import MEDIA, FilePart, ImagePart, Message, SoundPart, VideoPart

_ROOM = Room()
_MOST_NAMES = 50
_MOST_KEYS = 1_000
_DATA = ";base64,"
_KINDS: Mapping[type, str] = {ImagePart: "image", SoundPart: "sound", VideoPart: "film"}
_PYTHONS_OWN = (types.GetSetDescriptorType, types.MemberDescriptorType)

# What a type has, read past its metaclass, which may be the user's.
_NAME, _BASES, _VARIABLES = (vars(type)[name] for name in ("__name__", "__mro__", "__dict__"))


def content_of_draft(text: str, attachments: Iterable[Attachment], names: Mapping[str, Any]) -> Content:
    """What is asked: the text with the values of its templates, then what is attached.

    Raises:
        CommandError: a template or a file is not what it should be; nothing was sent.
    """
    values: list[tuple[str, Any]] = evaluate_plainly(text, names) if "{{" in text else [("", text)]
    values += [(each.name, named_bytes(each.data, each.name, _ROOM)) for each in attachments]
    return message_parts(values)


def attachments_of(prompt: Message) -> tuple[list[Attachment], int]:
    """The images, files, sounds and films of an earlier question as attachments; how many of them cannot be one."""
    media = [(number, part) for number, part in enumerate(prompt.parts, 1) if isinstance(part, MEDIA)]
    made = [_attachment(part, number) for number, part in media]
    kept = [each for each in made if each is not None]
    return kept, len(made) - len(kept)


def _attachment(part: ImagePart | FilePart | SoundPart | VideoPart, number: int) -> Attachment | None:
    """One of them; None for what lies at an address."""
    if isinstance(part, SoundPart):
        mime, data = f"audio/{part.format}", part.data
    else:
        mime, is_here, data = part.url.removeprefix("data:").partition(_DATA)
        if not is_here:
            return None
    name = part.name if isinstance(part, FilePart) else f"{_KINDS[type(part)]} {number}.{mime.partition('/')[2]}"
    with contextlib.suppress(binascii.Error):
        whole = base64.b64decode(data)
        return Attachment(uuid.uuid4().hex, name, len(whole), mime, whole)
    return None


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
        name: type(value)
        for name, value in list(names.items())
        if _is_public(name) and name not in hidden and not issubclass(type(value), types.ModuleType)
    }
    first = [name for name in known if name.lower().startswith(begun.lower())]
    rest = [name for name in known if name not in first and begun.lower() in name.lower()]
    yield from ((name, str(_NAME.__get__(known[name]))) for name in (*first, *rest))


def _attributes(owner: str, value: Any, begun: str) -> Iterator[tuple[str, str]]:
    of_types = [_VARIABLES.__get__(base) for base in _BASES.__get__(type(value))]
    for name in dict.fromkeys(
        name for names in (_own(value, of_types), *of_types) for name in filter(_is_public, names)
    ):
        if name.startswith(begun):
            yield f"{owner}.{name}", "attribute"


def _own(value: Any, of_types: list[Mapping[str, Any]]) -> list[Any]:
    """What a value has itself; nothing where its ``__dict__`` is a property of the user's."""
    where = next((variables["__dict__"] for variables in of_types if "__dict__" in variables), None)
    found = object.__getattribute__(value, "__dict__") if type(where) in _PYTHONS_OWN else None
    return list(found) if type(found) is dict else []


def _is_public(name: object) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)


def _keys(owner: str, value: Any, begun: str) -> Iterator[tuple[str, str]]:
    kind = "key" if type(value) is dict else "column"
    for key in itertools.islice(list(value) if kind == "key" else _columns(value), _MOST_KEYS):
        if type(key) is str and key.startswith(begun):
            yield f"{owner}[{key!r}]", kind


def _columns(value: Any) -> list[Any]:
    """The columns of a table of pandas or polars; none where a type of the user's says what they are."""
    for base in _BASES.__get__(type(value)):
        variables = _VARIABLES.__get__(base)
        if "columns" in variables or "__getattribute__" in variables:
            home = variables.get("__module__")
            is_theirs = type(home) is str and home.partition(".")[0] in ("pandas", "polars")
            return list(value.columns) if is_theirs else []
    return []
