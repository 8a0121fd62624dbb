"""One question to its answer: sent and streamed in the background, followed from the thread that asked.

Knows no SQL: what is to be kept while the answer arrives goes to a callback, at most once a second.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator

from or_magic.answer import Answer
from or_magic.messages import Event, Failed
from or_magic.openrouter import background
from or_magic.openrouter.client import Client
from or_magic.openrouter.requests import ChatRequest

_CHECKPOINT_S = 0.9  # so that, with the writing, what was shown a second ago is on disk
_CLOSING_S = 2.0
_END = None


class Turn:
    """A request under way.

    Args:
        checkpoint: called at most once a second, in a thread of its own, while text arrives.
    """

    def __init__(self, client: Client, request: ChatRequest, answer: Answer, checkpoint: Callable[[], None]) -> None:
        self._client, self._request, self._answer, self._checkpoint = client, request, answer, checkpoint
        self._arrived: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._grown = False
        self._ended = threading.Event()
        self._future = background.submit(self._run())

    def events(self, idle_s: float = 0.1) -> Iterator[Event | None]:
        """The events as they arrive; None whenever nothing came for `idle_s`. Ends with the answer.

        The wait has a timeout because a bare one cannot be interrupted on Windows.

        Raises:
            ServiceError: the answer failed; all that came before was yielded.
        """
        while True:
            try:
                event = self._arrived.get(timeout=idle_s)
            except queue.Empty:
                yield None
                continue
            if event is _END:
                break
            yield event
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Closes the connection and waits (at most two seconds) until nothing more can arrive."""
        self._future.cancel()
        self._ended.wait(_CLOSING_S)

    async def _run(self) -> None:
        keeper = asyncio.ensure_future(self._keep())
        try:
            await self._client.stream(self._request, self._take)
        except Exception as error:  # whatever went wrong in the background is raised in the thread that asked
            self._failure = self._failure or error
        finally:
            keeper.cancel()
            self._ended.set()
            self._arrived.put(_END)

    def _take(self, event: Event) -> None:
        self._answer.absorb(event)
        self._grown = True
        if isinstance(event, Failed):
            self._failure = event.error
        self._arrived.put(event)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_CHECKPOINT_S)
            if self._grown:
                self._grown = False
                await asyncio.to_thread(self._checkpoint)
