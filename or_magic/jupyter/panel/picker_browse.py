"""What the picker opens: filters, the table of all models, and the card of the one that is chosen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from or_magic.errors import OrMagicError
from or_magic.jupyter.panel.comms import free
from or_magic.jupyter.panel.picker_card import card_html
from or_magic.jupyter.panel.picker_table import PickerPage, Rows, models_widget
from or_magic.jupyter.panel.work import Work

if TYPE_CHECKING:
    from or_magic.asking.session import Session

_CHIPS = {
    "free": "Models that cost nothing",
    "vision": "Models that take images",
    "tools": "Models that call functions",
    "structured": "Models whose answers can be bound to a schema",
    "reasoning": "Models that think before they answer",
}
_CONTEXTS = (("any", ""), ("from 32k", "32k"), ("from 128k", "128k"), ("from 200k", "200k"), ("from 1M", "1M"))
_PRICES = (("any", ""), ("free", "0"), ("to 0.5 USD", "0.5"), ("to 1 USD", "1"), ("to 3 USD", "3"), ("to 10 USD", "10"))


class Browse(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
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
        work: Work,
        choose: Callable[[str], object],
        on_like: Callable[[str, bool], object],
    ) -> None:
        self._session, self.page, self._work, self._choose = session, page, work, choose
        self._asking = Work(lambda error: None)  # a card is a convenience
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
            OrMagicError: there is no catalogue.
        """
        self._is_open = is_open
        if is_open:
            self.fill()
        self.layout.display = "" if is_open else "none"
        free(self)

    def fill(self) -> None:
        """Builds the table, if it is open and there is another catalogue than before. For the working thread.

        Raises:
            ImportError, OrMagicError: as for `toggle`.
        """
        from or_magic.asking.model_table import models_table

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

    def _picked(self, place: int) -> None:
        rows = self._rows
        if rows is not None and 0 <= place < len(rows.ids) and (id := rows.ids[place]) != self._shown:
            self._choose(id)

    def _filter(self) -> None:
        from or_magic.asking.finding import Wanted, find_models

        if self._rows is None:
            return
        given: dict[str, Any] = {name: True for name, chip in self.chips.items() if chip.value}
        wanted = Wanted.of(given | {"min_context": self.context.value or None, "max_price": self.price.value or None})
        self.page.kept = self._rows.kept(find_models(self._rows.table, wanted))
        free(self, self.page)

    def _show_card(self) -> None:
        """First what is known here, then with what the service has to be asked for."""
        from or_magic.asking.model_card import model_card

        if not self._is_open:
            return
        id = self._shown
        known = self._session.models.here("openrouter/auto" if id == "auto" else id)
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
