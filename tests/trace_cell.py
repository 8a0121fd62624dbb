"""``make trace``: the way of one ``%%openrouter`` cell, from the magic's call until its request is on the wire.

A reader who follows the cell through the sources opens each of these files, and each crossing is a change of room on
the way. Traced in a real shell, in all threads, against a sandbox in another process; the program does not help.

A file counts when one of its functions was entered; what merely ran while a module was being imported does not. Rooms
are the packages right below ``or_magic``; the files that lie beside them are the ground.

A crossing is a call from a function in one room to a function in another one, whoever stands between the two (the
nearest caller of ours on the same thread's stack is the one). Each pair of a calling and a called function counts once,
however often the call is made. A hop to another thread is no call.

The goals are for the thread that asks. What the other threads add is told beside it, so that nothing hides there. At
commit 07e60c7 that thread went through 51 files and 65 crossings in the first cell, 52 and 69 in the second.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tests import counting

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

GOAL_FILES, GOAL_CROSSINGS, GOAL_TRANSACTIONS, GOAL_STATS = 25, 20, 4, 1
REQUEST = b"/chat/completions HTTP/"
SETTLING_S = 0.1  # what is done behind an answer is counted as well


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the program."""

    file: str
    name: str

    @property
    def room(self) -> str:
        """The package that it is in, right below the program's; ``ground`` for the files that lie beside those."""
        first, is_inside, _ = self.file.partition(os.sep)
        return first if is_inside else "ground"

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


Crossing = tuple[Function, Function]


@dataclass
class Trace:
    """What was entered on the way.

    Attributes:
        files: the files in order of first entry, each with those of its functions that were entered.
        crossings: calls from one room into another, and how often each was made.
        of_asking: those of the files and crossings that the thread that asks went through.
    """

    files: dict[str, set[Function]] = field(default_factory=dict)
    crossings: Counter[Crossing] = field(default_factory=Counter)
    of_asking: set[str | Crossing] = field(default_factory=set)


class Tracer:
    """Watches all threads that are started after it was made, and the one that made it.

    Attributes:
        trace: what is entered is noted here; None while nothing is traced.
    """

    def __init__(self, package: Path) -> None:
        self.trace: Trace | None = None
        self._beginning, self._asking = f"{package}{os.sep}", threading.get_ident()
        threading.setprofile(self._enter)
        sys.setprofile(self._enter)
        for name in ("send", "sendall", "sendmsg"):
            setattr(socket.socket, name, self._watched(name))

    def cell(self, shell: InteractiveShell, cell: str) -> Trace:
        """Runs the magic as a cell does; what it entered before its request was on the wire."""
        trace = self.trace = Trace()
        shell.run_cell_magic("openrouter", "sandbox/echo", cell)  # type: ignore[no-untyped-call]  # IPython's
        assert self.trace is None, "no request was sent"
        return trace

    def _watched(self, name: str) -> Any:
        """A method of sockets, so that the first byte of a question ends the trace, whichever library sends it."""
        send = getattr(socket.socket, name)

        def send_and_look(own: socket.socket, sent: Any, *args: Any) -> Any:
            pieces = sent if name == "sendmsg" else (sent,)
            if self.trace is not None and any(REQUEST in bytes(piece) for piece in pieces):
                self.trace = None
            return send(own, sent, *args)

        return send_and_look

    def _enter(self, frame: FrameType, event: str, _: object) -> None:
        """The profile function: notes each function of the program that is called."""
        trace = self.trace
        if event != "call" or trace is None or (called := self._function(frame)) is None:
            return
        caller, is_import = self._caller(frame)
        if is_import:
            return
        found: list[str | Crossing] = [called.file]
        trace.files.setdefault(called.file, set()).add(called)
        if caller is not None and caller.room != called.room:
            trace.crossings[caller, called] += 1
            found.append((caller, called))
        if threading.get_ident() == self._asking:
            trace.of_asking.update(found)

    def _function(self, frame: FrameType) -> Function | None:
        """The function of ours that runs in a frame; None for foreign code, and for the body of a module or a class."""
        code = frame.f_code
        is_ours = code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(self._beginning)
        return Function(code.co_filename.removeprefix(self._beginning), code.co_qualname) if is_ours else None

    def _caller(self, frame: FrameType) -> tuple[Function | None, bool]:
        """The nearest function of ours that called it, if any did; and whether a module of ours is being imported."""
        nearest, at = None, frame.f_back
        while at is not None:
            if at.f_code.co_name == "<module>" and at.f_code.co_filename.startswith(self._beginning):
                return None, True
            nearest = nearest or self._function(at)
            at = at.f_back
        return nearest, False


