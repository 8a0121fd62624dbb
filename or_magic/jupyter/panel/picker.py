"""The models that a user likes best: a list of ids in the settings file, for all notebooks."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import Unicode, validate

from or_magic.catalog.search import unknown_line
from or_magic.chat.session import current_session
from or_magic.commands.arguments import model_id
from or_magic.errors import CommandError, OrMagicError
from or_magic.jupyter.panel.picker_table import PickerPage, Rows, card_html, line_html, models_widget
from or_magic.jupyter.panel.worker import Worker, free
from or_magic.settings.layers import ACCOUNT_MODEL, ALIASES, FAVOURITES, Settings
from or_magic.text import sendable

if TYPE_CHECKING:
    from or_magic.chat.session import Session


def favourites(settings: Settings) -> list[str]:
    """Their ids, the first liked first; none where the user has named none.

    Raises:
        CommandError: the settings file cannot be read, or holds something else under that name.
    """
    told = settings.file.values().get(FAVOURITES, [])
    if not isinstance(told, list) or not all(isinstance(id, str) for id in told):
        raise CommandError(f'In the settings file: {FAVOURITES} is a list such as ["openai/gpt-5-mini"].')
    return [str(id) for id in told]


def put_favourite(settings: Settings, id: str, *, is_one: bool) -> list[str]:
    """Adds a model to them, or takes it out, and gives those that there are then.

    Raises:
        CommandError: the settings file cannot be read or written.
    """
    before = favourites(settings)
    if is_one == (id in before):
        return before
    after = [*before, id] if is_one else [each for each in before if each != id]
    settings.file.put((FAVOURITES,), after or None)
    return after


_CHIPS = {
    "free": "Models that cost nothing",
    "vision": "Models that take images",
    "tools": "Models that call functions",
    "structured": "Models whose answers can be bound to a schema",
    "reasoning": "Models that think before they answer",
}
_CONTEXTS = (("any", ""), ("from 32k", "32k"), ("from 128k", "128k"), ("from 200k", "200k"), ("from 1M", "1M"))
_PRICES = (("any", ""), ("free", "0"), ("to 0.5 USD", "0.5"), ("to 1 USD", "1"), ("to 3 USD", "3"), ("to 10 USD", "10"))


class ModelBrowser(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The part of the picker that can be opened. Its table is built when it is opened first.

    Args:
        session: whose models.
        page: what the table listens to.
        work: does what is handed over; cards, which may ask the service, have a thread of their own.
        choose: told the id of the row that was chosen.
        on_like: told an id, and whether it is a favourite now.

    Attributes:
        chips, context, price: the filters.
        card, like: what is known of the model that is set, and whether it is a favourite.
    """

    def __init__(
        self,
        session: Session,
        page: PickerPage,
        work: Worker,
        choose: Callable[[str], object],
        on_like: Callable[[str, bool], object],
    ) -> None:
        self._session, self.page, self._work, self._choose = session, page, work, choose
        self._asking = Worker(lambda error: None)  # a card is a convenience
        self._catalog: object = None
        self._rows: Rows | None = None
        self._table: Any = None
        self._shown = ""
        self._favourites: Sequence[str] = ()
        self._recent: Sequence[str] = ()
        self._is_open = False
        self._liking = threading.Lock()
        self.chips = {name: _chip(name, told) for name, told in _CHIPS.items()}
        self.context = _dropdown("Context", _CONTEXTS, "The least number of tokens that a model can take")
        self.price = _dropdown("Price", _PRICES, "The most that a million prompt tokens may cost")
        self._filters = widgets.HBox([*self.chips.values(), self.context, self.price])
        self._filters.add_class("orm-chips")
        self.card = widgets.HTML()
        self.like = widgets.ToggleButton(description="☆ Favourite", tooltip="Keep it first, in all notebooks")
        self.like.add_class("orm-chip")
        self.like.add_class("orm-like")
        self._below = widgets.VBox([self.card, self.like])
        self._below.add_class("orm-below")
        super().__init__()
        self.add_class("orm-browse")
        self.layout.display = "none"
        for control in (*self.chips.values(), self.context, self.price):
            control.observe(lambda change: work.do(self._filter, newest="filter"), "value")
        page.observe(lambda change: self._picked(change["new"]), "chosen")
        self.like.observe(lambda change: self._liked(on_like, change["new"]), "value")

    @property
    def is_filled(self) -> bool:
        """Whether its table is there."""
        return self._rows is not None

    def toggle(self, is_open: bool) -> None:
        """Opens it or closes it. To be called by the working thread: the first time it may wait for the service.

        Raises:
            ImportError: itables is not there.
            OrMagicError: there is no catalog.
        """
        self._is_open = is_open
        if is_open:
            self.fill()
        self.layout.display = "" if is_open else "none"
        free(self)

    def fill(self) -> None:
        """Builds the table, if it is open and there is another catalog than before. For the working thread.

        Raises:
            ImportError, OrMagicError: as for `toggle`.
        """
        from or_magic.catalog.table import models_table

        catalog = self._session.models.catalog()
        if not self._is_open or catalog is self._catalog:
            return
        rows = Rows(models_table(self._session.models.body()))
        self._rows = None  # so that what the page tells of the old one's rows is not heard
        self.page.renew()
        before, self._table = self._table, models_widget(rows.table, self.page.key)
        self._rows, self._catalog = rows, catalog
        self.page.marks = rows.marks(self._favourites, self._recent)
        self._filter()
        self.children = (self._filters, self._table, self._below)
        if before is not None:
            before.close()
        self.show(self._shown)

    def mark(self, favourites: Sequence[str], recent: Sequence[str]) -> None:
        """Takes over which models stand first. For the working thread."""
        self._favourites, self._recent = favourites, recent
        if self._rows is not None:
            self.page.marks = self._rows.marks(favourites, recent)
        self._show_like()
        free(self, self.page)

    def show(self, id: str) -> None:
        """Shows which model is set: its row and its card. From any thread."""
        self._shown = id
        if self._rows is None:
            return
        self.page.chosen = self._rows.places.get(id, -1)
        self._show_like()
        free(self, self.page)
        self._asking.do(self._show_card, newest="card")

    def close(self) -> None:
        """Takes it out of the page."""
        self._asking.close()
        for widget in (*self._filters.children, self._filters, self.card, self.like, self._below, self._table):
            if widget is not None:
                widget.close()
        super().close()

    def _picked(self, location: int) -> None:
        rows = self._rows
        if rows is not None and 0 <= location < len(rows.ids) and (id := rows.ids[location]) != self._shown:
            self._choose(id)

    def _filter(self) -> None:
        from or_magic.catalog.table import ModelFilter, find_models

        if self._rows is None:
            return
        given: dict[str, Any] = {name: True for name, chip in self.chips.items() if chip.value}
        wanted = ModelFilter.of(
            given | {"min_context": self.context.value or None, "max_price": self.price.value or None}
        )
        self.page.kept = self._rows.kept(find_models(self._rows.table, wanted))
        free(self, self.page)

    def _show_card(self) -> None:
        """First what is known here, then with what the service has to be asked for."""
        from or_magic.catalog.card import model_card

        if not self._is_open:
            return
        id = self._shown
        known = self._session.models.stored("openrouter/auto" if id == "auto" else id)
        if known is not None:
            self.card.value = card_html(known, ())
        try:
            lines = model_card(self._session.models, id)
        except OrMagicError as error:
            lines = [str(error)]
        if id == self._shown:
            self.card.value = card_html(known, lines)
        free(self.card)

    def _show_like(self) -> None:
        # Several threads show it, and what an older one has seen must not look like a click.
        with self._liking:
            is_one = self._shown in self._favourites
            self.like.value = is_one
            self.like.description = "★ Favourite" if is_one else "☆ Favourite"

    def _liked(self, on_like: Callable[[str, bool], object], is_one: bool) -> None:
        if is_one != (self._shown in self._favourites):
            on_like(self._shown, is_one)


