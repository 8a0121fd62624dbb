"""A question and what followed it, as safe HTML, and the buttons below it.

All text in it is untrusted. The buttons are ours: a model's text holds none, since `markdown` lets no button and no
``data-`` attribute through, so whoever finds ``data-orm`` on an element knows that our code wrote it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import FooterData
from or_magic.chat.question import can_go_on
from or_magic.chat.replay import answer_of, runs_between
from or_magic.jupyter.html.answers import answer_html, images_html, tool_html
from or_magic.jupyter.live import new_id, status_html
from or_magic.ledger.records import Turn, TurnId
from or_magic.text import escape_text, sendable, show_hidden
from or_magic.types import ImagePart, Message, tool_words

_SHOWN = 1_500  # characters of a question that stand there unfolded
_LONGEST = 60_000  # of one that is unfolded
_BRIEF = FooterData("", spent_pico_usd=None, footer="brief")
_UNFINISHED = {"stopped": "Stopped.", "interrupted": "Its kernel was ended while it arrived."}


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question of a thread with all that followed it.

    Attributes:
        turns: its turns: one, or with tools one for each step.
        branches: the first turn of each version of it.
    """

    turns: tuple[Turn, ...]
    branches: tuple[TurnId, ...]

    @property
    def id(self) -> TurnId:
        """Its first turn's."""
        return self.turns[0].id

    @property
    def last(self) -> Turn:
        """The turn that ended it, or is under way."""
        return self.turns[-1]

    @property
    def key(self) -> tuple[object, ...]:
        """Differs where what is to be seen of it differs."""
        return tuple((turn.id, turn.state, turn.cost_source) for turn in self.turns)


def question_html(prompt: Message) -> str:
    """What was asked: text as it is, of a long one the beginning with the rest folded away; images; the rest in words.

    No line of it is Markdown or a formula: it is what somebody typed, or what a value of Python became.
    """
    text = prompt.text.strip("\n")
    words = "\n".join(filter(None, map(tool_words, prompt.parts)))
    others = f'<div class="orm-with">{escape_text(words)}</div>' if words else ""
    urls = [part.url for part in prompt.parts if isinstance(part, ImagePart)]
    media = images_html(urls, "an image that was sent along")
    return sendable(f'<div class="orm orm-asked mathjax_ignore tex2jax_ignore">{_folded(text)}{others}</div>{media}')


def _folded(text: str) -> str:
    if len(text) <= _SHOWN:
        return f'<div class="orm-said">{_escaped(text)}</div>'
    rest = text[_SHOWN:_LONGEST]
    more = f" …, of {len(text):,} characters the first {_LONGEST:,}" if len(text) > _LONGEST else ""
    return (
        f'<div class="orm-said">{_escaped(text[:_SHOWN])} …</div><details><summary>all {len(text):,} characters'
        f'</summary><div class="orm-said">{_escaped(rest)}{more}</div></details>'
    )


def _escaped(text: str) -> str:
    return html.escape(show_hidden(text))


def asked_html(asked: AskedQuestion) -> str:
    """A question, its answer with the steps that led to it, and the line that tells who answered and what it cost."""
    body = "".join(_steps(asked))
    return question_html(asked.turns[0].prompt) + f'<div class="orm-answered">{body}</div>'


def _steps(asked: AskedQuestion) -> Iterator[str]:
    answers: list[Answer] = []
    for number, turn in enumerate(asked.turns):
        answer = answer_of(turn)
        answer.steps = tuple(answers)
        answers.append(answer)
        yield sendable(answer_html(answer, answer_id=new_id()))
        if number + 1 < len(asked.turns):
            yield from (tool_html(run) for run in runs_between(turn, asked.turns[number + 1]))
        if (line := _how_it_ended(turn)) != "":
            yield line
        yield foot_html(footer_text(answer, _BRIEF)) if turn.state != "open" else status_html("arriving in a cell …")


def _how_it_ended(turn: Turn) -> str:
    if turn.state == "failed" and turn.error:
        return error_html(turn.error)
    return error_html(_UNFINISHED[turn.state]) if turn.state in _UNFINISHED else ""


def error_html(line: str) -> str:
    """One line of untrusted text about what went wrong."""
    return f'<div class="orm orm-error mathjax_ignore">{escape_text(line, limit=1_000)}</div>'


def foot_html(footer: str) -> str:
    """The line below an answer, of untrusted text."""
    return sendable(status_html(footer)) if footer else ""


