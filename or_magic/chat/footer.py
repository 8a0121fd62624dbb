"""The lines about an answer: what it waits for, who answered, what it took and cost. Plain text."""

from __future__ import annotations

from or_magic.answer import Answer
from or_magic.chat.host import FooterData
from or_magic.money import format_usd, pico_usd
from or_magic.types import History, Waiting

SEPARATOR = " · "
_WARN_AT = 0.8  # of a budget


def footer_text(answer: Answer, footer_data: FooterData, *, times: bool = True) -> str:
    """The footer: a line of text, below those that tell how it was asked. It holds names that the server chose, so it
    is to be escaped before it is shown.

    Args:
        answer: an answer that has ended.
        footer_data: what the notebook has spent, and how much of a footer is wanted.
        times: whether seconds are told; runs without a reader leave them out, so that two runs look the same.
    """
    if footer_data.footer == "none":
        return "\n".join(answer.notes)
    if footer_data.footer == "brief":
        history = _history(answer.history, answer.history.about_tokens)
        parts = [_who(answer), _ending(answer), _replayed(answer, footer_data), history, _cost(answer), _steps(answer)]
        return "\n".join([*answer.notes, SEPARATOR.join(filter(None, parts))])
    parts = [
        _who(answer),
        _ending(answer),
        _attempts(answer),
        _replayed(answer, footer_data),
        "from the service's cache" if answer.cache_status.upper() == "HIT" else "",
        _tokens(answer),
        _seconds(answer) if times else "",
        _cost(answer),
        _steps(answer),
        _spent(footer_data),
        _later(answer),
        footer_data.hint,
    ]
    return "\n".join([*answer.notes, SEPARATOR.join(part for part in parts if part)])


def _who(answer: Answer) -> str:
    model = answer.model or answer.model_asked or "the account's model"
    # The author is dropped where it says nothing that the provider does not say.
    return f"{model} via {answer.provider}" if answer.provider else model


def _ending(answer: Answer) -> str:
    if answer.ending == "stopped":
        return "stopped"
    if answer.ending == "failed":
        return "failed"
    if answer.finish_reason == "length":
        return "cut at the length limit (%openrouter continue goes on)"
    if answer.finish_reason == "tool_calls" and (count := len(answer.calls)):
        return f"calls {count} tool{'s' if count > 1 else ''}"
    return "" if answer.finish_reason in (None, "stop") else f"ended by {answer.finish_reason}"


def _replayed(answer: Answer, footer_data: FooterData) -> str:
    if answer.replayed_utc is None:
        return ""
    saved = "" if answer.saved_pico_usd is None else f", saved {format_usd(answer.saved_pico_usd)}"
    return f"replayed from {answer.replayed_utc.astimezone():%d %b}{saved} ({footer_data.replayed})"


def _attempts(answer: Answer) -> str:
    if answer.attempts == 1:
        return ""
    return f"asked {answer.attempts} times" + (", may be billed twice" if answer.may_be_billed_twice else "")


def _tokens(answer: Answer) -> str:
    usage = answer.usage
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return _history(answer.history, answer.history.about_tokens)
    share = answer.history.share
    history = _history(answer.history, None if share is None else round(usage.prompt_tokens * share))
    cached = f"{usage.cached_tokens:,} cached" if usage.cached_tokens else ""
    of_these = f" ({'; '.join(filter(None, (history, cached)))})" if history or cached else ""
    thought = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.prompt_tokens:,} in{of_these} / {usage.completion_tokens:,} out{thought}"


def _history(history: History, tokens: int | None) -> str:
    """How many earlier turns were sent along, and about how many tokens they have, where that is known."""
    if not history.turns:
        return ""
    turns = f"{history.turns:,} turn{'s' if history.turns > 1 else ''}"
    if tokens is None:
        return turns
    return f"{turns}, ~{tokens / 1000:,.1f}k tokens" if tokens >= 1000 else f"{turns}, ~{tokens} tokens"


def _later(answer: Answer) -> str:
    """That answers of other cells did not know this one."""
    count = answer.history.later
    if not count or answer.ending != "complete":
        return ""
    return f"{count} later answer{'s were' if count > 1 else ' was'} made before this one"


def _seconds(answer: Answer) -> str:
    if answer.seconds is None or answer.replayed_utc is not None:
        return ""
    if answer.seconds_to_first_token is None:
        return f"{answer.seconds:.1f} s"
    return f"{answer.seconds_to_first_token:.1f} s to first token, {answer.seconds:.1f} s"


def _cost(answer: Answer) -> str:
    if answer.usage is not None and answer.usage.cost_pico_usd is not None:
        return format_usd(answer.usage.cost_pico_usd)
    if answer.estimated_pico_usd is not None:
        return f"~{format_usd(answer.estimated_pico_usd)}"
    return "cost not known"


def _steps(answer: Answer) -> str:
    """What the answer costs with the steps that led to it."""
    if not answer.steps:
        return ""
    total = answer.total_cost
    cost = format_usd(pico_usd(total)) if total is not None else "a cost that is not known"
    return f"{cost} in {len(answer.steps) + 1} steps"


def _spent(footer_data: FooterData) -> str:
    if footer_data.spent_pico_usd is None:
        return ""
    more = "" if not footer_data.unknown else f" + {footer_data.unknown} of unknown cost"
    own = next((_of(spent, limit) for name, spent, limit in footer_data.budgets if not name), "")
    others = [f"{name} {format_usd(spent)}{_of(spent, limit)}" for name, spent, limit in footer_data.budgets if name]
    return SEPARATOR.join(
        [f"{footer_data.budget_scope_name} {format_usd(footer_data.spent_pico_usd)}{own}{more}", *others]
    )


def _of(spent: int, limit: int) -> str:
    """The budget behind what was spent of it, with a warning where little is left."""
    if spent < _WARN_AT * limit:
        return f" of {format_usd(limit)}"
    return (
        f" of {format_usd(limit)} (the budget is used up)"
        if spent >= limit
        else f" of {format_usd(limit)} (" + (f"{100 * spent // limit} % of the budget)")
    )


def waiting_text(waiting: Waiting) -> str:
    """Why nothing can be sent for now, and what comes next, in one line of untrusted text."""
    if waiting.seconds is None:
        return f"{waiting.reason}; this one waits for its turn …"
    twice = " The attempt before may be billed as well." if waiting.may_be_billed_twice else ""
    when = f"in {waiting.seconds:.1f} s" if waiting.seconds else "now"
    return f"{waiting.reason}. Asked again {when} (attempt {waiting.attempt} of {waiting.attempts}).{twice}"
