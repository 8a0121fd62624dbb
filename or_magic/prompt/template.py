"""``{{ expression }}`` in a prompt: finds the expressions and evaluates them. Nothing else in a prompt is special.

An expression ends at the first ``}}`` before which it is complete, so it may hold braces itself. A prompt is read once:
the value of an expression is never searched for another. ``\\{{`` stands for ``{{``.

Code in prompts is full of braces, and a value in the place of somebody's code would be worse than an error. So whatever
is not an expression of names that are defined is an error, which says where it is and how to send it as it is.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from or_magic.errors import CommandError, OrMagicError
from or_magic.text import nearest, shorten

_OPEN = re.compile(r"\\?\{\{")
_CLOSE = re.compile(r"(?=\}\})")
_FILE = "<expression>"
_MOST_ENDS = 50  # how many "}}" are tried as the end of an expression
_LONGEST_QUOTE = 50  # characters of an expression in a message
_ESCAPED = "\\{{ stands for {{."
_AS_IT_IS = f"--raw on the first line sends the prompt as it is, {_ESCAPED}"
_PLAIN = (
    *(ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Constant, ast.Tuple, ast.UnaryOp),
    *(ast.USub, ast.Load),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression in a prompt.

    Attributes:
        source: the text between the braces.
        start: the position in the prompt at which it begins, behind the braces and blanks.
        tree: its syntax tree.
    """

    source: str
    start: int
    tree: ast.Expression


class _Fault(Exception):
    """What is wrong with an expression, and at which position in the prompt."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.what, self.position = what, position

    def at(self, prompt: str, first_line: int, hint: str = _AS_IT_IS) -> CommandError:
        """The fault as an error for the user, with its line and column."""
        before = prompt[: self.position]
        line = first_line + before.count("\n")
        column = self.position - (before.rfind("\n") + 1) + 1
        return CommandError(f"Line {line}, column {column}: {_sentence(self.what)} Nothing was sent. {hint}")


def parse(prompt: str, *, first_line: int = 1) -> list[str | Expression]:
    """The texts and expressions of a prompt, in order.

    Args:
        first_line: the number of the prompt's first line, for messages.

    Raises:
        CommandError: something between ``{{`` and ``}}`` is no expression; the message says where.
    """
    try:
        return _pieces(prompt)
    except _Fault as fault:
        raise fault.at(prompt, first_line) from None


def _pieces(prompt: str) -> list[str | Expression]:
    """Raises: _Fault."""
    pieces: list[str | Expression] = []
    texts: list[str] = []
    at = 0
    while (found := _OPEN.search(prompt, at)) is not None:
        texts.append(prompt[at : found.start()])
        at = found.end()
        if found[0].startswith("\\"):
            texts.append("{{")
            continue
        expression, at = _expression(prompt, at)
        pieces += [*_joined(texts), expression]
        texts = []
    return [*pieces, *_joined([*texts, prompt[at:]])]


def evaluate(
    prompt: str,
    namespace: Mapping[str, Any],
    wait_for: Callable[[Awaitable[Any]], Any],
    *,
    first_line: int = 1,
) -> list[tuple[str, Any]]:
    """The texts of a prompt (named ``""``) and the values of its expressions (named by their source), in order.

    Args:
        namespace: the user's names.
        wait_for: gives the value of an awaitable.
        first_line: the number of the prompt's first line, for messages.

    Raises:
        CommandError: an expression is not valid or cannot be evaluated; the message says where and why. What the user's
            own code raised is its cause.
    """
    values: list[tuple[str, Any]] = []
    pieces = parse(prompt, first_line=first_line)
    for piece in pieces:
        if isinstance(piece, str):
            values.append(("", piece))
            continue
        try:
            values.append((piece.source, _value(piece, namespace, wait_for)))
        except _Fault as fault:
            raise fault.at(prompt, first_line) from fault.__cause__
    return values


def evaluate_plainly(prompt: str, namespace: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Evaluates a prompt whose expressions may run no code: names, attributes without ``_``, subscripts; no calls.

    Raises:
        CommandError: an expression is more than that or cannot be evaluated; the message says where and why.
    """
    try:
        pieces = _pieces(prompt)
        for piece in pieces:
            if not isinstance(piece, str) and not _is_plain(piece):
                what = f"{_quoted(piece.source)} is more than names, attributes and [...]: a cell can compute it"
                raise _Fault(what, piece.start)
        return [
            ("", piece) if isinstance(piece, str) else (piece.source, _value(piece, namespace, _refuse_to_wait))
            for piece in pieces
        ]
    except _Fault as fault:
        raise fault.at(prompt, 1, _ESCAPED) from fault.__cause__


def _is_plain(piece: Expression) -> bool:
    nodes = list(ast.walk(piece.tree))
    is_private = any(isinstance(node, ast.Attribute) and node.attr.startswith("_") for node in nodes)
    signed = (node.operand for node in nodes if isinstance(node, ast.UnaryOp))
    are_numbers = all(isinstance(each, ast.Constant) for each in signed)
    return all(isinstance(node, _PLAIN) for node in nodes) and are_numbers and not is_private


