"""What an answer shall be: text, code, JSON, a value of a schema, an image; what the model is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from or_magic.asking.content.acceptance import takers
from or_magic.errors import CommandError

if TYPE_CHECKING:
    from or_magic.asking.models import Models
    from or_magic.asking.structured import Shape
    from or_magic.openrouter.catalog import Model

Format = Literal["text", "markdown", "code", "json", "math", "html", "image"]
FORMATS: tuple[str, ...] = get_args(Format)
_TOLD: Mapping[str, str] = {
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
class Form:
    """What an answer shall be.

    Attributes:
        format: None where nothing was said of it.
        shape: the value that it shall stand for; None for any.
    """

    format: Format | None = None
    shape: Shape | None = None

    @property
    def shown_as(self) -> Format:
        """How it is shown."""
        return "json" if self.shape is not None else self.format or "markdown"

    def instruction(self, model: Model | None, parameters: Mapping[str, Any]) -> str:
        """What the model is told of it, "" for nothing: of a schema only where no parameter keeps it to that."""
        if self.shape is not None:
            return "" if "response_format" in self.parameters(model, parameters) else self.shape.instruction
        return _TOLD.get(self.format or "", "")

    def parameters(self, model: Model | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that it adds to those that the user gave."""
        if self.format == "image" and "modalities" not in given:
            return {"modalities": ["image", "text"]}
        if self.shape is None or "response_format" in given or model is None:
            return {}
        return {"response_format": self.shape.response_format} if _STRUCTURED in model.supported_parameters else {}


NO_FORM = Form()


def form_of(format: str | None, schema: object) -> Form:
    """The form that arguments in Python name.

    Raises:
        CommandError: one of them is none, or they do not go together.
    """
    from or_magic.asking.structured import Shape, shape_of, short_form

    if format is not None and format not in FORMATS:
        raise CommandError(f"format is {format!r}; it wants one of {', '.join(FORMATS)}.")
    if schema is None:
        return Form(cast("Format | None", format))
    if format not in (None, "json"):
        raise CommandError(f"format {format} and a schema do not go together: an answer with a schema is JSON.")
    if isinstance(schema, str):
        schema = short_form(schema, {})
        if schema is None:
            raise CommandError("schema is a text, but not of the form name: str, age: int.")
    shape = schema if isinstance(schema, Shape) else shape_of(schema)
    return Form(cast("Format | None", format), shape)


def check_form(form: Form, model: Model | None, models: Models) -> None:
    """Refuses to ask a model for images that makes none.

    Raises:
        CommandError: nothing was sent; the message names models that do.
    """
    if form.format != "image" or model is None or model.is_router or "image" in model.output_modalities:
        return
    raise CommandError(f"{model.id} makes no images. Nothing was sent. {takers(models, model, 'image', makes=True)}")