def print_trace(title: str, trace: Trace, done: counting.Counts) -> None:
    """The figures of one cell."""
    asking = trace.of_asking
    files = [next(iter(trace.files[file])) for file in trace.files if file in asking]
    crossings = [crossing for crossing in trace.crossings if crossing in asking]
    print(f"{title}, until its request is on the wire")
    print(f"  files     {len(files):>5}  goal <= {GOAL_FILES}; {len(trace.files)} in all threads")
    print(f"            {_told(Counter(function.room for function in files))}")
    print(f"  crossings {len(crossings):>5}  goal <= {GOAL_CROSSINGS}; {len(trace.crossings)} in all threads")
    print(f"            {_told(Counter(f'{caller.room} -> {called.room}' for caller, called in crossings))}")
    print("and until its end")
    print(f"  transactions {done.transactions:>2}  goal <= {GOAL_TRANSACTIONS} for a cell of a kernel in use")
    print(f"  stats     {done.stats:>5}  goal {GOAL_STATS}; the settings file, opened {done.openings} times\n")


def print_way(trace: Trace) -> None:
    """The table of the files, and that of the crossings; a + is before those of other threads."""
    print(f"  {'':>3}  {'room':<12}{'file':<44}functions entered")
    for number, (file, functions) in enumerate(trace.files.items(), 1):
        thread = " " if file in trace.of_asking else "+"
        print(f"{thread} {number:>3}  {next(iter(functions)).room:<12}{file:<44}{len(functions)}")
    print("\n  times crossed")
    for crossing, times in trace.crossings.most_common():
        thread = " " if crossing in trace.of_asking else "+"
        print(f"{thread} {times:>5}  {crossing[0]} -> {crossing[1]}")


def _told(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in counted.most_common())


def main() -> None:
    """Prints the way of three cells of a process.

    The second finds all imported and connected, but learns what the catalog says of its model, which the first has
    sent for; the third is what a cell of a kernel in use is.
    """
    with tempfile.TemporaryDirectory() as folder, _sandbox() as sandbox:
        assert sandbox.stdout is not None
        for name in [name for name in os.environ if name.startswith(("OPENROUTER_", "OR_MAGIC_"))]:
            del os.environ[name]
        os.environ |= {
            "OPENROUTER_BASE_URL": sandbox.stdout.readline().strip(),
            "OPENROUTER_API_KEY": "sk-or-trace",
            "OR_MAGIC_STORE": f"{folder}/ledger.sqlite",
            "OR_MAGIC_SETTINGS": f"{folder}/settings.toml",
            "IPYTHONDIR": f"{folder}/ipython",
        }
        Path(folder, "settings.toml").write_text("temperature = 0.2\n", encoding="utf-8")
        try:
            trace_cells(counting.begin(os.environ["OR_MAGIC_SETTINGS"]))
        finally:
            sandbox.terminate()


def trace_cells(counts: counting.Counts) -> None:
    """Asks three times in one shell, and prints."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    package = importlib.util.find_spec("or_magic")
    assert package is not None
    assert package.origin is not None
    tracer = Tracer(Path(package.origin).parent)
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))  # a SQLite file as well
    shell.run_line_magic("load_ext", "or_magic")
    traced = []
    for title in ("first cell", "second cell", "third cell"):
        before = counts.copy()
        with contextlib.redirect_stdout(io.StringIO()):
            trace = tracer.cell(shell, f"The question of the {title}.")
            time.sleep(SETTLING_S)
        traced.append((title, trace, counts.since(before)))
    sys.setprofile(None)
    for title, trace, done in traced:
        print_trace(title, trace, done)
    print_way(traced[-1][1])


def _sandbox() -> subprocess.Popen[str]:
    words = ["sandbox", "--port", "0", "--quiet", "--pace", "0", "--first-token", "0"]
    return subprocess.Popen([sys.executable, "-m", "or_magic", *words], stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main()
