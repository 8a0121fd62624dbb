"""The card of a model in the picker, as HTML: its name, what it can as badges, what it costs, who serves it.

Whatever the service tells is text of strangers, and is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from or_magic.plain_text import escape_text

if TYPE_CHECKING:
    from or_magic.openrouter.catalog import Model

_OFFERS = "served by"


def card_html(model: Model | None, lines: Sequence[str]) -> str:
    """A card.

    Args:
        model: what the catalogue knows of it; None where it knows nothing.
        lines: what `or_magic.asking.model_card.model_card` tells of it.
    """
    if model is None:
        return f'<div class="orm-card">{"".join(_rows(lines))}</div>' if lines else ""
    # The card's first line is the heading here, and what it can are the badges.
    rows = [line for line in lines[1:] if not line.startswith("takes ")]
    since = f" · since {model.created_utc:%d %b %Y}" if model.created_utc is not None else ""
    return (
        '<div class="orm-card">'
        f'<div class="orm-card-name" role="heading" aria-level="4">{escape_text(model.name or model.id)}</div>'
        f'<div class="orm-card-id"><code>{escape_text(model.id)}</code>{since}</div>'
        f'<div class="orm-badges">{"".join(map(_badge, _badges(model)))}</div>'
        f"{''.join(_rows(rows))}</div>"
    )


def line_html(text: str, *, is_bad: bool = False) -> str:
    """The line below the field; "" for none."""
    kind = "orm-line orm-bad" if is_bad else "orm-line"
    return f'<div class="{kind}" role="status">{escape_text(text)}</div>' if text else ""


def _badges(model: Model) -> Iterator[str]:
    from or_magic.asking.model_table import tokens_text  # pandas is imported with it

    if model.is_free:
        yield "free"
    if model.context_tokens:
        yield f"{tokens_text(model.context_tokens)} context"
    if model.max_output_tokens:
        yield f"{tokens_text(model.max_output_tokens)} answer"
    yield from (f"takes {each}" for each in sorted(model.input_modalities - {"text"}))
    yield from (f"gives {each}" for each in sorted(model.output_modalities - {"text"}))
    can = {"tools": model.takes_tools, "structured": model.takes_schemas, "reasoning": model.reasons}
    yield from (name for name, is_so in can.items() if is_so)
    if model.expires is not None:
        yield f"ends {model.expires:%d %b %Y}"
    yield from (f"{name.removesuffix('_index')} {score:.0f}" for name, score in model.benchmarks.items())


def _badge(text: str) -> str:
    return f'<span class="orm-badge">{escape_text(text, limit=60)}</span>'


def _rows(lines: Iterable[str]) -> Iterator[str]:
    """The lines; those that are set in below another as a list."""
    listed: list[str] = []
    for line in lines:
        if line.startswith("  "):
            listed.append(f"<li>{escape_text(line)}</li>")
            continue
        if listed:
            yield f"<ul>{''.join(listed)}</ul>"
            listed = []
        kind = "orm-card-title" if line == _OFFERS else "orm-card-row"
        yield f'<div class="{kind}">{escape_text(line.capitalize() if line == _OFFERS else line)}</div>'
    if listed:
        yield f"<ul>{''.join(listed)}</ul>"
