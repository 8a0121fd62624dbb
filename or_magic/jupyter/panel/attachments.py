"""Files that the page sends in pieces, put together, within limits that the page knows too but need not keep.

Nothing here believes the page: names, kinds, sizes and small pictures are looked at again.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from or_magic.errors import CommandError
from or_magic.plain_text import sendable, show_hidden

EACH_BYTES = 20_000_000
TOGETHER_BYTES = 40_000_000
MOST = 10
GIVEN_UP_S = 60.0  # without a piece: the page is gone

_NAME_MAX = 120
_ID = re.compile(r"[0-9a-f]{8,32}")
_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")
_THUMB = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]{60,65000}={0,2}")
_THUMB_SIDE = 96
_PNG = b"\x89PNG\r\n\x1a\n"
_IMAGES = (_PNG, b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along with a prompt.

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


class Inbox:
    """The attachments of one prompt: those that are here, and those that still arrive. Safe to use from any thread.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._here: dict[str, Attachment] = {}
        self._arriving: dict[str, _Arriving] = {}
        self._now = now
        self._lock = threading.Lock()

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Those that are here, in the order in which they came."""
        with self._lock:
            return tuple(self._here.values())

    @property
    def held_bytes(self) -> int:
        """How much memory all of them take."""
        with self._lock:
            arriving = sum(each.received for each in self._arriving.values())
            return arriving + sum(len(each.data) for each in self._here.values())

    def begin(self, id: str, *, name: str, size: int, mime: str = "", thumb: str = "") -> None:
        """Makes room for a file whose pieces will follow.

        Raises:
            CommandError: it is too large, or there are too many.
        """
        with self._lock:
            if not _ID.fullmatch(id) or id in self._here or id in self._arriving:
                raise CommandError("A file came under a name that cannot be taken. Attach it again.")
            name = self._own(_plain_name(name))
            self._check_room(name, size)
            mime = mime.lower() if _MIME.fullmatch(mime.lower()) else ""
            attachment = Attachment(id, name, size, mime, b"", thumb if _is_thumb(thumb) else "")
            if size:
                self._arriving[id] = _Arriving(attachment, self._now())
            else:
                self._here[id] = attachment

    def add(self, id: str, at: int, piece: bytes) -> bool:
        """Takes the piece that begins at byte `at`; whether the file is here now.

        Raises:
            CommandError: it does not follow on what is here; the file is dropped.
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
            self._here[id] = replace(whole, data=b"".join(arriving.pieces))
            return True

    def remove(self, id: str) -> None:
        """Drops a file, wherever it is."""
        with self._lock:
            self._here.pop(id, None)
            self._arriving.pop(id, None)

    def put(self, attachments: Iterable[Attachment]) -> None:
        """Holds these instead of all others."""
        with self._lock:
            self._arriving.clear()
            self._here = {each.id: each for each in attachments}

    def take(self) -> tuple[Attachment, ...]:
        """Those that are here, which are then no longer held."""
        with self._lock:
            taken = tuple(self._here.values())
            self._here.clear()
            return taken

    def sweep(self) -> None:
        """Drops what the page began to send a minute ago, and then left."""
        with self._lock:
            oldest = self._now() - GIVEN_UP_S
            for id in [id for id, each in self._arriving.items() if each.heard_s < oldest]:
                del self._arriving[id]

    def _check_room(self, name: str, size: int) -> None:
        known = [*self._here.values(), *(each.attachment for each in self._arriving.values())]
        if size < 0 or size > EACH_BYTES:
            raise CommandError(f"{name} has {_mb(size)}; an attachment may have {_mb(EACH_BYTES)}.")
        if len(known) >= MOST:
            raise CommandError(f"{name} is one too many; a prompt may have {MOST} attachments.")
        if (together := size + sum(each.size for each in known)) > TOGETHER_BYTES:
            raise CommandError(
                f"With {name} the attachments have {_mb(together)}; together they may have {_mb(TOGETHER_BYTES)}."
            )

    def _own(self, name: str) -> str:
        """The name, with a number where another file has it: all pasted pictures are called image.png."""
        known = {each.name for each in self._here.values()}
        known |= {each.attachment.name for each in self._arriving.values()}
        path, count, own = PurePosixPath(name), 1, name
        while own in known:
            count += 1
            own = f"{path.stem} {count}{path.suffix}"
        return own


def _plain_name(name: str) -> str:
    """The last part of a path, in visible characters, its ending kept: what a file is, is told by that too."""
    last = " ".join(show_hidden(sendable(name)).replace("\\", "/").rpartition("/")[2].split())
    if len(last) > _NAME_MAX:
        last = f"{last[: _NAME_MAX - 20]}…{last[-19:]}"
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
