"""Routing and fallbacks: each option, typed as in a cell, is seen in who answered and at what price."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.question import checked_arguments
from or_magic.chat.session import Session
from or_magic.commands.arguments import parse_cell_line
from or_magic.errors import (
    CommandError,
    ContextLengthError,
    ModelNotFoundError,
    ModerationError,
    NoEndpointsError,
    ProviderError,
)
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings

BASE = Decimal("0.000002")  # what sandbox/routed costs a prompt token at the provider sandbox
PROMPT = "one two three"


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    environment = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    owner = Session(
        settings=Settings({**environment, "OR_MAGIC_RETRIES": "0", "OR_MAGIC_SETTINGS": str(tmp_path / "s")})
    )
    yield owner
    owner.close()


def ask(session: Session, line: str, prompt: str = PROMPT) -> Answer:
    """Asks as a cell with that first line does."""
    asked = parse_cell_line(line)
    return session.ask(prompt, model=asked.values.get("model"), parameters=asked.request_parameters, history="none")


def price_of_a_prompt_token(sandbox: Sandbox, answer: Answer) -> Decimal:
    """The price that was charged, out of the whole cost: a completion token costs four times as much."""
    assert answer.usage is not None
    assert answer.cost is not None
    charge = sandbox.charges.find(answer.id)
    assert charge is not None
    assert charge.cost_usd == answer.cost
    return answer.cost / (answer.usage.prompt_tokens + 4 * answer.usage.completion_tokens)


@pytest.mark.parametrize(
    ("flags", "provider", "factor"),
    [
        pytest.param("", "Cheap Sandbox", "0.5", id="nothing: the cheapest that works"),
        pytest.param("--provider.order sandbox", "Sandbox", "1", id="order"),
        pytest.param("--provider.order sandbox-down,sandbox-fast", "Fast Sandbox", "3", id="order, the first fails"),
        pytest.param("--provider.only sandbox,sandbox-fast", "Sandbox", "1", id="only"),
        pytest.param("--provider.ignore sandbox-cheap", "Sandbox", "1", id="ignore"),
        pytest.param("--provider.sort throughput", "Fast Sandbox", "3", id="sort by throughput"),
        pytest.param("--provider.sort latency", "Fast Sandbox", "3", id="sort by latency"),
        pytest.param("--provider.sort price", "Cheap Sandbox", "0.5", id="sort by price, past the one that fails"),
        pytest.param("""--provider.sort '{"by": "throughput"}'""", "Fast Sandbox", "3", id="sort, the longer form"),
        pytest.param("--provider.max-price prompt=1.5", "Cheap Sandbox", "0.5", id="max price"),
        pytest.param("--provider.quantizations fp16,bf16", "Sandbox", "1", id="quantizations"),
        pytest.param("--provider.data-collection deny", "Sandbox", "1", id="data collection"),
        pytest.param("--provider.zdr", "Sandbox", "1", id="zero data retention"),
        pytest.param("--provider.preferred-min-throughput 50", "Sandbox", "1", id="preferred throughput"),
        pytest.param("--provider.preferred-max-latency 0.1", "Fast Sandbox", "3", id="preferred latency"),
        pytest.param("""--provider '{"order": ["sandbox-fast"]}'""", "Fast Sandbox", "3", id="as JSON"),
        pytest.param("--provider.order sandbox-fast/turbo", "Fast Sandbox", "3", id="an endpoint's slug"),
        pytest.param("--nitro", "Fast Sandbox", "3", id="the variant nitro"),
        pytest.param("--floor", "Cheap Sandbox", "0.5", id="the variant floor"),
        pytest.param("--provider.allow-fallbacks off --provider.order sandbox", "Sandbox", "1", id="no fallbacks"),
        pytest.param("--provider.require-parameters --max-tokens 9", "Cheap Sandbox", "0.5", id="require parameters"),
    ],
)
def test_a_provider_is_chosen(session: Session, sandbox: Sandbox, flags: str, provider: str, factor: str) -> None:
    """Each option leads to the provider that it should, at that provider's price."""
    answer = ask(session, f"sandbox/routed {flags}")

    assert (answer.provider, answer.model) == (provider, "sandbox/routed")
    assert price_of_a_prompt_token(sandbox, answer) == BASE * Decimal(factor)
    (turn,) = session.ledger.turns()
    assert (turn.provider, turn.usage.cost_pico_usd) == (provider, answer.usage.cost_pico_usd)


