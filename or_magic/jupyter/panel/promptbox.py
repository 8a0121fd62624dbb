"""The box in which a prompt is written: text with live ``{{ names }}``, files, Send and Stop.

The page is not trusted: names, kinds, sizes and small pictures are checked again here.

The page and the kernel talk in two ways. What is shown are synced traits. What is done are messages, with a field
``do``; each one from the page has a number ``n``, which is acknowledged before anything else happens, so that the page
can tell a kernel that is busy from one that is gone. No message has a field ``id``: ipykernel 7.4 would route by it.

What a user types is live. What is put in by anything else, a paste, an earlier prompt, the store, is made inert, in the
page or here: a backslash before each ``{{``, which stands for ``{{`` itself (`or_magic.prompt.template`).
"""

from __future__ import annotations

import base64
import re
import threading
import time
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import anywidget
from traitlets import Bool, Dict, Enum, List, Unicode, observe, validate

from or_magic.errors import CommandError
from or_magic.jupyter.panel.worker import free_one
from or_magic.text import sendable, show_hidden

ATTACHMENTS_MAX = 10
EACH_BYTES = 20_000_000
TOGETHER_BYTES = 40_000_000
GIVEN_UP_S = 60.0  # without a piece: the page is gone
RECALLED_MAX = 50
NAMES_MAX = 50  # in the list under the cursor
_NAME_LENGTH_MAX = 200  # of one of these
_FILE_NAME_LENGTH_MAX = 120
_THUMB_SIDE = 96
_ID = re.compile(r"[0-9a-f]{8,32}")
_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")
_THUMB = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]{60,65000}={0,2}")
_OPEN = re.compile(r"\\?\{\{")
_PNG = b"\x89PNG\r\n\x1a\n"
_IMAGES = (_PNG, b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def _text_of(file: str) -> str:
    return Path(__file__).with_name(file).read_text(encoding="utf-8")


class PromptBox(anywidget.AnyWidget):
    r"""A box to write a prompt in, with files, and the lines beside it.

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
        self._uploads = UploadBuffer()
        super().__init__(**traits)
        self.on_msg(self._heard)

    def put(self, text: str, attachments: Iterable[Attachment] = (), *, is_live: bool = False) -> None:
        """Fills the box, and takes the keyboard there.

        Args:
            is_live: whether ``{{`` in the text stays what it is: for a prompt that the user wrote, and that comes back.
        """
        self._fill(text if is_live else inert(text), attachments, has_focus=True)

    def clear(self) -> None:
        """Empties the box."""
        self._fill("", (), has_focus=False)

    def offer(self, request: int, names: Iterable[tuple[str, str]]) -> None:
        """Lists what could stand where the cursor is.

        Args:
            request: the number that came with the question.
            names: each one whole, as it would be put in, and what it is.
        """
        short = ((name, what) for name, what in names if len(name) <= _NAME_LENGTH_MAX and "\n" not in name)
        shown = [[sendable(name), sendable(what[:_NAME_LENGTH_MAX])] for name, what in islice(short, NAMES_MAX)]
        self.send({"do": "names", "request": request, "names": shown})

    def open(self) -> None:
        """Makes the box known to the page."""
        super().open()
        free_one(self)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        free_one(self)

    def _fill(self, text: str, attachments: Iterable[Attachment], *, has_focus: bool) -> None:
        self._uploads.put(attachments)
        self._show_attachments()
        self.draft = text
        # The trait alone would not do: where it has not changed here, the page may hold what it has not sent yet.
        self.send({"do": "put", "text": self.draft, "focus": has_focus})

    def _show_attachments(self) -> None:
        self.attachments = [each.card() for each in self._uploads.attachments]

    @validate("draft", "notice", "estimate", "editing")
    def _sendable(self, proposal: Any) -> str:
        return sendable(proposal["value"])

    @validate("recall")
    def _newest(self, proposal: Any) -> list[str]:
        return [sendable(text) for text in proposal["value"][-RECALLED_MAX:]]

    @observe("draft")
    def _draft_changed(self, change: Any) -> None:
        self._on_draft(change["new"])

    def _heard(self, _: Any, message: Any, buffers: list[memoryview]) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("n"), int):
            return
        self.send({"do": "got", "n": message["n"]})
        self._uploads.sweep()
        match message:
            case {"do": "send", "text": str(text)}:
                attachments = self._uploads.take()
                self._show_attachments()
                self.set_state({"draft": ""})  # as if the page had said so: it may hold what was typed since by now
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
                    self._uploads.begin(file, name=name, size=size, mime=mime, thumb=thumb)
                    has_changed = size == 0
                case {"do": "piece", "at": int(at)} if len(buffers) == 1:
                    has_changed = self._uploads.add(file, at, bytes(buffers[0]))
                case {"do": "remove"}:
                    self._uploads.remove(file)
                    has_changed = True
                case _:
                    return
        except CommandError as error:
            self.send({"do": "refused", "file": file, "why": str(error)})
        else:
            if has_changed:
                self._show_attachments()


def inert(text: str) -> str:
    """The text with a backslash before each ``{{`` that has none."""
    return _OPEN.sub(lambda found: found[0] if found[0].startswith("\\") else "\\{{", text)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is sent along with a prompt.

    Attributes:
        id: what the page calls it.
        name: the file's own name, without folders and control characters.
        size: in bytes.
        mime: what the browser takes it for; "" where it does not know.
        data: the file.
        thumb: a small picture of it as a ``data:`` address; "" for none.
    """

    id: str
    name: str
    size: int
    mime: str
    data: bytes = field(repr=False)
    thumb: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        """``image`` for PNG, JPEG, GIF and WebP by their first bytes, else ``file``."""
        return "image" if _is_image(self.data) else "file"

    def card(self) -> dict[str, str | int]:
        """What the page shows of it."""
        thumb = self.thumb if self.kind == "image" and _is_thumb(self.thumb) else ""
        return {"id": self.id, "name": self.name, "size": self.size, "kind": self.kind, "thumb": thumb}


@dataclass(slots=True)
class _Arriving:
    attachment: Attachment
    heard_s: float
    received: int = 0
    pieces: list[bytes] = field(default_factory=list)


class UploadBuffer:
    """The attachments of one prompt: those that are complete, and those that still arrive. Safe to use from any thread.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._complete: dict[str, Attachment] = {}
        self._arriving: dict[str, _Arriving] = {}
        self._now = now
        self._lock = threading.Lock()

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Those that are complete, in the order in which they came."""
        with self._lock:
            return tuple(self._complete.values())

    @property
    def held_bytes(self) -> int:
        """How much memory all of them take."""
        with self._lock:
            arriving = sum(each.received for each in self._arriving.values())
            return arriving + sum(len(each.data) for each in self._complete.values())

    def begin(self, id: str, *, name: str, size: int, mime: str = "", thumb: str = "") -> None:
        """Announces a file whose pieces will follow.

        Raises:
            CommandError: it is too large, or there are too many.
        """
        with self._lock:
            if not _ID.fullmatch(id) or id in self._complete or id in self._arriving:
                raise CommandError("A file came under a name that cannot be taken. Attach it again.")
            name = self._unique_name(_plain_name(name))
            self._check_limits(name, size)
            mime = mime.lower() if _MIME.fullmatch(mime.lower()) else ""
            attachment = Attachment(id, name, size, mime, b"", thumb if _is_thumb(thumb) else "")
            if size:
                self._arriving[id] = _Arriving(attachment, self._now())
            else:
                self._complete[id] = attachment

    def add(self, id: str, at: int, piece: bytes) -> bool:
        """Takes the piece that begins at byte `at`; whether the file is complete now.

        Raises:
            CommandError: it is not the piece that comes next; the file is dropped.
        """
        with self._lock:
            arriving = self._arriving.get(id)
            if arriving is None:
                raise CommandError("A file did not arrive whole. Attach it again.")
            whole = arriving.attachment
            if at != arriving.received or not piece or at + len(piece) > whole.size:
                del self._arriving[id]
                raise CommandError(f"{whole.name} did not arrive whole. Attach it again.")
            arriving.pieces.append(piece)
            arriving.received += len(piece)
            arriving.heard_s = self._now()
            if arriving.received < whole.size:
                return False
            del self._arriving[id]
            self._complete[id] = replace(whole, data=b"".join(arriving.pieces))
            return True

    def remove(self, id: str) -> None:
        """Drops a file, complete or not."""
        with self._lock:
            self._complete.pop(id, None)
            self._arriving.pop(id, None)

    def put(self, attachments: Iterable[Attachment]) -> None:
        """Holds these instead of all others."""
        with self._lock:
            self._arriving.clear()
            self._complete = {each.id: each for each in attachments}

    def take(self) -> tuple[Attachment, ...]:
        """Those that are complete, which are then no longer held."""
        with self._lock:
            taken = tuple(self._complete.values())
            self._complete.clear()
            return taken

    def sweep(self) -> None:
        """Drops what the page began to send a minute ago, and then left."""
        with self._lock:
            oldest = self._now() - GIVEN_UP_S
            for id in [id for id, each in self._arriving.items() if each.heard_s < oldest]:
                del self._arriving[id]

    def _check_limits(self, name: str, size: int) -> None:
        known = [*self._complete.values(), *(each.attachment for each in self._arriving.values())]
        if size < 0 or size > EACH_BYTES:
            raise CommandError(f"{name} has {_mb(size)}; an attachment may have {_mb(EACH_BYTES)}.")
        if len(known) >= ATTACHMENTS_MAX:
            raise CommandError(f"{name} is one too many; a prompt may have {ATTACHMENTS_MAX} attachments.")
        if (together := size + sum(each.size for each in known)) > TOGETHER_BYTES:
            raise CommandError(
                f"With {name} the attachments have {_mb(together)}; together they may have {_mb(TOGETHER_BYTES)}."
            )

    def _unique_name(self, name: str) -> str:
        """The name, with a number where another file has it: all pasted pictures are called image.png."""
        known = {each.name for each in self._complete.values()}
        known |= {each.attachment.name for each in self._arriving.values()}
        path, count, own = PurePosixPath(name), 1, name
        while own in known:
            count += 1
            own = f"{path.stem} {count}{path.suffix}"
        return own


def _plain_name(name: str) -> str:
    """The last part of a path, in visible characters; its ending, which says what the file is, is kept."""
    last = " ".join(show_hidden(sendable(name)).replace("\\", "/").rpartition("/")[2].split())
    if len(last) > _FILE_NAME_LENGTH_MAX:
        last = f"{last[: _FILE_NAME_LENGTH_MAX - 20]}…{last[-19:]}"
    return last if last.strip(".") else "file"


def _is_image(data: bytes) -> bool:
    return data.startswith(_IMAGES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _is_thumb(address: str) -> bool:
    """Whether it is a PNG, and no larger than it has to be."""
    if not _THUMB.fullmatch(address):
        return False
    try:
        picture = base64.b64decode(address.partition(",")[2], validate=True)
    except NotBase64:
        return False
    sides = (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big"))
    return picture.startswith(_PNG) and all(0 < side <= _THUMB_SIDE for side in sides)


def _mb(size: int) -> str:
    # Rounded up: what is a byte over the limit must not read like the limit.
    return f"{-(-size // 10_000) / 100:,g} MB"
