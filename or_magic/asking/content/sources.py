"""Functions, classes, modules and exceptions as text: their source, and where something went wrong."""

from __future__ import annotations

import contextlib
import inspect
import textwrap
import types
from typing import Any

from or_magic.asking.content.blocks import cut_middle, fenced
from or_magic.asking.tracebacks import clean_traceback
from or_magic.content import Content, Room


def source(value: Any, name: str, room: Room) -> Content:
    """The source of a function, class or module; of one that has none, its signature and what its docstring says."""
    inner = inspect.unwrap(value) if callable(value) else value
    try:
        text = textwrap.dedent(inspect.getsource(inner))
    except (OSError, TypeError):
        return _without_source(value, name)
    shown, left_out = cut_middle(text, room)
    kind = "module" if isinstance(value, types.ModuleType) else "class" if inspect.isclass(value) else "function"
    notes = [f"{name}: {left_out:,} characters of its source left out."] if left_out else []
    called = getattr(value, "__name__", name)
    return Content.of_text(f"The {kind} {called}:\n{fenced(shown, 'python')}", *notes, is_block=True)


def exception(value: BaseException, name: str, room: Room) -> Content:
    """An exception: the traceback with the lines of source, without the frames of IPython."""
    shown, left_out = cut_middle(clean_traceback(value), room)
    notes = [f"{name}: {left_out:,} characters of the traceback left out."] if left_out else []
    return Content.of_text(f"The exception {type(value).__name__}:\n{fenced(shown, 'text')}", *notes, is_block=True)


def _without_source(value: Any, name: str) -> Content:
    called = getattr(value, "__qualname__", getattr(value, "__name__", name))
    with contextlib.suppress(TypeError, ValueError):  # some builtins tell none
        called += str(inspect.signature(value))
    documentation = inspect.getdoc(value) or "It has no documentation."
    note = f"{name}: it has no Python source; its signature and documentation were sent."
    return Content.of_text(f"{called}:\n{fenced(documentation, 'text')}", note, is_block=True)
