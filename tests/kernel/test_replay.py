"""Answers that were paid for are not paid for again: restarts and headless runs of real kernels."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.sandbox import Sandbox

from .conftest import Kernel
from .test_conversation import Start, cell, footer, heard, start

__all__ = ["start"]  # a fixture

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ALWAYS = ("01", "05", "06")  # the others are run twice by the long tests
TUTORIALS = [
    pytest.param(path, id=path.stem, marks=() if path.stem.startswith(ALWAYS) else pytest.mark.soak)
    for path in NOTEBOOKS
    if "tools" not in path.stem
]
RETRIES = 3


def chats(sandbox: Sandbox) -> int:
    """How many chat requests came."""
    return sum(bool(request.body and "messages" in request.body) for request in sandbox.requests)


def run_all(kernel: Kernel, *names: str) -> list[str]:
    """Runs a cell for each name; the footers."""
    return [footer(kernel, name) for name in names]


def test_restart_and_run_all(start: Start, sandbox: Sandbox) -> None:
    """After a restart unchanged cells are answered from the store at no cost; a changed one asks, as do those below."""
    first = start()
    asked = run_all(first, "a", "b", "c")
    first.close()
    total, before = sandbox.charges.total_usd(), chats(sandbox)

    kernel = start()
    told = run_all(kernel, "a", "b", "c")

    assert (sandbox.charges.total_usd(), chats(sandbox)) == (total, before)
    assert all(" · replayed from " in line and ", saved $0.000" in line and " · $0 · " in line for line in told)
    assert "(run it again to ask anew)" in told[0]
    assert "(3 replayed so far, saved $0.000" in told[2]
    assert not any("replayed" in line for line in asked)
    assert kernel.value("(_answer.text, str(_answer.cost), _answer.model)") == ("c", "0", "sandbox/echo")
    assert "3 answers were given again from the store, which saved" in kernel.value(
        "repr(get_ipython().run_line_magic('openrouter', 'cost'))"
    )

    footer(kernel, "b", "b2")
    assert heard(sandbox) == ["a", "(a)", "b2"]
    assert "replayed" not in footer(kernel, "c")


def test_run_again(start: Start, sandbox: Sandbox) -> None:
    """Run again in the same kernel, a cell asks anew; --fresh asks at once, --replay always never again."""
    start().close()
    first = start()
    footer(first, "a")
    first.close()
    kernel = start()
    assert "replayed" in footer(kernel, "a")
    assert "replayed" not in footer(kernel, "a")
    assert "replayed" in footer(kernel, "a", line="sandbox/echo --replay always")
    kernel.close()

    again = start()
    assert "replayed" not in footer(again, "a", line="sandbox/echo --fresh")
    again.run("%openrouter set replay never")
    assert "replayed" not in footer(again, "b", "a")


def test_what_makes_another_request(start: Start, sandbox: Sandbox) -> None:
    """Another model, parameter or service is another request; who asks and what a budget adds are not."""
    first = start()
    footer(first, "a", line="sandbox/echo --user me")
    first.close()
    for line, is_replayed in (
        ("sandbox/routed", False),
        ("sandbox/echo -t 0.5", False),
        ("sandbox/echo --user you", True),
        ("sandbox/echo --max-cost 1 --user me", True),
    ):
        kernel = start()
        assert ("replayed" in footer(kernel, "a", line=f"{line} --thread {len(line)}")) is is_replayed
        kernel.close()


def test_no_key_is_needed(start: Start, sandbox: Sandbox) -> None:
    """What is answered from the store needs neither key nor service."""
    first = start()
    footer(first, "a")
    first.close()
    sandbox.close()

    assert "replayed" in footer(start(), "a")


def test_a_headless_run(environment: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that is executed a second time asks nothing; the n-th question gets the n-th answer."""
    cells = [
        "%load_ext or_magic",
        *["%%openrouter sandbox/echo --no-history\nagain"] * 2,
        "%%openrouter sandbox/echo\nb",
    ]
    for name in os.environ:
        if name.startswith(("OPENROUTER_", "OR_MAGIC_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    costs: list[Decimal] = []
    texts = []
    for _ in range(2):
        notebook = new_notebook(cells=[new_code_cell(each) for each in cells])
        NotebookClient(notebook, kernel_name="python3").execute()
        costs.append(sandbox.charges.total_usd())
        texts.append([output.data["text/plain"].split("\n")[0] for cell in notebook.cells for output in cell.outputs])

    assert costs[0] == costs[1] > 0
    assert texts[0] == texts[1] == ["again", "again", "b"]
    assert chats(sandbox) == 3


@pytest.mark.parametrize("path", TUTORIALS)
def test_the_tutorials_twice(
    path: Path, environment: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tutorial, run twice on one sandbox: the second run shows the same, and nothing is charged.

    What is asked again is what failed the first time, and what ``--fresh`` is for. The tutorial on tools is left out:
    answers that call functions are asked again, since what the functions do is not kept.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    charges, texts, failed = [], [], []
    for _ in range(2):
        notebook = nbformat.read(path, as_version=4)
        for each in notebook.cells:
            each.source = each.source.replace("%openrouter set base_url {sandbox.base_url}", "pass")
        NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
        charges.append((chats(sandbox), sandbox.charges.total_usd()))
        answers = [
            output
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "or_magic" in output.get("metadata", {})
        ]
        whole = [answer for answer in answers if answer.metadata["or_magic"]["ending"] == "complete"]
        texts.append([answer.data["text/plain"].rpartition("\n\n")[0] for answer in whole])
        failed.append(sum(answer.metadata["or_magic"]["ending"] != "complete" for answer in answers))

    assert charges[0][1] == charges[1][1]
    assert charges[1][0] - charges[0][0] <= failed[1] * (1 + RETRIES)
    assert texts[0] == texts[1]


def test_answers_in_a_file(start: Start, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path) -> None:
    """Exported answers are shown on a machine that never asked, by a copy of the notebook; its money they are not."""
    teacher, lesson = start(), tmp_path / "lesson.json"
    run_all(teacher, "a", "b")
    footer(teacher, "a", "a2")
    footer(teacher, "b")
    exported = teacher.send(f"%openrouter replay export {lesson}")
    teacher.finish(exported)
    assert teacher.printed(exported) == "Wrote 2 answers to lesson.json, without their questions.\n"
    teacher.close()
    asked, total = chats(sandbox), sandbox.charges.total_usd()
    environment["OR_MAGIC_STORE"] = str(tmp_path / "pupil.sqlite")

    pupil = start("copy.ipynb")
    for told in ("Took in 2 answers. A cell", "Took in 0 answers. 2 answers were here already. A cell"):
        taken = pupil.send(f"%openrouter replay import {lesson}")
        pupil.finish(taken)
        assert pupil.printed(taken).startswith(told)
    footers = [footer(pupil, "a", "a2"), footer(pupil, "b")]

    assert all(" · replayed from " in line and " · $0 · " in line for line in footers)
    assert "2 replayed so far, saved $0.00" in footers[1]
    assert (chats(sandbox), sandbox.charges.total_usd()) == (asked, total)
    assert "spent $0 in 2 answers" in pupil.value("repr(get_ipython().run_line_magic('openrouter', 'cost'))")
    assert "replayed" not in footer(pupil, "c")
    said = pupil.value(
        "[turn.prompt.text for turn in get_ipython().run_line_magic('openrouter', 'history --all').turns]"
    )
    assert said == ["a2", "b", "c"]


def test_a_folder_is_all_there_is(start: Start, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path) -> None:
    """With a folder as OR_MAGIC_REPLAY nothing is ever asked, not even by --fresh: a miss is an error of one line."""
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    first = start()
    run_all(first, "a", "b")
    first.run(f"%openrouter replay export {lessons / 'one.json'}")
    first.close()
    sandbox.close()
    del environment["OPENROUTER_API_KEY"]
    environment |= {"OR_MAGIC_STORE": str(tmp_path / "pupil.sqlite"), "OR_MAGIC_REPLAY": str(lessons)}

    pupil = start("elsewhere.ipynb")
    told = [footer(pupil, "x", "a"), footer(pupil, "y", "b", line="sandbox/echo --fresh")]

    assert all(" · replayed from " in line for line in told)
    assert "(kept in lessons)" in told[0]
    assert cell(pupil, "z", "c") == (
        f"None of the 2 kept answers in {lessons} is to this request: the cell, one before it, the model or a "
        "parameter is not as it was exported. Nothing was sent. %openrouter set replay restart asks."
    )


def test_tools_are_not_run_again(start: Start, sandbox: Sandbox) -> None:
    """An answer that calls tools is given again only on demand; it says that nothing was run."""
    tools = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]'
    line = f"sandbox/tools --no-history --param 'tools={tools}'"
    first = start()
    footer(first, "a", "call f", line=line)
    first.close()
    kernel = start()

    assert "replayed" not in footer(kernel, "a", "call f", line=line)
    again = footer(kernel, "a", "call f", line=f"{line} --replay always")

    assert "(--fresh asks anew)" in again
    assert again.startswith("Its tools were not run again.\n")
    assert " · replayed from " in again
    assert kernel.value("[call.name for call in _answer.tool_calls]") == ["f"]


TOOL = """
import or_magic
ran = []
@or_magic.tool(approve=False)
def rainfall(month: str = 'June') -> float:
    ran.append(month)
    return 71.5
"""


@pytest.mark.parametrize("line", ["sandbox/tools --no-history", "sandbox/tools"])
def test_steps_with_tools_are_given_again(
    start: Start, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path, line: str
) -> None:
    """On demand, and from a folder, all steps are given again with what the tools gave then; none is run."""
    line = f"{line} --tools rainfall --yes"
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    first = start()
    first.run(TOOL)
    footer(first, "a", "rainfall?", line=line)
    text = first.value("_answer.text")
    first.run(f"%openrouter replay export {lessons / 'one.json'}")
    assert first.value("ran") == ["June"]
    first.close()
    asked, total = chats(sandbox), sandbox.charges.total_usd()

    def check(kernel: Kernel, line: str) -> None:
        kernel.run(TOOL)
        assert " · replayed from " in footer(kernel, "a", "rainfall?", line=line)
        assert kernel.value("(ran, _answer.text, len(_answer.steps), str(_answer.total_cost))") == ([], text, 1, "0")
        assert kernel.value("[(run.text, run.value) for run in _answer.tool_calls]") == [("71.5", None)]
        kernel.close()

    check(start(), f"{line} --replay always")
    assert (chats(sandbox), sandbox.charges.total_usd()) == (asked, total)
    sandbox.close()
    del environment["OPENROUTER_API_KEY"]
    environment |= {"OR_MAGIC_STORE": str(tmp_path / "pupil.sqlite"), "OR_MAGIC_REPLAY": str(lessons)}
    check(start("elsewhere.ipynb"), line)
