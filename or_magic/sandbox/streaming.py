"""Answers on their way to the client: at a model's pace, and only as long as the client is there.

The hard idea: while waiting for the next token we wait for the client to hang up, with the token's due time
as the timeout. So a closed connection ends the generation at once, between two tokens, and what was generated
until then is charged. A whole answer cannot be cancelled: it is charged in full, as the service does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from or_magic.sandbox.behaviour import Behaviour, Cut, StreamError
from or_magic.sandbox.models import Model
from or_magic.sandbox.planning import Plan
from or_magic.sandbox.responses import StreamBody, chunked, error_object, to_json
from or_magic.sandbox.service import Charge, Service

_COMMENT = "OPENROUTER PROCESSING"
_KEEP_ALIVE = b"\n         \n"  # recorded: newline, nine blanks, newline


class CallerGone(Exception):
    """The client closed the connection before it had the whole answer."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the tokens of an answer are due, on the loop's clock. A pace of 0 is as fast as possible."""

    began: float
    wait_s: float
    pace: float

    def due(self, number: int) -> float:
        """When the token with this number, from 0, is due."""
        return self.began + self.wait_s + (number / self.pace if self.pace else 0.0)


class Caller:
    """The client at the other end of the line; waiting for anything ends when it hangs up."""

    def __init__(self, receive: Receive) -> None:
        self._gone = asyncio.ensure_future(_hang_up(receive))
        self._clock = asyncio.get_running_loop().time

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return self._clock()

    async def stay_until(self, due: float) -> None:
        """Wait until a moment on the loop's clock, giving way to other tasks even if it has passed.

        Raises: CallerGone as soon as the client hangs up.
        """
        delay = due - self._clock()
        if delay > 0:
            await asyncio.wait({self._gone}, timeout=None if delay == float("inf") else delay)
        else:
            await asyncio.sleep(0)  # at full speed too, the loop must get to see the closed connection
        if self._gone.done():
            raise CallerGone

    def release(self) -> None:
        """Stop listening for the hang-up."""
        self._gone.cancel()


