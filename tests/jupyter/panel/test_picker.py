"""Choosing the notebook's model by widgets: the field, the filters, the rows, the favourites."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import traitlets

from or_magic.catalog.decoding import decode_models
from or_magic.catalog.table import models_table
from or_magic.chat.session import Session
from or_magic.errors import CommandError
from or_magic.jupyter.panel.picker import ModelPicker, favourites, put_favourite
from or_magic.jupyter.panel.picker_table import Rows, card_html, line_html, models_widget
from or_magic.ledger.spending import RecentModels
from or_magic.sandbox import Behaviour, Sandbox, start
from or_magic.settings.layers import Settings
from or_magic.text import sendable
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases
from tests.kernel.conftest import Kernel

PATIENCE_S = 30.0
pytestmark = pytest.mark.sandbox(models=60)


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    """A session with a store and a settings file of its own."""
    environment = {
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
        "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
    }
    session = Session(settings=Settings(environment))
    yield session
    session.close()


@pytest.fixture
def picker(session: Session) -> Iterator[ModelPicker]:
    """A picker whose list of models is there."""
    picker = ModelPicker(session)
    until(picker.page, "offered", lambda offered: len(offered) == 60)
    yield picker
    picker.close()


def until(widget: traitlets.HasTraits, name: str, is_so: Callable[[Any], bool]) -> Any:
    """Waits until a trait is so."""
    event = threading.Event()

    def look(change: Any) -> None:
        if is_so(change["new"]):
            event.set()

    widget.observe(look, name)
    if not is_so(getattr(widget, name)):
        assert event.wait(PATIENCE_S), getattr(widget, name)
    widget.unobserve(look, name)
    return getattr(widget, name)


def kept_favourites(session: Session) -> list[str]:
    """The favourites as another notebook reads them."""
    return favourites(Settings({"OR_MAGIC_SETTINGS": str(session.settings.file.path)}))


def opened(picker: ModelPicker) -> ModelPicker:
    """The picker with its table."""
    picker.opener.value = True
    until(picker.browser, "children", lambda children: len(children) == 3)
    return picker


def test_the_field_sets_the_model_of_the_notebook(picker: ModelPicker, session: Session) -> None:
    """What is typed into the field is the notebook's model when the callback has returned, as after the magic."""
    picker.field.value = " sandbox/echo "

    assert session.settings.model().value == "sandbox/echo"
    assert session.settings.model().source == "%openrouter model"
    assert picker.value == picker.field.value == "sandbox/echo"


def test_an_alias_is_the_model_it_stands_for(picker: ModelPicker, session: Session) -> None:
    """An alias can be typed and assigned; the value is the id that it stands for."""
    session.settings.named["aliases"]["fast"] = "sandbox/fast"

    picker.value = "fast"

    assert session.settings.notebook["model"] == "fast"
    assert picker.value == picker.field.value == "sandbox/fast"


def test_a_value_that_is_no_id_is_refused(picker: ModelPicker, session: Session) -> None:
    """Assigning what can be no id is an error in one line, and changes nothing."""
    picker.value = "sandbox/echo"

    with pytest.raises(CommandError, match="'no id!' is no alias, nor a model id"):
        picker.value = "no id!"

    assert picker.value == session.settings.model().value == "sandbox/echo"


@pytest.mark.parametrize("text", ["no id!", "<img src=x onerror=alert(1)>", "a b", "\ud800"])
def test_typing_what_is_no_id_raises_nothing(picker: ModelPicker, session: Session, text: str) -> None:
    """What is typed and can be no id sets nothing; the line below says so, with the text escaped."""
    picker.field.value = text

    assert "is no alias, nor a model id" in picker.line.value
    assert "<img" not in picker.line.value
    assert session.settings.notebook == {}
    assert picker.value == "openrouter/auto"


def test_an_unknown_id_is_set_and_told(picker: ModelPicker, session: Session) -> None:
    """An id that the catalog does not know is set all the same, and the nearest ones are told."""
    picker.field.value = "sandbox/ech"

    line = until(picker.line, "value", lambda line: "Nearest" in line)

    assert "No model &#x27;sandbox/ech&#x27;. Nearest: sandbox/echo" in line
    assert session.settings.model().value == "sandbox/ech"
    picker.field.value = "sandbox/echo"
    until(picker.line, "value", lambda line: line == "")


def test_what_magics_set_is_taken_over(picker: ModelPicker, session: Session) -> None:
    """`refresh` takes over the model that was set elsewhere, from any thread, and sets nothing itself."""
    session.settings.notebook["model"] = "sandbox/json"

    thread = threading.Thread(target=picker.refresh)
    thread.start()
    thread.join()

    assert picker.value == picker.field.value == "sandbox/json"
    session.settings.notebook.clear()
    picker.refresh()
    assert picker.value == "openrouter/auto"
    assert session.settings.notebook == {}


