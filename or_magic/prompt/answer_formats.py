"""The format of an answer: text, code, JSON, an image, or a validated value of a schema; and how the model is asked.

The schema may be a pydantic model, a dataclass, a TypedDict, any type that pydantic takes (``list[Person]``), a dict
with a JSON schema, or the short form ``name: str, age: int``. Where services can enforce it, it is made as strict as
they want it (openrouter.ai/docs, "Structured outputs", 2026-08, and OpenAI's rules for strict schemas): every property
required, no others, no defaults; a value that is no object is wrapped in one.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from or_magic.errors import CommandError
from or_magic.extracting import json_in
from or_magic.text import nearest, shorten

_WRAPPED = "value"
_MOST_ERRORS = 3
_LONGEST_REASON = 200  # characters of what a library says of a schema
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_DROPPED = ("default", "discriminator", "uniqueItems", "title")  # strict schemas may not hold these
_NAMES = {
    **{name: getattr(builtins, name) for name in ("str", "int", "float", "bool", "list", "dict", "set", "tuple")},
    **{name: getattr(typing, name) for name in ("Any", "Literal", "Optional", "Union", "Annotated")},
    **{name: getattr(datetime, name) for name in ("date", "datetime", "time", "timedelta")},
    "Decimal": decimal.Decimal,
}


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """The schema that the value of an answer has to fit.

    Attributes:
        name: by which the model knows it.
        schema: the JSON schema that is sent.
        is_strict: whether services can enforce it exactly.
        read: gives the validated value of a text; raises ValueError, which lists in one line what does not fit.
    """

    name: str
    schema: Mapping[str, Any]
    is_strict: bool
    read: Callable[[str], Any]

    @property
    def response_format(self) -> dict[str, Any]:
        """The parameter ``response_format`` that enforces it."""
        return {
            "type": "json_schema",
            "json_schema": {"name": self.name, "strict": self.is_strict, "schema": dict(self.schema)},
        }

    @property
    def instruction(self) -> str:
        """The sentence that asks for it, for a model that has no such parameter."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Answer with JSON alone, without a fence and without text around it, that fits this schema:\n{schema}"


def schema_of(wanted: Any, name: str = "answer") -> AnswerSchema:
    """The answer schema that a type or a JSON schema stands for.

    Raises:
        CommandError: it is neither.
    """
    if isinstance(wanted, Mapping):
        return _of_json_schema(dict(wanted), name)
    import pydantic

    try:
        adapter = pydantic.TypeAdapter(portable(wanted))
        schema = adapter.json_schema()
    except (pydantic.errors.PydanticUserError, TypeError, NameError) as error:
        reason = shorten(str(error), _LONGEST_REASON)
        raise CommandError(
            f"--schema: {shorten(repr(wanted), 60)} is neither a type that has a schema nor a JSON schema ({reason})."
        ) from error
    called = getattr(wanted, "__name__", name)
    is_wrapped = schema.get("type") != "object" or "properties" not in schema
    sent, is_strict = _strict(_wrapped(schema) if is_wrapped else schema)

    def read(text: str) -> Any:
        value = _unwrapped(json_in(text)) if is_wrapped else json_in(text)
        try:
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            raise ValueError(_errors_line(error)) from None

    return AnswerSchema(_NAME.sub("_", called)[:64] or "answer", sent, is_strict, read)


def short_schema(text: str, namespace: Mapping[str, Any]) -> AnswerSchema | None:
    """The answer schema of ``name: str, age: int, tags: list[str]``; None where the text is not of that form.

    Args:
        namespace: the user's variables, among which types are looked up.

    Raises:
        CommandError: a type in it is not known.
    """
    try:
        function = ast.parse(f"def f(*, {text}): pass").body[0]
    except SyntaxError:
        return None
    assert isinstance(function, ast.FunctionDef)
    listed = function.args.kwonlyargs
    if not all(argument.annotation for argument in listed):
        return None
    import pydantic

    try:
        defaults = [... if given is None else ast.literal_eval(given) for given in function.args.kw_defaults]
    except ValueError:
        raise CommandError("--schema: a default in the short form is a literal, such as 3 or 'text'.") from None
    kinds = [_type(argument, namespace) for argument in listed]
    fields: dict[str, Any] = {a.arg: pair for a, pair in zip(listed, zip(kinds, defaults, strict=True), strict=True)}
    return schema_of(pydantic.create_model("Answer", **fields))


