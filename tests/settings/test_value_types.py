"""One meaning for a word, wherever it is set: flags, options and parameters, in every source, in one table."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.question import checked_arguments
from or_magic.commands.arguments import FLAGS, OWN_FLAGS, flag_of, parse_cell_line
from or_magic.errors import CommandError
from or_magic.settings.layers import Settings
from or_magic.settings.options import OPTIONS, Option
from or_magic.settings.parameters import PARAMETER_BY_PLAIN_NAME, PARAMETERS, Parameter
from or_magic.settings.value_types import OFF_WORDS, ON_WORDS, Several, Switch, Text, TextOrObject, ValueType

NONSENSE = "maybe offf nein disable null nil f t 2 -1 00 0.0 0.5 1.0 on,off {} [] - = !".split()
WORDS = [*ON_WORDS, *OFF_WORDS, "OFF", "None", "True", *NONSENSE, "high", "a,b", "a=1,b=2"]
VALUES = [True, False, 0, 1, 2, 0.5, ["a", "b"], {"a": "b"}]
SAFETY_FLAGS = ("--yes", "--trust", "--over-budget")
REFUSED = "refused"


def outcome(take: Callable[[], Any]) -> Any:
    """What was understood, with its type; of a refusal what is wanted instead."""
    try:
        value = take()
    except CommandError as error:
        return REFUSED, str(error).partition("; it wants ")[2]
    return type(value), value


def settings_of(tmp_path: Path, name: str, value: Any) -> Settings:
    """Settings of which the file alone sets one."""
    file = tmp_path / "settings.toml"
    file.unlink(missing_ok=True)  # to write over a file takes some systems ten times as long
    is_table = isinstance(value, dict)
    text = "{a = 'b'}" if is_table else json.dumps(value)  # in all else TOML and JSON agree
    file.write_text(f'"{name}" = {text}', encoding="utf-8")
    return Settings({"OR_MAGIC_SETTINGS": str(file)})


def lone_name(parameter: Parameter) -> bool:
    """Whether the name with underscores is its own: reasoning_effort is not that of reasoning.effort."""
    return PARAMETER_BY_PLAIN_NAME[parameter.plain_name] is parameter


def sources_of_parameter(parameter: Parameter, given: Any, tmp_path: Path) -> dict[str, Any]:
    """What becomes of a word (or of a value of Python, where one can be given) in each place that can set it."""

    def of(settings: Settings) -> Any:
        return outcome(lambda: settings.parameters()[parameter.name].value)

    sources = {
        "file": of(settings_of(tmp_path, parameter.name, given)),
        "ask": outcome(lambda: checked_arguments({parameter.name: given})[parameter.name]),
    }
    if isinstance(given, str):
        line = f"{parameter.long_flag}={shlex.quote(given)}"
        sources["flag"] = outcome(lambda: parse_cell_line(line).parameters[parameter.name])
        sources["set"] = outcome(lambda: set_in_notebook(parameter.name, given).parameters()[parameter.name].value)
    if lone_name(parameter):
        sources["config"] = of(Settings({}, lambda: {parameter.plain_name: given}))
    if lone_name(parameter) and isinstance(given, str):
        sources["environment"] = of(Settings({f"OR_MAGIC_{parameter.plain_name.upper()}": given}))
    return sources


def sources_of_option(option: Option, given: Any, tmp_path: Path) -> dict[str, Any]:
    """What becomes of a word (or of a value of Python) in each place that can set an option."""
    settings = {
        "config": Settings({}, lambda: {option.name: given}),
        "file": settings_of(tmp_path, option.name, given),
    }
    if isinstance(given, str):
        settings["environment"] = Settings({option.variable: given})
    sources = {where: outcome(lambda s=s: s.option_value(option.name)) for where, s in settings.items()}
    if isinstance(given, str):
        sources["set"] = outcome(lambda: set_in_notebook(option.name, given).option_value(option.name))
    return sources


def set_in_notebook(name: str, word: str) -> Settings:
    settings = Settings({})
    settings.put(name, word)
    return settings


def is_json_text(value_type: ValueType, word: str) -> bool:
    """Whether a free text looks like JSON: typed it is JSON, in Python it is that text."""
    free = value_type.each if isinstance(value_type, Several) and not value_type.comma else value_type
    return isinstance(free, Text | TextOrObject) and word[:1] in ("[", "{")


def test_a_word_means_the_same_everywhere(tmp_path: Path) -> None:
    """Every word gives each parameter and option one value, or one refusal, whoever sets it and wherever."""
    wrong = []
    for entry in (*PARAMETERS, *OPTIONS):
        sources = sources_of_parameter if isinstance(entry, Parameter) else sources_of_option
        example = [entry.example] if isinstance(entry, Parameter) else [entry.default]
        for given in (*WORDS, *example, *VALUES):
            if isinstance(given, str) and is_json_text(entry.type, given):
                continue
            found = sources(entry, given, tmp_path)  # type: ignore[operator]  # each takes its own kind of entry
            if len({repr(each) for each in found.values()}) != 1:
                wrong.append(f"{entry.name} {given!r}: {found}")

    assert not wrong, "\n".join(wrong[:20])


def test_a_switch_is_never_on_by_accident(tmp_path: Path) -> None:
    """Every switch is on by the words for on alone; a word that is no word for on or off is refused."""
    wanted = {
        **dict.fromkeys(ON_WORDS, (bool, True)),
        **dict.fromkeys((*OFF_WORDS, "OFF"), (bool, False)),
        **dict.fromkeys(NONSENSE, (REFUSED, "on or off.")),
    }
    switches = [entry for entry in (*PARAMETERS, *OPTIONS) if isinstance(entry.type, Switch)]
    assert {"plain_http", "provider.zdr"} <= {entry.name for entry in switches}
    for entry in switches:
        sources = sources_of_parameter if isinstance(entry, Parameter) else sources_of_option
        for word, meaning in wanted.items():
            found = sources(entry, word, tmp_path)  # type: ignore[operator]  # each takes its own kind of entry
            assert set(found.values()) == {meaning}, (entry.name, word, found)


@pytest.mark.parametrize("name", [flag.name for flag in OWN_FLAGS if isinstance(flag.type, Switch)])
def test_a_flag_is_never_on_by_accident(name: str) -> None:
    """A flag that stands alone is on; behind ``=`` or a blank, only the words for on leave it on."""
    flag = flag_of(name)
    assert flag is not None
    for word in (*WORDS, ""):
        behind = outcome(lambda word=word: parse_cell_line(f"{name}={shlex.quote(word)}").values[flag.key])
        apart = outcome(lambda word=word: parse_cell_line(f"{name} {shlex.quote(word)}").values[flag.key])
        is_on = word.lower() in ON_WORDS
        assert (behind == (bool, True), apart == (bool, True)) == (is_on, is_on), (name, word)
        if not is_on and word.lower() not in OFF_WORDS:
            assert (behind[0], apart[0]) == (REFUSED, REFUSED), (name, word)

    assert parse_cell_line(name).values == {flag.key: True}


def test_the_flags_that_guard_are_switches() -> None:
    """What runs tools, shows pages and passes budgets by is a switch, so that no other word can turn it on."""
    assert all(isinstance(flag.type, Switch) for flag in FLAGS if flag.name in SAFETY_FLAGS)
    assert {flag.name for flag in FLAGS} >= set(SAFETY_FLAGS)


def test_a_flag_takes_its_value_behind_either() -> None:
    """``--flag=word`` and ``--flag word`` are one thing, for every flag that takes a value."""
    for flag in FLAGS:
        for word in ("on", "off", "none", "-1", "2", "0.5", "high", "a/b"):
            if not flag.shown:
                continue
            lines = f"{flag.name}={word}", f"{flag.name} {word}"
            behind, apart = (outcome(lambda line=line: parse_cell_line(line)) for line in lines)
            assert behind == apart, (flag.name, word)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("reasoning", "off", "none"),
        ("reasoning", False, "none"),
        ("tool_choice", "no", "none"),
        ("temperature", "0.2", 0.2),
        ("top_k", 40, 40),
        ("stop", "[END]", ["[END]"]),
        ("stop", "a, b", ["a, b"]),
        ("stop", "\\n", ["\\n"]),  # a text of Python is taken exactly
        ("models", "a/b,c/d", ["a/b", "c/d"]),
        ("prediction", '{"a": 1}', {"type": "content", "content": '{"a": 1}'}),
        ("provider", '{"order": ["x"]}', {"order": ["x"]}),
        ("param", "a=1", {"a": 1}),
    ],
)
def test_values_of_python(name: str, given: Any, value: Any) -> None:
    """What `ask` is given in Python, as words or as values."""
    assert checked_arguments({name: given}) == {name: value}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("footer", "off", "none"),
        ("history", "no", "none"),
        ("replay", "off", "never"),
        ("daily_budget", "off", ""),
        ("daily_budget", "0", "0"),
        ("daily_budget", 2.5, "2.5"),
        ("daily_budget", False, ""),
        ("system", "none", ""),
        ("system", "No.", "No."),
        ("live", 0, False),
        ("retries", 5, 5),
    ],
)
def test_values_of_options(name: str, given: Any, value: Any) -> None:
    """What an option makes of a word or a value of Python; whatever means off is the option's own word for it."""
    assert Settings({}, lambda: {name: given}).option_value(name) == value


def test_a_variable_sets_one_parameter() -> None:
    """OR_MAGIC_REASONING_EFFORT is the parameter of that name, and not also the object's field of like name."""
    assert set(Settings({"OR_MAGIC_REASONING_EFFORT": "low"}).parameters()) == {"reasoning_effort"}


def test_unset_takes_back_what_lower_layers_set(tmp_path: Path) -> None:
    """``unset`` in %config, the file or the environment takes back what the layers below it set."""
    environment = {"OR_MAGIC_SEED": "7", "OR_MAGIC_RETRIES": "5"}

    settings = Settings(environment, lambda: {"seed": "unset", "retries": "unset"})

    assert settings.parameters() == {}
    assert (settings.option_value("retries"), settings.option("retries").source) == (3, "default")