class _Answer(Response):
    """What streamed and whole answers share: headers, pace, and the charge at the end."""

    _is_streamed: ClassVar[bool]
    _kind: ClassVar[Mapping[str, str]]

    def __init__(self, plan: Plan, service: Service, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        generation = plan.generation
        named = {"X-Generation-Id": generation.id, "X-Provider-Name": generation.offer.provider.name}
        super().__init__(headers={**named, **headers, **self._kind})
        chunked(self)
        self._generation = generation
        self._behaviour = plan.behaviour
        self._charges = service.charges
        self._controls = service.controls

    def _schedule(self, caller: Caller) -> Schedule:
        return _schedule(self._generation.model, self._behaviour, began=caller.now())

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    def _charge(self, produced: int, schedule: Schedule, *, took_s: float, has_failed: bool = False) -> None:
        generation = self._generation
        is_cancelled = produced < len(generation.pieces)
        # Zero-completion insurance: without one token and a finish reason, or with an error, nothing is charged.
        is_free = (is_cancelled and produced == 0) or has_failed or generation.is_cached
        if is_cancelled and not is_free and not generation.offer.provider.stops:
            produced = len(generation.pieces)  # that provider runs on, and bills all of it
        usage = generation.usage(produced)
        self._charges.add(
            Charge(
                generation_id=generation.id,
                model=generation.model.id,
                created_utc=generation.created_utc,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                cost_usd=Decimal(0) if is_free else usage.cost_usd,
                streamed=self._is_streamed,
                cancelled=is_cancelled,
                finish_reason=None if is_cancelled else generation.finish_reason,
                latency_ms=round(min(took_s, schedule.wait_s) * 1000),
                generation_time_ms=round(took_s * 1000),
                provider=generation.offer.provider.name,
                recorded_at=time.monotonic(),
            )
        )


class StreamedAnswer(_Answer):
    """An answer as server-sent events, framed as recorded answers of 2026 are."""

    _is_streamed = True
    _kind = MappingProxyType({"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send comments, one event for each token, the finish, the usage and [DONE]; or the fault that is due."""
        stream_body = StreamBody(send, self._behaviour, self._cut())
        caller = Caller(receive)
        try:
            await self._begin(send)
            if await self._generate(caller, stream_body):
                await self._finish(stream_body)
            else:
                await self._break(stream_body)
        finally:
            caller.release()

    async def _generate(self, caller: Caller, stream_body: StreamBody) -> bool:
        """Send the pieces as they fall due. Whatever happens, what was generated is charged.

        False where an error comes in the middle of them.
        """
        generation, schedule = self._generation, self._schedule(caller)
        produced, events, error_at, has_failed = 0, 0, self._error_at(), False
        try:
            await self._comment(caller, stream_body, schedule)
            for number, piece in enumerate(generation.pieces):
                await caller.stay_until(schedule.due(number))
                if has_failed := events == error_at:
                    return False
                if events == self._behaviour.silence_after_events:
                    await stream_body.flush()
                    await caller.stay_until(float("inf"))
                produced = number + 1
                if generation.is_shown(piece):
                    await stream_body.event(to_json(generation.chunk(piece)))
                    events += 1
                    await self._comment_between(stream_body, events)
            return True
        finally:
            self._charge(produced, schedule, took_s=caller.now() - schedule.began, has_failed=has_failed)

    async def _finish(self, stream_body: StreamBody) -> None:
        """The finish, the usage (with the error of 2025 in it, where that is due) and [DONE]."""
        await stream_body.event(to_json(self._generation.finish_chunk()))
        usage = self._generation.usage_chunk(self._behaviour.usage_shape)
        error = self._behaviour.stream_error
        if error is not None and error.shape == "c":
            usage["error"] = error_object(error.code, error.message)
        await stream_body.event(to_json(usage))
        await stream_body.close(b"[DONE]")

    async def _break(self, stream_body: StreamBody) -> None:
        """The error in the middle of a stream."""
        error = self._behaviour.stream_error or StreamError()
        await stream_body.event(to_json(self._generation.error_chunk(error)))
        if error.says_done:
            await stream_body.close(b"[DONE]")
        else:
            await stream_body.end()

    def _error_at(self) -> int | None:
        error = self._behaviour.stream_error
        return error.after_events if error is not None and error.shape != "c" else None

    def _cut(self) -> Cut | None:
        planned = self._controls.take_cut()
        after = self._behaviour.cut_after_events
        return planned if planned is not None or after is None else Cut(after_events=after)

    async def _comment_between(self, stream_body: StreamBody, events: int) -> None:
        every = self._behaviour.comments_between
        if every and events % every == 0:
            await stream_body.flush()
            await stream_body.comment(_COMMENT)

    async def _comment(self, caller: Caller, stream_body: StreamBody, schedule: Schedule) -> None:
        """Spread the comments over the time to the first token, the first of them at once."""
        count = self._behaviour.comments
        for number in range(count):
            await caller.stay_until(schedule.began + schedule.wait_s * number / count)
            await stream_body.comment(_COMMENT)


class WholeAnswer(_Answer):
    """An answer as one JSON document, after white space that keeps the connection alive while it is slow."""

    _is_streamed = False
    _kind = MappingProxyType({"Content-Type": "application/json"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send white space until the answer would be finished, then the answer."""
        caller = Caller(receive)
        schedule, total = self._schedule(caller), len(self._generation.pieces)
        finished = schedule.due(total)
        try:
            await self._begin(send)
            await self._keep_alive(caller, send, finished)
        finally:
            caller.release()
            self._charge(total, schedule, took_s=finished - schedule.began)
        await send({"type": "http.response.body", "body": to_json(self._generation.whole())})

    async def _keep_alive(self, caller: Caller, send: Send, finished: float) -> None:
        every_s = self._behaviour.keep_alive_s
        while (now := caller.now()) < finished:
            await caller.stay_until(min(finished, now + every_s))
            if now + every_s < finished:
                await send({"type": "http.response.body", "body": _KEEP_ALIVE, "more_body": True})


def _schedule(model: Model, behaviour: Behaviour, *, began: float) -> Schedule:
    wait_s, pace = behaviour.first_token_s, behaviour.pace
    return Schedule(
        began,
        model.first_token_s if wait_s is None or model.keeps_pace else wait_s,
        model.pace if pace is None or model.keeps_pace else pace,
    )


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
