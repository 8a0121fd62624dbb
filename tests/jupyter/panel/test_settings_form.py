"""The panel's settings, without a page: what a field sets, shows, hides and refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.session import Session
from or_magic.errors import CommandError
from or_magic.jupyter.panel.settings_form import SHOWN, TOOLBOX, SettingsForm, answer_type, choices, tools_in, typed
from or_magic.jupyter.panel.worker import Worker
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.settings.parameters import PARAMETER_BY_NAME

ALERT = 'role="alert"'


@dataclass
class Person:
    name: str
    born: int


def stations() -> list[str]:
    """The weather stations."""
    return []


class LineWords(HTMLParser):
    """The text of a piece of HTML, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


class Bench:
    """A form with a thread to work in; its controls by their labels."""

    def __init__(self, session: Session, names: Mapping[str, Any]) -> None:
        self.session, self.names = session, dict(names)
        self.failures: list[Exception] = []
        self.work = Worker(self.failures.append)
        self.form = SettingsForm(session, lambda: self.names, session.host.where, self.work)

    def settle(self) -> Bench:
        """Waits until all that was handed over is done, and what that has handed over."""
        for _ in range(2):
            done = threading.Event()
            self.work.do(done.set)
            assert done.wait(20)
        assert self.failures == []
        return self

    def refreshed(self) -> Bench:
        self.form.refresh()
        return self.settle()

    def control(self, label: str) -> Any:
        """The control with that label."""
        pending = [self.form]
        while pending:
            widget = pending.pop()
            if getattr(widget, "description", None) == label:
                return widget
            pending += getattr(widget, "children", ())
        raise AssertionError(label)

    def field(self, label: str) -> Any:
        """The control with what belongs to it."""
        control, pending = self.control(label), [self.form]
        while pending:
            widget = pending.pop()
            if control in getattr(widget, "children", ()):
                return widget
            pending += getattr(widget, "children", ())
        raise AssertionError(label)

    def type(self, label: str, value: Any) -> Bench:
        self.control(label).value = value
        return self.settle()

    def line(self, label: str) -> str:
        """The HTML below a field."""
        return str(self.field(label).children[1].value)

    def is_seen(self, label: str) -> bool:
        return self.field(label).layout.display != "none"

    @property
    def summary(self) -> str:
        return LineWords(self.form.children[0].children[1].value).text

    @property
    def trouble(self) -> str:
        return str(self.form.children[1].children[0].value)


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
        "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
    }


@pytest.fixture
def session(environment: dict[str, str]) -> Iterator[Session]:
    owner = Session(settings=Settings(environment))
    yield owner
    owner.close()


@pytest.fixture
def bench(session: Session) -> Iterator[Bench]:
    made = Bench(session, {"Person": Person, "stations": stations, "prices": [1, 2]})
    yield made.settle()
    made.work.close()


def test_nothing_is_set_at_first(bench: Bench) -> None:
    """A new form sets nothing, sends nothing, and says so."""
    assert bench.session.settings.notebook == {}
    assert bench.session.settings.parameters() == {}
    assert bench.session.threads.notebooks() == []
    assert bench.summary == "nothing set here"


@pytest.mark.parametrize("name", SHOWN)
def test_every_field_sets_and_takes_back(bench: Bench, name: str) -> None:
    """Each field sets its example as the command does, and an emptied field takes it back."""
    parameter = PARAMETER_BY_NAME[name]
    bench.type(name, parameter.example)

    (set_here,) = bench.session.settings.parameters().items()
    assert set_here[0] == name
    assert set_here[1].value == parameter.parse(parameter.example, "")
    assert set_here[1].source == "%openrouter set"
    assert bench.summary == f"{name} {parameter.example}"

    bench.type(name, "")
    assert bench.session.settings.parameters() == {}
    assert bench.summary == "nothing set here"


def test_what_is_sent(bench: Bench, sandbox: Sandbox) -> None:
    """Only what was set goes along with a question."""
    bench.type("temperature", "0.2").type("provider.zdr", "on").type("max_tokens", "50").type("max_tokens", "")

    bench.session.ask("hi", model="sandbox/echo")

    body = next(request.body for request in sandbox.requests if request.body)
    assert set(body) - {"messages", "model", "stream", "stream_options"} == {"temperature", "provider"}
    assert body["temperature"] == 0.2
    assert body["provider"] == {"zdr": True}


