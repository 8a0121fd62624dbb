"""One HTTP answer to a question, read to its end: server-sent events, or one JSON object.

The standard's `data` field is all that this service uses (seen in 949 recorded chunks: one data line an event, LF
only); the rest of the standard is honoured all the same: LF, CR and CRLF, comments, several data lines, other fields,
a byte order mark. Lines are split as bytes: `str.splitlines` would cut an answer at U+2028 and a decoder would have to
wait for the rest of a character. A line may have any length (an image is one line of megabytes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from or_magic.client.chunks import ChunkDecoder
from or_magic.client.http import ConnectionTrouble, Reply
from or_magic.endpoint import Timeouts
from or_magic.errors import ProviderError, ServiceError, TimedOutError, TruncatedError
from or_magic.lenient_json import parse_object
from or_magic.text import excerpt, one_line
from or_magic.types import Began, CacheTold, Event, Failed, Finished

_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Feed it bytes in any portions; it gives back the data of each event that is complete."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # portions of the line that has not ended yet; joined once, so linear
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._after_cr = False  # the last byte was a CR, so a LF that comes next belongs to it
        self._at_start = True

    def feed(self, portion: bytes) -> list[bytes]:
        """Takes the next bytes; returns the data of the events that they complete, in order."""
        portion = self._with_line_feeds(portion)
        if not (self._data or self._at_start):
            return self._feed_whole_events(portion)
        return self._feed_lines(portion)

    def _feed_whole_events(self, portion: bytes) -> list[bytes]:
        """What `_feed_lines` gives, in a third of the time: nearly all that comes is a data line and a blank one."""
        lines = portion.split(b"\n")
        if len(lines) < 4:
            return self._feed_lines(portion)
        events = self._feed_lines(b"\n".join(lines[:2]) + b"\n")  # the first may be the end of one that had begun
        data, blank = lines[2:-1:2], lines[3:-1:2]
        found = [line[6:] for line in data if line.startswith(b"data: ")]
        if not self._data and blank.count(b"") == len(blank) == len(data) == len(found):
            return events + found + self._feed_lines(lines[-1])
        return events + self._feed_lines(b"\n".join(lines[2:]))

    def _feed_lines(self, portion: bytes) -> list[bytes]:
        first, *others = portion.split(b"\n")
        self._line.append(first)
        if not others:
            return []
        *whole, rest = others
        lines = [b"".join(self._line), *whole]
        self._line = [rest]
        return [event for line in lines if (event := self._take_line(line)) is not None]

    def flush(self) -> list[bytes]:
        """At the end of the stream: the data of a last event that lacks its blank line, if any.

        The standard drops it; a server that merely forgot the last newline should still be heard.
        """
        last = [event for event in (self._take_line(b"".join(self._line)), self._take_line(b"")) if event is not None]
        self._line = []
        return last

    def _with_line_feeds(self, portion: bytes) -> bytes:
        if self._after_cr and portion:
            portion = portion.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in portion:
            self._after_cr = portion.endswith(b"\r")
            portion = portion.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return portion

    def _take_line(self, line: bytes) -> bytes | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            self._data.append(b"")
        elif not line and self._data:
            event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data = []
            return event
        return None


_LARGEST_WHOLE_ANSWER = 256 << 20
_AFTER_THE_END_S = 0.5  # so that the connection can be kept, where the server ends the body in good time
_AFTER_THE_LAST_WORD_S = 2.0  # for a usage chunk, or the end, that may still follow


class Deadline:
    """The moment by which the next sign of life must come; each portion of the answer postpones it.

    Attributes:
        has_heard: whether there was one at all.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._timer: asyncio.Timeout | None = None
        self._postponed_at = 0.0
        self.has_heard = False

    def start(self, timer: asyncio.Timeout) -> None:
        """Begins to wait: `timer` is moved from now on."""
        self._timer, self.has_heard = timer, False
        self._postponed_at = asyncio.get_running_loop().time()

    def postpone(self, now: float | None = None) -> None:
        """Moves it, since something has arrived."""
        now = asyncio.get_running_loop().time() if now is None else now
        self._postponed_at, self.has_heard = now, True
        self._move(now + self._timeouts.silence_s)

    def heard(self, now: float) -> None:
        """Moves it once in a while, since a portion has arrived: moving the timer for each would cost too much."""
        if now > self._postponed_at + min(1.0, self._timeouts.silence_s / 8):
            self.postpone(now)

    def shorten(self, seconds: float) -> None:
        """Leaves only so many seconds more, since all that matters has come."""
        self._postponed_at = float("inf")
        self._move(asyncio.get_running_loop().time() + seconds)

    def _move(self, when: float) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(when)