def test_a_linked_trait_follows(picker: ModelPicker) -> None:
    """The value can be linked with that of another widget, both ways."""
    import ipywidgets

    other = ipywidgets.Text()
    traitlets.link((picker, "value"), (other, "value"))

    picker.field.value = "sandbox/echo"

    assert other.value == "sandbox/echo"
    other.value = "sandbox/tools"
    assert picker.value == "sandbox/tools"


def test_an_observer_may_set_another(picker: ModelPicker, session: Session) -> None:
    """Who observes the value may assign another one at once, which counts."""

    def instead(change: Any) -> None:
        if change["new"] == "sandbox/slow":
            picker.value = "sandbox/fast"

    picker.observe(instead, "value")

    picker.field.value = "sandbox/slow"

    assert session.settings.notebook["model"] == picker.value == picker.field.value == "sandbox/fast"


def test_favourites_and_recent_models_are_offered_first(session: Session) -> None:
    """The field offers the favourites, then the models that were asked last, then the catalog's order, each once."""
    put_favourite(session.settings, "sandbox/json", is_favourite=True)
    session.ask("hi", model="sandbox/tools", show=False)
    session.ask("hi", model="sandbox/echo", show=False)

    picker = ModelPicker(session)
    offered = until(picker.page, "offered", lambda offered: len(offered) == 60)
    picker.close()

    assert offered[:4] == ("sandbox/json", "sandbox/echo", "sandbox/tools", "openrouter/auto")
    assert len(set(offered)) == 60


def test_at_most_a_thousand_are_offered(sandbox: Sandbox, session: Session) -> None:
    """Of a large catalog the field offers a thousand ids; the table has them all."""
    sandbox.behave(models=3_000)
    try:
        picker = opened(ModelPicker(session))
        rows = json.loads(picker.browser.children[1]._dt_args["data_json"])
        picker.close()
    finally:
        sandbox.behave(models=60)

    assert len(until(picker.page, "offered", lambda offered: len(offered) > 0)) == 1_000
    assert len(rows) == 3_000


def test_the_table_is_built_when_it_is_opened(picker: ModelPicker) -> None:
    """Before it is opened there are neither a table nor filters; closing it leaves them where they are."""
    assert picker.browser.children == ()
    assert picker.browser.layout.display == "none"

    opened(picker)
    until(picker.browser.layout, "display", lambda display: display == "")
    picker.opener.value = False
    until(picker.browser.layout, "display", lambda display: display == "none")

    assert len(picker.browser.children) == 3


def test_filters_keep_rows(picker: ModelPicker) -> None:
    """Chips and dropdowns tell the page which rows are kept, a byte each, and nothing where all are."""
    browse = opened(picker).browser

    browse.abilities["tools"].value = True
    tools = until(browse.page, "kept", lambda kept: len(kept) == 60)
    browse.abilities["vision"].value = True
    both = until(browse.page, "kept", lambda kept: kept != tools)
    browse.abilities["tools"].value = browse.abilities["vision"].value = False
    until(browse.page, "kept", lambda kept: kept == b"")
    browse.context.value = "1M"
    large = until(browse.page, "kept", lambda kept: len(kept) == 60)

    assert 60 > sum(tools) > sum(both) > 0
    assert all(b <= t for b, t in zip(both, tools, strict=True))
    assert 0 < sum(large) < 60
    browse.context.value, browse.price.value = "", "0"
    until(browse.page, "kept", lambda kept: sum(kept) == 1)  # sandbox/fast


def test_a_row_sets_the_model(picker: ModelPicker, session: Session) -> None:
    """A row that is chosen in the page sets the model; its card tells who serves it. A wrong row does nothing."""
    browse = opened(picker).browser

    browse.page.chosen = 3
    card = until(browse.card, "value", lambda html: "Served by" in html and "sandbox/essay" in html)

    assert session.settings.model().value == picker.field.value == "sandbox/essay"
    assert "Sandbox: Essay" in card
    browse.page.chosen = 10_000
    assert picker.value == "sandbox/essay"


def test_the_row_follows_the_model(picker: ModelPicker) -> None:
    """The chosen row is that of the model that is set, wherever it was set; none where the table does not have it."""
    browse = opened(picker).browser
    until(browse.page, "chosen", lambda row: row == 0)

    picker.value = "sandbox/echo"

    assert browse.page.chosen == 2
    picker.value = "other/model"
    assert browse.page.chosen == -1
    assert picker.value == "other/model"


