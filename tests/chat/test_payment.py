"""The one door for money: nothing that costs something leaves around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "or_magic"
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in file.relative_to(PACKAGE).parts]


def nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def calls_of(name: str) -> set[str]:
    """The files that call a method of this name."""
    return {
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        for node in nodes(file)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    }


def test_one_file_says_post() -> None:
    """Only the client makes a request that may cost something."""
    saying = {
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        for node in nodes(file)
        if isinstance(node, ast.Constant) and node.value == "POST"
    }

    assert saying == {"client/client.py"}


def test_one_file_sends() -> None:
    """Only a payment lets the client send what may cost: its methods that POST are called in chat/payment.py alone."""
    posting = {
        method.name
        for client in nodes(PACKAGE / "client" / "client.py")
        if isinstance(client, ast.ClassDef)
        for method in client.body
        if isinstance(method, ast.AsyncFunctionDef)
        and any(isinstance(node, ast.Constant) and node.value == "POST" for node in ast.walk(method))
    }

    assert posting == {"stream", "post"}
    for name in posting:
        assert calls_of(name) - {"client/http.py"} == {"chat/payment.py"}, name


def test_one_file_opens_turns() -> None:
    """A turn is opened by a payment; besides, only by what records a turn that is never sent."""
    assert calls_of("open_turn") == {"chat/payment.py", "chat/transcripts.py", "ledger/replays.py"}