class AnswerReader:
    """Reads the answer to one question, over as many attempts as it takes.

    Attributes:
        has_begun: whether anything of an answer was handed on, so that it must not be asked again.
        deadline: by when the next sign of life must come.
    """

    def __init__(self, service: str, model: str | None, take: Callable[[Event], None], timeouts: Timeouts) -> None:
        self._service, self._model, self._take, self._timeouts = service, model, take, timeouts
        self.has_begun = False
        self.deadline = Deadline(timeouts)
        self._decoder = ChunkDecoder(service, model)
        self._unread: list[bytes] = []  # what came before the first event

    async def timed(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Runs one attempt within the times that are allowed.

        Raises:
            TimedOutError: one of them passed before the answer had ended.
        """
        self._decoder = ChunkDecoder(self._service, self._model)
        self._unread = []
        try:
            async with asyncio.timeout(self._timeouts.total_s) as total:
                async with asyncio.timeout(self._timeouts.first_event_s) as silence:
                    self.deadline.start(silence)
                    await attempt()
        except TimeoutError as error:
            if not self._has_ended:
                raise self._timed_out(is_total=total.expired()) from error

    async def read(self, reply: Reply) -> None:
        """Reads the answer to its end.

        Raises:
            ServiceError: it is no answer, or an error from its first event on.
            TruncatedError: it broke off.
            ConnectionTrouble: the connection broke.
        """
        if id := reply.headers.get("x-generation-id"):
            # Before the first word: by it is found what an answer cost that is stopped, or breaks off, before any came.
            self._take(Began(one_line(id)))
        if status := reply.headers.get("x-openrouter-cache-status"):
            age = reply.headers.get("x-openrouter-cache-age", "")
            source = one_line(reply.headers.get("x-openrouter-cache-source-id", ""))
            self._take(CacheTold(one_line(status), int(age) if age.isdecimal() else None, source))
        if reply.content_type == "application/json":
            await self._read_whole(reply)
            return
        splitter, clock = EventSplitter(), asyncio.get_running_loop().time
        heard = self.deadline.heard
        try:
            async for portion in reply.portions():
                heard(clock())
                if not self.has_begun:
                    self._unread.append(portion)
                # Plain text is told past `_hand_on`: there was some before, else it would not be known as such.
                self._decoder.tell(splitter.feed(portion), self._take, self._hand_on)
        except ConnectionTrouble:
            if not self._has_ended:
                raise
            return
        self._decoder.tell(splitter.flush(), self._take, self._hand_on)
        if not self.has_begun and not self._has_ended and b"".join(self._unread[:1]).lstrip()[:1] == b"{":
            self._take_whole(b"".join(self._unread))  # a whole answer under a wrong name
        self._check_the_end()

    async def _read_whole(self, reply: Reply) -> None:
        """An answer in one piece. White space before it keeps the connection alive while the model works."""
        portions, size = [], 0
        async for portion in reply.portions():
            self.deadline.postpone()
            portions.append(portion)
            size += len(portion)
            if size > _LARGEST_WHOLE_ANSWER:
                raise ServiceError(f"{self._service} sent more than {_LARGEST_WHOLE_ANSWER >> 20} MB for one answer.")
        self._unread = portions
        body = b"".join(portions)
        if body.lstrip()[:5] == b"data:":  # a stream under a wrong name
            self._decoder.tell(EventSplitter().feed(body + b"\n\n"), self._take, self._hand_on)
        else:
            self._take_whole(body)
        self._check_the_end()

    def _take_whole(self, body: bytes) -> None:
        document = parse_object(body)
        self._hand_on(self._decoder.events(document))
        self._decoder.is_done = isinstance(document.get("choices"), list)

    def _hand_on(self, events: Iterable[Event]) -> None:
        """Hands events on. An error before anything else is a refusal that came late: the status was sent already."""
        for event in events:
            if type(event) is Failed:
                if not self.has_begun:
                    # Without a token of an answer nothing is charged (openrouter.ai/docs, "Zero completion insurance").
                    event.error.may_be_charged = False
                    raise event.error
                self.deadline.shorten(_AFTER_THE_LAST_WORD_S)
            elif type(event) is not Began and type(event) is not Finished:
                self.has_begun = True
            self._take(event)
        if self._decoder.is_done:
            self.deadline.shorten(_AFTER_THE_END_S)
        elif self._decoder.is_finished and self._decoder.has_usage:
            self.deadline.shorten(_AFTER_THE_LAST_WORD_S)

    @property
    def _has_ended(self) -> bool:
        decoder = self._decoder
        return decoder.is_done or decoder.is_finished or decoder.has_failed

    def _check_the_end(self) -> None:
        if self._decoder.ended_in_error:
            error = ProviderError(
                "The provider failed without saying why. What came is kept; run the cell again, or name another model.",
                status=502,
            )
            return self._hand_on([Failed(error)])
        if self._has_ended:
            return None
        if self.has_begun:
            raise TruncatedError(f"{self._service} broke the answer off before its end; what came is kept.")
        lines = b"".join(self._unread)[:4000].split(b"\n")
        words = excerpt(b"\n".join(line for line in lines if not line.startswith(b":")))
        if words:
            raise ServiceError(
                f"{self._service} sent something that is not an answer: {words}. Is the base URL right? It mostly ends "
                "in /v1.",
            )
        raise TruncatedError(f"{self._service} ended the answer before it began. It may have been charged.")

    def _timed_out(self, *, is_total: bool) -> TimedOutError:
        kept = "What came is kept; it" if self.has_begun else "It"
        if is_total:
            text = f"The answer of {self._service} took longer than {self._timeouts.total_s:g} s (total_timeout)."
        elif self.deadline.has_heard:
            text = f"{self._service} fell silent for {self._timeouts.silence_s:g} s (silence_timeout)."
        else:
            text = f"{self._service} sent nothing for {self._timeouts.first_event_s:g} s (first_event_timeout)."
        return TimedOutError(f"{text} {kept} may have been charged. %openrouter set changes the limit.")