def test_a_wrong_value(bench: Bench) -> None:
    """What cannot be a value is not set, its field keeps it and says why; what was set before stays, and is named."""
    bench.type("temperature", "hot")
    assert bench.session.settings.parameters() == {}
    assert ALERT in bench.line("temperature")
    assert "temperature is &#x27;hot&#x27;; it wants a number from 0 to 2." in bench.line("temperature")
    assert "orm-wrong" in bench.field("temperature")._dom_classes

    bench.type("temperature", "0.4").type("temperature", "<b>3</b>")
    assert bench.session.settings.notebook == {"temperature": "0.4"}
    assert bench.control("temperature").value == "<b>3</b>"
    assert "0.4 stays set." in bench.line("temperature")
    assert LineWords(bench.line("temperature")).tags == {"div"}

    bench.type("temperature", "0.4")
    assert ALERT not in bench.line("temperature")
    assert "orm-wrong" not in bench.field("temperature")._dom_classes


def test_other_layers_are_hints(environment: dict[str, str], bench: Bench) -> None:
    """What the file or the environment sets stands in the empty field with its source; the field's own value wins."""
    Path(environment["OR_MAGIC_SETTINGS"]).write_text('temperature = 0.3\nsystem = "Be brief."\n')
    environment["OR_MAGIC_PROVIDER_SORT"] = "price"
    bench.refreshed()

    assert bench.control("temperature").placeholder == "0.3 (settings file)"
    assert bench.control("temperature").value == ""
    assert bench.control("provider.sort").options[0] == ("price (OR_MAGIC_PROVIDER_SORT)", "")
    assert bench.control("system prompt").placeholder == "Be brief. (settings file)"
    assert bench.control("max_tokens").placeholder == "not set, such as 500"
    assert bench.summary == "nothing set here"

    bench.type("temperature", "1").type("provider.sort", "latency")
    assert bench.session.settings.parameters()["temperature"].value == 1
    assert bench.session.settings.parameters()["provider.sort"].value == "latency"


def test_what_cells_have_set(bench: Bench) -> None:
    """A refresh takes over what commands set and took back; an object that no list offers is shown as it is."""
    bench.session.settings.put("temperature", "0.7")
    bench.session.settings.put("provider.zdr", "yes")
    bench.session.settings.put("reasoning", '{"max_tokens": 100}')
    bench.refreshed()
    assert bench.control("temperature").value == "0.7"
    assert bench.control("provider.zdr").value == "on"
    assert bench.control("reasoning").value == '{"max_tokens": 100}'

    bench.session.settings.notebook.clear()
    bench.refreshed()
    assert [bench.control(each).value for each in ("temperature", "provider.zdr", "reasoning")] == ["", "", ""]
    assert bench.session.settings.notebook == {}


def test_what_is_being_typed(bench: Bench) -> None:
    """A refresh leaves alone what was typed and could not be set, unless a command has set the same thing since."""
    bench.type("temperature", "hot")
    bench.session.settings.put("max_tokens", "9")
    assert bench.refreshed().control("temperature").value == "hot"
    assert ALERT in bench.line("temperature")

    bench.session.settings.put("temperature", "0.1")
    assert bench.refreshed().control("temperature").value == "0.1"
    assert ALERT not in bench.line("temperature")


def test_the_system_prompt(bench: Bench) -> None:
    """It is the current thread's, both ways; "none" is the command's word for none at all, empty for what is set."""
    session, notebook = bench.session, bench.session.host.where().notebook
    bench.type("system prompt", "Be kind.\nBe <b>brief</b>.")
    assert session.system("main") == "Be kind.\nBe <b>brief</b>."
    assert bench.summary == "system prompt Be kind. Be <b>brief</b>."

    session.threads.fork(notebook, "other <i>")
    session.threads.set_system(notebook, "")
    assert bench.refreshed().control("system prompt").value == "none"
    assert "thread other &lt;i&gt;" in bench.line("system prompt")

    bench.type("system prompt", "")
    assert [each.system for each in session.threads.of(notebook)] == ["Be kind.\nBe <b>brief</b>.", None]


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        ("sandbox/echo", set()),
        ("sandbox/reasoner", {"reasoning"}),
        ("sandbox/json", {"answer as"}),
        ("sandbox/tools", {"tools"}),
        ("openrouter/auto", {"temperature", "reasoning", "verbosity", "answer as", "tools"}),
        ("nobody/knows", {"temperature", "reasoning", "verbosity", "answer as", "tools"}),
        ("account", {"temperature", "reasoning", "verbosity", "answer as", "tools"}),
    ],
)
def test_what_the_model_hears(bench: Bench, model: str, seen: set[str]) -> None:
    """A field that the model does not hear is hidden; routers, and models that nobody knows, may hear all."""
    bench.session.models.refresh()
    bench.session.settings.notebook["model"] = model
    bench.refreshed()

    is_seen = {name: bench.is_seen(name) for name in ("temperature", "reasoning", "verbosity", "answer as")}
    tool_settings = bench.field("Run harmless tools without asking")
    assert {name for name, each in is_seen.items() if each} == seen - {"tools"}
    assert (tool_settings.layout.display != "none") is ("tools" in seen)
    assert bench.is_seen("max_tokens")
    assert bench.is_seen("provider.order")


