"""Real processes against a sandbox in this one: their environment, and a kernel that a front end talks to.

A kernel takes a second to start and another to import what a first question needs. So `kernel` hands out one process to
test after test, with all that the last one did taken back. A test that changes the process itself has `own_kernel`.
"""

from __future__ import annotations

import ast
import os
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from or_magic.ledger.records import Turn
from or_magic.ledger.store import Ledger
from or_magic.sandbox import Sandbox

KEY = "sk-or-test-4d1c0ffee"
WRONG_KEY = "sk-or-wrong-4d1c0ffee"
PATIENCE_S = 20.0
MOST_KERNELS = 3

OURS = ("OPENROUTER_", "OR_MAGIC_", "JPY_", "IPYTHON", "JUPYTER_")

Message = dict[str, Any]

_PUT_AWAY = """\
import os, sys
get_ipython().extension_manager.unload_extension("or_magic")
if "ipywidgets" in sys.modules:
    sys.modules["ipywidgets"].Widget.close_all()
get_ipython().run_line_magic("xmode", "Context")
get_ipython().config.pop("OpenRouterMagics", None)
get_ipython().reset(new_session=True)
"""
_TAKE_UP = """\
import os
for name in [name for name in os.environ if name.startswith({ours!r})]:
    del os.environ[name]
os.environ.update({environment!r})
os.chdir({folder!r})
get_ipython().reset(new_session=True)
"""


class Kernel:
    """A real ipykernel and the connection of a front end that can be asked for input.

    `seen` holds every message it published, `aloud` what its process wrote to its own stdout and stderr.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.seen: list[Message] = []
        self._replies: dict[str, Message] = {}
        self._aloud, self._heard = folder / "kernel.log", 0
        native = KernelSpecManager(kernel_dirs=[])
        connection_file = str(self._aloud.with_suffix(".json"))
        self.manager = KernelManager(kernel_spec_manager=native, connection_file=connection_file)
        with self._aloud.open("wb") as log:
            self.manager.start_kernel(env=environment, cwd=str(folder), stdout=log, stderr=log)
        self._client: BlockingKernelClient = self.manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE_S)
        assert self.run("%load_ext or_magic")["status"] == "ok"

    def put_away(self) -> bool:
        """Takes back what a test did in it; whether it can be used again."""
        if not self.manager.is_alive():
            return False
        try:
            return bool(self.finish(self.send(_PUT_AWAY, is_counted=False))["status"] == "ok")
        except queue.Empty:  # whatever the test has sent still runs
            return False

    def take_up(self, folder: Path, environment: dict[str, str]) -> None:
        """Makes it as new: with these variables in this folder, nothing said and seen, and the first cell to come."""
        code = _TAKE_UP.format(ours=OURS, environment=environment, folder=str(folder))
        assert self.finish(self.send(code, is_counted=False))["status"] == "ok"
        self._heard += len(self.aloud())
        self.seen.clear()
        assert self.run("%load_ext or_magic")["status"] == "ok"

    def send(
        self,
        code: str,
        *,
        cell_id: str | None = None,
        expressions: dict[str, str] | None = None,
        is_counted: bool = True,
    ) -> str:
        """Sends a cell as JupyterLab does; returns the id of the request."""
        content = {
            "code": code,
            "silent": False,
            "store_history": is_counted,
            "user_expressions": expressions or {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        session = self._client.session
        message = session.msg("execute_request", content, metadata={"cellId": cell_id} if cell_id else {})
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def watch(self, request: str, wanted: Callable[[Message], bool]) -> Message:
        """The next message published for the request that is `wanted`, as soon as it arrives."""
        while True:
            message: Message = self._client.iopub_channel.get_msg(timeout=PATIENCE_S)
            self.seen.append(message)
            if message["parent_header"].get("msg_id") == request and wanted(message):
                return message

    def reply(self, request: str) -> Message:
        """The content of the reply to the request, as soon as it arrives."""
        while request not in self._replies:
            message = self._client.shell_channel.get_msg(timeout=PATIENCE_S)
            self._replies[message["parent_header"]["msg_id"]] = message["content"]
        return self._replies[request]

    def finish(self, request: str) -> Message:
        """The content of the reply, after all that the request published has arrived."""
        self.watch(request, lambda message: message["content"].get("execution_state") == "idle")
        return self.reply(request)

    def run(self, code: str, **options: Any) -> Message:
        """Sends a cell and waits for its end."""
        return self.finish(self.send(code, **options))

    def complete(self, code: str) -> list[str]:
        """What the kernel completes the end of the code with."""
        return list(self.completion(code)["matches"])

    def completion(self, code: str) -> Message:
        """The whole reply to a request for that; waits for it behind what was sent before."""
        message = self._client.session.msg("complete_request", {"code": code, "cursor_pos": len(code)})
        self._client.shell_channel.send(message)
        return self.reply(str(message["header"]["msg_id"]))

    def value(self, expression: str) -> Any:
        """The value of an expression of literals in the kernel."""
        told = self.run("pass", expressions={"it": expression})["user_expressions"]["it"]
        return ast.literal_eval(told["data"]["text/plain"])

    def published(self, request: str, *kinds: str) -> list[Message]:
        """The messages of these kinds that were published for a request, in order."""
        of_request = [m for m in self.seen if m["parent_header"].get("msg_id") == request]
        return [message for message in of_request if message["msg_type"] in kinds]

    def printed(self, request: str) -> str:
        """All that a request wrote to its streams."""
        return "".join(message["content"]["text"] for message in self.published(request, "stream"))

    def aloud(self) -> bytes:
        """What the kernel's process wrote to its own stdout and stderr."""
        return self._aloud.read_bytes()[self._heard :]

    def close(self) -> None:
        """Shuts the kernel down as a front end does; does nothing the second time."""
        if self.manager.has_kernel:
            self._client.stop_channels()
            self.manager.shutdown_kernel()


