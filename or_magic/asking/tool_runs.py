"""One call of a tool: its arguments checked, the user asked, the function run where it belongs, its result told.

A function runs in the main thread of the kernel, so that figures, databases and globals behave; a coroutine on the
loop that the user's own awaits use. Whatever goes wrong in it is told to the model, and to the user in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from or_magic.asking.content.blocks import cut_middle
from or_magic.asking.content.converting import content_of
from or_magic.asking.tools import Tool, Tools, call_text
from or_magic.content import Room
from or_magic.errors import OrMagicError
from or_magic.messages import ImagePart, Part, TextPart, ToolCall

if TYPE_CHECKING:
    from or_magic.asking.host import Host

_RESULT = Room(tokens=6_000)
_LONGEST_REASON = 300
REFUSED = "The user did not allow this call."
INTERRUPTED = "The user interrupted it."


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A call of a tool that was answered.

    Attributes:
        id: the call's id.
        name: of the tool.
        arguments: as the function got them; as the text that the model wrote, where they did not fit.
        value: what the function returned; None where it was not run, or failed.
        text: what the model is told.
        images: what it is shown besides.
        seconds: how long the function took.
        error: why it failed or was not run, in one line; "" where it gave something.
        note: what was cut, or left out; "" for nothing.
    """

    id: str
    name: str
    arguments: dict[str, Any] | str
    value: Any = field(repr=False)
    text: str
    images: tuple[ImagePart, ...] = ()
    seconds: float = 0.0
    error: str = ""
    note: str = ""

    @property
    def call(self) -> str:
        """The call as Python writes it."""
        return call_text(self.name, self.arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: all of it, but for a value that cannot be; `text` tells what that was."""
        told = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        try:
            pickle.dumps(self.value)
        except Exception:  # whatever a type of the user's does
            told["value"] = None
        return ToolRun, tuple(told.values())


class Runner:
    """Runs the calls of one question.

    Args:
        tools: those that may be called.
        host: asks the user, and knows the kernel's loop.
        is_told_yes: whether harmless tools run unasked (``--yes``).
        always: the code that the user has approved for good; grows.
        sees_images: whether the model can be shown images.
        in_background: whether it is called from another thread than the main one.
        check: raises where nothing shall be run any more; called before a function that had to wait.
    """

    def __init__(
        self,
        tools: Tools,
        host: Host,
        *,
        is_told_yes: bool,
        always: set[object],
        sees_images: bool,
        in_background: bool,
        check: Callable[[], None],
    ) -> None:
        self._tools, self._host, self._is_told_yes, self._always = tools, host, is_told_yes, always
        self._sees_images, self._in_background, self._check = sees_images, in_background, check

    def run(self, call: ToolCall) -> ToolRun:
        """Carries out a call, or says why not.

        Raises:
            Stopped: the user said to stop.
            ToolError: nobody can be asked.
            KeyboardInterrupt: the user interrupted before it was run.
        """
        tool = self._tools.functions.get(call.name)
        if tool is None:
            known = ", ".join(self._tools.functions) or "none"
            return failed(call, call.arguments, f"There is no tool {call.name!r}. There are: {known}.")
        try:
            arguments = tool.arguments(call.arguments)
        except ValueError as error:
            return failed(call, call.arguments, f"The arguments do not fit: {error}.")
        if not self._is_approved(tool, arguments):
            return failed(call, arguments, REFUSED)
        return self._run(tool, call, arguments)

    def _is_approved(self, tool: Tool, arguments: dict[str, Any]) -> bool:
        options = tool.options
        is_harmless = not options.approve and self._is_told_yes
        if not options.always_asks and (is_harmless or tool.code in self._always):
            return True
        if options.shows:
            self._host.show_code(str(arguments.get(options.shows, "")), "python")
        answer = self._host.approve(tool.name, call_text(tool.name, arguments), can_be_always=not options.always_asks)
        if answer == "always":
            self._always.add(tool.code)
        return answer in ("yes", "always")

    def _run(self, tool: Tool, call: ToolCall, arguments: dict[str, Any]) -> ToolRun:
        begun = time.monotonic()
        try:
            value = self._called(tool, arguments)
        except KeyboardInterrupt:
            return failed(call, arguments, INTERRUPTED, time.monotonic() - begun)
        except OrMagicError as error:
            return failed(call, arguments, str(error), time.monotonic() - begun)
        except _TooLongError:
            return failed(
                call, arguments, f"It took longer than {tool.options.timeout_s:g} s.", time.monotonic() - begun
            )
        except (Exception, SystemExit) as error:  # the user's own function
            said = " ".join(str(error).split())
            reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
            return failed(call, arguments, reason, time.monotonic() - begun)
        return self._told(call, arguments, value, time.monotonic() - begun)

    def _called(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        if self._in_background and not tool.options.thread_safe:
            return self._host.call_in_main(lambda: self._called_late(tool, arguments), tool.name)
        return self._called_here(tool, arguments)

    def _called_late(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        self._check()
        return self._called_here(tool, arguments)

    def _called_here(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        timeout_s = tool.options.timeout_s
        with _at_most(None if inspect.iscoroutinefunction(tool.fn) else timeout_s):
            value = tool.fn(**arguments)
        if inspect.isawaitable(value):
            return self._host.wait_for(_awaited(value, timeout_s))
        return value

    def _told(self, call: ToolCall, arguments: dict[str, Any], value: Any, seconds: float) -> ToolRun:
        """What a result is for the model: text, cut where it is too long, and images where it can see them."""
        try:
            content = content_of(value, "the result", _RESULT)
        except OrMagicError as error:
            reason = str(error).replace(" Nothing was sent.", "")
            return failed(call, arguments, f"It ran, but what it returned cannot be sent: {reason}", seconds)
        notes = list(content.notes)
        text = "".join(part.text for part in content.parts if isinstance(part, TextPart))
        shown, left_out = cut_middle(text, _RESULT)
        if left_out:
            notes.append(f"{left_out:,} characters of the result were left out")
        images = tuple(part for part in content.parts if isinstance(part, ImagePart))
        others = [part for part in content.parts if not isinstance(part, TextPart | ImagePart)]
        if images and not self._sees_images:
            notes.append("the model sees no images: it was told that there is one")
        shown = "\n".join(filter(None, (shown, *self._in_words(images, others))))
        kept = images if self._sees_images else ()
        return ToolRun(call.id, call.name, arguments, value, shown, kept, seconds, note="; ".join(notes))

    def _in_words(self, images: tuple[ImagePart, ...], others: Sequence[Part]) -> Iterator[str]:
        if images:
            yield "[an image, shown below]" if self._sees_images else "[an image, which this model cannot see]"
        yield from (f"[a {type(part).__name__.removesuffix('Part').lower()}, which was not sent]" for part in others)


class _TooLongError(Exception):
    """A tool took longer than it may."""


async def _awaited(value: Any, timeout_s: float | None) -> Any:
    """What an awaitable gives, in time."""
    within = asyncio.timeout(timeout_s)
    try:
        async with within:
            return await value
    except TimeoutError:
        if within.expired():
            raise _TooLongError from None
        raise


def failed(call: ToolCall, arguments: dict[str, Any] | str, reason: str, seconds: float = 0.0) -> ToolRun:
    """A call that was not run, or failed; the model is told why."""
    reason = " ".join(reason.split())[:_LONGEST_REASON]
    return ToolRun(call.id, call.name, arguments, None, f"Error: {reason}", (), seconds, reason)


@contextlib.contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Raises TimeoutError in the code inside when so many seconds have passed; elsewhere than in the main thread of a
    POSIX system nothing can, and it runs to its end.
    """
    can = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if seconds is None or not can:
        yield
        return

    def over(signum: int, frame: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, over)
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    begun = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, max(left_s - (time.monotonic() - begun), 0.001))
