"""The model picker: it shows the model that is set, and sets another, by an id or by a click in a table of all models.

What is drawn reaches the observers of a widget just as what the user does: in whichever thread, and while another one
draws something newer. So whatever is drawn here is drawn under a lock, together with a note of what it is, and an
observer takes for a choice of the user's only what differs from that note. Else a model that a cell sets could be
undone by an older one that is just being drawn.
"""

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

_OFFERED_MAX = 1_000  # ids, in a browser's own list
_NO_ITABLES = "The table of models needs itables 2.2 or newer."
_ABILITIES = {
    "free": "Models that cost nothing",
    "vision": "Models that take images",
    "tools": "Models that call functions",
    "structured": "Models whose answers can be bound to a schema",
    "reasoning": "Models that think before they answer",
}
_CONTEXTS = (("any", ""), ("from 32k", "32k"), ("from 128k", "128k"), ("from 200k", "200k"), ("from 1M", "1M"))
_PRICES = (("any", ""), ("free", "0"), ("to 0.5 USD", "0.5"), ("to 1 USD", "1"), ("to 3 USD", "3"), ("to 10 USD", "10"))


class ModelPicker(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows the notebook's model and sets another.

    Args:
        session: whose model; None for the session of this notebook.
        is_alone: whether it looks itself, after each cell, which model the magics have set; else `refresh` does.

    Attributes:
        value: the id of the model that is set. It can be observed and linked; assigning an id or an alias sets it, and
            raises `CommandError` where it can be neither.
        field: where an id is typed.
        opener: the button that opens the table.
        line: what is to be told of the model, or of what was typed.
        browser: the table of models, its filters, and the card of the model that is set.
        page: what it is in the page besides its widgets.
    """

    value = Unicode(help="The id of the model that is set.")

    def __init__(self, session: Session | None = None, *, is_alone: bool = True) -> None:
        self._session = session or current_session()
        self._setting = threading.local()
        self._drawing = threading.RLock()
        self._drawn = ""  # what the field holds, as it was drawn last
        self._last: object = None  # the answer after which the recent models were looked up
        self._service = ""
        self._worker = _worker_of(self)
        self.page = PickerPage()
        self.field = widgets.Text(
            description="Model", placeholder="an id such as openai/gpt-5-mini, or an alias", continuous_update=False
        )
        self.field.add_class("orm-field")
        self.opener = widgets.ToggleButton(description="Browse", tooltip="Search, filter and sort all models")
        self.opener.add_class("orm-opener")
        self.line = widgets.HTML()
        self.line.add_class("orm-below-field")
        self.browser = ModelBrowser(self._session, self.page, self._worker, self._choose, self._like)
        can_browse = importlib.util.find_spec("itables") is not None
        self._first = widgets.HBox([self.field, self.opener] if can_browse else [self.field])
        self._first.add_class("orm-first")
        super().__init__([self._first, self.line, self.browser, self.page])
        self.add_class("orm-picker")
        self.observe(lambda _: self._show_model(), "value")
        self.field.observe(lambda change: self._typed(change["new"]), "value")
        self.opener.observe(lambda change: self._opened(change["new"]), "value")
        self._unfollow = _follow(self) if is_alone else None
        self.refresh()

    def refresh(self) -> None:
        """Takes over what the magics have set since; from any thread. Does nothing where that is nothing."""
        try:
            self._take_over()
            if self._last is not self._session.last or self._service != self._session.service:
                self._last, self._service = self._session.last, self._session.service
                self._worker.do(self._look_around, newest="around")
        except OrMagicError as error:  # a setting that cannot be read; what needs it says so as well
            self._say(str(error), is_bad=True)

    def close(self) -> None:
        """Takes it out of the page, and stops following the magics."""
        if self._unfollow is not None:
            self._unfollow()
        self._worker.close()
        for widget in (self.browser, self.field, self.opener, self._first, self.line, self.page):
            widget.close()
        super().close()

    @validate("value")
    def _set(self, proposal: dict[str, Any]) -> str:
        is_set, self._setting.is_done = getattr(self._setting, "is_done", False), False  # an observer may set another
        if not is_set:
            self._put(proposal["value"].strip())
        return self._session.settings.model().value

    def _put(self, typed: str) -> None:
        settings = self._session.settings
        if typed not in settings.names_of(ALIASES):
            try:
                model_id(typed)
            except CommandError:  # what it says is about cells
                raise CommandError(f"{typed!r} is no alias, nor a model id, such as openai/gpt-5-mini.") from None
        settings.notebook["model"] = typed

    def _take_over(self) -> None:
        """Until nobody has set another one meanwhile."""
        while (id := self._session.settings.model().value) != self.value:
            self._setting.is_done = True
            self.value = id

    def _choose(self, typed: str) -> None:
        """Sets a model. Called by callbacks: it neither waits nor raises."""
        try:
            self._put(typed)
            self._say("")
            self._take_over()
        except CommandError as error:
            self._say(str(error), is_bad=True)

    def _typed(self, text: str) -> None:
        """The field has changed, by the user or by what was drawn."""
        if (typed := text.strip()) in ("", self._drawn):
            self._draw_field()
            self._worker.do(self._look_up, newest="line")
        else:
            self._choose(typed)

    def _show_model(self) -> None:
        """What follows a change, whoever made it."""
        with self._drawing:
            self._draw_field()
            self.browser.show(self.value)
        self._worker.do(self._look_up, newest="line")

    def _draw_field(self) -> None:
        """Shows the model that is set by now, which may be newer than the change that led here."""
        with self._drawing:
            self._drawn = sendable(self.value)
            self.field.value = self._drawn
        free(self)

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
        self.browser.fill()

    def _mark(self, favourites: list[str]) -> None:
        recent = self._recent()
        self.browser.mark(favourites, recent)
        if not self.page.offered:  # what there is without a list of models
            self.page.offered = _offered(favourites, recent)
        catalog = self._session.models.catalog()
        self.page.offered = _offered(favourites, recent, [model.id for model in catalog.models])
        free(self)

    def _recent(self) -> list[str]:
        from or_magic.ledger.spending import RecentModels

        with contextlib.suppress(OrMagicError):  # without a ledger one can choose all the same
            return RecentModels(self._session.ledger).newest(self._session.service)
        return []

    def _opened(self, is_open: bool) -> None:
        if is_open and not self.browser.is_filled:
            self._say("The list of models is on its way.")
        self._worker.do(self._toggle, newest="toggle")

    def _toggle(self) -> None:
        try:
            self.browser.toggle(self.opener.value)
        except (ImportError, OrMagicError):
            self.opener.value = False
            raise
        self._look_up()

    def _like(self, id: str, is_favourite: bool) -> None:
        self._worker.do(lambda: self._mark(put_favourite(self._session.settings, id, is_favourite=is_favourite)))

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ImportError):
            self._first.children = (self.field,)
            return self._say(_NO_ITABLES)
        self._say(str(error), is_bad=True)
        return None


def _offered(*ids: Any) -> tuple[str, ...]:
    """The ids, each once, as far as a browser's list can take them."""
    known = dict.fromkeys(sendable(id) for some in ids for id in some)
    return tuple(known)[:_OFFERED_MAX]


def _worker_of(picker: ModelPicker) -> Worker:
    """A thread of the picker's that does not keep it alive."""
    reference = weakref.ref(picker)

    def failed(error: Exception) -> None:
        if (alive := reference()) is not None:
            alive._failed(error)

    return Worker(failed)


def _follow(picker: ModelPicker) -> Callable[[], object] | None:
    """Lets the picker look after each cell which model is set; gives what ends that. None outside of IPython."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return None
    reference = weakref.ref(picker)

    def look(*_: object) -> None:
        if (alive := reference()) is not None:
            alive.refresh()

    shell.events.register("post_run_cell", look)
    end = weakref.finalize(picker, _unregister, shell.events, look)
    end.atexit = False
    return end


def _unregister(events: Any, look: Callable[..., None]) -> None:
    with contextlib.suppress(ValueError):
        events.unregister("post_run_cell", look)


class ModelBrowser(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The part of the picker that can be opened. Its table is built when it is opened first.

    Args:
        session: whose models.
        page: what the table listens to.
        worker: does what is handed over; cards, which may ask the service, have a thread of their own.
        choose: told the id of the row that was chosen.
        on_like: told an id, and whether it is a favourite now.

    Attributes:
        page: see above.
        abilities: the buttons that leave models which can do a thing, by its name.
        context, price: the least and the most that a model may have.
        card: what is known of the model that is set.
        like: whether it is a favourite.
    """

    def __init__(
        self,
        session: Session,
        page: PickerPage,
        worker: Worker,
        choose: Callable[[str], object],
        on_like: Callable[[str, bool], object],
    ) -> None:
        self._session, self.page, self._worker, self._choose = session, page, worker, choose
        self._card_worker = Worker(lambda error: None)  # a card is a convenience
        self._catalog: object = None
        self._rows: Rows | None = None
        self._table: Any = None
        self._shown = ""
        self._favourites: Sequence[str] = ()
        self._recent: Sequence[str] = ()
        self._is_open = False
        self._drawing = threading.RLock()
        self.abilities = {name: _toggle_button(name, tooltip) for name, tooltip in _ABILITIES.items()}
        self.context = _dropdown("Context", _CONTEXTS, "The least number of tokens that a model can take")
        self.price = _dropdown("Price", _PRICES, "The most that a million prompt tokens may cost")
        controls = (*self.abilities.values(), self.context, self.price)
        self._filters = widgets.HBox(controls)
        self._filters.add_class("orm-chips")
        self.card = widgets.HTML()
        self.like = _toggle_button("☆ Favourite", "Keep it first, in all notebooks")
        self.like.add_class("orm-like")
        self._below = widgets.VBox([self.card, self.like])
        self._below.add_class("orm-below")
        super().__init__()
        self.add_class("orm-browse")
        self.layout.display = "none"
        for control in controls:
            control.observe(lambda _: worker.do(self._filter, newest="filter"), "value")
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
        self._draw()

    def mark(self, favourites: Sequence[str], recent: Sequence[str]) -> None:
        """Takes over which models stand first. For the working thread."""
        with self._drawing:
            self._favourites, self._recent = favourites, recent
            if self._rows is not None:
                self.page.marks = self._rows.marks(favourites, recent)
            self._draw_like()
        free(self, self.page)

    def show(self, id: str) -> None:
        """Shows which model is set: its row and its card. From any thread."""
        with self._drawing:
            self._shown = id
            self._draw()

    def close(self) -> None:
        """Takes it out of the page."""
        self._card_worker.close()
        for widget in (*self._filters.children, self._filters, self.card, self.like, self._below, self._table):
            if widget is not None:
                widget.close()
        super().close()

    def _draw(self) -> None:
        with self._drawing:
            if self._rows is None:
                return
            self.page.chosen = self._rows.positions.get(self._shown, -1)
            self._draw_like()
        free(self, self.page)
        self._card_worker.do(self._show_card, newest="card")

    def _draw_like(self) -> None:
        is_favourite = self._shown in self._favourites
        self.like.value = is_favourite
        self.like.description = "★ Favourite" if is_favourite else "☆ Favourite"

    def _picked(self, position: int) -> None:
        """Another row is chosen, by the user or by what was drawn."""
        rows = self._rows
        if rows is not None and 0 <= position < len(rows.ids) and (id := rows.ids[position]) != self._shown:
            self._choose(id)

    def _liked(self, on_like: Callable[[str, bool], object], is_favourite: bool) -> None:
        if is_favourite != (self._shown in self._favourites):
            on_like(self._shown, is_favourite)

    def _filter(self) -> None:
        from or_magic.catalog.table import ModelFilter, find_models

        if self._rows is None:
            return
        given: dict[str, Any] = {name: True for name, button in self.abilities.items() if button.value}
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


def _toggle_button(label: str, tooltip: str) -> Any:
    button = widgets.ToggleButton(description=label, tooltip=tooltip)
    button.add_class("orm-chip")
    return button


def _dropdown(name: str, options: Sequence[tuple[str, Any]], tooltip: str) -> Any:
    dropdown = widgets.Dropdown(description=name, options=options, value="", tooltip=tooltip)
    dropdown.add_class("orm-least")
    return dropdown


def favourites(settings: Settings) -> list[str]:
    """The ids of the models that the user likes best, in all notebooks; the first liked first, [] where there are none.

    Raises:
        CommandError: the settings file cannot be read, or holds something else under that name.
    """
    ids = settings.file.values().get(FAVOURITES, [])
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise CommandError(f'In the settings file: {FAVOURITES} is a list such as ["openai/gpt-5-mini"].')
    return [str(id) for id in ids]


def put_favourite(settings: Settings, id: str, *, is_favourite: bool) -> list[str]:
    """Adds a model to the favourites, or takes it out, and gives those that there are then.

    Raises:
        CommandError: the settings file cannot be read or written.
    """
    before = favourites(settings)
    if is_favourite == (id in before):
        return before
    after = [*before, id] if is_favourite else [each for each in before if each != id]
    settings.file.put((FAVOURITES,), after or None)
    return after
