"""Sudden deaths. ``make test`` holds a few, ``make soak`` the full count; what was found is printed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.store import Ledger
from or_magic.sandbox import Sandbox
from tests.kernel.conftest import Kernel

FULL = [pytest.mark.soak, pytest.mark.timeout(3600)]
AT_ONCE = 3
PACE = 150  # tokens a second: an essay takes some seconds
MAY_BE_LOST_S = 2.0  # a checkpoint is due each 0.9 s; the rest is for a machine that is busy with other tests

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
    pytest.mark.sandbox(pace=PACE, first_token_s=0.05),
]


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that asks the sandbox and writes into the test's own store."""
    ours = ("OPENROUTER_", "OR_MAGIC_", "JPY_", "IPYTHON", "JUPYTER_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    told = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    return inherited | told | {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONUTF8": "1"}


def killed_streamer(environment: dict[str, str], after_s: float) -> dict[int, int]:
    """Runs a streaming process and kills it; how many characters of each turn it had shown some time before."""
    told: list[tuple[int, float, int]] = []
    command = [sys.executable, "-m", "tests.soak.streamer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        begun = time.time()
        for line in process.stdout:
            if line.count(" ") == 2 and line.endswith("\n"):  # the last one may be cut
                turn, at, length = line.split()
                told.append((int(turn), float(at), int(length)))
                begun = begun if len(told) > 1 else time.time()
            if told and time.time() > begun + after_s:
                process.kill()
                break
        killed_at = time.time()
    return {turn: length for turn, at, length in told if at < killed_at - MAY_BE_LOST_S}


@pytest.mark.parametrize("kills", [3, pytest.param(190, marks=FULL)])
def test_a_streaming_process_is_killed(environment: dict[str, str], tmp_path: Path, kills: int) -> None:
    """At whatever moment it dies, the store opens and is sound, and what was shown some time before is kept."""
    chance = random.Random(kills)
    moments = [chance.uniform(0, 6) for _ in range(kills)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shown = list(pool.map(lambda moment: killed_streamer(environment, moment), moments))

    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    marked = ledger.mark_interrupted()
    kept = {turn.id: turn for turn in ledger.turns()}
    assert verify(ledger) == []
    assert {turn.state for turn in kept.values()} <= {"complete", "interrupted"}
    for turn_id, length in (pair for each in shown for pair in each.items()):
        answer = kept[turn_id].answer
        assert len(answer.text if answer else "") >= length
    partial = sum(turn.state == "interrupted" and turn.answer is not None for turn in kept.values())
    print(f"\n{kills} kills: sound; {marked} turns interrupted, {partial} of them kept in part, {len(kept)} in all")
    ledger.close()


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=FULL)])
def test_a_real_kernel_is_killed(environment: dict[str, str], tmp_path: Path, kills: int) -> None:
    """The same for a kernel of one notebook, killed again and again: each start finds the store sound and goes on."""
    chance, partial = random.Random(kills), 0
    for number in range(kills):
        folder = tmp_path / f"kernel-{number}"
        folder.mkdir()
        kernel = Kernel(folder, environment | {"JPY_SESSION_NAME": str(tmp_path / "talk.ipynb")})
        pid = kernel.value("__import__('os').getpid()")
        request = kernel.send("%%openrouter sandbox/essay\nTell me more.", cell_id=f"cell-{number}")
        kernel.watch(request, lambda message: message["msg_type"] == "update_display_data")
        time.sleep(chance.uniform(0, 5))
        os.kill(pid, signal.SIGKILL)
        kernel.close()

        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        ledger.mark_interrupted()
        assert verify(ledger) == []
        *before, last = ledger.turns()
        assert (len(before), last.state in ("interrupted", "complete")) == (number, True)
        partial += last.state == "interrupted" and last.answer is not None
        ledger.close()
    print(f"\n{kills} kernels killed: sound each time, {partial} answers kept in part")


@pytest.mark.soak
def test_a_hundred_kills(tmp_path: Path) -> None:
    """A process that does nothing but write, killed at random moments: what it said was on disk is there."""
    chance, partial = random.Random(2026), 0
    for number in range(100):
        location = str(tmp_path / f"{number}.sqlite")
        command = [sys.executable, "-m", "tests.ledger.writers", location]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            written = [int(writer.stdout.readline()) for _ in range(chance.randint(1, 200))][-1]
            writer.kill()

        ledger = Ledger.open(location)
        _, cut = ledger.turns()
        assert verify(ledger) == []
        assert cut.answer is not None
        assert cut.answer.text.startswith("word " * written)
        partial += cut.state == "open"
        ledger.close()
    print(f"\n100 kills: every store sound, {partial} turns kept as partial")
