"""CONTRIBUTING.md tells of files and functions that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_STEP = re.compile(r"^([a-z_]+/[a-z_/]+\.py|answer\.py) +((?:[A-Z_a-z.]+, )*[A-Z_a-z.]+)  ", re.MULTILINE)


def defined(file: Path) -> set[str]:
    """The functions, classes and methods of a file; a method with its class before it."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (ast.FunctionDef, ast.AsyncFunctionDef)
            names |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, methods)}
    return names


def test_the_way_of_a_question_is_there() -> None:
    """Each step of the way names a file and functions in it."""
    steps = _STEP.findall(TEXT)
    wrong = [
        f"{file}: {name}"
        for file, names in steps
        for name in names.split(", ")
        if not (ROOT / "or_magic" / file).is_file() or name not in defined(ROOT / "or_magic" / file)
    ]

    assert len(steps) >= 12
    assert not wrong, wrong


def test_the_files_are_there() -> None:
    """Each file and folder that is named exists."""
    named = set(re.findall(r"`((?:tests|notebooks|docs|[a-z_]+)/(?:[a-z_/]+\.py)?)`", TEXT))
    missing = [each for each in named if not (ROOT / each).exists() and not (ROOT / "or_magic" / each).exists()]

    assert len(named) > 15
    assert not missing, missing


def test_the_picture_of_the_house_is_whole() -> None:
    """The rooms that are drawn are the folders that are there."""
    picture = TEXT.partition("```\n")[2].partition("\n```")[0]
    rooms = {folder.name for folder in (ROOT / "or_magic").iterdir() if (folder / "__init__.py").is_file()}

    assert {room for room in rooms if f"{room}/" not in picture} == set()
