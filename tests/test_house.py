"""The order of the house: which room may import which, where foreign libraries are named, how large things get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "or_magic"
FILES = sorted(PACKAGE.rglob("*.py"))
GROUND = {
    *("errors", "messages", "money", "assembly", "answer", "options", "patience"),
    *("values", "parameters", "parameter_table", "settings", "settings_file"),
    *("content", "contents", "extracting", "plain_text", "saving"),
}
MAY_IMPORT = {
    "ground": {"ground"},
    "openrouter": {"openrouter", "ground"},
    "ledger": {"ledger", "ground"},
    "asking": {"asking", "openrouter", "ledger", "ground"},
    "jupyter": {"jupyter", "asking", "openrouter", "ledger", "ground", "sandbox"},
    "sandbox": {"sandbox"},
    "face": {"face", "jupyter", "asking", "openrouter", "ledger", "ground", "sandbox"},
}
HOMES = {
    "httpx": {"openrouter/transport.py"},
    "aiohttp": {"openrouter/transport.py"},
    "httpx_aiohttp": {"openrouter/transport.py"},
    "sqlalchemy": {"ledger/"},
    "starlette": {"sandbox/"},
    "uvicorn": {"sandbox/"},
    "nest_asyncio": {"asking/reenter.py"},
    "tomlkit": {"settings_file.py"},
    "docstring_parser": {"asking/tools.py"},
    "jsonschema": {"asking/structured.py"},
    "comrak": {"jupyter/markdown.py"},
    "ipywidgets": {"jupyter/panel/"},
    "anywidget": {"jupyter/panel/"},
    "itables": {"jupyter/tables.py", "jupyter/panel/"},
    "nh3": {"jupyter/markdown.py"},
}


def room(parts: tuple[str, ...]) -> str:
    """The room of ``or_magic.<parts>``."""
    if parts and parts[0] in GROUND:
        return "ground"
    return parts[0] if parts and (PACKAGE / parts[0]).is_dir() else "face"


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "or_magic")


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_go_one_way(file: Path) -> None:
    """A file imports only from the rooms that its room may know."""
    home = room(file.relative_to(PACKAGE).with_suffix("").parts)
    known = {room(tuple(module.split(".")[1:])) for module in imports(file) if module.startswith("or_magic.")}

    assert known <= MAY_IMPORT[home]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_foreign_libraries_have_one_home(library: str) -> None:
    """A foreign library is named where it is at home, and nowhere else."""
    users = {name(file) for file in FILES if any(module.split(".")[0] == library for module in imports(file))}

    assert users
    assert all(any(user.startswith(home) for home in HOMES[library]) for user in users)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_sizes(file: Path) -> None:
    """No module is over 400 lines, no function over 45 (its docstring left out)."""
    source = file.read_text(encoding="utf-8")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]

    assert len(source.splitlines()) <= 400
    assert [node.name for node in functions if _length(node) > 45] == []


@pytest.mark.parametrize("file", [*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.css")], ids=lambda file: file.name)
def test_sizes_of_the_page(file: Path) -> None:
    """Nor is a script or a style sheet over 400 lines."""
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_room_says_what_it_is_for(file: Path) -> None:
    """Every module begins with a docstring."""
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", sorted(Path(__file__).parent.rglob("test_*.py")), ids=lambda file: file.name)
def test_every_test_is_a_promise(file: Path) -> None:
    """Every test's docstring says what it promises."""
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]

    assert [node.name for node in functions if node.name.startswith("test_") and not ast.get_docstring(node)] == []
