"""Exceptions, functions and classes as text for a reader: their source, and where something went wrong."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import re
import textwrap
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from or_magic.content import Content, SizeLimit, cut_middle, fenced

_AROUND = 2  # lines before and after the one that failed
_OURS = ("IPython", "ipykernel", "or_magic", "nest_asyncio", "tornado", "asyncio")
_FILE = re.compile(r'^File "([^"\n]+)", line', re.MULTILINE)
_COMPILED = (".pyx", ".pxi")  # their sources are not installed
_MOST_FRAMES = 30


def clean_traceback(error: BaseException) -> str:
    """The traceback of an exception and of those that caused it, in Python's order: what was raised stands last.

    Frames of IPython and of this package are left out. A frame of the user's code shows the lines around; one of an
    installed library its own line alone.
    """
    return "\n\n".join(_blocks(error, set()))


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the user's own code, the outermost first: cells, scripts and modules that are not installed."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not is_installed(frame.filename)]


def is_installed(filename: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    parts = Path(filename).parts
    return (
        "site-packages" in parts or "dist-packages" in parts or filename.startswith("<frozen") or _is_stdlib(filename)
    )


def last_line(error: BaseException) -> str:
    """The last line of a traceback: the type and the message of the exception; of a SyntaxError its place too."""
    lines = "".join(traceback.TracebackException.from_exception(error).format_exception_only()).strip()
    return _FILE.sub(lambda found: f"{_place(found[1])}, line", lines)


def _blocks(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    if error.__cause__ is not None and id(error.__cause__) not in seen:
        yield from _blocks(error.__cause__, seen)
        yield "The above exception was the direct cause of the following one:"
    elif error.__context__ is not None and not error.__suppress_context__ and id(error.__context__) not in seen:
        yield from _blocks(error.__context__, seen)
        yield "While the above exception was handled, another one was raised:"
    yield "\n".join([*_frames(error), last_line(error)])
    if isinstance(error, BaseExceptionGroup):
        for number, inner in enumerate(error.exceptions, 1):
            yield f"Exception {number} of the group:"
            yield from _blocks(inner, seen)


def _frames(error: BaseException) -> Iterator[str]:
    found = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in found if not _is_ours(frame.filename) and not frame.filename.endswith(_COMPILED)]
    shown = frames if len(frames) <= _MOST_FRAMES else [*frames[: _MOST_FRAMES // 2], *frames[-_MOST_FRAMES // 2 :]]
    for number, frame in enumerate(shown):
        if len(shown) < len(frames) and number == _MOST_FRAMES // 2:
            yield f"  … {len(frames) - len(shown):,} more frames …"
        where = frame.name if frame.name != "<module>" else "the cell" if _is_cell(frame.filename) else "the module"
        yield f"{_place(frame.filename)}, line {frame.lineno}, in {where}"
        yield from _lines(frame)


def _lines(frame: traceback.FrameSummary) -> Iterator[str]:
    at = frame.lineno or 1
    around = 0 if is_installed(frame.filename) else _AROUND
    for number in range(at - around, at + around + 1):
        line = linecache.getline(frame.filename, number).rstrip()
        if line or number == at:
            yield f"{'->' if number == at else '  '} {number:>4} {line}"


def _place(filename: str) -> str:
    if _is_cell(filename):
        return "Cell"
    parts = Path(filename).parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return "/".join(parts[parts.index(folder) + 1 :])
    return Path(filename).name  # not its folder: paths name people


def _is_cell(filename: str) -> bool:
    return filename.startswith(("<ipython-input", "<stdin", "<string")) or "ipykernel_" in filename


def _is_ours(filename: str) -> bool:
    parts = Path(filename).parts
    installed = [parts[n + 1] for n, part in enumerate(parts[:-1]) if part in ("site-packages", "dist-packages")]
    return bool(installed and installed[0] in _OURS) or filename.startswith(str(Path(__file__).parents[1]))


def _is_stdlib(filename: str) -> bool:
    return filename.startswith(str(Path(traceback.__file__).parent)) and "site-packages" not in filename


def source(value: Any, name: str, limit: SizeLimit) -> Content:
    """The source of a function, class or module; of one that has none, its signature and its docstring."""
    inner = inspect.unwrap(value) if callable(value) else value
    try:
        text = textwrap.dedent(inspect.getsource(inner))
    except (OSError, TypeError):
        return _without_source(value, name)
    shown, left_out = cut_middle(text, limit)
    kind = "module" if isinstance(value, types.ModuleType) else "class" if inspect.isclass(value) else "function"
    notes = [f"{name}: {left_out:,} characters of its source left out."] if left_out else []
    called = getattr(value, "__name__", name)
    return Content.of_text(f"The {kind} {called}:\n{fenced(shown, 'python')}", *notes, is_block=True)


def exception(value: BaseException, name: str, limit: SizeLimit) -> Content:
    """An exception: the traceback with the lines of source, without the frames of IPython."""
    shown, left_out = cut_middle(clean_traceback(value), limit)
    notes = [f"{name}: {left_out:,} characters of the traceback left out."] if left_out else []
    return Content.of_text(f"The exception {type(value).__name__}:\n{fenced(shown, 'text')}", *notes, is_block=True)


def _without_source(value: Any, name: str) -> Content:
    called = getattr(value, "__qualname__", getattr(value, "__name__", name))
    with contextlib.suppress(TypeError, ValueError):  # some builtins tell none
        called += str(inspect.signature(value))
    documentation = inspect.getdoc(value) or "It has no documentation."
    note = f"{name}: it has no Python source; its signature and documentation were sent."
    return Content.of_text(f"{called}:\n{fenced(documentation, 'text')}", note, is_block=True)