def portable(wanted: Any) -> Any:
    """The type, with each ``typing.TypedDict`` in it replaced by one that pydantic takes before Python 3.12."""
    if sys.version_info >= (3, 12):
        return wanted
    import typing_extensions as more

    if typing.is_typeddict(wanted):
        hints = typing.get_type_hints(wanted, include_extras=True)
        fields = {
            name: portable(hint) if name in wanted.__required_keys__ else more.NotRequired[portable(hint)]
            for name, hint in hints.items()
        }
        return more.TypedDict(wanted.__name__, fields)  # type: ignore[operator]  # mypy knows its literal form alone
    if isinstance(wanted, types.GenericAlias):
        return types.GenericAlias(typing.cast(type, wanted.__origin__), tuple(map(portable, wanted.__args__)))
    return wanted


def _type(argument: ast.arg, namespace: Mapping[str, Any]) -> Any:
    source = ast.unparse(argument.annotation) if argument.annotation is not None else ""
    try:
        return eval(source, {**namespace, **_NAMES})
    except NameError as error:
        near = nearest(str(error.name), _NAMES, cutoff=0.5)
        hint = f" Did you mean {near}?" if near else f" Types are {', '.join(list(_NAMES)[:8])}, date, ..."
        raise CommandError(f"--schema: {argument.arg} is a {error.name}, which is no type here.{hint}") from None
    except Exception as error:  # the user's own types
        raise CommandError(f"--schema: the type of {argument.arg}, {source}, is none ({error}).") from error


def _of_json_schema(schema: dict[str, Any], name: str) -> AnswerSchema:
    import jsonschema

    if not schema.keys() & {"type", "properties", "$ref", "anyOf", "enum", "$defs", "oneOf", "allOf"}:
        raise CommandError(
            "--schema is a dict that is no JSON schema: "
            '{"type": "object", "properties": {"name": {"type": "string"}}} is one, name: str the short form.'
        )
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise CommandError(f"--schema is no valid JSON schema: {error.message[:200]}.") from None
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    try:
        next(validator.iter_errors(None), None)
    except Exception as error:  # a reference that leads nowhere
        raise CommandError(f"--schema: {shorten(str(error), _LONGEST_REASON)}.") from None
    is_wrapped = schema.get("type") != "object"
    whole = _wrapped(schema) if is_wrapped else schema
    strict, can_be_strict = _strict(whole)
    is_strict = can_be_strict and strict == whole  # else what it asks for would change

    def read(text: str) -> Any:
        value = _unwrapped(json_in(text)) if is_wrapped else json_in(text)
        errors = [f"{_where(each.absolute_path)}{each.message[:150]}" for each in validator.iter_errors(value)]
        if errors:
            raise ValueError("; ".join(errors[:_MOST_ERRORS]))
        return value

    return AnswerSchema(_NAME.sub("_", str(schema.get("title") or name))[:64], whole, is_strict, read)


