"""The question about a cell that failed: its code, the traceback, and the variables by their types and shapes.

Values that an error message quotes are masked: a customer's price stands in no traceback that leaves the machine.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import platform
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from or_magic.content import SizeLimit, cut_middle, fenced
from or_magic.errors import OrMagicError
from or_magic.prompt.tracebacks import clean_traceback, is_installed
from or_magic.text import shorten
from or_magic.types import TextPart

_MOST = 40  # variables that are described
_MOST_COLUMNS = 60
_LONGEST_SIGNATURE = 300  # characters
_MOST_ITEMS = 10_000  # of a container that are searched for a value
_MOST_CELLS = 1_000_000  # of an array or a column that are searched
_VALUE = SizeLimit(tokens=300)
_QUOTED = re.compile(r"'([^'\n]+)'|\"([^\"\n]+)\"|(?<![\w.])(-?\d[\d_.,]*\d|\w[\w.@+-]{5,})")
_SHORTEST = 3
_MASK = "…"


def names_in(source: str) -> list[str]:
    """The names that a piece of code uses, in order; also of code that is not valid Python."""
    try:
        nodes = sorted(
            (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)),
            key=lambda node: (node.lineno, node.col_offset),
        )
        found = [node.id for node in nodes]
    except (SyntaxError, ValueError):
        found = re.findall(r"(?<![\w.'\"])[A-Za-z_]\w*", source)
    return list(dict.fromkeys(found))


def described(names: Iterable[str], namespace: Mapping[str, Any], *, with_values: bool) -> list[str]:
    """A line for each of the names that is a variable: its type and shape, and its value where that is asked for."""
    lines: list[str] = []
    for name in names:
        if name in namespace and not name.startswith("_") and len(lines) < _MOST:
            value = namespace[name]
            shown = _value(name, value) if with_values and not callable(value) else ""
            kind = _kind(value)
            if callable(value):
                kind = shorten(kind, _LONGEST_SIGNATURE)
            lines.append(f"{name}: {kind}{shown}")
    return lines


def masked(text: str, values: Iterable[Any], known: str) -> str:
    """The text with the values of variables masked; what stands in the code that is sent (`known`) stays."""
    values = list(values)

    def mask(found: re.Match[str]) -> str:
        token = found[1] or found[2] or found[3]
        if len(token) < _SHORTEST or token in known or not any(_holds(value, token) for value in values):
            return found[0]
        return found[0].replace(token, _MASK)

    return _QUOTED.sub(mask, text)


def locals_of(error: BaseException) -> Iterator[Any]:
    """The values of all variables in the frames that an exception, and those it came from, passed through."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__]
        step = each.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_name != "<module>":  # the variables of a cell are looked up one by one
                yield from step.tb_frame.f_locals.values()
            step = step.tb_next


def _kind(value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    for is_kind, tell in _KINDS:
        if is_kind(value):
            return f"{kind}{tell(value)}"
    return kind


def _frame(value: Any) -> str:
    names = [*zip(value.columns, value.dtypes, strict=False)]
    columns = ", ".join(f"{name} ({dtype})" for name, dtype in names[:_MOST_COLUMNS])
    more = f", and {len(names) - _MOST_COLUMNS} more" if len(names) > _MOST_COLUMNS else ""
    index = f", index {value.index.dtype}" if hasattr(getattr(value, "index", None), "dtype") else ""
    return f", {value.shape[0]:,} rows x {value.shape[1]:,} columns{index}: {columns}{more}"


def _array(value: Any) -> str:
    shape = tuple(getattr(value, "shape", ()))
    return f", shape {shape}, dtype {getattr(value, 'dtype', '?')}"


def _container(value: Any) -> str:
    inner = value.values() if isinstance(value, dict) else value
    kinds = list(dict.fromkeys(type(each).__name__ for _, each in zip(range(100), inner, strict=False)))
    of = f" of {', '.join(kinds[:4])}" if kinds else ""
    keys = f", keys of {', '.join(sorted({type(key).__name__ for key in value}))}" if isinstance(value, dict) else ""
    return f", {len(value):,} items{of}{keys}"


def _signature(value: Any) -> str:
    try:
        return f" {value.__name__}{inspect.signature(value)}"
    except (TypeError, ValueError):
        return ""


def _attributes(value: Any) -> str:
    names = [f"{name} ({type(each).__name__})" for name, each in vars(value).items() if not name.startswith("_")]
    return f", with {', '.join(names[:20])}" if names else ""


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (lambda v: isinstance(v, types.ModuleType), lambda v: f" {v.__name__} {getattr(v, '__version__', '')}".rstrip()),
    (inspect.isroutine, _signature),
    (inspect.isclass, _signature),
    (lambda v: hasattr(v, "columns") and hasattr(v, "dtypes") and hasattr(v, "shape"), _frame),
    (lambda v: hasattr(v, "shape") and hasattr(v, "dtype"), _array),
    (lambda v: isinstance(v, (str, bytes)), lambda v: f", {len(v):,} long"),
    (lambda v: isinstance(v, (list, tuple, set, frozenset, dict)), _container),
    (lambda v: hasattr(v, "__dict__") and not isinstance(v, BaseException), _attributes),
)


def _value(name: str, value: Any) -> str:
    from or_magic.prompt.converters import content_of

    try:
        parts = content_of(value, name, _VALUE).parts
    except OrMagicError:
        return ""
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    return f" = {text[: _VALUE.bytes]}" if text else ""


