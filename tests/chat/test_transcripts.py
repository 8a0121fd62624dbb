"""Conversations in files: what is written comes back, and foreign files do no harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat import transcripts
from or_magic.chat.conversation import Conversation, Turns
from or_magic.chat.question import ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import tool, tools_of
from or_magic.errors import CommandError
from or_magic.ledger.audit import verify
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import ReasoningDetailsPart


@pytest.fixture
def talk(sandbox: Sandbox, tmp_path: Path) -> Iterator[Conversation]:
    """A conversation of two turns about something."""
    environment = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    session = Session(settings=Settings(environment))
    session.settings.notebook["model"] = "sandbox/echo"
    talk = Conversation(session)
    for text in ("What is {{x}}?", "And </details><script>alert(1)</script>?"):
        talk.ask(text)
    yield talk
    assert verify(session.ledger) == []
    session.close()


def test_there_and_back(talk: Conversation, tmp_path: Path) -> None:
    """Exported messages are what was sent and answered; imported, they are sent along on a thread of their own."""
    file = talk.export(tmp_path / "talk.json")
    told = json.loads(file.read_text())["messages"]
    assert [message["content"] for message in told] == [text for turn in talk for text in [turn.prompt.text] * 2]

    back = talk.import_(file)

    assert back.thread == talk.thread == "talk"
    assert [turn.prompt.text for turn in back] == [message["content"] for message in told[::2]]
    assert back.ask("Go on.").history.turns == 2


def test_imported_turns_are_free(talk: Conversation, tmp_path: Path) -> None:
    """What was imported cost nothing here, and counts nowhere."""
    spent = talk._session.spent()

    back = talk.import_(talk.export(tmp_path / "talk.json"))

    assert [turn.usage.cost_pico_usd for turn in back if turn.usage] == [0, 0]
    assert talk._session.spent() == spent


def test_markdown(talk: Conversation, tmp_path: Path) -> None:
    """A .md file has a heading for each message, with the model's name over its answers."""
    talk.set_system("Be brief.")
    text = talk.export(tmp_path / "talk.md").read_text()

    assert text.startswith(
        "## System\n\nBe brief.\n\n## User\n\nWhat is {{x}}?\n\n## sandbox/echo\n\nWhat is {{x}}?\n\n"
    )


def test_a_file_is_not_overwritten(talk: Conversation, tmp_path: Path) -> None:
    """A file that is there stays as it is, unless it is to be replaced."""
    (tmp_path / "talk.md").write_text("mine")

    with pytest.raises(CommandError, match=r"talk\.md is there already.*--force"):
        talk.export(tmp_path / "talk.md")

    assert (tmp_path / "talk.md").read_text() == "mine"
    assert talk.export(tmp_path / "talk.md", overwrite=True).read_text() != "mine"


@pytest.mark.parametrize(("name", "said"), [("talk.txt", "neither .md"), ("none/talk.md", "cannot be written")])
def test_where_nothing_can_be_written(talk: Conversation, tmp_path: Path, name: str, said: str) -> None:
    """Another ending or a missing folder is one line."""
    with pytest.raises(CommandError, match=said):
        talk.export(tmp_path / name)


FOREIGN: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "is no JSON"),
    "deep": ("[" * 100_000, "is no JSON"),
    "a number": (7, "holds no messages"),
    "empty": ({"messages": []}, "holds no messages"),
    "a message that is none": ([{"role": "user", "content": "a"}, 7], "message 2: it is no object"),
    "a strange role": ([{"role": "root", "content": "a"}], "message 1: its role is 'root'"),
    "a strange content": ([{"role": "user", "content": 7}], "message 1: its content is neither text nor"),
    "a strange part": ([{"role": "user", "content": [{"type": "exe"}]}], "a part of it is of kind 'exe'"),
    "a strange address": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
        "is neither an https address",
    ),
    "a call of nothing": (
        [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [7]}],
        "message 2: a tool call of it names no function",
    ),
    "a result of nothing": ([{"role": "tool", "content": "a"}], "its tool_call_id is no text"),
    "the assistant first": ([{"role": "assistant", "content": "Hello!"}], "begins with the user"),
}


