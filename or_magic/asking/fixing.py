"""What is asked about an error: the code, the traceback, the functions on its way, the variables by their shapes."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import platform
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from or_magic.asking.content.blocks import cut_middle, fenced
from or_magic.asking.tracebacks import clean_traceback, is_installed
from or_magic.asking.variables import described, locals_of, masked, names_in
from or_magic.content import Room

_ROOM = Room(tokens=3_000)  # for each: the code, the traceback, the functions
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
    """The prompt: the task, then all that a person would want to see.

    Args:
        task: what is to be done with it.
        namespace: the user's variables.
        with_values: whether their values are told too.
    """
    functions = [] if failure.error is None else list(_functions(failure.error))
    names = names_in("\n".join([failure.source, *functions]))
    blocks = [task, f"The cell:\n{fenced(_short(failure.source), 'python')}"]
    if failure.error is not None:
        blocks.append(f"The error:\n{fenced(_traceback(failure, functions, namespace, names, with_values), 'text')}")
    blocks += [f"A function on its way:\n{fenced(_short(each), 'python')}" for each in functions]
    values = [*described(names, namespace, with_values=with_values), *_locals(failure.error, with_values)]
    if values:
        told = "" if with_values else " (types and shapes; their values are not told)"
        listed = "\n".join(f"- {line}" for line in values)
        blocks.append(f"The variables that it names{told}:\n{listed}")
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
    return _short(text)


def _lines_of(error: BaseException) -> Iterator[str]:
    """The lines of source that the traceback shows: they are code, not values."""
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
    """The libraries that take part, with their versions."""
    modules = {type(namespace[name]).__module__ for name in names if name in namespace}
    modules |= {getattr(namespace.get(name), "__name__", "") for name in names if inspect.ismodule(namespace.get(name))}
    modules |= {step.tb_frame.f_globals.get("__name__", "") for step in (_steps(error) if error is not None else ())}
    tops = sorted({str(module).partition(".")[0] for module in modules})
    told = [(top, getattr(sys.modules.get(top), "__version__", None)) for top in tops]
    own = ("IPython", "ipykernel", "or_magic")
    return "".join(f", {top} {version}" for top, version in told if isinstance(version, str) and top not in own)


def _short(text: str) -> str:
    return cut_middle(text, _ROOM)[0]