def test_favourites_are_kept_for_all_notebooks(picker: ModelPicker, session: Session) -> None:
    """The button keeps the model in the settings file, marks its row as the first, and takes both back."""
    browse = opened(picker).browser
    picker.value = "sandbox/echo"

    browse.like.value = True
    until(browse.like, "description", lambda text: text == "★ Favourite")

    assert kept_favourites(session) == ["sandbox/echo"]
    assert browse.page.marks == [[2, "favourite"]]
    picker.value = "sandbox/json"
    assert (browse.like.value, browse.like.description) == (False, "☆ Favourite")
    picker.value = "sandbox/echo"
    assert browse.like.value is True
    browse.like.value = False
    until(browse.like, "description", lambda text: text == "☆ Favourite")
    assert kept_favourites(session) == []
    assert browse.page.marks == []


def test_favourites_leave_the_rest_of_the_file(session: Session) -> None:
    """The list of favourites stands beside the other settings, which stay as they are."""
    file = session.settings.file.path
    file.write_text('# mine\ntemperature = 0.2\n\n[aliases]\nfast = "a/b"\n', encoding="utf-8")

    put_favourite(session.settings, "a/b", is_favourite=True)
    put_favourite(session.settings, "c/d", is_favourite=True)
    put_favourite(session.settings, "a/b", is_favourite=True)

    assert favourites(session.settings) == ["a/b", "c/d"]
    assert session.settings.names_of("aliases") == {"fast": "a/b"}
    assert file.read_text(encoding="utf-8").startswith("# mine\ntemperature = 0.2\n")
    file.write_text("favourites = 3\n", encoding="utf-8")
    with pytest.raises(CommandError, match="favourites is a list"):
        favourites(session.settings)


def test_recent_models(session: Session) -> None:
    """The models that were asked last at a service, the last one first, each once, and no more than were wanted."""
    for model in ("sandbox/echo", "sandbox/json", "sandbox/echo", "sandbox/tools"):
        session.ask("hi", model=model, show=False)
    recent = RecentModels(session.ledger)

    assert recent.newest(session.service) == ["sandbox/tools", "sandbox/echo", "sandbox/json"]
    assert recent.newest(session.service, 1) == ["sandbox/tools"]
    assert recent.newest("https://openrouter.ai") == []


def test_without_a_network_an_id_can_be_typed(tmp_path: Path) -> None:
    """Where no list of models can be had, the line says why, the table stays closed, and an id can be set."""
    environment = {
        "OPENROUTER_BASE_URL": "http://127.0.0.1:9/v1",
        "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
        "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
    }
    session = Session(settings=Settings(environment))
    picker = ModelPicker(session)

    until(picker.line, "value", lambda line: "127.0.0.1:9" in line)
    picker.opener.value = True
    until(picker.opener, "value", lambda is_open: not is_open)
    picker.field.value = "a/b"

    assert session.settings.model().value == "a/b"
    assert picker.browser.children == ()
    picker.close()
    session.close()


def test_another_service_has_other_models(picker: ModelPicker, session: Session) -> None:
    """When another service is set, its models are offered, and an open table is theirs."""
    browse = opened(picker).browser
    browse.abilities["tools"].value = True
    until(browse.page, "kept", lambda kept: len(kept) == 60)
    with start(behaviour=Behaviour(pace=0, first_token_s=0, models=30)) as other:
        session.settings.notebook["sandbox_url"] = other.base_url
        picker.refresh()
        until(picker.page, "offered", lambda offered: len(offered) == 30)
        until(browse.page, "kept", lambda kept: len(kept) == 30)
        until(browse.page, "chosen", lambda row: row == 0)

    rows = json.loads(browse.children[1]._dt_args["data_json"])
    assert len(rows) == 30


def test_a_broken_settings_file_is_told(session: Session) -> None:
    """A settings file that cannot be read is told in the line; nothing is raised."""
    session.settings.file.path.write_text("model = [", encoding="utf-8")

    picker = ModelPicker(session)

    assert "The settings file cannot be read" in picker.line.value
    picker.field.value = "sandbox/echo"
    assert "The settings file cannot be read" in picker.line.value
    picker.close()


def test_hostile_names_are_text() -> None:
    """Names and ids that a service made up to act are text in the card, in the line and in the table."""
    cases = {name: sendable(text) for name, text in hostile_cases()}  # pandas takes no half of a surrogate pair
    body = json.dumps({"data": [{"id": f"a/{text}", "name": text, "created": 1} for text in cases.values()]}).encode()
    ours = ('<div class="orm-', "</div>", "<code>", "</code>", "<ul>", "</ul>", "<li>", "</li>")
    told = {}
    for name, model in zip(cases, decode_models(body).models, strict=True):
        told[name] = card_html(model, [model.name, f"  {model.id}", model.name]) + line_html(model.id)
        for tag in (*ours, '<span class="orm-badge">', "</span>"):
            told[name] = told[name].replace(tag, "")

    check_none({name: "<" in html and html for name, html in told.items()})
    assert "<" not in models_widget(models_table(body), "key")._dt_args["data_json"]


