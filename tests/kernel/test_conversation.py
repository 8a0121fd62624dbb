"""The notebook is the conversation: what the service was really sent, cell by cell, by real kernels."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.records import Turn
from or_magic.ledger.store import Ledger
from or_magic.sandbox import Sandbox

from .conftest import Kernel, Kernels

Start = Callable[..., Kernel]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path, kernels: Kernels) -> Iterator[Start]:
    """Starts kernels of notebooks: of ``talk.ipynb``, of another path, or of none that is told (None)."""
    started: list[Kernel] = []

    def start(notebook: str | None = "talk.ipynb") -> Kernel:
        folder = tmp_path / f"kernel-{len(started)}"
        folder.mkdir()
        told = {} if notebook is None else {"JPY_SESSION_NAME": str(tmp_path / notebook)}
        started.append(kernels.take(folder, environment | told))
        return started[-1]

    yield start
    for kernel in started:
        kernels.give_back(kernel)


def cell(kernel: Kernel, name: str, text: str = "", line: str = "sandbox/echo") -> str:
    """Runs a cell that asks; what was printed or the error's line."""
    request = kernel.send(f"%%openrouter {line}\n{text or name}", cell_id=name)
    reply = kernel.finish(request)
    return str(reply.get("evalue", "")) or kernel.printed(request)


def heard(sandbox: Sandbox) -> list[str]:
    """The messages of the last chat request: what the user said as it is, what was answered in brackets."""
    body = [request.body for request in sandbox.requests if request.body and "messages" in request.body][-1]
    marks = {"user": "{}", "assistant": "({})", "system": "system: {}", "tool": "tool: {}"}
    return [marks[message["role"]].format(message["content"]) for message in body["messages"]]


def footer(kernel: Kernel, name: str, text: str = "", line: str = "sandbox/echo") -> str:
    """Runs a cell; its footer with what stands above it."""
    request = kernel.send(f"%%openrouter {line}\n{text or name}", cell_id=name)
    kernel.finish(request)
    return str(kernel.published(request, "update_display_data")[-1]["content"]["data"]["text/plain"])


def test_run_run_rerun_first_run_all(start: Start, sandbox: Sandbox) -> None:
    """A cell goes on from those before it; run again it takes its own place; Run All rebuilds the path."""
    kernel = start()
    cell(kernel, "a")
    assert heard(sandbox) == ["a"]
    cell(kernel, "b")
    cell(kernel, "c")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "c"]

    assert "2 later answers were made before this one" in footer(kernel, "a", "a2")
    assert heard(sandbox) == ["a2"]

    cell(kernel, "d")
    assert heard(sandbox) == ["a2", "(a2)", "d"]

    for name in ("a", "b", "c"):
        cell(kernel, name)
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "c"]


def test_undo_redo_fork_switch_reset(start: Start, sandbox: Sandbox) -> None:
    """Each of the verbs changes what the next cell sends, and says what it did in a line."""
    kernel = start()
    for name in ("a", "b", "c"):
        cell(kernel, name)

    request = kernel.send("%openrouter undo 2")
    kernel.finish(request)
    assert kernel.printed(request).startswith("Took out 2 turns: b; c\nThread main: 1 turn.")
    kernel.run("%openrouter redo")
    cell(kernel, "d")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "d"]

    kernel.run("%openrouter undo")
    kernel.run("%openrouter fork draft")
    cell(kernel, "e")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "e"]
    kernel.run("%openrouter switch main")
    cell(kernel, "f")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "f"]

    kernel.run("%openrouter reset")
    cell(kernel, "g")
    assert heard(sandbox) == ["g"]
    request = kernel.send("%openrouter threads")
    kernel.finish(request)
    assert kernel.printed(request).startswith("* main   1 turn\n  draft  3 turns, forked from main\n")


def test_restart_and_go_on(start: Start, sandbox: Sandbox) -> None:
    """After a restart the conversation is there, the first cell says from when, and cells know their turns."""
    first = start()
    cell(first, "a")
    cell(first, "b")
    first.close()

    kernel = start()
    told = footer(kernel, "c")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "c"]
    assert told.startswith("Goes on from the conversation of ")
    assert "(2 turns). %openrouter reset begins anew.\n" in told
    assert "2 turns, ~" in told
    assert "Goes on" not in footer(kernel, "d")

    cell(kernel, "b", "b2")
    assert heard(sandbox) == ["a", "(a)", "b2"]

    kernel.run("%openrouter set history run")
    cell(kernel, "e")
    assert heard(sandbox) == ["b2", "(b2)", "e"]


def test_answers_that_end_out_of_order(start: Start, sandbox: Sandbox) -> None:
    """Of two answers in the background the later one ends first: both are sent along, in the order of their cells."""
    kernel = start()
    cell(kernel, "a")
    slow = "one two three four five six"
    cell(kernel, "b", slow, "sandbox/slow --bg -o first")
    cell(kernel, "c")
    assert heard(sandbox) == ["a", "(a)", "c"]

    kernel.run("first.wait()")
    cell(kernel, "d")
    assert heard(sandbox) == ["a", "(a)", slow, f"({slow})", "c", "(c)", "d"]