def _wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that holds the value: services enforce only schemas of objects."""
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    outer = {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED], "additionalProperties": False}
    return outer | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


def _unwrapped(value: Any) -> Any:
    """The value in the object; a model that was only asked in words may have left the object out."""
    return value[_WRAPPED] if isinstance(value, dict) and set(value) == {_WRAPPED} else value


def _strict(schema: Any) -> tuple[Any, bool]:
    """The schema as services can enforce it, and whether they can."""
    if isinstance(schema, list):
        items = [_strict(each) for each in schema]
        return [each for each, _ in items], all(is_strict for _, is_strict in items)
    if not isinstance(schema, dict):
        return schema, True
    strict: dict[str, Any] = {}
    is_strict = True
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            inner = {name: _strict(each) for name, each in value.items()}
            strict[key] = {name: each for name, (each, _) in inner.items()}
            is_strict = is_strict and all(each for _, each in inner.values())
        elif key not in _DROPPED and not (key == "pattern" and "(?" in str(value)):
            strict["anyOf" if key == "oneOf" else key], inner_is_strict = _strict(value)
            is_strict = is_strict and inner_is_strict
    if strict.get("type") == "object" or "properties" in strict:
        is_strict = is_strict and "properties" in strict and not strict.get("additionalProperties")
        strict["additionalProperties"] = strict.get("additionalProperties", False)
        strict["required"] = list(strict.get("properties", {}))
    return strict, is_strict and "prefixItems" not in strict and ("items" in strict or strict.get("type") != "array")


def _errors_line(error: Any) -> str:
    """The first errors of a validation, in one line."""
    errors = error.errors(include_url=False, include_context=False)
    lines = [f"{_where(each['loc'])}{each['msg']}" for each in errors[:_MOST_ERRORS]]
    more = len(errors) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _where(path: Any) -> str:
    dotted = ".".join(map(str, path))
    return f"{dotted}: " if dotted else ""


Format = Literal["text", "markdown", "code", "json", "math", "html", "image"]
FORMATS: tuple[str, ...] = get_args(Format)
_INSTRUCTIONS: Mapping[str, str] = {
    "text": "Answer in plain text: no Markdown, no marks around words.",
    "markdown": "Answer in Markdown.",
    "code": (
        "Answer with Python code for the next cell of this notebook, in one fenced block that begins with ```python. "
        "The variables of earlier cells are there. What is to be explained stands in comments."
    ),
    "json": "Answer with one JSON value alone, without a fence and without text around it.",
    "math": "Answer in Markdown, with every formula in LaTeX: in a line between $ and $, alone between $$ and $$.",
    "html": "Answer with one piece of HTML alone, in a fenced block that begins with ```html.",
}
_STRUCTURED = "structured_outputs"


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """In which format an answer is asked for, and which schema its value fits.

    Attributes:
        format: None where none was asked for.
        answer_schema: of the value that the answer stands for; None for any value.
    """

    format: Format | None = None
    answer_schema: AnswerSchema | None = None

    @property
    def shown_as(self) -> Format:
        """The format in which the answer is shown: JSON where it has a schema, Markdown where nothing was asked for."""
        return "json" if self.answer_schema is not None else self.format or "markdown"

    def instruction(self, supported: Collection[str] | None, given: Mapping[str, Any]) -> str:
        """The sentence that asks the model for this format; "" where none is needed.

        A schema is written out only where no parameter of the request binds the model to it.

        Args:
            supported: the names of the parameters that the model supports; None where nobody knows the model.
            given: the parameters that the user set, by name.
        """
        if self.answer_schema is not None:
            return "" if "response_format" in self.parameters(supported, given) else self.answer_schema.instruction
        return _INSTRUCTIONS.get(self.format or "", "")

    def parameters(self, supported: Collection[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that this format adds to those that the user set.

        Args:
            supported: the names of the parameters that the model supports; None where nobody knows the model.
            given: the parameters that the user set, by name.
        """
        if self.format == "image" and "modalities" not in given:
            return {"modalities": ["image", "text"]}
        if self.answer_schema is None or "response_format" in given or _STRUCTURED not in (supported or ()):
            return {}
        return {"response_format": self.answer_schema.response_format}


ANY_FORMAT = AnswerFormat()


def answer_format_of(format: str | None, schema: object) -> AnswerFormat:
    """The answer format that the arguments ``format`` and ``schema`` of the Python functions name.

    Raises:
        CommandError: one of them is none that exists, or they exclude each other.
    """
    if format is not None and format not in FORMATS:
        raise CommandError(f"format is {format!r}; it wants one of {', '.join(FORMATS)}.")
    if schema is None:
        return AnswerFormat(cast("Format | None", format))
    if format not in (None, "json"):
        raise CommandError(f"format {format} and a schema do not go together: an answer with a schema is JSON.")
    if isinstance(schema, str):
        schema = short_schema(schema, {})
        if schema is None:
            raise CommandError("schema is a text, but not of the form name: str, age: int.")
    answer_schema = schema if isinstance(schema, AnswerSchema) else schema_of(schema)
    return AnswerFormat(cast("Format | None", format), answer_schema)