@pytest.mark.parametrize(("told", "said"), FOREIGN.values(), ids=FOREIGN.keys())
def test_what_cannot_be_imported(talk: Conversation, tmp_path: Path, told: Any, said: str) -> None:
    """A file that is no conversation is one line that says where, and no thread is made of it."""
    file = tmp_path / "foreign.json"
    file.write_text(told if isinstance(told, str) else json.dumps(told))

    with pytest.raises(CommandError, match=said) as refused:
        talk.import_(file)

    assert "\n" not in str(refused.value)
    assert [thread.name for thread in talk.threads] == ["main"]


def test_a_file_that_is_too_large(talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit is not even read."""
    monkeypatch.setattr(transcripts, "LARGEST_FILE", 10)

    with pytest.raises(CommandError, match="more than such a file ever has"):
        talk.import_(talk.export(tmp_path / "talk.json"))


def test_calls_of_tools_are_history(talk: Conversation, sandbox: Sandbox, tmp_path: Path) -> None:
    """Calls and results of an imported conversation are sent along as they stand, never made; no signature is."""
    call = {"id": "c1", "type": "function", "function": {"name": "rm", "arguments": '{"path": "/"}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Clean up."},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": [{"signature": "theirs"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "assistant", "content": "It is clean."},
    ]
    file = tmp_path / "foreign.json"
    file.write_text(json.dumps(messages))

    talk.import_(file).ask("Thanks.")

    sent = [request.body for request in sandbox.requests if request.body and "messages" in request.body][-1]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent[2]["tool_calls"] == [call]
    assert sent[3] == {"role": "tool", "tool_call_id": "c1", "content": "done"}
    assert "theirs" not in json.dumps(sent)
    parts = [part for turn in talk.turns for part in turn.prompt.parts + (turn.answer.parts if turn.answer else ())]
    assert not any(isinstance(part, ReasoningDetailsPart) for part in parts)


def test_what_tools_gave_goes_along(talk: Conversation, sandbox: Sandbox, tmp_path: Path) -> None:
    """Calls that were made here are in both kinds of file; imported, they are sent along just as they were made."""

    @tool(approve=False)
    def barometer(city: str = "Bonn") -> float:
        return 1013.25

    session = talk._session
    session.ask(
        "barometer?",
        model="sandbox/tools",
        tool_settings=ToolSettings(tools_of([barometer]), is_told_yes=True),
        show=False,
    )
    made = sandbox_messages(sandbox)

    file = talk.export(tmp_path / "tools.json")
    assert json.loads(file.read_text())["messages"][: len(made)] == made
    assert "## Tools\n\n[a tool gave] 1013.25" in talk.export(tmp_path / "tools.md").read_text()

    talk.import_(file).ask("Thanks.")
    assert sandbox_messages(sandbox)[: len(made)] == made


def sandbox_messages(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The messages of the last chat request."""
    bodies = [request.body for request in sandbox.requests if request.body and "messages" in request.body]
    messages: list[dict[str, Any]] = bodies[-1]["messages"]
    return messages


def test_a_readable_view(talk: Conversation) -> None:
    """A conversation reads well as text, and no control character of a model reaches a terminal."""
    talk.ask("beep \x1b[2J\x07")

    shown = repr(talk)

    assert "\n> What is {{x}}?\nWhat is {{x}}?\n\nturn " in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert repr(Turns([])) == "No turns."


def test_a_table(talk: Conversation) -> None:
    """One row a turn, with its exact cost and its tokens."""
    table = talk.df()

    assert list(table["state"]) == ["complete", "complete"]
    assert list(table["history_turns"]) == [0, 1]
    assert sum(table["cost_usd"]) * 10**12 == talk._session.spent().pico_usd
    assert "UTC" in str(table["asked"].dtype)
    assert str(table["prompt_tokens"].dtype) == "Int64"
    assert Turns([]).df().shape == (0, 19)
