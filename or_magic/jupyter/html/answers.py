"""A whole answer, its parts, and a conversation, as safe HTML.

All that a model, a tool or the service says is untrusted: it passes the two walls of `markdown`, or is text that is
escaped here, or an address that is checked here.
"""

from __future__ import annotations

import html
import json
import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from or_magic.answer import Answer
from or_magic.content import fenced
from or_magic.extracting import json_in
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.html.markdown import ROOT_CLASSES, render
from or_magic.money import format_usd
from or_magic.text import escape_text, sendable, shorten, show_hidden
from or_magic.types import Citation, ToolCall, ToolRun

if TYPE_CHECKING:
    from or_magic.chat.conversation import Conversation, Turns
    from or_magic.ledger.records import Turn

_WEB = re.compile(r"https?://[^/\\\s]", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+\Z", re.IGNORECASE)
_THOUGHTS_MAX = 1_500  # characters of thoughts that are shown while they are all there is
_CALL_MAX = 400  # characters of a call, or of what a tool gave, in its line
_SOURCES_MAX = 100
_TURNS_MAX = 100  # in one view; a page with more is no view
_TEXT_MAX = 20_000  # characters of one text in a view of many
_SUMMARY_MAX = 100


def answer_html(answer: Answer, *, answer_id: str, times: bool = True) -> str:
    """The answer as it stays: thoughts (folded), text, images, calls of tools, sources; "" where nothing came.

    Args:
        times: whether it is told how long the model thought.
    """
    parts = [
        thoughts_html(answer.reasoning, answer.seconds_thinking if times else None, answer_id=answer_id),
        text_html(answer, answer_id=answer_id),
        render(answer.refusal, answer_id=f"{answer_id}r") if answer.refusal else "",
        images_html(answer.image_urls),
        calls_html(answer.calls),
        sources_html(answer.citations),
    ]
    return "".join(parts)


def text_html(answer: Answer, *, answer_id: str) -> str:
    """Its text as what it was asked to be: JSON and HTML as their source, plain text as it is, all else as Markdown."""
    text = answer.text
    if not text:
        return ""
    if answer.format == "text":
        return f'<pre class="{ROOT_CLASSES} orm-plain">{html.escape(show_hidden(text))}</pre>'
    if answer.format == "json":
        text = _as_json(text)
    if answer.format == "html" and not answer.code:
        text = fenced(text, "html")
    return render(text, answer_id=answer_id)


def _as_json(text: str) -> str:
    """JSON with a line for each value; what is no JSON stays what it is."""
    try:
        return fenced(json.dumps(json_in(text), ensure_ascii=False, indent=2), "json")
    except (ValueError, RecursionError):
        return text


def thoughts_html(reasoning: str, seconds: float | None, *, answer_id: str, is_whole: bool = True) -> str:
    """What the model thought, folded away under how long it took; "" where it is not known to have thought.

    Args:
        is_whole: False leaves the thoughts themselves out, while the answer below is redrawn again and again.
    """
    if not reasoning:
        return ""
    took = "thought" if seconds is None else f"thought for {seconds:.0f} s" if seconds >= 1 else "thought for a moment"
    head = f"<summary>{took} · {len(reasoning):,} characters</summary>"
    body = render(reasoning, answer_id=f"{answer_id}t") if is_whole else ""
    return f'<details class="{ROOT_CLASSES} orm-thoughts">{head}{body}</details>'


def thinking_html(reasoning: str, model: str) -> str:
    """What the model thinks, while that is all there is: the end of it, as text."""
    end = reasoning[-_THOUGHTS_MAX:]
    mark = "… " if len(end) < len(reasoning) else ""
    lines = "<br>".join(escape_text(line, limit=2 * _THOUGHTS_MAX) for line in f"{mark}{end}".split("\n"))
    head = f"{escape_text(model)} is thinking … {len(reasoning):,} characters"
    return f'<div class="orm orm-status mathjax_ignore">{head}<br>{lines}</div>'


def images_html(urls: Sequence[str], alt: str = "an image that the model made") -> str:
    """Images that were sent along; one that lies elsewhere is a link, since nothing is fetched.

    Args:
        alt: what they are, in words of ours, for those who do not see them.
    """
    shown = [_image(url, alt) for url in urls]
    return f'<div class="{ROOT_CLASSES}">{"".join(shown)}</div>' if shown else ""


def calls_html(calls: Sequence[ToolCall]) -> str:
    """The calls of tools that the model wants made, a line each."""
    lines = [f"{call.name}({shorten(call.arguments, _CALL_MAX)})" for call in calls]
    shown = "".join(f"<div><code>{escape_text(line, limit=2 * _CALL_MAX)}</code></div>" for line in lines)
    return f'<div class="{ROOT_CLASSES} orm-calls">{shown}</div>' if shown else ""


def tool_line(run: ToolRun, *, times: bool = True) -> str:
    """What a tool gave, in a line of untrusted text."""
    given = (
        f"not run: {run.error}" if run.error and not run.seconds else f"failed: {run.error}" if run.error else run.text
    )
    took = f" ({run.seconds:.1f} s)" if times and run.seconds >= 0.05 else ""
    note = f" [{run.note}]" if run.note else ""
    return f"{shorten(run.call, _CALL_MAX)} -> {shorten(given, _CALL_MAX)}{took}{note}"


def tool_html(run: ToolRun, *, times: bool = True) -> str:
    """What a tool gave, as safe HTML: one line, with what is longer folded away below it."""
    line = escape_text(tool_line(run, times=times), limit=2 * _CALL_MAX)
    kind = "orm-calls" if not run.error else "orm-calls orm-failed"
    if len(run.text) <= _CALL_MAX and "\n" not in run.text.strip():
        return f'<div class="{ROOT_CLASSES} {kind}"><code>{line}</code></div>'
    whole = html.escape(show_hidden(run.text))
    body = f'<pre class="orm-plain">{whole}</pre>'
    return f'<details class="{ROOT_CLASSES} {kind}"><summary><code>{line}</code></summary>{body}</details>'


def sources_html(citations: Sequence[Citation]) -> str:
    """The sources, numbered; what is no web address is shown as text."""
    items = "".join(f"<li>{_source(citation)}</li>" for citation in citations[:_SOURCES_MAX])
    more = len(citations) - _SOURCES_MAX
    rest = f"<div>and {more:,} more in _answer.citations</div>" if more > 0 else ""
    return f'<div class="{ROOT_CLASSES} orm-sources"><ol>{items}</ol>{rest}</div>' if items else ""


def _source(citation: Citation) -> str:
    title = escape_text(citation.title or citation.url)
    if not _WEB.match(citation.url):
        return title
    address = html.escape("".join(citation.url.split()), quote=True)
    return f'<a href="{address}" target="_blank" rel="noopener noreferrer">{title}</a>'


def _image(url: str, alt: str) -> str:
    if _IMAGE.match(url):
        return f'<img src="{html.escape(url, quote=True)}" alt="{alt}">'
    return f"<div>{_source(Citation(url))}</div>"


def conversation_html(shown: Conversation | Turns) -> str:
    """What a conversation, or turns that were found, look like as the value of a cell."""
    from or_magic.chat.conversation import Conversation

    turns = shown.turns
    older = len(turns) - _TURNS_MAX
    note = f"{older:,} older ones are left out here; .df() has all." if older > 0 else ""
    count = f"{len(turns):,} turn{'' if len(turns) == 1 else 's'}"
    title = f"Thread {escape_text(shown.thread)}" if isinstance(shown, Conversation) else "Found"
    lines = "".join(_turn(turn, is_open=len(turns) == 1) for turn in turns[-_TURNS_MAX:])
    return sendable(
        f'<style>{stylesheet()}</style><div class="orm orm-status mathjax_ignore">{title} · {count} {note}</div>{lines}'
    )


def _turn(turn: Turn, *, is_open: bool) -> str:
    from or_magic.chat.conversation import head

    usage = turn.usage
    cost = format_usd(usage.cost_pico_usd) if usage is not None and usage.cost_pico_usd is not None else ""
    facts = " · ".join(escape_text(part) for part in (head(turn), cost) if part)
    summary = f'{escape_text(shorten(turn.prompt.said, _SUMMARY_MAX))} <span class="orm-status">{facts}</span>'
    asked = "<br>".join(escape_text(line, limit=_TEXT_MAX) for line in _cut(turn.prompt.said, is_open).split("\n"))
    answered = render(_cut(turn.answer.said, is_open), answer_id=f"orm{uuid.uuid4().hex[:8]}") if turn.answer else ""
    opened = " open" if is_open else ""
    return (
        f'<details class="{ROOT_CLASSES} orm-turn"{opened}><summary>{summary}</summary>'
        f"<blockquote>{asked}</blockquote>{answered}</details>"
    )


def _cut(text: str, is_whole: bool) -> str:
    return text if is_whole or len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]} …"
