"""How quick the program is beside itself: this version and an earlier one in turns, in one run.

Both are driven from outside, in processes of their own, by what is public in both; the earlier one is taken out of
git's history into a temporary folder. The sandbox is this version's, in a third process.

CPU, memory and counts can be relied on. The times to a first token are those of a wall clock: on a machine with other
work they spread by half, and it is told. A ratio is the median of those of neighbors in time.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

T = TypeVar("T")
EARLIER = "07e60c7"
ROOT = Path(__file__).resolve().parents[2]
LOADS, LINGERS, KERNELS, ASKS, ASKS_AT_ONCE, WARMING = 11, 3, 7, 100, 10, 20
PATIENCE_S, WIDTH = 60.0, 66
CELL = "%%openrouter sandbox/echo\nerstens und zweitens {}"  # no answer that is kept already
GOALS = {
    "load": "<= 30 ms and <= 0.35 x",
    "first": "<= 0.60 x",
    "ask": "<= 0.40 x",
    "transactions": "<= 4",
    "stats": "1",
    "memory": "<= 0.80 x",
}


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the program: what it is called, and the folder that holds ``or_magic/``."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version is measured: a folder for what it writes, and the address of a sandbox."""

    folder: Path
    base_url: str

    def environment(self, version: Version) -> dict[str, str]:
        """The environment of a process with that version, which writes into the folder alone."""
        ours = ("OPENROUTER_", "OR_MAGIC_", "OR_SANDBOX_", "JPY_", "IPYTHON", "JUPYTER_", "PYTHON")
        own = self.folder / version.name
        own.mkdir(exist_ok=True)
        settings = own / "settings.toml"
        settings.write_text('model = "sandbox/echo"\ntemperature = 0.2\n', encoding="utf-8")
        return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
            "PYTHONPATH": os.pathsep.join(dict.fromkeys((str(version.folder), str(ROOT)))),
            "PYTHONUTF8": "1",
            "OPENROUTER_BASE_URL": self.base_url,
            "OPENROUTER_API_KEY": "sk-or-bench",
            "OR_MAGIC_STORE": str(own / "ledger.sqlite"),
            "OR_MAGIC_SETTINGS": str(settings),
            "IPYTHONDIR": str(own / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        }

    def command(self, version: Version, what: str) -> dict[str, Any]:
        """The arguments of a process that runs a part of `quick_client`."""
        words = [sys.executable, "-P", "-m", "tests.benchmarks.quick_client", what]
        environment = self.environment(version)
        return {"args": words, "env": environment, "cwd": self.folder, "stdout": subprocess.PIPE, "text": True}


class Kernel:
    """A fresh ipykernel that is ready and has loaded nothing yet."""

    def __init__(self, version: Version, place: Place) -> None:
        native = KernelSpecManager(kernel_dirs=[])
        self.manager = KernelManager(kernel_spec_manager=native)
        environment = place.environment(version)
        environment.pop("JUPYTER_RUNTIME_DIR")
        quiet = subprocess.DEVNULL
        self.manager.start_kernel(env=environment, cwd=str(place.folder), stdout=quiet, stderr=quiet)
        self._client = self.manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE_S)

    def send(self, code: str) -> str:
        """Sends a cell; returns the id of the request."""
        return str(self._client.execute(code))

    def watch(self, request: str, wanted: Callable[[dict[str, Any]], bool]) -> float:
        """When (`time.perf_counter`) a message of the request arrived that is `wanted`."""
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            arrived = time.perf_counter()
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "error":
                raise RuntimeError("\n".join(message["content"]["traceback"]))
            if message["parent_header"].get("msg_id") == request and wanted(message):
                return arrived

    def finish(self, request: str) -> None:
        """Waits for the end of a cell."""
        self.watch(request, lambda message: message["content"].get("execution_state") == "idle")

    def memory_mb(self) -> float:
        """The memory of its process that is its own."""
        return float(self._process().memory_full_info().uss) / 1e6

    def cpu_ms(self) -> float:
        """The CPU that it has used so far."""
        times = self._process().cpu_times()
        return float(times.user + times.system) * 1e3

    def close(self) -> None:
        """Ends it."""
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _process(self) -> psutil.Process:
        return psutil.Process(self.manager.provisioner.pid)  # type: ignore[union-attr]  # it runs on this machine