def test_what_is_not_sent(start: Start, sandbox: Sandbox) -> None:
    """A failed turn is not sent along, and a cell that fails when run again leaves the conversation as it was."""
    kernel = start()
    cell(kernel, "a")
    cell(kernel, "b", "b", "sandbox/error-429 --param x=1")
    cell(kernel, "c")
    assert heard(sandbox) == ["a", "(a)", "c"]

    cell(kernel, "a", "a2", "sandbox/error-402")
    cell(kernel, "d")
    assert heard(sandbox) == ["a", "(a)", "c", "(c)", "d"]


def test_stopped_and_continued(start: Start, sandbox: Sandbox) -> None:
    """A stopped turn is not sent along; one that was gone on with is, whole, in the place of its cell."""
    kernel = start()
    slow = "one two three four five six seven eight nine ten"
    request = kernel.send(f"%%openrouter sandbox/slow\n{slow}", cell_id="a")
    kernel.watch(request, lambda message: "one" in str(message["content"].get("data", {}).get("text/html", "")))
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request)["ename"] == "Stopped"

    kernel.run("%openrouter continue", cell_id="z")
    cell(kernel, "b")
    assert heard(sandbox) == [slow, f"({slow})", "b"]
    cell(kernel, "a", "anew")
    assert heard(sandbox) == ["anew"]


def test_alone_and_elsewhere(start: Start, sandbox: Sandbox) -> None:
    """--no-history stands alone, --thread works elsewhere, --system and %openrouter system go along first."""
    kernel = start()
    cell(kernel, "a")
    cell(kernel, "b", line="sandbox/echo --no-history")
    assert heard(sandbox) == ["b"]
    cell(kernel, "c", line="sandbox/echo --thread side")
    assert heard(sandbox) == ["c"]
    cell(kernel, "d", line="sandbox/echo --thread side --system 'Be brief.'")
    assert heard(sandbox) == ["system: Be brief.", "c", "(c)", "d"]
    kernel.run("%openrouter system You are a pirate.")
    cell(kernel, "e")
    assert heard(sandbox) == ["system: You are a pirate.", "a", "(a)", "e"]
    cell(kernel, "f", line="sandbox/echo --system none")
    assert heard(sandbox) == ["a", "(a)", "e", "(e)", "f"]


def test_several_questions_of_one_cell(start: Start, sandbox: Sandbox) -> None:
    """A loop of questions in one cell goes on from itself, and is replaced as a whole when it is run again."""
    kernel = start()
    loop = "for word in {}:\n    get_ipython().run_line_magic('openrouter', f'ask {{word}}')"
    kernel.run("%openrouter model sandbox/echo")
    kernel.run(loop.format(["x", "y"]), cell_id="a")
    assert heard(sandbox) == ["x", "(x)", "y"]

    kernel.run(loop.format(["u", "v", "w"]), cell_id="a")
    assert heard(sandbox) == ["u", "(u)", "v", "(v)", "w"]


def test_in_python(start: Start, sandbox: Sandbox) -> None:
    """`ask` stands alone, as a function in a loop should; `conversation()` is the same one that the cells are in."""
    kernel = start()
    kernel.run("from or_magic import ask, conversation")
    cell(kernel, "a")
    kernel.run("ask('b', model='sandbox/echo')")
    assert heard(sandbox) == ["b"]
    kernel.run("conversation().ask('c', model='sandbox/echo')")
    assert heard(sandbox) == ["a", "(a)", "c"]

    assert kernel.value("[turn.prompt.text for turn in conversation()]") == ["a", "c"]
    assert kernel.value("(len(conversation()), conversation()[-1].answer.text, conversation().thread)") == (
        2,
        "c",
        "main",
    )
    assert kernel.value("list(conversation().df()[['prompt', 'answer']].iloc[-1])") == ["c", "c"]


def test_two_kernels_of_one_notebook(start: Start, sandbox: Sandbox) -> None:
    """Two kernels with one notebook's path are in one conversation."""
    one, two = start(), start()
    cell(one, "a")
    cell(two, "b")
    assert heard(sandbox) == ["a", "(a)", "b"]
    cell(one, "c")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "c"]


def test_two_notebooks_of_one_kernel(start: Start, sandbox: Sandbox) -> None:
    """Cells of two notebooks on one kernel share its conversation, as its variables; none replaces another's."""
    kernel = start()
    cell(kernel, "first-a")
    cell(kernel, "second-a")
    cell(kernel, "first-b")
    assert heard(sandbox) == ["first-a", "(first-a)", "second-a", "(second-a)", "first-b"]
    cell(kernel, "second-a", "anew")
    assert heard(sandbox) == ["first-a", "(first-a)", "anew"]


