"""Chooses the notebook's model without a magic: a field with the ids, and a table to search, filter and sort.

What is chosen is set at once, as `%openrouter model ID` sets it, so cells and the panel ask it; and what the magics set
is taken over. Callbacks set the model themselves, since the next cell must ask it; whatever reads the catalogue, the
ledger or the network is handed over.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import Unicode, validate

from or_magic.asking.current import current_session
from or_magic.asking.favourites import favourites, put_favourite
from or_magic.asking.shelf import unknown_line
from or_magic.errors import CommandError, OrMagicError
from or_magic.jupyter.flags import model_id
from or_magic.jupyter.panel.comms import free
from or_magic.jupyter.panel.picker_browse import Browse
from or_magic.jupyter.panel.picker_card import line_html
from or_magic.jupyter.panel.picker_table import PickerPage
from or_magic.jupyter.panel.work import Work
from or_magic.plain_text import sendable
from or_magic.settings import ACCOUNT_MODEL, ALIASES

if TYPE_CHECKING:
    from or_magic.asking.session import Session

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
        self.browse = Browse(self._session, self._page, self._work, self._choose, self._like)
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
        """Says so if the catalogue does not know the model that is set."""
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
        from or_magic.ledger.recent_models import RecentModels

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


def _work_of(picker: ModelPicker) -> Work:
    """A thread of the picker's that does not keep it alive."""
    whose = weakref.ref(picker)

    def failed(error: Exception) -> None:
        if (still := whose()) is not None:
            still._failed(error)

    return Work(failed)


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
