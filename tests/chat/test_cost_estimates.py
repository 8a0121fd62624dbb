"""What a question would cost, before it is asked."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.estimates import CostEstimate, cost_line, estimate_cost
from or_magic.chat.question import Question
from or_magic.chat.session import Session
from or_magic.content import Content
from or_magic.money import pico_usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import ImagePart, TextPart

MICRO = 10**6  # in 1e-12 USD


def session_of(sandbox: Sandbox, folder: Path) -> Session:
    environment = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(folder / "ledger.sqlite")}
    return Session(settings=Settings(environment))


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    owner = session_of(sandbox, tmp_path)
    yield owner
    owner.close()


def asked(session: Session, model: str, prompt: str | Content = "Who am I?", **parameters: Any) -> Question:
    return session.question(prompt, model, parameters, None, None, None)


def test_three_prices(session: Session) -> None:
    """Without an answer, with a usual one and with the longest, each at the catalog's price of the model."""
    preview = estimate_cost(session, asked(session, "sandbox/essay", max_tokens=2_000))

    assert preview.answer_tokens == 2_000
    assert preview.typical_tokens == 500
    assert preview.least_pico_usd == 3 * MICRO * preview.prompt_tokens
    assert preview.typical_pico_usd == preview.least_pico_usd + 15 * MICRO * 500
    assert preview.most_pico_usd is not None
    assert preview.most_pico_usd > preview.least_pico_usd + 15 * MICRO * 2_000


def test_it_covers_what_is_charged(session: Session, sandbox: Sandbox) -> None:
    """What was charged in the end lies between the least and the most that were foreseen, with the conversation."""
    session.ask("My name is Ada. " * 50, model="sandbox/echo")
    preview = estimate_cost(session, asked(session, "sandbox/echo"))

    session.ask("Who am I?", model="sandbox/echo")

    charged = pico_usd(list(sandbox.charges)[-1].cost_usd)
    assert preview.prompt_tokens > 300
    assert preview.least_pico_usd is not None
    assert preview.most_pico_usd is not None
    assert 0.5 * preview.least_pico_usd < charged <= preview.most_pico_usd


def test_a_short_limit(session: Session) -> None:
    """Where the longest answer is shorter than a usual one, the usual one is as long as that."""
    preview = estimate_cost(session, asked(session, "sandbox/echo", max_tokens=20))

    assert (preview.answer_tokens, preview.typical_tokens) == (20, 20)


@pytest.mark.parametrize(
    ("model", "note"),
    [
        ("openrouter/auto", "the router picks the model"),
        ("account", "the service picks the model"),
        ("@preset/mine", "the preset picks the model"),
        ("sandbox/<b>no</b>", "the catalog has no sandbox/<b>no</b>"),
    ],
)
def test_why_no_price_is_known(session: Session, model: str, note: str) -> None:
    """Where nobody knows a price before, the note says why, and the tokens are told all the same."""
    preview = estimate_cost(session, asked(session, model))

    assert preview.most_pico_usd is None
    assert preview.note == note
    assert cost_line(preview) == f"about {preview.prompt_tokens} tokens in · price not known: {note}"


def test_nothing_is_fetched(session: Session, sandbox: Sandbox, tmp_path: Path) -> None:
    """Offline nothing is asked of the service; what an earlier session kept on disk counts."""
    question = asked(session, "sandbox/echo", "hi " * 100)

    unknown = estimate_cost(session, question, is_offline=True)
    assert unknown.note == "no catalog is here yet"
    assert len(sandbox.requests) == 0

    session.models.refresh()
    other = session_of(sandbox, tmp_path)
    known = estimate_cost(other, question, is_offline=True)
    other.close()
    assert known.note == ""
    assert known == estimate_cost(session, question)
    assert [request.path for request in sandbox.requests] == ["/api/v1/models"]


def test_where_it_would_be_asked(session: Session) -> None:
    """The conversation of the place that is named goes along, not that of the thread that estimates."""
    session.ask("word " * 500, model="sandbox/echo")
    question, here = asked(session, "sandbox/echo"), session.host.where()

    elsewhere = estimate_cost(session, question, location=replace(here, notebook="/another.ipynb"))

    assert elsewhere.prompt_tokens < 20 < 400 < estimate_cost(session, question, location=here).prompt_tokens


def test_what_has_no_price(session: Session) -> None:
    """Of images and the like it is said that they are charged besides, and no most is promised."""
    picture = ImagePart(f"data:image/png;base64,{base64.b64encode(bytes(90_000)).decode()}")
    preview = estimate_cost(session, asked(session, "sandbox/vision", Content((TextPart("What is it?"), picture))))

    line = cost_line(preview)
    assert line.endswith("besides images, files and sounds")
    assert " to $" not in line
    assert " and more, typically $" in line


@pytest.mark.parametrize(
    ("preview", "line"),
    [
        (
            CostEstimate(1_240, 2 * 10**8, 11 * 10**8, 12 * 10**9, 9_000, 500),
            "about 1,240 tokens in · $0.00020 to $0.012, typically $0.0011",
        ),
        (CostEstimate(1, 0, 0, 0, 9_000, 500), "about 1 token in · free"),
        (
            CostEstimate(7, 0, 0, 0, 9, 9, besides="web searches"),
            "about 7 tokens in · free, besides web searches",
        ),
    ],
    ids=["priced", "free", "free-but"],
)
def test_the_line(preview: CostEstimate, line: str) -> None:
    """One short line of plain text."""
    assert cost_line(preview) == line