def bar_html(asked: AskedQuestion, *, is_last: bool) -> str:
    """The buttons below a question: what can be done with it.

    Args:
        is_last: whether nothing follows it.
    """
    if asked.last.state == "open":
        return ""
    id, last = asked.id, asked.last
    has_text = last.answer is not None and bool(last.answer.text)
    first = [
        button("again", "Run again", turn=id, title="Ask it again, with the model and settings of now"),
        button("edit", "Edit", turn=id, title="Put the question into the box, and ask it as another branch"),
        button("copy", "Copy", turn=last.id, title="Copy the answer's text") if has_text else "",
        button("continue", "Continue", turn=last.id, title="Ask for the rest") if can_go_on(last) else "",
        _branches(asked),
    ]
    undo = "Undo" if is_last else "Undo from here"
    menu = [
        button("fork", "Fork here", turn=last.id, title="A new thread that goes on from here"),
        button("undo", undo, turn=id, title="Take it, and what follows, out of the conversation")
        if last.state == "complete"
        else "",
        _binding(last.id) if last.answer is not None else "",
    ]
    return f'<div class="orm-bar mathjax_ignore">{"".join(first)}{_menu(menu, id)}</div>'


def button(action: str, label: str, *, title: str = "", label_for: str = "", **facts: object) -> str:
    """A button of ours; the page tells the kernel when it is pressed.

    Args:
        action: what it does.
        label: what stands on it, as text.
        title: what it does, in words.
        label_for: its name for a screen reader, where the label is a sign.
        facts: sent along, by name.
    """
    sent = "".join(f' data-{name}="{html.escape(str(value))}"' for name, value in facts.items())
    name = f' aria-label="{html.escape(label_for)}"' if label_for else ""
    hint = f' title="{html.escape(title)}"' if title else ""
    return f'<button type="button" data-orm="{action}"{sent}{name}{hint}>{html.escape(label)}</button>'


def _branches(asked: AskedQuestion) -> str:
    """Goes to the version before and behind; "" where there is one alone."""
    count = len(asked.branches)
    if count < 2 or asked.id not in asked.branches:
        return ""
    at = asked.branches.index(asked.id)
    earlier, later = asked.branches[(at - 1) % count], asked.branches[(at + 1) % count]
    return (
        '<span class="orm-branches" role="group" aria-label="Branches">'
        + button("branch", "‹", label_for="The branch before", turn=earlier)
        + f"<span>{at + 1} of {count}</span>"
        + button("branch", "›", label_for="The next branch", turn=later)
        + "</span>"
    )


def _binding(turn: TurnId) -> str:
    name = f"answer_{turn}"
    return (
        f'<label class="orm-bind">as <input type="text" data-name value="{name}" spellcheck="false" '
        f'aria-label="Name of a variable"></label>{button("bind", "Bind", turn=turn, title="Make it that variable")}'
    )


def _menu(entries: list[str], turn: TurnId) -> str:
    inner = "".join(f'<div class="orm-entry">{entry}</div>' for entry in entries if entry)
    return (
        f'<details class="orm-menu"><summary aria-label="More for question {turn}" title="More">⋯</summary>'
        f'<div class="orm-entries">{inner}</div></details>'
    )


def approval_html(call: str, token: str, *, can_be_always: bool) -> str:
    """Asks whether a call of a tool may be run. The call is untrusted text."""
    always = button("approve", "Always this tool", token=token, answer="always") if can_be_always else ""
    return (
        '<div class="orm-approval mathjax_ignore" role="alert"><div>The model wants to run</div>'
        f'<pre class="orm-plain" tabindex="0">{_escaped(call)}</pre><div class="orm-bar">'
        f"{button('approve', 'Run it', token=token, answer='yes')}{always}"
        f"{button('approve', 'Do not run it', token=token, answer='no')}"
        f"{button('approve', 'Stop', token=token, answer='stop')}</div></div>"
    )


def snapshot_html(asked: list[AskedQuestion], thread: str, draw: Callable[[AskedQuestion], str] = asked_html) -> str:
    """The conversation as it stays in a saved notebook, where no widget lives. The page of a living panel hides it.

    Args:
        draw: gives the HTML of one question.
    """
    inner = "".join(f"<article>{draw(each)}</article>" for each in asked)
    # The class keeps its name: notebooks that are saved have it, and a panel's style hides it there.
    head = f"Thread {escape_text(thread)}, as it was when the notebook was saved. Run the cell for the panel."
    return f'<div class="orm-left"><div class="orm orm-status mathjax_ignore">{head}</div>{inner}</div>'