def test_what_is_set_is_seen(bench: Bench) -> None:
    """A parameter that is set is sent, so its field stays, and says that the model does not list it."""
    bench.session.models.refresh()
    bench.type("temperature", "0.2")
    bench.session.settings.notebook["model"] = "sandbox/echo"

    assert bench.refreshed().is_seen("temperature")
    assert "sandbox/echo does not list it" in bench.line("temperature")


def test_nothing_is_fetched(bench: Bench, sandbox: Sandbox) -> None:
    """Making, changing and refreshing the form asks the service for nothing."""
    bench.type("temperature", "0.2").refreshed()

    assert len(sandbox.requests) == 0


def test_tools(bench: Bench) -> None:
    """The user's functions, the toolbox and the service's tools can be chosen; those of a model without are not."""
    assert tools_in({"_hidden": stations, "dataclass": dataclass, **bench.names})[:2] == ["stations", TOOLBOX[0]]
    bench.type("stations", True).type("openrouter:web_search", True).type("Run harmless tools without asking", True)
    assert bench.form.tool_names == ("stations", "openrouter:web_search")
    assert bench.form.is_told_yes
    assert bench.summary == "2 tools · harmless tools unasked"

    bench.names["rain"] = lambda: 1
    assert bench.refreshed().control("rain").value is False
    del bench.names["stations"]
    assert bench.refreshed().form.tool_names == ("openrouter:web_search",)

    bench.session.models.refresh()
    bench.session.settings.notebook["model"] = "sandbox/echo"
    bench.refreshed()
    assert (bench.form.tool_names, bench.form.is_told_yes) == ((), False)
    bench.session.settings.notebook["model"] = "sandbox/tools"
    assert bench.refreshed().form.tool_names == ("openrouter:web_search",)


def test_the_answers_type(bench: Bench) -> None:
    """A type's name is taken as it was typed, and gives the form; what is none, or clashes, is not, and it is said."""
    bench.type("answer as", "Person")
    assert bench.form.schema_text == "Person"
    shape = bench.form.answer_format().answer_schema
    assert shape is not None
    assert shape.name == "Person"

    bench.type("answer format", "code")
    assert bench.form.schema_text == ""
    assert "do not go together" in bench.line("answer as")

    bench.type("answer format", "json").type("answer as", "Persn")
    assert bench.form.schema_text == ""
    assert "did you mean Person?" in bench.line("answer as")
    bench.names["Persn"] = Person
    assert bench.refreshed().form.schema_text == "Persn"
    assert bench.summary == "format json · answer as Persn"


@pytest.mark.parametrize(
    "text", ["name: str, born: date", "list[Person]", "Person", "dict[str, int]", "x: list[Person]"]
)
def test_types_that_can_be_typed(text: str) -> None:
    """Names, attributes, generic types of them, and the short form."""
    assert answer_type(text, {"Person": Person}) is not None


@pytest.mark.parametrize(
    "text",
    [
        *("danger()", "x: danger()", "[danger() for _ in '1']", "x: int = danger()", "(lambda: danger())()", "await x"),
        *("Person.__class__", "_hidden", "x: _hidden", "f'{danger()}'", "no type", "x: int): danger(", "danger() or 1"),
    ],
)
def test_nothing_is_called(text: str) -> None:
    """Whatever is typed as a type, nothing of it is run, and it is said in one line."""
    calls: list[int] = []
    names = {"danger": lambda: calls.append(1), "Person": Person, "_hidden": int}

    with pytest.raises(CommandError) as raised:
        answer_type(text, names)

    assert calls == []
    assert "\n" not in str(raised.value)
    assert "--schema" not in str(raised.value)


def test_a_setting_that_cannot_be_used(environment: dict[str, str], bench: Bench) -> None:
    """An impossible setting of another layer is told above the fields; the form goes on."""
    environment["OR_MAGIC_TEMPERATURE"] = "<i>hot</i>"
    bench.refreshed()
    assert ALERT in bench.trouble
    assert LineWords(bench.trouble).tags == {"div"}

    del environment["OR_MAGIC_TEMPERATURE"]
    assert bench.type("max_tokens", "7").trouble == ""
    assert bench.session.settings.notebook == {"max_tokens": "7"}


def test_kinds() -> None:
    """Lists are offered where a value is one of some words; a value is shown as it would be typed."""
    offered = {name for name in SHOWN if choices(PARAMETER_BY_NAME[name].type)}
    assert {*SHOWN} - offered == {"temperature", "max_tokens", "models", "provider.order"}
    for value, text in ((True, "on"), (["a", "b"], "a,b"), ({"a": 1}, '{"a": 1}'), (0.2, "0.2")):
        assert typed(value) == text
