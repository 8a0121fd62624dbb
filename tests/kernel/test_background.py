"""Answers that go on after their cell, and answers that are gone on with, in a real kernel."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from or_magic.ledger.records import Turn
from or_magic.money import pico_usd
from or_magic.sandbox import Sandbox
from tests.faults.server import DONE, OPEN_HEAD, serve

from .conftest import Kernel, Message
from .test_real_kernel import display_id, shows

Turns = Callable[[], list[Turn]]
LONG = "wort " * 300


def last_shown(kernel: Kernel, request: str) -> list[Message]:
    """The last state of each output of a request, in order."""
    drawn = kernel.published(request, "display_data", "update_display_data")
    ids = list(dict.fromkeys(display_id(message) for message in drawn))
    return [[message for message in drawn if display_id(message) == id][-1] for id in ids]


def wait_for_footer(kernel: Kernel, request: str, words: str) -> None:
    """Waits until the footer of a request in the background holds the words."""
    for _ in range(50):
        if words in text_of(last_shown(kernel, request)[1]):
            return
        kernel.run("import time; time.sleep(0.2)")
    raise AssertionError(f"{words!r} is not in {text_of(last_shown(kernel, request)[1])!r}")


def text_of(message: Message) -> str:
    return str(message["content"]["data"].get("text/plain", ""))


def test_ten_at_once_while_the_kernel_is_busy(kernel: Kernel, sandbox: Sandbox, turns: Turns) -> None:
    """Ten answers arrive while another cell sleeps; each is whole, in its own cell, and recorded with that cell."""
    sandbox.behave(pace=300)
    requests = [
        kernel.send(f"%%openrouter sandbox/echo --bg -o a{n}\nnumber {n}: {LONG}", cell_id=f"c{n}") for n in range(10)
    ]
    replies = [kernel.finish(request) for request in requests]
    assert {reply["status"] for reply in replies} == {"ok"}
    assert kernel.value("all(isinstance(a.done, bool) for a in (a0, a9))")

    busy = kernel.send("import time; time.sleep(4); done = [a.wait(20).done for a in (a0,a1,a2,a3,a4,a5,a6,a7,a8,a9)]")
    assert kernel.finish(busy)["status"] == "ok"

    assert kernel.value("done") == [True] * 10
    for number, request in enumerate(requests):
        wait_for_footer(kernel, request, "via Sandbox")
        assert text_of(last_shown(kernel, request)[0]) == f"number {number}: {LONG}".rstrip("\n")
    kept = {turn.cell_id: turn.answer.text for turn in turns()}
    assert {cell: text.split(":")[0] for cell, text in kept.items()} == {f"c{n}": f"number {n}" for n in range(10)}


def test_jobs_are_listed_and_stopped(kernel: Kernel, sandbox: Sandbox, turns: Turns) -> None:
    """Two answers under way are listed, one is stopped by its id, then the rest; each says so under its text."""
    first = kernel.send(f"%%openrouter sandbox/slow --bg\n{LONG}")
    kernel.finish(first)
    second = kernel.send(f"%%openrouter sandbox/slow --bg -o other\n{LONG}")
    kernel.finish(second)
    kernel.watch(second, shows("wort"))

    listed = kernel.send("%openrouter jobs")
    kernel.finish(listed)
    ids = re.findall(r"^ *(\d+)  sandbox/slow", kernel.printed(listed), re.MULTILINE)
    assert len(ids) == 2
    assert "2 answers are under way" in kernel.run("%openrouter stop")["evalue"]
    assert "There is no '77'" in kernel.run("%openrouter stop 77")["evalue"]

    stopped = kernel.send(f"%openrouter stop {ids[0]}")
    kernel.finish(stopped)
    assert kernel.printed(stopped).startswith(f"Stopped {ids[0]} after about ")
    kernel.run("%openrouter stop all")
    assert kernel.value("(other.wait(5).ending, other.text.startswith('wort'))") == ("stopped", True)
    wait_for_footer(kernel, first, "Stopped: stopped by the user")
    assert [turn.state for turn in turns()] == ["stopped", "stopped"]
    assert "Nothing is under way" in kernel.run("%openrouter stop")["evalue"]
    sandbox.wait_for(lambda request: request.closed_by_client)


def test_a_failure_in_the_background_is_told(kernel: Kernel, turns: Turns) -> None:
    """The cell has ended well; the failure stands under the answer and in it."""
    request = kernel.send("%%openrouter sandbox/error-403-moderation --bg -o it\nhi")
    assert kernel.finish(request)["status"] == "ok"

    assert kernel.value("(it.wait(10).ending, 'flagged' in it.error)") == ("failed", True)
    wait_for_footer(kernel, request, "Failed: The prompt was flagged (rehearsal)")
    assert turns()[0].state == "failed"


@pytest.mark.parametrize("how", ["cut", "length"])
def test_the_rest_of_an_answer(kernel: Kernel, sandbox: Sandbox, turns: Turns, how: str) -> None:
    """`%openrouter continue` sends what came as the beginning of the answer, and shows and keeps the whole."""
    prompt = "one two three four five six"
    if how == "cut":
        sandbox.cut_next(after_events=3)
        kernel.run(f"%%openrouter sandbox/echo\n{prompt}")
    else:
        request = kernel.send(f"%%openrouter sandbox/echo --max-tokens 3\n{prompt}")
        kernel.finish(request)
        assert "%openrouter continue goes on" in text_of(last_shown(kernel, request)[1])
    before = kernel.value("_answer.text")

    request = kernel.send("%openrouter continue")
    assert kernel.finish(request)["status"] == "ok"

    messages = sandbox.requests[-1].body["messages"]
    assert messages == [{"role": "user", "content": prompt}, {"role": "assistant", "content": before.rstrip()}]
    whole = kernel.value("_answer.text")
    assert prompt.startswith(whole)
    assert len(whole) > len(before)
    assert text_of(last_shown(kernel, request)[0]) == whole
    assert turns()[1].answer.text == whole


def test_there_is_nothing_to_go_on_with(kernel: Kernel) -> None:
    """A whole answer, or none, is not gone on with; the line says so."""
    assert "no answer to go on with" in kernel.run("%openrouter continue")["evalue"]
    kernel.run("%%openrouter sandbox/echo\nhi")
    assert "is whole" in kernel.run("%openrouter continue")["evalue"]


def test_an_answer_can_be_awaited(kernel: Kernel, sandbox: Sandbox) -> None:
    """An answer that arrives in the background can be awaited in a cell."""
    sandbox.behave(pace=300)
    kernel.run("%%openrouter sandbox/echo --bg -o it\nsome words to wait for")

    assert kernel.run("text = (await it).text")["status"] == "ok"
    assert kernel.value("text") == "some words to wait for"


def test_the_line_of_a_stop(kernel: Kernel, sandbox: Sandbox) -> None:
    """An interrupted answer says about how much came, what it will have cost, and how to go on."""
    kernel.run("%%openrouter sandbox/ech\nhi")  # the error looks the catalog up
    request = kernel.send(f"%%openrouter sandbox/slow\n{LONG}")
    kernel.watch(request, shows("wort"))
    kernel.manager.interrupt_kernel()
    reply = kernel.finish(request)

    assert re.fullmatch(
        r"Stopped after about \d+ tokens, ~\$0\.0000\d+\. Kept in _answer\. %openrouter continue goes on\.",
        reply["evalue"],
    )
    assert " · stopped · " in text_of(last_shown(kernel, request)[1])
    assert " · ~$0.0000" in text_of(last_shown(kernel, request)[1])


def test_footers(kernel: Kernel) -> None:
    """A footer is as long as the option says; none is no line at all."""
    shown = {}
    for length in ("full", "brief", "none"):
        kernel.run(f"%openrouter set footer {length}")
        request = kernel.send("%%openrouter sandbox/echo --no-history\nhi")
        kernel.finish(request)
        shown[length] = text_of(last_shown(kernel, request)[1])

    assert re.fullmatch(r"sandbox/echo via Sandbox · 1 in / 1 out · .* · sandbox \$[\d.]+", shown["full"])
    assert re.fullmatch(r"sandbox/echo via Sandbox · \$[\d.]+", shown["brief"])
    assert shown["none"] == ""


def test_thoughts_are_folded_away(kernel: Kernel, sandbox: Sandbox) -> None:
    """Reasoning is seen while it is all there is, then folded above the answer with how long it took."""
    sandbox.behave(pace=150)
    request = kernel.send("%%openrouter sandbox/reasoner\nhi")
    kernel.watch(request, shows("is thinking"))
    kernel.watch(request, shows("<summary>thought for"))
    kernel.finish(request)

    answer, _ = last_shown(kernel, request)
    html = answer["content"]["data"]["text/html"]
    assert re.search(r"<details[^>]*><summary>thought for [\d a-z]+ · [\d,]+ characters</summary>.*I should say", html)
    assert "I should say what I am" not in text_of(answer)
    assert kernel.value("'I should say what I am' in _answer.reasoning and 'I should say' not in _answer.text")


def test_sources_are_numbered(kernel: Kernel) -> None:
    """Citations stand in a numbered list below the answer, as links that open elsewhere."""
    request = kernel.send("%%openrouter sandbox/sources\nhi")
    kernel.finish(request)

    html = last_shown(kernel, request)[0]["content"]["data"]["text/html"]
    assert (
        '<ol><li><a href="https://example.org/streams" target="_blank" rel="noopener noreferrer">On streams</a>' in html
    )


def test_half_a_surrogate_pair_is_shown(kernel: Kernel) -> None:
    """What no message can carry, in an answer or a model's name, is shown as "?"; the answer itself is exact."""
    chunk = b'data: {"id":"g","model":"m\\ud83d","choices":[{"delta":{"content":"a\\ud83db"}}]}\n\n'
    with serve((OPEN_HEAD + chunk + DONE,)) as server:
        kernel.run(f"%openrouter set base_url {server.base_url}")
        request = kernel.send("%%openrouter a/b\nhi")

        assert kernel.finish(request)["status"] == "ok"

    answer, footer = last_shown(kernel, request)
    assert text_of(answer) == "a?b"
    assert text_of(footer).startswith("m? ")
    assert kernel.value("_answer.text == 'a\\ud83db'")


def test_the_cost_of_a_stopped_answer_is_put_right(kernel: Kernel, sandbox: Sandbox, turns: Turns) -> None:
    """Some moments later the footer, the answer and the ledger know what a stopped answer cost, to the digit."""
    sandbox.behave(record_delay_s=0.5)
    request = kernel.send(f"%%openrouter sandbox/slow -o it\n{LONG}")
    kernel.watch(request, shows("wort"))
    kernel.manager.interrupt_kernel()
    kernel.finish(request)
    assert turns()[0].usage is None

    kernel.watch(request, lambda message: "sandbox $0.0000" in str(message["content"].get("data")))
    (charge,) = sandbox.charges

    assert " · stopped · " in text_of(last_shown(kernel, request)[1])
    assert kernel.value("(str(it.cost), it.cost_source)") == (str(charge.cost_usd), "reconciled")
    (turn,) = turns()
    assert (turn.cost_source, turn.usage.completion_tokens) == ("reconciled", charge.completion_tokens)
    assert turn.usage.cost_pico_usd == pico_usd(charge.cost_usd) > 0
