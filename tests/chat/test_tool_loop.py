"""The loop of tools: what the service receives after each kind of call, and with the next question."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import time
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import or_magic
from or_magic.chat.conversation import Conversation
from or_magic.chat.session import Session
from or_magic.chat.tools import tools_of
from or_magic.ledger.records import Turn
from or_magic.sandbox import Sandbox

from . import tool_loop_parts
from .tool_loop_parts import (
    ADD,
    ADDED,
    Spot,
    add,
    ask,
    bad,
    chats,
    check_followed,
    giving,
    harmless,
    in_thread,
    later,
    retell,
    step,
    today,
    write_file,
)

opened = tool_loop_parts.opened
session = tool_loop_parts.session

FULL = 6_000 * 4  # bytes of about 6,000 tokens


@harmless
def first_tag(spot: Spot) -> str:
    return f"{type(spot).__name__}: {spot.tags[0]}"


@harmless
def leave() -> None:
    raise SystemExit(3)


@or_magic.tool(approve=False, timeout_s=0.2)
def slow() -> None:
    time.sleep(20)


@or_magic.tool(approve=False, timeout_s=0.2)
async def slow_async() -> None:
    await asyncio.sleep(20)


def figure() -> Figure:
    drawn = Figure()
    drawn.subplots().plot([1, 2])
    return drawn


SPOT = '{"spot": {"x": 1, "tags": ["rehearsal"]}}'
FITTING = [
    ("add", [add], [("add", ADD, ADDED)]),
    ("add, and today", [add, today], [("add", ADD, ADDED), ("today", "{}", "Wednesday")]),
    ("first_tag", [first_tag], [("first_tag", SPOT, "Spot: rehearsal")]),
    ("today", [today], [("today", "{}", "Wednesday")]),
    ("later", [later], [("later", '{"text": "rehearsal"}', "rehearsal")]),
    ("bad, then add", [bad, add], [("bad", "{}", "Error: ValueError: no such city"), ("add", ADD, ADDED)]),
    ("leave, then add", [leave, add], [("leave", "{}", "Error: SystemExit: 3"), ("add", ADD, ADDED)]),
    ("slow", [slow], [("slow", "{}", "Error: It took longer than 0.2 s.")]),
    ("slow_async", [slow_async], [("slow_async", "{}", "Error: It took longer than 0.2 s.")]),
    (
        "add, break it: unknown",
        [add, today],
        [("add_unknown", ADD, "Error: There is no tool 'add_unknown'. There are: add, today.")],
    ),
]


@pytest.mark.parametrize(("text", "functions", "calls"), FITTING, ids=[text for text, _, _ in FITTING])
def test_the_follow_up(
    session: Session, sandbox: Sandbox, text: str, functions: list[Any], calls: list[tuple[str, str, str]]
) -> None:
    """What was called goes back as it was written, with what each call gave, in their order."""
    begun = time.monotonic()

    answer = ask(session, text, *functions)

    check_followed(sandbox, answer, text, *calls)
    assert time.monotonic() - begun < 10
    assert [run.text for run in answer.runs] == [result for _, _, result in calls]


@pytest.mark.parametrize(
    ("fault", "written", "why"),
    [("wrong", f'{{"not_a_parameter": {ADD}}}', "a: Field required"), ("cut", ADD[:-1], "")],
)
def test_arguments_that_do_not_fit(session: Session, sandbox: Sandbox, fault: str, written: str, why: str) -> None:
    """Arguments that do not fit are not tried: the model is told what is wrong with them, and the user has the text."""
    text = f"add, break it: {fault}"

    answer = ask(session, text, add)

    (run,) = answer.runs
    check_followed(sandbox, answer, text, ("add", written, run.text))
    assert run.text.startswith(f"Error: The arguments do not fit: {why}")
    assert (run.arguments, run.value, run.call) == (written, None, f"add({written})")


RESULTS = [
    (
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        "the result: pandas DataFrame, 2 rows x 2 columns.\n```csv\ncolumn,dtype,nulls\na,int64,0\nb,str,0\n```\n"
        "All rows follow.\n```csv\na,b\n1,x\n2,y\n```",
    ),
    (Spot(x=1, tags=["a"]), '{"x": 1.0, "tags": ["a"]}'),
    ({"a": [1, None]}, '{"a": [1, null]}'),
    (None, "None"),
    (figure(), "[an image, which this model cannot see]"),
    (Image.new("RGB", (4, 4)), "[an image, which this model cannot see]"),
]


@pytest.mark.parametrize(("value", "told"), RESULTS, ids=[type(value).__name__ for value, _ in RESULTS])
def test_results(session: Session, sandbox: Sandbox, value: Any, told: str) -> None:
    """A result reads as it does in a prompt; the user has the value itself. Of an image the model is told in words."""
    answer = ask(session, "go", giving(value))

    check_followed(sandbox, answer, "go", ("give", "{}", told))
    (run,) = answer.runs
    assert run.value is value
    assert run.error == ""
    assert ("sees no images" in run.note) == (told.startswith("[an image"))


def test_a_result_that_cannot_be_sent(session: Session, sandbox: Sandbox) -> None:
    """What has no text is told as an error in one line."""
    answer = ask(session, "go", giving(object()))

    (run,) = answer.runs
    check_followed(sandbox, answer, "go", ("give", "{}", run.text))
    assert run.text.startswith("Error: It ran, but what it returned cannot be sent: the result is a object")
    assert "\n" not in run.text


def test_images_for_a_model_that_sees_them(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """A model that sees images is shown what a tool drew, in a message behind the results."""
    retell(opened(), architecture={"input_modalities": ["text", "image"], "output_modalities": ["text"]})

    answer = ask(opened(), "give, add", giving(Image.new("RGB", (4, 4))), add)

    *messages, shown = chats(sandbox)[-1]["messages"]
    ids = [call.id for call in answer.steps[0].calls]
    assert messages[1:] == step([("give", "{}", "[an image, shown below]"), ("add", ADD, ADDED)], ids)
    (image,) = answer.runs[0].images
    assert image.url.startswith("data:image/png;base64,")
    assert shown["role"] == "user"
    assert shown["content"][0] == {"type": "text", "text": "The images that the tools gave:"}
    assert shown["content"][1:] == [{"type": "image_url", "image_url": {"url": image.url}}]
    assert answer.runs[0].note == ""


HUGE = {"text": "x" * 200_000, "list": list(range(100_000)), "emoji first": "😀" * 20_000 + "a" * 80_000}


@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
def test_a_huge_result(session: Session, sandbox: Sandbox, value: Any) -> None:
    """A result that is too long is cut to about 6,000 tokens, and the user is told so."""
    answer = ask(session, "go", giving(value))

    (run,) = answer.runs
    assert chats(sandbox)[-1]["messages"][-1]["content"] == run.text
    assert FULL // 2 < len(run.text.encode()) < FULL * 1.01
    assert "left out" in run.note or "sent" in run.note
    assert run.value is value


def test_the_next_question(session: Session, sandbox: Sandbox) -> None:
    """In a thread the next question goes on from all that was called, given and said."""
    first = in_thread(session, "add, then bad", add, bad)
    in_thread(session, "and today?", today)

    calls = [("add", ADD, ADDED), ("bad", "{}", "Error: ValueError: no such city")]
    whole = [
        {"role": "user", "content": "add, then bad"},
        *step(calls, [run.id for run in first.runs]),
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": "and today?"},
    ]
    assert [body["messages"] for body in chats(sandbox)[1:3]] == [whole[:4], whole]
    assert chats(sandbox)[3]["messages"][:6] == whole
    assert len(chats(sandbox)[3]["messages"]) == 8


def test_how_long_the_history_is(session: Session) -> None:
    """What tools gave is counted in the length of the conversation so far."""
    in_thread(session, "go", giving("word " * 4_000))

    answer = in_thread(session, "and now?")

    assert answer.usage is not None
    assert 0.7 < answer.history.about_tokens / answer.usage.prompt_tokens < 1.5


FORCED = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(("choice", "then"), [("required", None), (FORCED, None), ("auto", "auto")])
def test_tool_choice(session: Session, sandbox: Sandbox, choice: Any, then: Any) -> None:
    """A model that must call a tool must do so once; what else it was told goes along with each step."""
    ask(session, "go", add, parameters={"tool_choice": choice, "max_tokens": 200})

    first, second = chats(sandbox)
    assert (first["tool_choice"], second.get("tool_choice")) == (choice, then)
    assert first["max_tokens"] == second["max_tokens"] == 200


def test_the_declarations(session: Session, sandbox: Sandbox) -> None:
    """Each step offers the tools exactly as they are declared."""
    ask(session, "add", add, first_tag, write_file)

    declared = json.loads(json.dumps(tools_of([add, first_tag, write_file]).declarations))
    assert [body["tools"] for body in chats(sandbox)] == [declared, declared]


def test_undo_and_redo(session: Session) -> None:
    """A question and its steps with tools are taken out of the conversation together, and come back together."""
    in_thread(session, "hello")
    in_thread(session, "add", add)
    in_thread(session, "add again", add)
    talk = Conversation(session)

    def prompts(turns: Iterable[Turn]) -> list[str]:
        return [turn.prompt.said for turn in turns]

    assert prompts(talk.undo()) == ["add again", "[a tool gave] 3"]
    assert prompts(talk.undo()) == ["add", "[a tool gave] 3"]
    assert prompts(talk) == ["hello"]
    assert prompts(talk.redo()) == ["add", "[a tool gave] 3"]
    assert prompts(talk.redo(None)) == ["add again", "[a tool gave] 3"]
    assert len(talk) == 5


def test_how_it_reads(session: Session, sandbox: Sandbox) -> None:
    """Calls and what they gave are told to people too: in the history, and in what a dry run shows."""
    in_thread(session, "add", add)

    talk = Conversation(session)
    called, given = '[calls add({"a": 1, "b": 2})]', "[a tool gave] 3"
    assert next(turn.answer.said for turn in talk if turn.answer) == called
    assert f"> add\n{called}\n" in str(talk)
    preview = session.dry_run("and now?", model="sandbox/tools")
    assert f"assistant: {called}\n  tool: {given}\n" in preview


def test_a_single_function(session: Session) -> None:
    """One function may be given as it is, without a list around it."""
    assert tools_of(add).declarations == tools_of([add]).declarations
    assert tools_of("openrouter:web_search").declarations == [{"type": "openrouter:web_search"}]


class Locked:
    def __init__(self) -> None:
        self.act = lambda: 1

    def __llm__(self) -> str:
        return "locked"


def test_pickled(session: Session) -> None:
    """An answer with calls can be pickled, also where the value of one cannot; a copy shares the values."""
    answer = ask(session, "go", giving({"a": 1}))
    locked = ask(session, "go", giving(Locked()))

    back, locked_back = pickle.loads(pickle.dumps((answer, locked)))

    assert back.runs == answer.runs
    assert back.total_cost == answer.total_cost
    assert (locked_back.runs[0].value, locked_back.runs[0].text) == (None, "locked")
    assert copy.copy(locked).runs is locked.runs
