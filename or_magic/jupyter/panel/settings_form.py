"""The panel's settings: the fields that set parameters, system prompt, answer format and tools, as the magics do.

What is set is looked up anew after each cell, answer and change, and drawn where it differs: a command that sets the
same parameter is seen here at once. What was typed and cannot be set stays in its field, with a line below that says
why, until it is put right.
"""

from __future__ import annotations

import ast
import contextlib
import json
import sysconfig
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import traitlets

from or_magic.catalog.model import Model
from or_magic.chat.host import Location
from or_magic.chat.session import Session
from or_magic.chat.tools import SERVER_TOOLS
from or_magic.commands.arguments import NO_SYSTEM
from or_magic.errors import CommandError, OrMagicError
from or_magic.jupyter.panel.worker import Worker, free
from or_magic.prompt.answer_formats import FORMATS, AnswerFormat, answer_format_of, short_schema
from or_magic.prompt.template import value_of
from or_magic.settings.layers import ACCOUNT_MODEL, DEFAULT_MODEL, ChosenValue
from or_magic.settings.parameters import PARAMETER_BY_NAME, Parameter
from or_magic.settings.value_types import Choice, Either, Switch, ValueType
from or_magic.text import escape_text, shorten

CSS = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
SHOWN = (
    *("temperature", "max_tokens", "reasoning", "verbosity", "models"),
    *("provider.order", "provider.sort", "provider.data_collection", "provider.zdr", "provider.allow_fallbacks"),
)
TOOLBOX = tuple(f"or_magic.toolbox.{name}" for name in ("variables", "describe", "python"))
_FUNCTIONS_MAX = 40  # of the user's own, the last ones
_VALUE_MAX = 40  # characters of a value in the summary, and in a message
_IN_A_TYPE = (
    *(ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List),
    *(ast.BinOp, ast.BitOr, ast.UnaryOp, ast.USub, ast.Load),
)
_AS = "answer as"
_TYPE_HELP = "a type of yours such as Person, or name: str, born: date"
NOT_SET = "not set"


