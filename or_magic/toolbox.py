"""Tools that are useful in a notebook; none is given to a model unless named: ``--tools or_magic.toolbox.variables``.

`variables` and `describe` look at the user's variables, and tell types, shapes and columns; `describe` tells values
where it is asked to. `python` runs code that the model writes: it is asked about each time, whatever else is said.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
from typing import Any

from or_magic.chat.tools import tool
from or_magic.errors import CommandError
from or_magic.prompt.failed_code import described


@tool(approve=False)
def variables() -> str:
    """Lists the variables of the user's notebook with their types, shapes and columns, without their values."""
    names = _namespace()
    public = [name for name, value in names.items() if not name.startswith("_") and not _is_of_ipython(name, value)]
    return "\n".join(described(public, names, with_values=False)) or "There are no variables."


@tool
def describe(name: str, with_values: bool = False) -> str:
    """Describes one variable of the user's notebook: its type, shape, columns and dtypes.

    Args:
        name: the name of the variable.
        with_values: whether a part of its values is shown too.
    """
    names = _namespace()
    if name not in names:
        raise CommandError(f"There is no variable {name!r}.")
    return "\n".join(described([name], names, with_values=with_values))


@tool(always_asks=True, shows="code")
async def python(code: str) -> str:
    """Runs Python code in the user's notebook, with its variables, and gives what it prints and its last expression.

    Args:
        code: the code, which may be several lines.
    """
    shell = _shell()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = await _run(shell.transform_cell(code), shell.user_ns)
    shown = "" if value is None else repr(value)
    return "\n".join(filter(None, (printed.getvalue().rstrip(), shown))) or "It ran, and gave nothing."


async def _run(source: str, names: dict[str, Any]) -> Any:
    """The value of the last expression of the code, which may await; None where it ends with none."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    pieces: list[tuple[Any, str]] = [(tree, "exec")]
    if isinstance(last, ast.Expr):
        pieces.append((ast.Expression(last.value), "eval"))
    value = None
    for piece, mode in pieces:
        compiled = compile(piece, "<tool>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        value = eval(compiled, names)  # the user has seen it and said yes
        if compiled.co_flags & inspect.CO_COROUTINE:
            value = await value
    return value


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = _shell().user_ns
    return names


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise CommandError("There is no notebook whose variables could be looked at.")
    return shell


def _is_of_ipython(name: str, value: Any) -> bool:
    return name in ("In", "Out", "get_ipython", "exit", "quit", "open") or type(value).__module__.startswith("IPython.")
