"""The box in which a prompt is written: text with live ``{{ names }}``, files, Send and Stop.

The page and the kernel talk in two ways. What is shown is synced traits. What is done are messages with a field ``do``;
each one from the page has a number ``n``, which is acknowledged before anything else happens, so that the page can tell
a kernel that is busy from one that is gone. No message has a field ``id``: ipykernel 7.4 would route by it.

What a user types is live. What is put in by anything else, a paste, an earlier prompt, the store, is made inert, in the
page or here: a backslash before each ``{{``, which stands for ``{{`` itself (`or_magic.asking.template`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Dict, Enum, List, Unicode, observe, validate

from or_magic.errors import CommandError
from or_magic.jupyter.panel.attachments import Attachment, Inbox
from or_magic.jupyter.panel.comms import free_one
from or_magic.plain_text import sendable

MOST_RECALLED = 50
MOST_NAMES = 50
_LONGEST_NAME = 200
_OPEN = re.compile(r"\\?\{\{")


def _text_of(file: str) -> str:
    return Path(__file__).with_name(file).read_text(encoding="utf-8")


def inert(text: str) -> str:
    """The text with a backslash before each ``{{`` that has none."""
    return _OPEN.sub(lambda found: found[0] if found[0].startswith("\\") else "\\{{", text)


class PromptBox(anywidget.AnyWidget):
    r"""A prompt to write, and what is told beside it.

    The functions are called in the main thread or in a subshell's, and must return at once.

    Args:
        on_send: told the text and the attachments of a prompt. The box is empty then.
        on_stop: told that the answer is to be stopped.
        on_draft: told the text when it has changed, whoever changed it.
        on_names: told a number and what stands between ``{{`` and the cursor; `offer` takes what could be meant.
        on_cancel: told that the prompt in the box is not to replace another one.

    Attributes:
        is_busy: an answer is on its way: Send is Stop.
        notice: a line under the box.
        notice_kind: ``error``, ``hint`` or "".
        estimate: a dim line beside the buttons.
        editing: what sending will do to an earlier prompt; "" for nothing.
        recall: earlier prompts as they were written, the newest last, which Up brings back.
        attachments: what is shown of the files, of which only `put`, `clear` and the page can make others.
        draft: the text in the box. To be changed by `put` and `clear`.
    """

    # As texts: anywidget keeps a widget whose source is a path alive for good.
    _esm = "\n".join(_text_of(name) for name in ("promptbox_parts.js", "promptbox.js"))
    _css = _text_of("promptbox.css")

    is_busy = Bool(False).tag(sync=True)
    notice = Unicode("").tag(sync=True)
    notice_kind = Enum(["", "error", "hint"], "").tag(sync=True)
    estimate = Unicode("").tag(sync=True)
    editing = Unicode("").tag(sync=True)
    recall = List(Unicode()).tag(sync=True)
    attachments = List(Dict()).tag(sync=True)
    # An echo of it would overwrite what was typed meanwhile.
    draft = Unicode("").tag(sync=True, echo_update=False)

    def __init__(
        self,
        *,
        on_send: Callable[[str, tuple[Attachment, ...]], object] = lambda text, attachments: None,
        on_stop: Callable[[], object] = lambda: None,
        on_draft: Callable[[str], object] = lambda text: None,
        on_names: Callable[[int, str], object] = lambda request, prefix: None,
        on_cancel: Callable[[], object] = lambda: None,
        **traits: Any,
    ) -> None:
        self._on_send, self._on_stop, self._on_cancel = on_send, on_stop, on_cancel
        self._on_draft, self._on_names = on_draft, on_names
        self._inbox = Inbox()
        super().__init__(**traits)
        self.on_msg(self._heard)

    def put(self, text: str, attachments: Iterable[Attachment] = (), *, is_live: bool = False) -> None:
        """Fills the box, and takes the keyboard there.

        Args:
            is_live: whether ``{{`` in the text stays what it is: for a prompt that was just sent, and comes back.
        """
        self._fill(text if is_live else inert(text), attachments, is_wanted=True)

    def clear(self) -> None:
        """Empties the box."""
        self._fill("", (), is_wanted=False)

    def offer(self, request: int, names: Iterable[tuple[str, str]]) -> None:
        """Lists what could stand in the place of what was asked about.

        Args:
            request: the number that came with the question.
            names: each one whole, as it would be put in, and what it is.
        """
        short = ((name, what) for name, what in names if len(name) <= _LONGEST_NAME and "\n" not in name)
        shown = [[sendable(name), sendable(what[:_LONGEST_NAME])] for name, what in islice(short, MOST_NAMES)]
        self.send({"do": "names", "request": request, "names": shown})

    def open(self) -> None:
        """Makes the box known to the page."""
        super().open()
        free_one(self)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        free_one(self)

    def _fill(self, text: str, attachments: Iterable[Attachment], *, is_wanted: bool) -> None:
        self._inbox.put(attachments)
        self._show_attachments()
        self.draft = text
        # The trait alone would not do: where it has not changed here, the page may hold what it has not sent yet.
        self.send({"do": "put", "text": self.draft, "focus": is_wanted})

    def _show_attachments(self) -> None:
        self.attachments = [each.card() for each in self._inbox.attachments]

    @validate("draft", "notice", "estimate", "editing")
    def _sendable(self, proposal: Any) -> str:
        return sendable(proposal["value"])

    @validate("recall")
    def _newest(self, proposal: Any) -> list[str]:
        return [sendable(text) for text in proposal["value"][-MOST_RECALLED:]]

    @observe("draft")
    def _draft_changed(self, change: Any) -> None:
        self._on_draft(change["new"])

    def _heard(self, _: Any, message: Any, buffers: list[memoryview]) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("n"), int):
            return
        self.send({"do": "got", "n": message["n"]})
        self._inbox.sweep()
        match message:
            case {"do": "send", "text": str(text)}:
                attachments = self._inbox.take()
                self._show_attachments()
                self._on_send(sendable(text), attachments)
            case {"do": "stop"}:
                self._on_stop()
            case {"do": "cancel"}:
                self._on_cancel()
            case {"do": "names", "request": int(request), "prefix": str(prefix)}:
                self._on_names(request, sendable(prefix))
            case {"do": "begin" | "piece" | "remove", "file": str(file)}:
                self._take_file(file, message, buffers)

    def _take_file(self, file: str, message: dict[str, Any], buffers: list[memoryview]) -> None:
        try:
            match message:
                case {"do": "begin", "name": str(name), "size": int(size), "mime": str(mime), "thumb": str(thumb)}:
                    self._inbox.begin(file, name=name, size=size, mime=mime, thumb=thumb)
                    is_other = size == 0
                case {"do": "piece", "at": int(at)} if len(buffers) == 1:
                    is_other = self._inbox.add(file, at, bytes(buffers[0]))
                case {"do": "remove"}:
                    self._inbox.remove(file)
                    is_other = True
                case _:
                    return
        except CommandError as error:
            self.send({"do": "refused", "file": file, "why": str(error)})
        else:
            if is_other:
                self._show_attachments()