def _chip(name: str, told: str) -> Any:
    chip = widgets.ToggleButton(description=name, tooltip=told)
    chip.add_class("orm-chip")
    return chip


def _dropdown(name: str, options: Sequence[tuple[str, Any]], told: str) -> Any:
    dropdown = widgets.Dropdown(description=name, options=options, value="", tooltip=told)
    dropdown.add_class("orm-least")
    return dropdown


_MOST_OPTIONS = 1_000
_NO_ITABLES = "The table of models needs itables 2.2 or newer."


class ModelPicker(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows the notebook's model and sets another.

    Args:
        session: whose model; None for the session of this notebook.
        is_alone: whether it looks itself, after each cell, which model the magics have set; else `refresh` does.

    Attributes:
        value: the id of the model that is set. It can be observed and linked; assigning an id or an alias sets it, and
            raises `CommandError` where it can be neither.
        field, opener, line, browse: its parts: where an id is typed, what opens the table, what is to be told, and
            what is opened.
    """

    value = Unicode(help="The id of the model that is set.")

    def __init__(self, session: Session | None = None, *, is_alone: bool = True) -> None:
        self._session = session or current_session()
        self._taking = threading.local()
        self._asked: object = None  # the answer after which the recent models were looked up
        self._service = ""
        self._work = _work_of(self)
        self._page = PickerPage()
        self.field = widgets.Combobox(
            description="Model", placeholder="an id such as openai/gpt-5-mini, or an alias", continuous_update=False
        )
        self.field.add_class("orm-field")
        self.opener = widgets.ToggleButton(description="Browse", tooltip="Search, filter and sort all models")
        self.opener.add_class("orm-opener")
        self.line = widgets.HTML()
        self.line.add_class("orm-below-field")
        self.browse = ModelBrowser(self._session, self._page, self._work, self._choose, self._like)
        can_browse = importlib.util.find_spec("itables") is not None
        self._first = widgets.HBox([self.field, self.opener] if can_browse else [self.field])
        self._first.add_class("orm-first")
        super().__init__([self._first, self.line, self.browse, self._page])
        self.add_class("orm-picker")
        self.observe(lambda change: self._show(change["new"]), "value")
        self.field.observe(lambda change: self._typed(change["new"]), "value")
        self.opener.observe(lambda change: self._opened(change["new"]), "value")
        self._unfollow = _follow(self) if is_alone else None
        self.refresh()

    def refresh(self) -> None:
        """Takes over what the magics have set since; from any thread. Does nothing where that is nothing."""
        try:
            self._take_over()
            if self._asked is not self._session.last or self._service != self._session.service:
                self._asked, self._service = self._session.last, self._session.service
                self._work.do(self._look_around, newest="around")
        except OrMagicError as error:  # a setting that cannot be read; what needs it says so as well
            self._say(str(error), is_bad=True)

    def close(self) -> None:
        """Takes it out of the page, and stops following the magics."""
        if self._unfollow is not None:
            self._unfollow()
        self._work.close()
        for widget in (self.browse, self.field, self.opener, self._first, self.line, self._page):
            widget.close()
        super().close()

    @validate("value")
    def _set(self, proposal: dict[str, Any]) -> str:
        is_known, self._taking.over = getattr(self._taking, "over", False), False  # an observer may set another
        if not is_known:
            self._put(proposal["value"].strip())
        return self._session.settings.model().value

    def _put(self, told: str) -> None:
        settings = self._session.settings
        if told not in settings.names_of(ALIASES):
            try:
                model_id(told)
            except CommandError:  # what it says is about cells
                raise CommandError(f"{told!r} is no alias, nor a model id, such as openai/gpt-5-mini.") from None
        settings.notebook["model"] = told

    def _take_over(self) -> None:
        """Until nobody has set another one meanwhile."""
        while (id := self._session.settings.model().value) != self.value:
            self._taking.over = True
            self.value = id

    def _choose(self, told: str) -> None:
        """Sets a model. Called by callbacks: it neither waits nor raises."""
        try:
            self._put(told)
            self._say("")
            self._take_over()
        except CommandError as error:
            self._say(str(error), is_bad=True)

    def _typed(self, text: str) -> None:
        if (told := text.strip()) in ("", self.value):
            self._show_field(self.value)
            self._work.do(self._look_up, newest="line")
        else:
            self._choose(told)

    def _show_field(self, text: str) -> None:
        self.field.value = sendable(text)
        free(self)

    def _show(self, id: str) -> None:
        """What follows a change, whoever made it."""
        self._show_field(id)
        self.browse.show(id)
        self._work.do(self._look_up, newest="line")

    def _say(self, text: str, *, is_bad: bool = False) -> None:
        self.line.value = line_html(text, is_bad=is_bad)
        free(self.line)

    def _look_up(self) -> None:
        """Says so if the catalog does not know the model that is set."""
        id = self.value
        if id in (ACCOUNT_MODEL, "auto") or id.startswith("@preset/"):
            return self._say("")
        catalog = self._session.models.catalog()
        self._say("" if catalog.find(id) is not None else unknown_line(catalog, id))
        return None

    def _look_around(self) -> None:
        """Which models are offered, and which of them stand first."""
        self._mark(favourites(self._session.settings))
        self.browse.fill()

    def _mark(self, liked: list[str]) -> None:
        recent = self._recent()
        self.browse.mark(liked, recent)
        if not self.field.options:  # what there is without a list of models
            self.field.options = _options(liked, recent)
        catalog = self._session.models.catalog()
        self.field.options = _options(liked, recent, [model.id for model in catalog.models])
        free(self)

    def _recent(self) -> list[str]:
        from or_magic.ledger.spending import RecentModels

        with contextlib.suppress(OrMagicError):  # without a ledger one can choose all the same
            return RecentModels(self._session.ledger).newest(self._session.service)
        return []

    def _opened(self, is_open: bool) -> None:
        if is_open and not self.browse.is_filled:
            self._say("The list of models is on its way.")
        self._work.do(self._toggle, newest="toggle")

    def _toggle(self) -> None:
        try:
            self.browse.toggle(self.opener.value)
        except (ImportError, OrMagicError):
            self.opener.value = False
            raise
        self._look_up()

    def _like(self, id: str, is_one: bool) -> None:
        self._work.do(lambda: self._mark(put_favourite(self._session.settings, id, is_one=is_one)))

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ImportError):
            self._first.children = (self.field,)
            return self._say(_NO_ITABLES)
        self._say(str(error), is_bad=True)
        return None


def _options(*ids: Any) -> tuple[str, ...]:
    """The ids, each once, as far as a browser's list can take them."""
    known = dict.fromkeys(sendable(id) for some in ids for id in some)
    return tuple(known)[:_MOST_OPTIONS]


def _work_of(picker: ModelPicker) -> Worker:
    """A thread of the picker's that does not keep it alive."""
    whose = weakref.ref(picker)

    def failed(error: Exception) -> None:
        if (still := whose()) is not None:
            still._failed(error)

    return Worker(failed)


def _follow(picker: ModelPicker) -> Callable[[], object] | None:
    """Lets the picker look after each cell which model is set; gives what ends that. None outside of IPython."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return None
    whose = weakref.ref(picker)

    def look(*_: object) -> None:
        if (still := whose()) is not None:
            still.refresh()

    shell.events.register("post_run_cell", look)
    end = weakref.finalize(picker, _unregister, shell.events, look)
    end.atexit = False
    return end


def _unregister(events: Any, look: Callable[..., None]) -> None:
    with contextlib.suppress(ValueError):
        events.unregister("post_run_cell", look)
