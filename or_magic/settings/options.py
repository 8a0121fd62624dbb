"""What can be tuned besides the model: a table of names, from which settings, ``%config``, commands and help come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from or_magic.endpoint import Timeouts
from or_magic.errors import CommandError

_YES, _NO = ("on", "yes", "true", "1"), ("off", "no", "false", "0", "none")


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: as it is typed; ``OR_MAGIC_`` and the name in capitals is its environment variable.
        default: as it would be typed.
        unit: such as ``s``; "" where it has none.
        help: one line.
        check: raises `CommandError` where a text cannot be its value; else returns the value.
    """

    name: str
    default: str
    unit: str
    help: str
    check: Callable[[str, str], float | bool | str]

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"OR_MAGIC_{self.name.upper()}"

    def value(self, text: str, source: str) -> float | bool | str:
        """The value of a text.

        Raises:
            CommandError: it cannot be one; the message names `source`, where it came from.
        """
        return self.check(text.strip(), f"{source}: {self.name}")


def _number(low: float, high: float, *, whole: bool = False) -> Callable[[str, str], float]:
    def check(text: str, where: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high or (whole and number != int(number)):
            kind = "a whole number" if whole else "a number"
            raise CommandError(f"{where} is {text!r}; it wants {kind} from {low:g} to {high:g}.")
        return number

    return check


def _switch(text: str, where: str) -> bool:
    if text.lower() in _YES or text.lower() in _NO:
        return text.lower() in _YES
    raise CommandError(f"{where} is {text!r}; it wants on or off.")


def _word(*words: str) -> Callable[[str, str], str]:
    def check(text: str, where: str) -> str:
        if text.lower() not in words:
            raise CommandError(f"{where} is {text!r}; it wants one of {', '.join(words)}.")
        return text.lower()

    return check


def _word_or_folder(*words: str) -> Callable[[str, str], str]:
    def check(text: str, where: str) -> str:
        if text.lower() in words:
            return text.lower()
        folder = Path(text).expanduser().absolute()
        if not text or not folder.is_dir():
            raise CommandError(f"{where} is {text!r}; it wants one of {', '.join(words)}, or a folder that exists.")
        return str(folder)

    return check


def _text(text: str, where: str) -> str:
    return "" if text.lower() == "none" else text


def _amount(text: str, where: str) -> str:
    """The amount as a text, "" for none; `asking.budgeting.amount` reads it."""
    try:
        is_amount = float(text.lstrip("$")) >= 0
    except ValueError:
        is_amount = False
    if text.lower() != "none" and not is_amount:
        raise CommandError(f"{where} is {text!r}; it wants an amount in USD such as 2.00, or none.")
    return "" if text.lower() == "none" else text


_DAY_S = 86_400
_P = Timeouts()
OPTIONS = (
    Option("connect_timeout", f"{_P.connect_s:g}", "s", "until a connection stands", _number(0.01, _DAY_S)),
    Option(
        "first_event_timeout", f"{_P.first_event_s:g}", "s", "until the first byte of an answer", _number(0.01, _DAY_S)
    ),
    Option("silence_timeout", f"{_P.silence_s:g}", "s", "between two signs of life", _number(0.01, _DAY_S)),
    Option("total_timeout", f"{_P.total_s:g}", "s", "for a whole answer", _number(0.01, 7 * _DAY_S)),
    Option("retries", f"{_P.retries}", "", "how often to ask again after what passes", _number(0, 20, whole=True)),
    Option("retry_time", f"{_P.retry_time_s:g}", "s", "how long to go on asking again", _number(0, _DAY_S)),
    Option(
        "max_in_flight",
        f"{_P.max_in_flight}",
        "",
        "how many requests at a time; the others wait",
        _number(1, 1000, whole=True),
    ),
    Option(
        "history",
        "thread",
        "",
        "which earlier turns go along: thread (all of the conversation), run (those of this kernel) or none",
        _word("thread", "run", "none"),
    ),
    Option(
        "replay",
        "restart",
        "",
        "when a kept answer is given again: restart (a cell's first run in a kernel), always, never, or a folder",
        _word_or_folder("restart", "always", "never"),
    ),
    Option("system", "none", "", "a system prompt for all notebooks; %openrouter system sets this one's", _text),
    Option("context_check", "on", "", "refuse what is too long for the model before it is sent", _switch),
    Option("daily_budget", "none", "", "USD that all notebooks together may spend a day (UTC) at a service", _amount),
    Option("budget_wait", "0", "s", "how long to wait for what answers under way hold back", _number(0, _DAY_S)),
    Option("footer", "full", "", "what stands under an answer: full, brief or none", _word("full", "brief", "none")),
    Option("live", "on", "", "show answers as they arrive; off: once, at their end", _switch),
    Option("attribution", "on", "", "tell the service this program's name and a random id of the session", _switch),
    Option("plain_http", "off", "", "allow http to other machines, readable by all between", _switch),
)
BY_NAME = {option.name: option for option in OPTIONS}
