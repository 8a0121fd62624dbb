"""The order of the house: which room may import which, where foreign libraries are named; how large things are."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "or_magic"
FILES = sorted(PACKAGE.rglob("*.py"))
# From the ground up. A room imports from those below it, never from its neighbors; the sandbox stands apart.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("ground",),
    ("settings", "client", "ledger"),
    ("catalog", "prompt"),
    ("chat",),
    ("charts",),
    ("commands",),
    ("terminal",),
    ("jupyter",),
    ("face",),
)
FACE = {"__init__", "__main__", "python_api", "toolbox"}
USES_THE_SANDBOX = {"jupyter", "face"}  # to start one
HOMES = {
    "httpx": {"client/http.py"},
    "aiohttp": {"client/http.py"},
    "httpx_aiohttp": {"client/http.py"},
    "sqlalchemy": {"ledger/"},
    "starlette": {"sandbox/"},
    "uvicorn": {"sandbox/"},
    "nest_asyncio": {"chat/reenter.py"},
    "tomlkit": {"settings/layers.py"},
    "docstring_parser": {"chat/tools.py"},
    "jsonschema": {"prompt/answer_formats.py"},
    "comrak": {"jupyter/html/markdown.py"},
    "nh3": {"jupyter/html/markdown.py"},
    "ipywidgets": {"jupyter/panel/"},
    "anywidget": {"jupyter/panel/"},
    "itables": {"jupyter/html/tables.py", "jupyter/panel/"},
}


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def room(file: Path) -> str:
    """The room of a file: its folder; of files outside of the folders ``ground``, but for the named few."""
    first, *rest = file.relative_to(PACKAGE).with_suffix("").parts
    if rest:
        return first
    if first in FACE:
        return "face"
    return first if first in ("charts", "terminal") else "ground"


def imports(file: Path) -> Iterator[str]:
    """The names of all modules that a file imports, also late and for types only, and of what it takes from them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_file(module: str) -> Path | None:
    """The file of one of our modules."""
    path = PACKAGE.parent / module.replace(".", "/")
    found = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in found if file.is_file()), None)


def graph() -> dict[Path, set[Path]]:
    """Which of our files each file imports; a package stands for its ``__init__`` only where no file in it is meant."""
    edges = {}
    for file in FILES:
        ours = {module for module in imports(file) if module.split(".")[0] == "or_magic"}
        meant = {module for module in ours if not any(other.startswith(f"{module}.") for other in ours)}
        found = {module_file(module) or module_file(module.rpartition(".")[0]) for module in meant}
        edges[file] = {each for each in found if each is not None and each != file}
    return edges


def circles(edges: dict[Path, set[Path]]) -> list[list[str]]:
    """The groups of files that import each other, directly or around a corner."""

    def reached(start: Path) -> set[Path]:
        seen: set[Path] = set()
        pending = [start]
        while pending:
            for each in edges[pending.pop()] - seen:
                seen.add(each)
                pending.append(each)
        return seen

    reach = {file: reached(file) for file in edges}
    groups = {frozenset(each for each in reach[file] if file in reach[each]) for file in edges if file in reach[file]}
    return sorted(sorted(map(name, group)) for group in groups)


def test_imports_go_one_way() -> None:
    """A file imports only from its own room and from those on the floors below it."""
    floor = {each: number for number, rooms in enumerate(FLOORS) for each in rooms}
    wrong = []
    for file, others in graph().items():
        for other in others:
            home, there = room(file), room(other)
            if there == "sandbox" and home in (*USES_THE_SANDBOX, "sandbox"):
                continue
            if home != there and (home == "sandbox" or there == "sandbox" or floor[there] >= floor[home]):
                wrong.append(f"{name(file)} imports {name(other)}")

    assert not wrong, "\n".join(wrong)


def test_no_import_goes_in_a_circle() -> None:
    """No file imports itself around a corner, not even late or for a type."""
    assert circles(graph()) == []


def test_a_planted_circle_is_found() -> None:
    """Two files that import each other are reported."""
    first, second, third = FILES[:3]

    assert circles({first: {second}, second: {first}, third: {first}}) == [sorted([name(first), name(second)])]


def test_foreign_libraries_have_one_home() -> None:
    """A foreign library is named where it is at home, and nowhere else."""
    users: dict[str, set[str]] = {library: set() for library in HOMES}
    for file in FILES:
        for library in {module.split(".")[0] for module in imports(file)} & HOMES.keys():
            users[library].add(name(file))
    unused = [library for library, files in users.items() if not files]
    strays = [
        f"{library} in {file}"
        for library, files in users.items()
        for file in files
        if not any(file.startswith(home) for home in HOMES[library])
    ]

    assert not unused
    assert not strays


def test_every_file_says_what_it_is_for() -> None:
    """Every module begins with a docstring."""
    assert [name(file) for file in FILES if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))] == []


def test_docstrings_read_on_their_own() -> None:
    """No docstring leans on what stands above it: it pops up alone."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    leaning = [
        f"{name(file)}: {node.name}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and (ast.get_docstring(node) or "").lower().startswith(("the same", "as above"))
    ]

    assert not leaning, leaning


def test_no_class_name_is_there_twice() -> None:
    """A class of the house has a name of its own; the sandbox, which speaks for itself, may have it too."""
    homes: dict[str, list[str]] = {}
    for file in FILES:
        if room(file) != "sandbox":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    homes.setdefault(node.name, []).append(name(file))

    assert {each: files for each, files in homes.items() if len(files) > 1} == {}


def test_names_are_of_the_trade() -> None:
    """No identifier is one of the private metaphors that once were in use; columns on disk keep their names."""
    old = {
        "seat",
        "purse",
        "belt",
        "shelf",
        "lanes",
        "desk",
        "patience",
        "outlet",
        "foreseen",
        "foresee",
        "left_behind",
    }
    found = []
    for file in (each for each in FILES if name(each) != "ledger/migrations.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "arg", "")}
            names.add(getattr(node, "name", "") if isinstance(getattr(node, "name", ""), str) else "")
            found += [
                f"{name(file)}:{getattr(node, 'lineno', '?')} {each}" for each in names if str(each).lower() in old
            ]

    assert not found, found


def test_every_test_is_a_promise() -> None:
    """Every test's docstring says what it promises."""
    without = []
    for file in sorted(Path(__file__).parent.rglob("test_*.py")):
        functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
        without += [
            f"{file.name}: {node.name}"
            for node in functions
            if node.name.startswith("test_") and not ast.get_docstring(node)
        ]

    assert without == []


def report() -> str:
    """How large the house is: nothing fails on it. ``python -m tests.test_house`` prints it."""
    lines = {name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    importers: dict[Path, set[Path]] = {file: set() for file in FILES}
    edges = graph()
    for file, others in edges.items():
        for other in others:
            importers[other].add(file)
    single = {name(file): name(next(iter(users))) for file, users in importers.items() if len(users) == 1}
    longest = sorted(lines, key=lambda each: -lines[each])[:5]
    told = [
        f"{len(FILES)} files, {sum(lines.values()):,} lines; median {statistics.median(lines.values()):.0f} lines",
        "longest: " + ", ".join(f"{each} {lines[each]}" for each in longest),
        f"circles: {len(circles(edges))}",
        f"files with one importer: {len(single)}",
        *(f"  {file} <- {user}" for file, user in sorted(single.items())),
    ]
    return "\n".join(told)


if __name__ == "__main__":
    print(report())