def load_ms(version: Version, place: Place, linger_s: float = 0.0) -> tuple[float, float]:
    """CPU of ``%load_ext or_magic`` in a fresh process, and what follows it in the background within some seconds."""
    command = place.command(version, "load")
    command["env"]["QUICK_LINGER_S"] = str(linger_s)
    loading, behind = json.loads(subprocess.run(**command, check=True).stdout)
    return loading, behind


@dataclass(frozen=True, slots=True)
class First:
    """How a fresh kernel came to its first answer.

    `first_token_ms`: to its first text. `cpu_ms`: what the kernel worked from ``%load_ext`` to the answer's end.
    `memory_mb`: what it held a second later.
    """

    first_token_ms: float
    cpu_ms: float
    memory_mb: float


def first_answer(version: Version, place: Place, wait_s: float) -> First:
    """A fresh kernel is asked together with ``%load_ext``, timed from it on; or so much later, timed from asking on."""
    kernel = Kernel(version, place)
    try:
        cpu_ms, began = kernel.cpu_ms(), time.perf_counter()
        loading = kernel.send("%load_ext or_magic")
        if wait_s:
            kernel.finish(loading)
            time.sleep(max(0.0, began + wait_s - time.perf_counter()))
            began = time.perf_counter()
        asking = kernel.send(CELL.format(uuid.uuid4()))
        first = kernel.watch(asking, lambda message: "erstens" in _shown(message))
        kernel.finish(asking)
        cpu_ms = kernel.cpu_ms() - cpu_ms
        time.sleep(1.0)  # for what is done behind an answer
        return First((first - began) * 1e3, cpu_ms, kernel.memory_mb())
    finally:
        kernel.close()


def _shown(message: dict[str, Any]) -> str:
    """What a message puts on the page."""
    content = message["content"]
    return str(content.get("data")) + str(content.get("text")) if message["msg_type"] != "execute_input" else ""


def bare_memory_mb(version: Version, place: Place) -> float:
    """The memory of a kernel that has loaded nothing."""
    kernel = Kernel(version, place)
    try:
        kernel.finish(kernel.send("1 + 1"))
        return kernel.memory_mb()
    finally:
        kernel.close()


class Asker:
    """A process that asks when it is told to."""

    def __init__(self, version: Version, place: Place) -> None:
        self._process = subprocess.Popen(**place.command(version, "ask"), stdin=subprocess.PIPE)
        where = json.loads(self._line())
        assert Path(where) == version.folder, f"{where} was measured, and not {version.folder}"

    def ask_ms(self, times: int) -> list[float]:
        """Asks so often; the CPU of each."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{times}\n")
        self._process.stdin.flush()
        return list(json.loads(self._line()))

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return str(self._process.stdout.readline())


def warm_asks_ms(versions: tuple[Version, ...], place: Place) -> dict[str, list[float]]:
    """The CPU of warm questions, so many of each version in turns."""
    askers = {version.name: Asker(version, place) for version in versions}
    figures: dict[str, list[float]] = {name: [] for name in askers}
    for asker in askers.values():
        asker.ask_ms(WARMING)
    for number in range(ASKS // ASKS_AT_ONCE):
        for name in sorted(askers, reverse=number % 2 == 1):
            figures[name] += askers[name].ask_ms(ASKS_AT_ONCE)
    for asker in askers.values():
        asker.close()
    return figures


def counts(version: Version, place: Place) -> dict[str, float]:
    """What a warm question does to the ledger and to the settings file: the medians of a few."""
    _, *warm = json.loads(subprocess.run(**place.command(version, "count"), check=True).stdout)
    return {name: statistics.median(each[name] for each in warm) for name in warm[0]}


def main() -> None:
    """Prints the medians of both, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        trouble = take_out(EARLIER, Path(folder))
        if trouble:
            print(f"  left out: {trouble}")
            return
        versions = (Version(EARLIER, Path(folder) / EARLIER), Version("now", ROOT))
        own = Path(folder) / "work"
        own.mkdir()
        print(f"  {'':<{WIDTH}}{EARLIER:>11}{'now':>11}{'ratio':>9}   goal")
        with sandbox(first_token_s=0.0) as base_url:
            place = Place(own, base_url)
            print_loads(versions, place)
            print_asks(versions, place)
        with sandbox(first_token_s=0.05) as base_url:
            print_kernels(versions, Place(own, base_url))
        print(f"  load of the machine, of {os.cpu_count()} cores: {psutil.getloadavg()[0]:.1f}")