def check_queued(kernel: Kernel, requests: list[str]) -> None:
    """Cells that were sent at once end well, in order; a completion behind them is answered; stderr stays empty."""
    matches = kernel.complete("asyncio.slee")

    assert [kernel.finish(request)["status"] for request in requests] == ["ok"] * len(requests)
    assert "asyncio.sleep" in matches or "sleep" in matches
    assert [each for each in kernel.seen if each["msg_type"] == "stream" and each["content"]["name"] == "stderr"] == []
    assert kernel.run("await asyncio.sleep(0.01)")["status"] == "ok"


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that asks the sandbox and writes into the test's folder alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return inherited | {
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OPENROUTER_API_KEY": KEY,
        "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PYTHONUTF8": "1",
    }


class Kernels:
    """Kernels that are used again. Those of a test that has closed or blocked them are not."""

    def __init__(self) -> None:
        self._free: list[Kernel] = []

    def take(self, folder: Path, environment: dict[str, str]) -> Kernel:
        """A kernel with or_magic loaded, which knows nothing of what it was used for before."""
        if not self._free:
            return Kernel(folder, environment)
        kernel = self._free.pop()
        kernel.take_up(folder, environment)
        return kernel

    def give_back(self, kernel: Kernel) -> None:
        """Ends what goes on in it; it may be taken again."""
        if len(self._free) < MOST_KERNELS and kernel.put_away():
            self._free.append(kernel)
        else:
            kernel.close()

    def close(self) -> None:
        """Ends those that nobody has."""
        for kernel in self._free:
            kernel.close()


@pytest.fixture(scope="session")
def kernels() -> Iterator[Kernels]:
    """The kernels that are used again."""
    kernels = Kernels()
    yield kernels
    kernels.close()


@pytest.fixture
def kernel(environment: dict[str, str], tmp_path: Path, kernels: Kernels) -> Iterator[Kernel]:
    """A kernel with or_magic loaded, which knows nothing of what it was used for before."""
    kernel = kernels.take(tmp_path, environment | {"ANOTHER_KEY": WRONG_KEY})
    yield kernel
    kernels.give_back(kernel)


@pytest.fixture
def own_kernel(environment: dict[str, str], tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with or_magic loaded that has served no other test, and will serve none."""
    kernel = Kernel(tmp_path, environment)
    yield kernel
    kernel.close()


@pytest.fixture
def turns(tmp_path: Path) -> Callable[[], list[Turn]]:
    """Reads the turns that are in the ledger now, from this process."""

    def read() -> list[Turn]:
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        try:
            return ledger.turns()
        finally:
            ledger.close()

    return read
