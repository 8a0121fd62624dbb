"""What a value of Python becomes in a message: the public hook for types that are not known here.

::

    import or_magic.content
    or_magic.content.register(Molecule, lambda molecule: molecule.smiles)

or a method of the type itself::

    class Molecule:
        def __llm__(self):
            return self.smiles

Either returns text, a `Content`, or anything else that is known (a DataFrame, a figure, bytes of an image), or a list
of such things, which go into the message in that order. What is registered wins over the method, and both over what is
known here; a subclass is taken as the nearest of its bases.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from or_magic.types import Part, TextPart

TOKENS = 6_000  # about what one value may take, where nothing else is said
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
        """About how many bytes of text that is."""
        return self.tokens * BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Content:
    """What a value is in a message.

    Attributes:
        parts: texts, images, files, ... in order.
        notes: what was left out or changed, one line each; the user sees them under the answer.
        is_block: whether its text stands on lines of its own, and not in the midst of a sentence.
    """

    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    is_block: bool = False

    @classmethod
    def of_text(cls, text: str, *notes: str, is_block: bool = False) -> Content:
        """Content of one text."""
        return cls((TextPart(text),), notes, is_block)


def register(type: type, fn: Callable[[Any], Any]) -> None:
    """From now on values of that type (and its subclasses) are what `fn` makes of them.

    Args:
        type: a class; an abstract base class stands for what is registered with it.
        fn: takes the value; returns text, a `Content`, another value, or a list of these.
    """
    _registered.register(type, fn)


def registered(value: object) -> Callable[[Any], Any] | None:
    """What is registered for the value's type, or its own ``__llm__`` method; None where there is neither."""
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
    """The text; where it is too long, its beginning and its end. And how many characters were left out."""
    if len(text.encode("utf-8", "replace")) <= limit.bytes:
        return text, 0
    encoded = text.encode("utf-8", "replace")
    first = encoded[: limit.bytes * 3 // 4].decode("utf-8", "ignore")
    last = encoded[-(limit.bytes // 4) :].decode("utf-8", "ignore")
    left_out = len(text) - len(first) - len(last)
    return f"{first}\n… {left_out:,} characters left out …\n{last}", left_out
