"""What widgets need of kernel and page: a thread for callbacks, being heard while a cell runs, a listener for buttons.

ipykernel 7.4 answers a comm on the shell that published on it last, whatever the front end asks for: a widget that was
made in a cell is heard when that cell, and whichever runs, has ended. Without that note the front end's own subshell
counts. The note is private to ipykernel, and not there in other versions, where nothing needs to be done.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anywidget
from ipywidgets import Widget

_LOG = logging.getLogger("or_magic")
_NOTE = "_reply_subshell_id"  # of ipykernel 7.4, on a comm


class Worker:
    """Does jobs one after another in a daemon thread, which begins with the first of them.

    Of jobs that were handed over under the same key, and have not begun, the newest alone is done.

    Args:
        on_error: told what a job raised, whatever that is: it may run code of the user's, and must not end the thread.
    """

    def __init__(self, on_error: Callable[[Any], object] = lambda error: None) -> None:
        self._jobs: queue.SimpleQueue[tuple[str, Callable[[], object]] | None] = queue.SimpleQueue()
        self._newest: dict[str, Callable[[], object]] = {}
        self._on_error = on_error
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        weakref.finalize(self, self._jobs.put, None)

    def do(self, job: Callable[[], object], *, newest: str = "") -> None:
        """Hands a job over and returns at once.

        Args:
            newest: a key: an older job under the same one is dropped; "" for none.
        """
        with self._lock:
            if self._is_closed:
                return
            if newest:
                self._newest[newest] = job
            if self._thread is None:
                args = (self._jobs, self._newest, self._on_error)
                self._thread = threading.Thread(target=_run, args=args, name="or_magic panel", daemon=True)
                self._thread.start()
        self._jobs.put((newest, job))

    def close(self) -> None:
        """What has not begun is dropped."""
        with self._lock:
            self._is_closed = True
            self._newest.clear()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._jobs.get_nowait()
        self._jobs.put(None)


def _run(
    jobs: queue.SimpleQueue[tuple[str, Callable[[], object]] | None],
    newest: dict[str, Callable[[], object]],
    on_error: Callable[[Any], object],
) -> None:
    # Not a method: the thread would keep its `Worker` alive for good.
    while (entry := jobs.get()) is not None:
        key, job = entry
        if not key or newest.get(key) is job:
            newest.pop(key, None)
            _do(job, on_error)
        del job, entry  # or the last one would be kept alive until the next comes


def _do(job: Callable[[], object], on_error: Callable[[Any], object]) -> None:
    try:
        job()
    except BaseException as error:  # the thread goes on; whoever handed the job over says what is to be told
        _LOG.debug("a job of the panel failed", exc_info=True)
        try:
            on_error(error)
        except Exception:
            _LOG.debug("a failure of the panel could not be told", exc_info=True)


def free(*roots: Widget) -> None:
    """Makes widgets, and those within them, heard on the front end's subshell. Called after they have published."""
    for widget in within(*roots):
        free_one(widget)


def within(*roots: Widget) -> Iterator[Widget]:
    """The widgets, and all that stand in them."""
    pending: list[Any] = list(roots)
    while pending:
        widget = pending.pop()
        yield widget
        pending += getattr(widget, "children", ())


def free_one(widget: Widget) -> None:
    """Makes one widget heard on the front end's subshell, without those within it."""
    comm = getattr(widget, "comm", None)
    if comm is not None:
        getattr(comm, "__dict__", {}).pop(_NOTE, None)


class PanelPage(anywidget.AnyWidget):
    """Invisible; listens on the panel that it stands in.

    Args:
        on_press: told of each button of ours that is pressed: ``do`` says which, the rest are its facts, all as text.
            Called in the main thread or a subshell's; it must return at once.
    """

    # As texts: anywidget keeps a widget whose source is a path alive for good.
    _esm = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("panel.css").read_text(encoding="utf-8")

    def __init__(self, on_press: Callable[[Mapping[str, str]], object]) -> None:
        super().__init__()
        self._on_press = on_press
        self.on_msg(self._hear)

    def copy(self, text: str) -> None:
        """Puts a text into the clipboard of who pressed a button just now."""
        self.send({"do": "copy", "text": text})

    def go_to_end(self) -> None:
        """Shows the end of the conversation, and follows it."""
        self.send({"do": "end"})

    def _hear(self, widget: object, content: Any, buffers: object) -> None:
        facts = content if isinstance(content, dict) else {}
        self._on_press({str(name): str(value)[:1_000] for name, value in facts.items()})

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        free_one(self)
