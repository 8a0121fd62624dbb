"""What the tests of the loop of tools share: functions as tools, a session on a sandbox, what a request held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic
import pytest

import or_magic
from or_magic.answer import Answer
from or_magic.chat.host import ScriptHost
from or_magic.chat.question import MAX_STEPS, ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import tools_of
from or_magic.ledger.audit import verify
from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings

harmless = or_magic.tool(approve=False)
ADD, ADDED = '{"a": 1, "b": 2}', "3"


class Spot(pydantic.BaseModel):
    x: float
    tags: list[str]


@harmless
def add(a: int, b: int = 2) -> int:
    return a + b


@harmless
def today() -> str:
    return "Wednesday"


@harmless
async def later(text: str) -> str:
    await asyncio.sleep(0.01)
    return text


@harmless
def bad() -> None:
    raise ValueError("no such\ncity")


def write_file(name: str) -> str:
    return f"wrote {name}"


def giving(value: Any) -> Callable[[], Any]:
    """A harmless tool that gives a value."""

    @harmless
    def give() -> Any:
        return value

    return give


@pytest.fixture
def opened(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Opens sessions on one store, whose costs add up at the end."""
    settings = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    owners: list[Session] = []

    def opened(host: ScriptHost | None = None) -> Session:
        owners.append(Session(host, settings=Settings(settings)))
        return owners[-1]

    yield opened
    for owner in owners:
        assert verify(owner.ledger) == []
        owner.close()


@pytest.fixture
def session(opened: Callable[..., Session]) -> Session:
    return opened()


def ask(session: Session, text: str, *functions: Any, max_steps: int = MAX_STEPS, **options: Any) -> Answer:
    options = {"model": "sandbox/tools", "history": "none"} | options
    is_told_yes = options.pop("is_told_yes", True)
    return session.ask(
        text, tool_settings=ToolSettings(tools_of(functions), max_steps, is_told_yes), show=False, **options
    )


def chats(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The bodies of the chat requests that came."""
    return [request.body for request in sandbox.requests if request.body and "messages" in request.body]


def retell(session: Session, **told: Any) -> None:
    """The catalog that is kept in the store tells something else of sandbox/tools from now on."""
    catalog = json.loads(session.models.body())
    next(model for model in catalog["data"] if model["id"] == "sandbox/tools").update(told)
    CatalogCache(session.ledger.store).keep(session.service, "/models", json.dumps(catalog).encode(), datetime.now(UTC))


def step(calls: list[tuple[str, str, str]], ids: list[str]) -> list[dict[str, Any]]:
    """A step in a conversation: what was called (name, arguments as written, what it gave), as the API has it."""
    named = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": written}}
        for id, (name, written, _) in zip(ids, calls, strict=True)
    ]
    told = [
        {"role": "tool", "tool_call_id": id, "content": result} for id, (_, _, result) in zip(ids, calls, strict=True)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": named}, *told]


def check_followed(sandbox: Sandbox, answer: Answer, text: str, *calls: tuple[str, str, str]) -> None:
    """The second and last request held the question, the calls and what they gave, and nothing else."""
    ids = [call.id for call in answer.steps[0].calls]
    assert len(set(ids)) == len(calls)
    assert chats(sandbox)[-1]["messages"] == [{"role": "user", "content": text}, *step(list(calls), ids)]
    assert len(chats(sandbox)) == 2
    assert answer.ending == "complete"
    assert all(f"- `{result}`" in answer.text for _, _, result in calls)


def in_thread(session: Session, text: str, *functions: Any, **options: Any) -> Answer:
    return ask(session, text, *functions, history="thread", **options)