@pytest.mark.parametrize(
    ("flags", "error", "words"),
    [
        pytest.param("--provider.only acme", NoEndpointsError, "allowed_providers", id="only one that is none"),
        pytest.param("--provider.max-price prompt=0.1", NoEndpointsError, "Ruled out by: max_price", id="a price cap"),
        pytest.param("--provider.quantizations int4", NoEndpointsError, "quantization", id="a precision nobody has"),
        pytest.param("--provider.only sandbox-down", ProviderError, "Broken Sandbox is down", id="only one that fails"),
        pytest.param(
            "--provider.order sandbox-down --provider.allow-fallbacks off", ProviderError, "down", id="no fallback"
        ),
        pytest.param(
            "--provider.require-parameters --param new=1",
            NoEndpointsError,
            "support new",
            id="a new parameter",
        ),
    ],
)
def test_nobody_is_left(session: Session, flags: str, error: type[Exception], words: str) -> None:
    """Where every provider is ruled out or fails, the error says what ruled them out."""
    with pytest.raises(error, match=words):
        ask(session, f"sandbox/routed {flags}")


@pytest.mark.parametrize(
    ("line", "prompt", "model"),
    [
        pytest.param("sandbox/error-503 --fallback sandbox/echo", PROMPT, "sandbox/echo", id="an outage"),
        pytest.param("sandbox/error-429 --fallback sandbox/echo", PROMPT, "sandbox/echo", id="a rate limit"),
        pytest.param("sandbox/small --fallback sandbox/echo", "x " * 900, "sandbox/echo", id="too long"),
        pytest.param("sandbox/moderated --fallback sandbox/echo", "forbidden", "sandbox/echo", id="moderation"),
        pytest.param(
            "sandbox/error-502 --fallback sandbox/error-500 --fallback sandbox/fast,sandbox/echo",
            PROMPT,
            "sandbox/fast",
            id="the first of several that works",
        ),
        pytest.param("sandbox/echo --fallback sandbox/fast", PROMPT, "sandbox/echo", id="not needed"),
    ],
)
def test_a_fallback_answers(session: Session, line: str, prompt: str, model: str) -> None:
    """Where the model fails, the first fallback that works answers, is named, and its price is charged."""
    answer = ask(session, line, prompt)

    assert answer.model == model
    assert answer.cost == 0 if model == "sandbox/fast" else answer.cost > 0
    assert session.ledger.turns()[0].parameters["models"][0] in line


@pytest.mark.parametrize(
    ("model", "prompt", "error"),
    [
        ("sandbox/small", "x " * 900, ContextLengthError),
        ("sandbox/moderated", "forbidden", ModerationError),
        ("sandbox/none", PROMPT, ModelNotFoundError),
    ],
)
def test_without_a_fallback_it_is_an_error(session: Session, model: str, prompt: str, error: type[Exception]) -> None:
    """The same failures without a fallback are errors of their kind."""
    with pytest.raises(error):
        ask(session, model, prompt)


def test_how_it_was_routed_is_told_where_it_is_asked_for(session: Session) -> None:
    """With --router-metadata the answer knows which providers there were, and which attempt succeeded."""
    answer = ask(session, "sandbox/error-503 --fallback sandbox/routed --router-metadata --provider.order sandbox-fast")

    assert (answer.routing["requested"], answer.routing["strategy"]) == ("sandbox/error-503", "fallback")
    chosen = [row["provider"] for row in answer.routing["endpoints"]["available"] if row["selected"]]
    assert chosen == ["Fast Sandbox"] == [answer.provider]


def test_a_kept_answer_is_free(session: Session) -> None:
    """With --cache the same question is answered the second time out of the service's cache, at no cost."""
    first = ask(session, "sandbox/echo --cache --cache-ttl 60")
    second = ask(session, "sandbox/echo --cache --cache-ttl 60")
    third = ask(session, "sandbox/echo --cache --cache-clear")

    assert [answer.cache_status for answer in (first, second, third)] == ["MISS", "HIT", "MISS"]
    assert (first.text, second.text) == (PROMPT, PROMPT)
    assert (second.cost, second.id == first.id) == (0, False)
    assert third.cost == first.cost > 0