def _refuse_to_wait(awaitable: object) -> Any:
    raise TypeError("it has to be awaited; a cell can do that")


def value_of(source: str, namespace: Mapping[str, Any], wait_for: Callable[[Awaitable[Any]], Any], where: str) -> Any:
    """The value of one expression that was typed by itself, such as the value of a flag.

    Args:
        where: what it was typed for, such as ``--tools``, for messages.

    Raises:
        CommandError: it is no expression or cannot be evaluated. What the user's own code raised is its cause.
    """
    try:
        return _value(Expression(source, 0, _tree(source)), namespace, wait_for)
    except SyntaxError as error:
        raise CommandError(f"{where}: {_quoted(source)} is no Python ({error.msg}). Nothing was sent.") from None
    except _Fault as fault:
        raise CommandError(f"{where}: {_sentence(fault.what)} Nothing was sent.") from fault.__cause__


def _joined(texts: list[str]) -> list[str]:
    text = "".join(texts)
    return [text] if text else []


def _expression(prompt: str, at: int) -> tuple[Expression, int]:
    """The expression that begins at `at`, and the position behind its braces.

    Raises:
        _Fault: there is none.
    """
    failure: SyntaxError | None = None
    first_end = prompt.find("}}", at)
    if first_end < 0:
        raise _Fault("'{{' has no '}}'", at - 2)
    for found in itertools.islice(_CLOSE.finditer(prompt, at), _MOST_ENDS):
        end = found.start()
        source, start = _stripped(prompt, at, end)
        if not source:
            raise _Fault("there is nothing between '{{' and '}}'", at - 2)
        try:
            tree = _tree(source)
        except SyntaxError as error:
            failure = failure or error  # the first is the shortest, which is what was meant most likely
            continue
        if not any(isinstance(node, ast.Name) for node in ast.walk(tree)):
            raise _Fault(f"{_quoted(source)} names no variable", start)
        return Expression(source, start, tree), end + 2
    source, start = _stripped(prompt, at, first_end)
    offset = max((failure.offset or 1) - 1, 0) if failure is not None and failure.lineno == 1 else 0
    why = failure.msg if failure is not None else "it is no expression"
    raise _Fault(f"{_quoted(source)} is no Python expression ({why})", start + offset)


def _stripped(prompt: str, start: int, end: int) -> tuple[str, int]:
    """The text between two positions without the blanks around it, and where it begins."""
    inner = prompt[start:end]
    return inner.strip(), start + len(inner) - len(inner.lstrip())


def _tree(source: str) -> ast.Expression:
    try:
        return ast.parse(source, _FILE, "eval")
    except SyntaxError:
        if "\n" not in source:
            raise
        # In parentheses lines may break anywhere. They stand on a line of their own, so that columns stay.
        tree = ast.parse(f"(\n{source}\n)", _FILE, "eval")
        ast.increment_lineno(tree, -1)
        return tree


def _value(piece: Expression, namespace: Mapping[str, Any], wait_for: Callable[[Awaitable[Any]], Any]) -> Any:
    """Raises: _Fault; OrMagicError of a question that the expression itself asks."""
    code: CodeType = compile(piece.tree, _FILE, "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = dict(namespace)
    try:
        value = eval(code, names)
        if code.co_flags & inspect.CO_COROUTINE or inspect.isawaitable(value):
            value = wait_for(value)
    except NameError as error:
        raise _unknown_name(piece, error, names) from error
    except OrMagicError:  # of a question that the expression itself asks
        raise
    except Exception as error:  # the user's own code
        reason = " ".join(str(error).split())
        why = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise _Fault(f"{_quoted(piece.source)} failed ({why}{_near_attribute(error)})", piece.start) from error
    return value


def _unknown_name(piece: Expression, error: NameError, names: Mapping[str, Any]) -> _Fault:
    """The fault that a name is not defined, with the nearest name that is."""
    node = next((n for n in ast.walk(piece.tree) if isinstance(n, ast.Name) and n.id == error.name), None)
    if node is None:  # it was named by a function that the expression calls
        return _Fault(f"{_quoted(piece.source)} failed ({error})", piece.start)
    public = [name for name in (*names, *vars(builtins)) if not name.startswith("_")]
    near = nearest(node.id, public)
    hint = f", did you mean {near}?" if near else ""
    lines = piece.source.split("\n")
    offset = sum(len(line) + 1 for line in lines[: node.lineno - 1])
    column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode("utf-8", "replace"))
    return _Fault(f"{node.id!r} is not defined{hint}", piece.start + offset + column)


def _near_attribute(error: Exception) -> str:
    name, owner = getattr(error, "name", None), getattr(error, "obj", None)
    if not isinstance(error, AttributeError) or not isinstance(name, str) or owner is None:
        return ""
    near = nearest(name, (each for each in dir(owner) if not each.startswith("_")))
    return f", did you mean {near}?" if near else ""


def _sentence(what: str) -> str:
    return what if what.endswith("?") else f"{what}."


def _quoted(source: str) -> str:
    return repr(shorten(source, _LONGEST_QUOTE))
