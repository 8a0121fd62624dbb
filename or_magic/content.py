"""The content of a message that a value of Python becomes, and how users register converters for their own types.

::

    import or_magic.content
    or_magic.content.register(Molecule, lambda molecule: molecule.smiles)

or a method of the type itself::

    class Molecule:
        def __llm__(self):
            return self.smiles

Either returns text, a `Content`, or any value that can be converted (a DataFrame, a figure, the bytes of an image), or
a list of these, which are put into the message in that order. A registered converter wins over the method, and both win
over the converters of or_magic; a subclass is converted as the nearest of its bases.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from or_magic.types import Part, TextPart

TOKENS = 6_000  # about how many one value may have, where nothing else is set
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How much of a value may be sent.

    Attributes:
        tokens: about how many tokens its text may have.
        rows: how many rows of a table; None for as many as `tokens` allow.
    """

    tokens: int = TOKENS
    rows: int | None = None

    @property
    def bytes(self) -> int:
        """About how many bytes of text these tokens are."""
        return self.tokens * BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Content:
    """What a value becomes in a message.

    Attributes:
        parts: texts, images, files, ... in order.
        notes: what was left out or changed, one line each; the user sees them under the answer.
        is_block: whether its text stands on lines of its own, and not within a sentence.
    """

    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    is_block: bool = False

    @classmethod
    def of_text(cls, text: str, *notes: str, is_block: bool = False) -> Content:
        """The content that is one text."""
        return cls((TextPart(text),), notes, is_block)


def register(type: type, fn: Callable[[Any], Any]) -> None:
    """Registers a converter: from now on values of that type and its subclasses are converted by `fn`.

    Args:
        type: a class; an abstract base class stands for the classes that are registered with it.
        fn: takes the value; returns text, a `Content`, another value, or a list of these.
    """
    _registered.register(type, fn)


def registered(value: object) -> Callable[[Any], Any] | None:
    """The converter that is registered for the value's type, or its ``__llm__`` method; None where there is neither."""
    found = _registered.dispatch(type(value))
    if found is not _NOTHING:
        return found
    own = getattr(type(value), "__llm__", None)
    return own if callable(own) else None


@functools.singledispatch
def _registered(value: object) -> Any:
    raise TypeError(f"nothing is registered for a {type(value).__name__}")


_NOTHING = _registered.dispatch(object)


_TICKS = re.compile(r"`{3,}")


def fenced(text: str, language: str) -> str:
    """The text as a block of code of Markdown."""
    longest = max((len(found) for found in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def cut_middle(text: str, limit: SizeLimit) -> tuple[str, int]:
    """The text, or the beginning and the end of one that is too long; and how many characters were left out."""
    if len(text.encode("utf-8", "replace")) <= limit.bytes:
        return text, 0
    encoded = text.encode("utf-8", "replace")
    first = encoded[: limit.bytes * 3 // 4].decode("utf-8", "ignore")
    last = encoded[-(limit.bytes // 4) :].decode("utf-8", "ignore")
    left_out = len(text) - len(first) - len(last)
    return f"{first}\n… {left_out:,} characters left out …\n{last}", left_out