def test_rows_know_their_places() -> None:
    """Rows are found by id, the first one of several with the same; marks stand in their order, each row once."""
    body = json.dumps({"data": [{"id": id} for id in ("a/a", "b/b", "a/a", "c/c")]}).encode()
    table = models_table(body)
    rows = Rows(table)

    assert rows.marks(["c/c", "x/x"], ["a/a", "c/c"]) == [[3, "favourite"], [0, "recent"]]
    assert rows.kept(table) == b""
    assert rows.kept(table[table.index == "a/a"]) == bytes([1, 0, 1, 0])


def test_a_card_tells_what_a_model_is() -> None:
    """The card has the name, the id, what the model can as badges, and the other lines; without a model those alone."""
    row = {
        "id": "a/b",
        "name": "A: B",
        "created": int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()),
        "context_length": 200_000,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0", "completion": "0"},
        "supported_parameters": ["tools"],
    }
    model = decode_models(json.dumps({"data": [row]}).encode()).models[0]

    card = card_html(model, ["a/b · A: B", "takes text, image; gives text; tools", "free", "served by", "  X: 0 in"])

    for told in (">A: B<", "<code>a/b</code> · since 01 Mar 2026", ">200k context<", ">takes image<", ">tools<"):
        assert told in card
    assert "takes text" not in card
    assert "Served by</div><ul><li>X: 0 in</li></ul>" in card
    assert card_html(None, ["No model 'x'."]) == (
        '<div class="orm-card"><div class="orm-card-row">No model &#x27;x&#x27;.</div></div>'
    )
    assert card_html(None, []) == ""


@pytest.fixture
def kernel(sandbox: Sandbox, tmp_path: Path) -> Iterator[Kernel]:
    """A real kernel with or_magic, and a picker in it."""
    import os

    ours = ("OPENROUTER_", "OR_MAGIC_", "JPY_", "IPYTHON", "JUPYTER_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kernel = Kernel(
        tmp_path,
        inherited
        | {
            "OPENROUTER_BASE_URL": sandbox.base_url,
            "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
            "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        },
    )
    kernel.run("from or_magic.jupyter.panel.picker import ModelPicker; picker = ModelPicker()")
    yield kernel
    kernel.close()


def test_magics_and_picker_set_the_same_model(kernel: Kernel) -> None:
    """What a magic sets is the picker's value when its cell has ended, and the other way round."""
    kernel.run("%openrouter model sandbox/echo")

    assert kernel.value("picker.value") == "sandbox/echo"
    kernel.run("picker.value = 'sandbox/json'")
    assert "sandbox/json (%openrouter model)" in kernel.printed(_run(kernel, "%openrouter model"))
    kernel.run("picker.value = 'no id!'")
    assert kernel.value("picker.value") == "sandbox/json"


def test_a_picker_does_not_live_on(kernel: Kernel) -> None:
    """A picker that is closed looks after no cell any more, and is gone when nobody holds it."""
    count = "len(get_ipython().events.callbacks['post_run_cell'])"
    kernel.run("import gc, threading, weakref; is_gone = threading.Event(); weakref.finalize(picker, is_gone.set)")
    before = kernel.value(count)

    kernel.run("picker.close()")

    assert kernel.value(count) == before - 1
    kernel.run("del picker")
    # Its thread may still be at work on what was begun before.
    assert kernel.value("any((gc.collect(), is_gone.wait(0.1))[1] for _ in range(100))") is True


def _run(kernel: Kernel, code: str) -> str:
    request = kernel.send(code)
    kernel.finish(request)
    return request


def test_a_model_that_is_set_while_an_older_one_is_drawn(picker: ModelPicker, session: Session) -> None:
    """The newer one stays, and is what field, row and value show: an older one that is drawn late is no choice."""
    browser = opened(picker).browser
    cells: list[threading.Thread] = []

    def run_cell(change: Any) -> None:
        if change["new"] == "sandbox/json" and not cells:
            session.settings.notebook["model"] = "sandbox/tools"
            cells.append(threading.Thread(target=picker.refresh))
            cells[0].start()
            cells[0].join(0.5)  # it ends, or waits for what is drawn just now

    picker.field.observe(run_cell, "value")
    picker.value = "sandbox/json"
    cells[0].join()

    assert session.settings.notebook == {"model": "sandbox/tools"}
    assert picker.value == picker.field.value == "sandbox/tools"
    assert browser.page.chosen == Rows(models_table(session.models.body())).positions["sandbox/tools"]