def print_loads(versions: tuple[Version, ...], place: Place) -> None:
    """The rows of loading."""
    for version in versions:
        load_ms(version, place)  # leaves the bytecode in place
    rounds = in_turns(versions, lambda version: load_ms(version, place)[0], LOADS)
    row(f"%load_ext, CPU of {LOADS} fresh processes", rounds, "ms", GOALS["load"])
    rounds = in_turns(versions, lambda version: load_ms(version, place, 2.0)[1], LINGERS)
    row("  and behind it, in the next 2 s", rounds, "ms")


def print_asks(versions: tuple[Version, ...], place: Place) -> None:
    """The rows of warm questions."""
    figures = warm_asks_ms(versions, place)
    rounds = [list(pair) for pair in zip(*figures.values(), strict=True)]
    row(f"warm ask() of 50 tokens, CPU of {ASKS}", rounds, "ms", GOALS["ask"])
    counted = [counts(version, place) for version in versions]
    row("  transactions of the ledger", [[each["transactions"] for each in counted]], "", GOALS["transactions"])
    row("  stats of the settings file", [[each["stats"] for each in counted]], "", GOALS["stats"])
    row("  openings of the settings file", [[each["openings"] for each in counted]], "")


def print_kernels(versions: tuple[Version, ...], place: Place) -> None:
    """The rows of fresh kernels; their questions differ in what the earlier ones left in the ledger, alike for both."""
    ways = {"asked with %load_ext, from it on": 0.0, "asked 2 s later, from asking on": 2.0}
    memory = []
    for way, wait_s in ways.items():
        rounds = in_turns(versions, functools.partial(first_answer, place=place, wait_s=wait_s), KERNELS)
        memory += [[each.memory_mb for each in pair] for pair in rounds]
        first_tokens = [[each.first_token_ms for each in pair] for pair in rounds]
        row(f"fresh kernel to first token, {way}", first_tokens, "ms", GOALS["first"])
        row(
            "  CPU of the kernel from %load_ext to the answer's end",
            [[e.cpu_ms for e in pair] for pair in rounds],
            "ms",
        )
    row("memory of a kernel after one answer (USS)", memory, "MB", GOALS["memory"])
    bare = bare_memory_mb(versions[0], place)
    row("  without that of a kernel that has loaded nothing", [[x - bare for x in y] for y in memory], "MB")


def in_turns(versions: tuple[Version, ...], measure: Callable[[Version], T], rounds: int) -> list[list[T]]:
    """The figures of each round, in the order of the versions; each is the first one in every other round."""
    figures = []
    for number in range(rounds):
        order = versions if number % 2 == 0 else versions[::-1]
        found = {version: measure(version) for version in order}
        figures.append([found[version] for version in versions])
    return figures


def row(name: str, rounds: list[list[float]], unit: str, goal: str = "") -> None:
    """One line: medians over the rounds, and the median of the ratios of the second to the first."""
    first, second = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = f"{statistics.median(now / then for then, now in rounds):.2f} x" if first else "-"
    figures = "".join(f"{f'{figure:.1f} {unit}' if unit else f'{figure:g}':>11}" for figure in (first, second))
    print(f"  {name:<{WIDTH}}{figures}{ratio:>9}   {goal}".rstrip(), flush=True)


def take_out(commit: str, folder: Path) -> str:
    """Takes that commit's program out of git's history into a folder of its name; why it cannot be had, or ""."""
    command = ["git", "-C", str(ROOT), "archive", commit, "or_magic"]
    try:
        archived = subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError:
        return f"there is no git here, and so no {commit} to compare with"
    except subprocess.CalledProcessError:
        return f"commit {commit} is not in this clone, so there is nothing to compare with (git fetch --unshallow)"
    with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
        archive.extractall(folder / commit, filter="data")
    return ""


@contextlib.contextmanager
def sandbox(first_token_s: float) -> Iterator[str]:
    """The base URL of a sandbox in a process of its own."""
    words = ["sandbox", "--port", "0", "--quiet", "--pace", "0", "--first-token", str(first_token_s)]
    command = [sys.executable, "-m", "or_magic", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