class SettingsForm(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A button that unfolds the settings, beside it in a line what is set.

    Args:
        session: whose settings they are.
        shell_names: gives the user's names, for types and tools.
        where: gives the location of the notebook that the panel belongs to.
        worker: looks, sets and draws.

    Attributes:
        schema_text: the type that the answer shall have, as it was typed; "" where none was typed, or none that can be
            one. `answer_format` makes it.
        tool_names: the tools that the model may call, as ``--tools`` takes them.
        is_told_yes: whether harmless tools run without asking.
        format: what the answer shall be, of `answer_formats.FORMATS`; "" where nothing was said.
    """

    schema_text = traitlets.Unicode()
    tool_names = traitlets.Tuple()
    is_told_yes = traitlets.Bool()
    format = traitlets.Unicode()

    def __init__(
        self,
        session: Session,
        shell_names: Callable[[], Mapping[str, Any]],
        where: Callable[[], Location],
        worker: Worker,
    ) -> None:
        self._session, self._names, self._where, self._worker = session, shell_names, where, worker
        self._toggle = widgets.ToggleButton(description="Settings", tooltip="Show or hide the settings")
        self._summary, self._trouble = widgets.HTML(), widgets.HTML()
        self._system = self._field(widgets.Textarea, "system prompt", self._put_system, rows=3)
        self._fields = {name: self._parameter_field(PARAMETER_BY_NAME[name]) for name in SHOWN}
        self._format = self._field(widgets.Dropdown, "answer format", self._look, options=options(FORMATS))
        self._type = self._field(widgets.Text, _AS, self._look)
        self._yes = widgets.Checkbox(description="Run harmless tools without asking", indent=False)
        self._boxes: dict[str, Any] = {}
        self._tools = widgets.HBox()
        self._tool_settings = widgets.VBox(
            [widgets.HTML('<div class="orm-settings-title">tools</div>'), self._tools, self._yes]
        )
        fields = [self._trouble, self._system, *self._fields.values(), self._format, self._type, self._tool_settings]
        head, body = widgets.HBox([self._toggle, self._summary]), widgets.VBox(fields)
        super().__init__([head, body])
        classes = {"": self, "-head": head, "-toggle": self._toggle, "-summary": self._summary, "-body": body}
        classes |= {"-trouble": self._trouble, "-tools": self._tools}
        for name, widget in classes.items():
            widget.add_class(f"orm-settings{name}")
        for widget in (self._system, self._tool_settings):
            widget.add_class("orm-settings-wide")
        self._yes.observe(lambda _: self.refresh(), "value")
        self.refresh()

    def refresh(self) -> None:
        """Takes over what cells have set, and what the model can, soon, in the panel's own thread; from any thread."""
        self._worker.do(self._look, newest="settings")

    def answer_format(self) -> AnswerFormat:
        """What the answer shall be.

        Raises:
            CommandError: the type is none by now, or does not go with the format.
        """
        return self._format_of(self.schema_text)

    def _field(self, kind: Any, name: str, job: Callable[[], None], **traits: Any) -> Field:
        if kind is not widgets.Dropdown:
            traits["continuous_update"] = False  # else each key would be tried as a value
        return Field(kind(description=name, **traits), lambda: self._worker.do(job, newest=f"settings {name}"))

    def _parameter_field(self, parameter: Parameter) -> Field:
        def job() -> None:
            self._put(parameter)

        if words := choices(parameter.type):
            return self._field(widgets.Dropdown, parameter.name, job, options=options(words))
        return self._field(widgets.Text, parameter.name, job)

    def _put(self, parameter: Parameter) -> None:
        """Sets what was typed, or takes it back."""
        field, settings = self._fields[parameter.name], self._session.settings
        text = field.text
        try:
            if text and text != field.known:
                parameter.parse(text, parameter.name)  # with its plain name in the message
                settings.put(parameter.name, text)
            elif text != field.known:
                settings.notebook.pop(parameter.name, None)
        except CommandError as error:
            field.complain(f"{error} {field.known} stays set." if field.known else str(error))
        else:
            self._took(field, text)
        self._look()

    def _took(self, field: Field, text: str) -> None:
        """What was typed is set."""
        field.known = text
        field.complain("")
        self._session.tell_watchers()

    def _put_system(self) -> None:
        field = self._system
        text = field.text
        try:
            if text != field.known:
                system = None if not text else "" if text.lower() == NO_SYSTEM else text
                self._session.threads.set_system(self._where().notebook, system)
        except OrMagicError as error:
            field.complain(str(error))
        else:
            self._took(field, text)
        self._look()

    def _look(self) -> None:
        """Shows everything as it is now."""
        trouble, model = "", None
        chosen: Mapping[str, ChosenValue] = {}
        try:
            self._look_at_thread()
            chosen = self._session.settings.parameters()
            model = self._model()
        except OrMagicError as error:
            trouble = f'<div role="alert">{escape_text(str(error))}</div>'
        for name, field in self._fields.items():
            self._look_at(PARAMETER_BY_NAME[name], field, chosen.get(name), model)
        self._look_at_answer(model)
        self._look_at_tools(model)
        self._trouble.value = trouble
        self._summary.value = f"<div>{escape_text(self._summary_text() or 'nothing set here')}</div>"
        free(self)

    def _look_at_thread(self) -> None:
        threads = self._session.threads.of(self._where().notebook)
        current = next((each for each in threads if each.is_current), None)
        of_all = str(self._session.settings.option_value("system"))
        own = current.system if current is not None else None
        name = f"thread {current.name}" if current is not None else "this notebook"
        source = self._session.settings.option("system").source
        unset = f"{of_all} ({source})" if of_all else NOT_SET
        help = f"what the questions of {name} begin with; {NO_SYSTEM} for nothing at all"
        self._system.show(NO_SYSTEM if own == "" else own or "", unset, help)

    def _look_at(self, parameter: Parameter, field: Field, chosen: ChosenValue | None, model: Model | None) -> None:
        own = self._session.settings.notebook.get(parameter.name, "")
        if own and choices(parameter.type):
            with contextlib.suppress(CommandError):
                own = typed(parameter.parse(own, parameter.name))
        unset = f"{NOT_SET}, such as {parameter.example}" if isinstance(field.control, widgets.Text) else NOT_SET
        if chosen is not None and not own:
            unset = f"{typed(chosen.value)} ({chosen.source})"
        is_supported = supports(model, parameter.ability)
        note = "" if is_supported or model is None else f"{model.id} does not list it: it may have no effect"
        field.show(own, unset, note or parameter.help)
        field.let_be_seen(is_supported or bool(own))  # what is set is sent, and so it must be seen

    def _look_at_answer(self, model: Model | None) -> None:
        # Nobody else sets these two: what stands in them is what is set.
        self._format.show(self._format.text, f"{NOT_SET} (markdown)", "what the model is told to answer with")
        self._type.show(self._type.text, NOT_SET, _TYPE_HELP)
        self.format = self._format.known
        is_shown = supports(model, "structured_outputs")
        text, wrong = self._type.known if is_shown else "", ""
        try:
            self._format_of(text)
        except CommandError as error:
            text, wrong = "", f"{error} It is not used."
        self._type.complain(wrong)
        self._type.let_be_seen(is_shown)
        self.schema_text = text

    def _format_of(self, schema_text: str) -> AnswerFormat:
        schema = answer_type(schema_text, self._names()) if schema_text else None
        try:
            return answer_format_of(self.format or None, schema)
        except CommandError as error:
            raise CommandError(_of_field(error)) from None
        except Exception as error:  # the user's own type
            raise CommandError(f"{_AS}: {type(error).__name__}: {shorten(str(error), _VALUE_MAX)}.") from error

    def _look_at_tools(self, model: Model | None) -> None:
        self._offer(tools_in(self._names()))
        is_shown = supports(model, "tools")
        self._tool_settings.layout.display = None if is_shown else "none"
        self.tool_names = tuple(name for name, box in self._boxes.items() if box.value and is_shown)
        self.is_told_yes = bool(self._yes.value and is_shown)

    def _offer(self, names: list[str]) -> None:
        if names == list(self._boxes):
            return
        gone = [box for name, box in self._boxes.items() if name not in names]
        self._boxes = {name: self._boxes.get(name) or self._box(name) for name in names}
        self._tools.children = tuple(self._boxes.values())
        for box in gone:
            box.close()

    def _box(self, name: str) -> Any:
        what = "run by the service, which may charge for it" if name.startswith("openrouter:") else "run here"
        box = widgets.Checkbox(description=name, indent=False, tooltip=what)
        box.observe(lambda _: self.refresh(), "value")
        return box

    def _summary_text(self) -> str:
        """What is set here, in one line."""
        fields = {"system prompt": self._system, **self._fields}
        facts = [f"{name} {shorten(field.known, _VALUE_MAX)}" for name, field in fields.items() if field.known]
        count = len(self.tool_names)
        facts += [f"format {self.format}"] if self.format else []
        facts += [f"{_AS} {shorten(self.schema_text, _VALUE_MAX)}"] if self.schema_text else []
        facts += [f"{count} tool{'s' if count > 1 else ''}"] if count else []
        facts += ["harmless tools unasked"] if self.is_told_yes else []
        return " · ".join(facts)

    def _model(self) -> Model | None:
        """What the catalog knows of the model that is set; None where nothing is known, without asking the service."""
        id = self._session.settings.model().value
        return None if id == ACCOUNT_MODEL else self._session.models.stored(DEFAULT_MODEL if id == "auto" else id)


class Field(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A labelled control, and the line below it: its help, or what is wrong.

    Args:
        control: a text field, or a list of choices whose values are texts.
        on_change: told that the user has changed it.

    Attributes:
        control: see above.
        known: the text that is set, as it was drawn last; what differs from it was typed since.
    """

    def __init__(self, control: Any, on_change: Callable[[], object]) -> None:
        self.control, self.known = control, ""
        self._line, self._help, self._message = widgets.HTML(), "", ""
        super().__init__([control, self._line])
        self.add_class("orm-field")
        control.observe(lambda _: on_change(), "value")

    @property
    def text(self) -> str:
        """What stands in it."""
        return str(self.control.value or "").strip()

    def show(self, text: str, unset: str, help: str = "") -> None:
        """Shows what is set, where that is not what it was.

        Args:
            unset: what an empty one stands for.
            help: one line of plain text.
        """
        text = text.strip()
        self._hint(text, unset)
        if text != self.known:
            self.known, self.control.value = text, text
            self.complain("")
        self._help = help
        self._draw_line()

    def complain(self, message: str) -> None:
        """Says what is wrong; "" for nothing."""
        self._message = message
        (self.add_class if message else self.remove_class)("orm-wrong")
        self._draw_line()

    def let_be_seen(self, is_seen: bool) -> None:
        """Shows or hides it."""
        self.layout.display = None if is_seen else "none"

    def _draw_line(self) -> None:
        role = ' role="alert"' if self._message else ""
        self._line.value = f'<div{role} class="orm-field-line">{escape_text(self._message or self._help)}</div>'

    def _hint(self, text: str, unset: str) -> None:
        if not isinstance(self.control, widgets.Dropdown):
            self.control.placeholder = unset
            return
        words = [value for _, value in self.control.options if value]
        options = [(unset, ""), *((word, word) for word in words)]
        if text and text not in words:  # such as an object, which a command has set
            options.append((text, text))
        if options != list(self.control.options):
            chosen = self.control.value
            self.control.options = options
            self.control.value = chosen


def options(words: Iterable[str]) -> list[tuple[str, str]]:
    """What a list offers: nothing, and the words."""
    return [(NOT_SET, ""), *((word, word) for word in words)]


def choices(kind: ValueType) -> tuple[str, ...]:
    """The words that a value can be; () where it can be more than some words and objects."""
    if isinstance(kind, Switch):
        return ("on", "off")
    if isinstance(kind, Either):
        return next((each.words for each in kind.types if isinstance(each, Choice)), ())
    return kind.words if isinstance(kind, Choice) else ()


def typed(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def supports(model: Model | None, ability: str) -> bool:
    """Whether a model lists an ability; one that lists nothing, a router, or an unknown one may have all."""
    if model is None or model.is_router or not model.supported_parameters or not ability:
        return True
    return ability in model.supported_parameters


def tools_in(names: Mapping[str, Any]) -> list[str]:
    """What may be a tool: the user's own functions (none of a library), the toolbox, and what the service runs."""
    installed = tuple(sysconfig.get_paths()[each] for each in ("stdlib", "purelib", "platlib"))
    own = [
        name
        for name, value in list(names.items())
        if isinstance(value, types.FunctionType)
        and not name.startswith("_")
        and not value.__code__.co_filename.startswith(installed)
    ]
    return [*own[-_FUNCTIONS_MAX:], *TOOLBOX, *(f"openrouter:{name}" for name in SERVER_TOOLS)]


def answer_type(text: str, names: Mapping[str, Any]) -> Any:
    """The type that was typed: a name, an attribute, ``list[Name]`` or the short form ``name: str``. Nothing is called.

    Raises:
        CommandError: it is none of these, or there is nothing of that name.
    """
    for node in (node for tree in _trees(text) for node in ast.walk(tree)):
        named = getattr(node, "attr", getattr(node, "id", ""))
        if not isinstance(node, _IN_A_TYPE) or named.startswith("_"):
            raise CommandError(f"{_AS} takes names alone, and calls nothing; {shorten(text, _VALUE_MAX)!r} was typed.")
    try:
        short = short_schema(text, names)
        return short if short is not None else value_of(text, names, _never, _AS)
    except CommandError as error:
        raise CommandError(_of_field(error)) from None


def _trees(text: str) -> list[ast.AST]:
    """The types of the short form, or the one expression."""
    with contextlib.suppress(SyntaxError):
        function = ast.parse(f"def f(*, {text}): pass").body[0]
        listed = function.args.kwonlyargs if isinstance(function, ast.FunctionDef) else []
        kinds = [each.annotation for each in listed]
        if kinds and None not in kinds:
            return [kind for kind in kinds if kind is not None]
    try:
        return [ast.parse(text, mode="eval")]
    except SyntaxError:
        raise CommandError(f"{_AS} wants {_TYPE_HELP}; {shorten(text, _VALUE_MAX)!r} is neither.") from None


def _of_field(error: CommandError) -> str:
    """The message in the words of the form: nothing was about to be sent."""
    return str(error).replace("--schema", _AS, 1).removesuffix(" Nothing was sent.")


def _never(awaitable: object) -> Any:
    raise TypeError("it is awaitable")
