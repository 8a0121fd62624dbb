"""A Python function as a tool: what the model is told of it, how its arguments are read, and how a call is carried out.

The schema comes from the signature, its type hints and its docstring (numpy, Google or reST); pydantic makes it and
checks the arguments, so a hint may be anything that pydantic takes: nested models, Literal, enums, Annotated.

A function runs in the main thread of the kernel, so that figures, databases and globals behave; a coroutine on the
loop that the user's own awaits use. Whatever goes wrong in it is told to the model, and to the user in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
import signal
import threading
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from or_magic.content import SizeLimit, cut_middle
from or_magic.errors import CommandError, OrMagicError
from or_magic.prompt.answer_formats import portable
from or_magic.prompt.converters import content_of
from or_magic.types import ImagePart, Part, TextPart, ToolCall, ToolRun, call_text

if TYPE_CHECKING:
    from or_magic.chat.host import Host

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__or_magic_tool__"
_SERVER = "openrouter:"
SERVER_TOOLS = ("web_search", "web_fetch", "datetime", "image_generation", "fusion", "advisor", "subagent")
_LONGEST_NAME = 64
_LONGEST_REASON = 200
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_NAME}}}")
_RESULT = SizeLimit(tokens=6_000)
_LONGEST_FAILURE = 300
REFUSED = "The user did not allow this call."
INTERRUPTED = "The user interrupted it."


@dataclass(frozen=True, slots=True)
class Options:
    """What `tool` says of a function.

    Attributes:
        approve: whether the user is asked before each call, also under ``--yes``; False marks it as harmless.
        always_asks: whether the user is asked each time, also who has said "always".
        shows: the parameter that holds code, which is shown before the user is asked; "" for none.
        thread_safe: whether it may run beside other cells, in a thread of its own.
        timeout_s: how long it may take; None for as long as it likes.
        name: what the model calls it; "" for its own name.
        description: what the model is told of it; "" for its docstring.
    """

    approve: bool = True
    always_asks: bool = False
    shows: str = ""
    thread_safe: bool = False
    timeout_s: float | None = None
    name: str = ""
    description: str = ""


@overload
def tool(fn: F) -> F: ...


@overload
def tool(**options: Any) -> Callable[[F], F]: ...


def tool(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Marks a function as a tool, with options; it stays the function that it was.

    Args:
        fn: the function.
        options: ``approve``, ``thread_safe``, ``timeout_s``, ``name``, ``description`` and more; see `Options`.
    """
    if fn is None:
        return functools.partial(tool, **options)
    if inspect.ismethod(fn):  # takes no attributes of its own, and its function belongs to all objects of its class
        fn = functools.wraps(fn)(functools.partial(fn))
    setattr(fn, _MARK, Options(**options))
    return fn


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call.

    Attributes:
        name: what the model calls it.
        description: what the model is told of it.
        schema: of its arguments, as JSON Schema.
        fn: the function.
        options: what the user said of it.
        model: checks its arguments.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    fn: Callable[..., Any] = field(repr=False)
    options: Options
    model: Any = field(repr=False, compare=False)

    @property
    def code(self) -> object:
        """What is run: another one where a function of the same name was written anew."""
        fn = inspect.unwrap(self.fn)
        return self.name, getattr(fn, "__code__", id(fn))

    @property
    def declaration(self) -> dict[str, Any]:
        """The tool as an entry of ``tools`` in a request."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.schema)}
        return {"type": "function", "function": function}

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote, checked and converted.

        Raises:
            ValueError: they are no JSON, or not what the function takes; the message says what is wrong.
        """
        import pydantic

        try:
            checked = self.model.model_validate_json(text.strip() or "{}")
        except pydantic.ValidationError as error:
            told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}".lstrip(": ") for each in error.errors()]
            raise ValueError("; ".join(told[:3])) from None
        except Exception as error:  # a validator of the user's own
            said = " ".join(str(error).split())
            raise ValueError(
                f"{', '.join(self.schema.get('properties', {}))}: {type(error).__name__}: {said}"
            ) from None
        sent = checked.model_fields_set
        return {info.alias: getattr(checked, key) for key, info in self.model.model_fields.items() if key in sent}


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one question.

    Attributes:
        functions: those that run here, by name.
        server: those that the service runs, such as ``openrouter:web_search``.
    """

    functions: Mapping[str, Tool] = field(default_factory=dict)
    server: tuple[str, ...] = ()

    @property
    def declarations(self) -> list[dict[str, Any]]:
        """All tools as the ``tools`` of a request."""
        return [*(each.declaration for each in self.functions.values()), *({"type": name} for name in self.server)]


NO_TOOLS = Tools()


def tools_of(named: Any) -> Tools:
    """Functions, and names of the service's own tools, as the tools of a question; also a single one.

    Raises:
        CommandError: one of them can be no tool, or two have the same name.
    """
    functions: dict[str, Tool] = {}
    server: list[str] = []
    for each in [named] if callable(named) or isinstance(named, str) else named:
        if isinstance(each, str):
            if not each.removeprefix(_SERVER) or not each.startswith(_SERVER):
                raise CommandError(
                    f"{each!r} is no tool: give the function itself, or a name such as {_SERVER}web_search."
                )
            server.append(each)
            continue
        made = each if isinstance(each, Tool) else tool_of(each)
        if made.name in functions:
            raise CommandError(f"Two tools are called {made.name}. @or_magic.tool(name=...) gives one another name.")
        functions[made.name] = made
    return Tools(functions, tuple(server))


def tool_of(fn: Any) -> Tool:
    """A function as a tool.

    Raises:
        CommandError: it is none, or a parameter has no type hint or is of a kind that a model cannot fill.
    """
    if not callable(fn) or inspect.isclass(fn):
        raise CommandError(f"{type(fn).__name__} {str(fn)[:60]!r} is no function, so it can be no tool.")
    options: Options = getattr(fn, _MARK, Options())
    inner = fn.func if isinstance(fn, functools.partial) and not hasattr(fn, "__name__") else fn
    own_name = getattr(inner, "__name__", type(inner).__name__)
    name = options.name or own_name
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} can be no tool's name: letters, digits, _ and -, at most {_LONGEST_NAME}. "
            "@or_magic.tool(name=...) gives it one."
        )
    documentation, told = _documentation(inner)
    model = _model(fn, name, told)
    schema = _plain_schema(model.model_json_schema())
    return Tool(name, options.description or documentation, schema, fn, options, model)


def _model(fn: Any, name: str, told: Mapping[str, str]) -> Any:
    """A pydantic model of the parameters."""
    import pydantic

    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError) as error:
        raise CommandError(f"{name}: its parameters cannot be read ({error}).") from None
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            shown = f"{'*' if parameter.kind is parameter.VAR_POSITIONAL else '**'}{parameter.name}"
            raise CommandError(f"{name}: {shown} can be no parameter of a tool; a model fills them by name.")
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.annotation is not parameter.empty:
            raise CommandError(f"{name}: the parameter {parameter.name} stands before a /; a model fills them by name.")
        if parameter.annotation is parameter.empty:
            raise CommandError(
                f"{name}: the parameter {parameter.name} has no type hint, so the model cannot be told what it takes: "
                f"def {name}({parameter.name}: str)."
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        hint = _hint(fn, name, parameter)
        described: dict[str, Any] = {"description": told[parameter.name]} if told.get(parameter.name) else {}
        fields[f"p{number}"] = (hint, pydantic.Field(default=default, alias=parameter.name, **described))
    return pydantic.create_model(name.replace("-", "_"), __config__=pydantic.ConfigDict(extra="forbid"), **fields)


def _hint(fn: Any, name: str, parameter: inspect.Parameter) -> Any:
    """The type of a parameter, which is one that has a JSON schema.

    Raises:
        CommandError: it has none, or cannot be read.
    """
    import pydantic
    import pydantic_core

    inner = inspect.unwrap(fn.func if isinstance(fn, functools.partial) else fn)
    inner = inner if inspect.isroutine(inner) else type(inner).__call__
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    where = getattr(inspect.unwrap(getattr(inner, "__func__", inner)), "__globals__", {})
    try:
        hint = typing.get_type_hints(holder, globalns=where, include_extras=True)[parameter.name]
    except Exception as error:  # whatever the hint does when it is read
        said = " ".join(str(error).split())[:_LONGEST_REASON]
        raise CommandError(f"{name}: the type of the parameter {parameter.name} cannot be read ({said}).") from None
    try:
        hint = portable(typing.Optional[hint] if parameter.default is None else hint)  # noqa: UP045  # any hint
        pydantic.TypeAdapter(hint).json_schema()
    except (pydantic.errors.PydanticUserError, pydantic_core.SchemaError, TypeError) as error:
        said = " ".join(str(error).split())[:_LONGEST_REASON]
        raise CommandError(f"{name}: the type of the parameter {parameter.name} has no JSON schema ({said}).") from None
    return hint


def _documentation(fn: Any) -> tuple[str, dict[str, str]]:
    """What the docstring says of the function, and of each parameter."""
    import docstring_parser

    text = inspect.getdoc(fn) or ""
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    about = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    return about, {each.arg_name: " ".join((each.description or "").split()) for each in parsed.params}


def _plain_schema(schema: Any) -> Any:
    """The schema without pydantic's titles; what stands for defaults that are no JSON is left out by pydantic."""
    if isinstance(schema, list):
        return [_plain_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            told[key] = {name: _plain_schema(each) for name, each in value.items()}
        elif key in ("default", "const", "enum", "examples"):
            told[key] = value
        elif key != "title":
            told[key] = _plain_schema(value)
    return told


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
    reason = " ".join(reason.split())[:_LONGEST_FAILURE]
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