@pytest.mark.parametrize(
    ("line", "text", "model"),
    [
        pytest.param("sandbox/echo --preset brief", "one two", "sandbox/echo", id="as a flag"),
        pytest.param("sandbox/echo@preset/brief", "one two", "sandbox/echo", id="behind the model"),
        pytest.param("@preset/thoughtful", "No model thought", "sandbox/reasoner", id="with a model of its own"),
    ],
)
def test_presets(session: Session, line: str, text: str, model: str) -> None:
    """A preset's fields count where the request does not say otherwise."""
    answer = ask(session, line, "one two " * 60)

    assert answer.model == model
    assert text in answer.text
    assert model != "sandbox/echo" or answer.finish_reason == "length"


@pytest.mark.parametrize(
    ("line", "seen", "note"),
    [
        pytest.param("auto", lambda body: body["model"] == "openrouter/auto", "The model auto is now", id="auto"),
        pytest.param(
            "sandbox/echo --provider.quantization fp16",
            lambda body: body["provider"] == {"quantizations": ["fp16"]},
            "provider.quantization is now provider.quantizations: ['fp16']",
            id="provider.quantization",
        ),
        pytest.param(
            """sandbox/echo --provider '{"quantization": "fp16"}'""",
            lambda body: body["provider"] == {"quantizations": ["fp16"]},
            "provider.quantization is now",
            id="provider.quantization in JSON",
        ),
        pytest.param(
            """sandbox/echo --transforms '["middle-out"]'""",
            lambda body: body["plugins"] == [{"id": "context-compression"}],
            "transforms is now a plugin: {'id': 'context-compression'}",
            id="transforms",
        ),
        pytest.param(
            """sandbox/echo --param transforms='["middle-out"]'""",
            lambda body: body["plugins"] == [{"id": "context-compression"}],
            "transforms is now a plugin",
            id="transforms as a param",
        ),
        pytest.param(
            "sandbox/echo --route fallback --fallback sandbox/fast",
            lambda body: body["models"] == ["sandbox/fast"] and "route" not in body,
            "route is gone; fallbacks are the models list: ['sandbox/fast']",
            id="route",
        ),
    ],
)
def test_old_names_work_and_say_what_they_became(
    session: Session, sandbox: Sandbox, line: str, seen, note: str
) -> None:
    """Each name that the API has given up is sent under its new one, and the answer's notes say so in one line."""
    answer = ask(session, line)

    body = sandbox.requests[-1].body
    assert seen(body)
    assert not {"transforms", "route"} & set(body)
    (said,) = answer.notes
    assert note in said
    assert "\n" not in said


def test_what_a_model_does_not_hear_is_said(session: Session, sandbox: Sandbox) -> None:
    """A parameter that the catalog does not list for the model is sent all the same, with a line that says so."""
    session.models.catalog()

    answer = ask(session, "sandbox/echo --reasoning high -t 0.5")

    assert answer.notes == ("sandbox/echo does not list --temperature, --reasoning: it may have no effect.",)
    assert sandbox.requests[-1].body["reasoning"] == {"effort": "high"}
    assert ask(session, "sandbox/reasoner --reasoning high").notes == ()


def test_what_a_model_does_not_hear_and_must(session: Session, sandbox: Sandbox) -> None:
    """With require_parameters such a question is refused in one line, before anything is sent."""
    session.models.catalog()
    before = len(sandbox.requests)

    with pytest.raises(CommandError, match="does not hear --reasoning"):
        ask(session, "sandbox/echo --reasoning high --provider.require-parameters")

    assert len(sandbox.requests) == before