def _holds(value: Any, token: str, depth: int = 0) -> bool:
    """Whether the token is that value or a value in it."""
    if isinstance(value, str):
        return token in value if len(value) < 1_000 and depth == 0 else token == value
    if isinstance(value, (bool, type(None), types.ModuleType)) or callable(value):
        return False
    if isinstance(value, (int, float)):
        return token in (str(value), f"{value:,}")
    if isinstance(value, (list, tuple, set, frozenset, dict)) and depth < 2 and len(value) <= _MOST_ITEMS:
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return any(_holds(each, token, depth + 1) for each in items)
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return any(_holds(value.iloc[:, number].array, token) for number in range(min(value.shape[1], 200)))
    if hasattr(value, "array") and hasattr(value, "index"):
        return _holds(value.array, token)
    if hasattr(value, "astype") and hasattr(value, "dtype") and getattr(value, "size", 0) <= _MOST_CELLS:
        try:
            return any(_holds(each, token, 2) for each in value.ravel().tolist())
        except Exception:  # an array of an unknown library
            return False
    return False


_LIMIT = SizeLimit(tokens=3_000)  # for each: the code, the traceback, the functions
_MOST_FUNCTIONS = 5
FIX = (
    "A cell of a Jupyter notebook failed. Find the cause and write the cell anew, whole, so that it does what was "
    "meant; change no more than is needed. Answer with one fenced block that begins with ```python, and before it say "
    "in one or two sentences what was wrong."
)
EXPLAIN_ERROR = (
    "A cell of a Jupyter notebook failed. Explain to its author, in plain words, what the error means, where it comes "
    "from and how to put it right."
)
EXPLAIN_CODE = "Explain to a reader of this notebook, in plain words, what this cell does, step by step."


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that failed.

    Attributes:
        source: of the cell, as it was typed; "" where it is not known.
        error: what it raised; None where it raised nothing.
    """

    source: str
    error: BaseException | None


def question_about(failure: Failure, task: str, namespace: Mapping[str, Any], *, with_values: bool = False) -> str:
    """The prompt about a failure: the task, then all that a person would want to see.

    Args:
        task: what the model is asked to do.
        namespace: the user's variables.
        with_values: whether their values are sent too.
    """
    functions = [] if failure.error is None else list(_functions(failure.error))
    names = names_in("\n".join([failure.source, *functions]))
    blocks = [task, f"The cell:\n{fenced(_within_limit(failure.source), 'python')}"]
    if failure.error is not None:
        blocks.append(f"The error:\n{fenced(_traceback(failure, functions, namespace, names, with_values), 'text')}")
    blocks += [f"A function on its way:\n{fenced(_within_limit(each), 'python')}" for each in functions]
    values = [*described(names, namespace, with_values=with_values), *_locals(failure.error, with_values)]
    if values:
        limits = "" if with_values else " (types and shapes; their values are not told)"
        listed = "\n".join(f"- {line}" for line in values)
        blocks.append(f"The variables that it names{limits}:\n{listed}")
    blocks.append(f"Python {platform.python_version()}{_versions(names, namespace, failure.error)}.")
    return "\n\n".join(blocks)


def _traceback(
    failure: Failure, functions: list[str], namespace: Mapping[str, Any], names: list[str], with_values: bool
) -> str:
    assert failure.error is not None
    text = clean_traceback(failure.error)
    if not with_values:
        values = [*(namespace[name] for name in names if name in namespace), *locals_of(failure.error)]
        text = masked(text, values, "\n".join([failure.source, *functions, *_lines_of(failure.error)]))
    return _within_limit(text)


def _lines_of(error: BaseException) -> Iterator[str]:
    """The lines of source that the traceback shows, which are code and not values."""
    for step in _steps(error):
        for number in range(step.tb_lineno - 2, step.tb_lineno + 3):
            yield linecache.getline(step.tb_frame.f_code.co_filename, number)


def _functions(error: BaseException) -> Iterator[str]:
    """The user's own functions that the error passed through, whole, the innermost first."""
    codes = [step.tb_frame.f_code for step in _steps(error)]
    own = [code for code in codes if not is_installed(code.co_filename) and code.co_name != "<module>"]
    found: dict[str, None] = {}  # a comprehension has the source of the function around it
    for code in reversed(own):
        with contextlib.suppress(OSError, TypeError):
            found[textwrap.dedent(inspect.getsource(code))] = None
    yield from list(found)[:_MOST_FUNCTIONS]


def _locals(error: BaseException | None, with_values: bool) -> list[str]:
    """The variables of the innermost of the user's own functions."""
    steps = [] if error is None else _steps(error)
    own = [s.tb_frame for s in steps if not is_installed(s.tb_frame.f_code.co_filename)]
    if not own or own[-1].f_code.co_name == "<module>":
        return []
    inner = own[-1]
    lines = described(inner.f_locals, inner.f_locals, with_values=with_values)
    return [f"in {inner.f_code.co_name}: {line}" for line in lines]


def _steps(error: BaseException) -> list[Any]:
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    return steps


def _versions(names: list[str], namespace: Mapping[str, Any], error: BaseException | None) -> str:
    """The libraries that the code uses, with their versions."""
    modules = {type(namespace[name]).__module__ for name in names if name in namespace}
    modules |= {getattr(namespace.get(name), "__name__", "") for name in names if inspect.ismodule(namespace.get(name))}
    modules |= {step.tb_frame.f_globals.get("__name__", "") for step in (_steps(error) if error is not None else ())}
    tops = sorted({str(module).partition(".")[0] for module in modules})
    found = [(top, getattr(sys.modules.get(top), "__version__", None)) for top in tops]
    own = ("IPython", "ipykernel", "or_magic")
    return "".join(f", {top} {version}" for top, version in found if isinstance(version, str) and top not in own)


def _within_limit(text: str) -> str:
    return cut_middle(text, _LIMIT)[0]
