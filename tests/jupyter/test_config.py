"""``%config OpenRouterMagics``: what it lists, takes and refuses; and that loading makes none of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from or_magic.errors import CommandError
from or_magic.jupyter.extension import OpenRouterMagics, load, unload

LOADED = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "or_magic")
shell.Completer.completions("x = 1", 5)
print(*sorted(name for name in sys.modules if name.startswith("or_magic")))
"""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell()
    load(made)
    yield made
    unload(made)


def values(shell: InteractiveShell) -> dict[str, Any]:
    """What the settings of the notebook see of %config."""
    magics = shell.magics_manager.registry["OpenRouterMagics"]
    found: dict[str, Any] = magics.context.session.settings.resolve().parameters
    return {name: chosen.value for name, chosen in found.items() if chosen.source == "%config"}


def test_loading_imports_nothing_more() -> None:
    """``%load_ext`` and Tab elsewhere import the extension alone, and make no table."""
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["or_magic", "or_magic.jupyter", "or_magic.jupyter.extension"]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("temperature = 0.2", "temperature", 0.2),
        ("temperature = '0.2'", "temperature", 0.2),
        ("logprobs = True", "logprobs", True),
        ("logprobs = 'off'", "logprobs", False),
        ("stop = ['a', 'b']", "stop", ["a", "b"]),
        ("provider = {'order': ['x']}", "provider", {"order": ["x"]}),
        ("provider_zdr = 1", "provider.zdr", True),
        ("provider_order = 'a,b'", "provider.order", ["a", "b"]),
        ("seed = mine", "seed", 7),
    ],
)
def test_values_of_python_are_taken(shell: InteractiveShell, line: str, name: str, value: Any) -> None:
    """Numbers, switches, lists, objects, texts and the user's own names are values."""
    shell.user_ns["mine"] = 7

    shell.run_line_magic("config", f"OpenRouterMagics.{line}")

    assert values(shell) == {name: value}


def test_what_was_set_can_be_taken_back(shell: InteractiveShell) -> None:
    """None and an empty text are "not set"."""
    for nothing in ("None", "''"):
        shell.run_line_magic("config", "OpenRouterMagics.temperature = 0.2")
        shell.run_line_magic("config", f"OpenRouterMagics.temperature = {nothing}")

        assert values(shell) == {}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("temperature = 9", "temperature is 9; it wants a number from 0 to 2."),
        ("plain_http = 'maybe'", "plain_http is 'maybe'; it wants on or off."),
        ("plain_http = 2", "plain_http is 2; it wants on or off."),
        ("retries = 'x'", "retries is 'x'; it wants a whole number from 0 to 20."),
    ],
)
def test_what_cannot_be_a_value_is_refused_at_once(
    shell: InteractiveShell, caplog: pytest.LogCaptureFixture, line: str, wanted: str
) -> None:
    """What cannot be a value is refused by %config itself, in a line that says what is wanted; nothing changes."""
    shell.run_line_magic("config", f"OpenRouterMagics.{line}")

    assert wanted in caplog.text
    assert values(shell) == {}
    assert (
        shell.magics_manager.registry["OpenRouterMagics"].context.session.settings.option_value("plain_http") is False
    )


def test_it_is_listed_with_its_help(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """%config lists the class; with its name each setting, its help, and what is set."""
    shell.run_line_magic("config", "")
    assert "OpenRouterMagics" in capsys.readouterr().out

    shell.run_line_magic("config", "OpenRouterMagics.temperature = 0.2")
    shell.run_line_magic("config", "OpenRouterMagics")
    told = capsys.readouterr().out

    assert (
        "OpenRouterMagics.temperature=<SettingValue>\n    how freely words are chosen (0..2)\n    Current: 0.2" in told
    )
    assert "OpenRouterMagics.plain_http=<SettingValue>" in told
    assert shell.run_line_magic("config", "OpenRouterMagics.temperature") == 0.2


def test_its_names_are_completed(shell: InteractiveShell) -> None:
    """Tab behind %config knows the class and its settings."""
    assert "OpenRouterMagics" in shell.complete("", "%config OpenR", 13)[1]
    assert shell.complete("", "%config OpenRouterMagics.first_ev", 33)[1] == ["OpenRouterMagics.first_event_timeout"]


def test_a_configuration_file_counts() -> None:
    """What ``c.OpenRouterMagics`` holds when the extension is loaded is set; what is no value is one line."""
    config = Config()
    config.OpenRouterMagics.temperature = 0.3
    config.OpenRouterMagics.top_k = "40"
    made = InteractiveShell(config=config)
    load(made)
    assert values(made) == {"temperature": 0.3, "top_k": 40}
    unload(made)

    config.OpenRouterMagics.temperature = "hot"
    made = InteractiveShell(config=config)
    with pytest.raises(CommandError, match=r"OpenRouterMagics\.temperature is 'hot'; it wants a number from 0 to 2"):
        load(made)
    assert not any(isinstance(each, OpenRouterMagics) for each in made.configurables)