def test_nothing_leaks(start: Start, sandbox: Sandbox) -> None:
    """Where nobody tells the notebook, it is this kernel: another one knows nothing of it, nor does a notebook."""
    one, two, named = start(None), start(None), start()
    cell(one, "a")
    for kernel in (two, named):
        cell(kernel, "b")
        assert heard(sandbox) == ["b"]
    cell(one, "c")
    assert heard(sandbox) == ["a", "(a)", "c"]


def test_adopt(start: Start, sandbox: Sandbox, tmp_path: Path, turns: Callable[[], list[Turn]]) -> None:
    """A renamed notebook takes its conversation along, a copy goes on from it, a nameless kernel can join it."""
    old = start("old.ipynb")
    cell(old, "a")
    renamed = start("new.ipynb")
    renamed.run("%openrouter adopt old.ipynb")
    cell(renamed, "b")
    assert heard(sandbox) == ["a", "(a)", "b"]
    assert (
        {Path(turn.notebook).name for turn in turns()}
        == {Path(turn.budget_scope).name for turn in turns()}
        == {"new.ipynb"}
    )

    (tmp_path / "new.ipynb").write_text("{}")
    copy = start("copy.ipynb")
    copy.run("%openrouter adopt new.ipynb")
    cell(copy, "a", "a2")
    assert heard(sandbox) == ["a2"]
    cell(renamed, "c")
    assert heard(sandbox) == ["a", "(a)", "b", "(b)", "c"]

    nameless = start(None)
    nameless.run("%openrouter adopt new.ipynb")
    cell(nameless, "d")
    assert heard(sandbox)[-2:] == ["(c)", "d"]


def test_export_and_import(start: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    """What was exported as messages is a conversation again, on a thread of its own."""
    kernel = start()
    kernel.run("%openrouter system Be brief.")
    cell(kernel, "a")
    cell(kernel, "b")
    file = tmp_path / "talk.json"
    kernel.run(f"%openrouter export {file}")
    assert [message["role"] for message in json.loads(file.read_text())["messages"]] == [
        *("system", "user", "assistant", "user", "assistant"),
    ]

    other = start("other.ipynb")
    other.run(f"%openrouter import {file}")
    cell(other, "c")
    assert heard(sandbox) == ["system: Be brief.", "a", "(a)", "b", "(b)", "c"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_kernel(start: Start, sandbox: Sandbox, tmp_path: Path, turns: Callable[[], list[Turn]]) -> None:
    """A kernel killed while an answer arrives: the next start marks it, keeps what came, and can go on with it."""
    kernel = start()
    pid = kernel.value("__import__('os').getpid()")
    cell(kernel, "a")
    words = " ".join(f"word{number}" for number in range(15))
    request = kernel.send(f"%%openrouter sandbox/slow\n{words}", cell_id="b")
    kernel.watch(request, lambda message: "word6" in str(message["content"].get("data", {}).get("text/html", "")))
    os.kill(pid, signal.SIGKILL)

    again = start()
    again.run("%openrouter history")
    killed = turns()[-1]
    assert (killed.state, killed.error) == ("interrupted", "its process was killed")
    assert killed.answer is not None
    assert killed.answer.text.startswith("word0 word1 word2")

    again.run("%openrouter continue")
    cell(again, "c")
    assert heard(sandbox) == ["a", "(a)", words, f"({words})", "c"]
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert verify(ledger) == []
    ledger.close()


def test_too_long(start: Start, sandbox: Sandbox) -> None:
    """What is too long for the model is one line with the numbers and the ways out, before anything is sent."""
    kernel = start()
    kernel.run("%openrouter endpoints sandbox/memory")
    kernel.run(
        "magics = get_ipython().magics_manager.registry['OpenRouterMagics']; magics.context.session.models.catalog()"
    )
    long = "word " * 6000
    cell(kernel, "a", long, "sandbox/echo")
    before = len(sandbox.requests)

    told: Any = cell(kernel, "b", long, "sandbox/memory")

    assert len(sandbox.requests) == before
    for expected in ("sandbox/memory takes 10,000", "1 earlier turn", "--compress", "undo", "with more room: sandbox/"):
        assert expected in told
    assert "\n" not in told
    assert cell(kernel, "b", long, "sandbox/memory --compress") == ""


def test_forget(start: Start, sandbox: Sandbox, turns: Callable[[], list[Turn]]) -> None:
    """What is forgotten is gone, after asking; where nobody says yes, nothing is."""
    kernel = start()
    cell(kernel, "a")

    for answer, left in (("n", 1), ("y", 0)):
        # In a cell of its own: the kernel takes its way of asking anew at the start of each.
        kernel.run(f"get_ipython().kernel.raw_input = lambda prompt='': {answer!r}")
        assert kernel.run("%openrouter forget --thread")["status"] == "ok"
        assert len(turns()) == left