def test_only_what_is_set_is_sent(session: Session, sandbox: Sandbox) -> None:
    """The body holds what was set and nothing else; title and session go along as headers, or not, as wanted."""
    ask(session, "sandbox/echo -t 0.5 --user me --categories personal-agent --title mine")
    sent = sandbox.requests[-1]
    assert sent.body == {
        "model": "sandbox/echo",
        "messages": [{"role": "user", "content": PROMPT}],
        "temperature": 0.5,
        "user": "me",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert sent.headers["x-openrouter-title"] == "mine"
    assert sent.headers["x-openrouter-categories"] == "personal-agent"
    assert len(sent.headers["x-session-id"]) == 32

    session.settings.put("attribution", "none")
    ask(session, "sandbox/echo")
    assert not {"x-openrouter-title", "x-session-id", "http-referer"} & set(sandbox.requests[-1].headers)


def test_a_request_beyond_all_measure(session: Session, sandbox: Sandbox) -> None:
    """A body over 100 MB is one line before anything is sent, and costs nothing."""
    session.settings.notebook["context_check"] = "off"
    before = len(sandbox.requests)

    with pytest.raises(CommandError, match="120 MB; the service takes at most 100 MB"):
        ask(session, "sandbox/echo", "x" * 120_000_000)

    assert len(sandbox.requests) == before
    assert (session.spent().pico_usd, session.spent().unknown) == (0, 0)


def test_who_set_it(session: Session, sandbox: Sandbox, tmp_path: Path) -> None:
    """A parameter comes from the cell, else the notebook, else the settings file; `unset` takes it back."""
    (tmp_path / "s").write_text('temperature = 0.1\nmax_tokens = 50\n[provider]\norder = ["sandbox"]\n')
    session.settings.put("temperature", "0.2")

    ask(session, "sandbox/echo")
    assert {name: sandbox.requests[-1].body.get(name) for name in ("temperature", "max_tokens", "provider")} == {
        "temperature": 0.2,
        "max_tokens": 50,
        "provider": {"order": ["sandbox"]},
    }
    ask(session, "sandbox/echo -t 0.9 --max-tokens unset --provider.sort price")
    body = sandbox.requests[-1].body
    assert (body["temperature"], "max_tokens" in body) == (0.9, False)
    assert body["provider"] == {"order": ["sandbox"], "sort": "price"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("temperature = 9", "settings file: temperature is 9; it wants a number from 0 to 2", id="range"),
        pytest.param("temprature = 1", "Did you mean temperature", id="a mistyped name"),
        pytest.param("temperature 1", "cannot be read", id="no TOML"),
    ],
)
def test_a_settings_file_that_is_wrong(session: Session, tmp_path: Path, text: str, words: str) -> None:
    """A mistake in the settings file is one line that names it, before anything is sent."""
    (tmp_path / "s").write_text(text)

    with pytest.raises(CommandError, match=words):
        ask(session, "sandbox/echo")


def test_the_same_in_python(session: Session, sandbox: Sandbox) -> None:
    """Arguments under the API's names, typed as in the API, are sent like flags."""
    arguments = {"temperature": 0.5, "provider": {"order": ["sandbox"]}, "reasoning": "low", "param": {"new": [1]}}

    session.ask(PROMPT, model="sandbox/echo", parameters=checked_arguments(arguments))

    body = sandbox.requests[-1].body
    assert {name: body[name] for name in ("temperature", "provider", "reasoning", "new")} == {
        "temperature": 0.5,
        "provider": {"order": ["sandbox"]},
        "reasoning": {"effort": "low"},
        "new": [1],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"temprature": 1}, "Did you mean temperature"),
        ({"zzz": 1}, 'param={"name": value}'),
        ({"temperature": "warm"}, "a number from 0 to 2"),
        ({"temperature": True}, "a number from 0 to 2"),
        ({"stop": ["a"] * 5}, "1 to 4 values"),
        ({"logit_bias": {"x": 1}}, "token numbers"),
        ({"provider": [1]}, "a JSON object"),
        ({"metadata": {"a": 1}}, "at most 16 names"),
        ({"response_format": object()}, "what JSON can say"),
        ({"logprobs": "maybe"}, "on or off"),
    ],
)
def test_wrong_arguments_in_python(arguments: dict[str, Any], words: str) -> None:
    """A mistyped name or an impossible value in Python is one line."""
    with pytest.raises(CommandError, match=re.escape(words)) as caught:
        checked_arguments(arguments)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a/b --reasoning high --reasoning-effort low", "say the same thing"),
        ("account --nitro", "name the model too"),
        ("a/b --param stream=false", "or_magic sets stream itself"),
        ("a/b --title Größe", "plain ASCII"),
        ("a/b --param new=3 --param new.x=1", "cannot be set"),
        ("""a/b --provider '{"sort": "beauty"}'""", "one of price"),
        ("a/b --param provider.sort=beauty", "one of price"),
    ],
)
def test_contradictions(session: Session, sandbox: Sandbox, line: str, words: str) -> None:
    """What cannot be sent together, or at all, is refused in one line before anything is sent."""
    before = len(sandbox.requests)

    with pytest.raises(CommandError, match=words):
        ask(session, line)

    assert len(sandbox.requests) == before
    assert session.ledger.turns() == []
