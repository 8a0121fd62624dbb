"""Options: one table, from which settings, patience and the manual come."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from or_magic.endpoint import Timeouts
from or_magic.errors import CommandError
from or_magic.settings.layers import Settings
from or_magic.settings.options import OPTIONS

MANUAL = Path(__file__).parents[2] / "docs" / "manual.md"


def test_the_defaults_are_those_of_the_client() -> None:
    """With nothing set, the client is as patient as it says it is."""
    assert Settings({}).timeouts() == Timeouts()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_readme_lists_each_option(option) -> None:
    """The table of the manual holds each option with its default and its help."""
    default = f"{option.default} {option.unit}".strip()

    assert f"| `{option.name}` | {default} | {option.help} |" in MANUAL.read_text(encoding="utf-8")


def test_who_comes_first() -> None:
    """The notebook wins over %config, that over the environment, that over the default; each is named."""
    settings = Settings({"OR_MAGIC_RETRIES": "1"}, config=lambda: {"retries": "2"})
    assert (settings.option("retries").value, settings.option("retries").source) == ("2", "%config")

    settings.put("retries", " 4 ")
    assert settings.timeouts().retries == 4
    assert Settings({"OR_MAGIC_RETRIES": "1"}).option("retries").source == "OR_MAGIC_RETRIES"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("retries", text) for text in ("x", "-1", "1.5", "nan")),
        *(("silence_timeout", "0"), ("total_timeout", "inf"), ("max_in_flight", "0"), ("plain_http", "maybe")),
    ],
)
def test_an_impossible_value(name: str, text: str) -> None:
    """What cannot be a value is refused in a line that names the option, and changes nothing."""
    settings = Settings({})

    with pytest.raises(CommandError, match=name):
        settings.put(name, text)

    assert settings.option(name).source == "default"


def test_plain_http_is_for_this_machine_unless_allowed() -> None:
    """Plain http to another machine is refused, until somebody allows it."""
    environment = {"OPENROUTER_BASE_URL": "http://gpu.example:8000/v1"}
    with pytest.raises(CommandError, match="plain_http"):
        Settings(environment).base_url()

    assert Settings(environment | {"OR_MAGIC_PLAIN_HTTP": "on"}).base_url().value == "http://gpu.example:8000/v1"


def test_every_wait_can_be_set() -> None:
    """No field of the client's patience is without its option."""
    assert (
        len(fields(Timeouts)) == len(OPTIONS) - 10
    )  # history, replay, system, context_check, budgets, footer, live, attribution, plain_http
