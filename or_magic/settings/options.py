"""What can be tuned besides the model: a table of names, from which settings, ``%config``, commands and help come."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from or_magic.endpoint import Timeouts
from or_magic.settings.value_types import (
    OFF_WORDS,
    Amount,
    Either,
    Folder,
    NoneOr,
    Number,
    Switch,
    Text,
    ValueType,
    one_of,
    whole,
)


class Option(msgspec.Struct, frozen=True):
    """One option.

    Attributes:
        name: as it is typed; ``OR_MAGIC_`` and the name in capitals is its environment variable.
        type: the type of its value.
        default: as it would be typed.
        help: one line.
        unit: such as ``s``; "" where it has none.
    """

    name: str
    type: ValueType
    default: str
    help: str
    unit: str = ""

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"OR_MAGIC_{self.name.upper()}"

    def value(self, raw: Any, source: str, *, is_typed: bool = True) -> float | bool | str:
        """The value of what somebody has given.

        Raises:
            CommandError: it cannot be one; the message names `source`, where it came from.
        """
        given = raw.strip() if is_typed and isinstance(raw, str) else raw
        value: float | bool | str = self.type.read(given, f"{source}: {self.name}", is_typed=is_typed)
        return value


_DAY_S = 86_400
_WAIT = Number(0.01, _DAY_S)
_P = Timeouts()
_SWITCH = Switch()
_AMOUNT = NoneOr(Amount(), tuple(word for word in OFF_WORDS if word != "0"))  # 0 is an amount: nothing may be spent
OPTIONS = (
    Option("connect_timeout", _WAIT, f"{_P.connect_s:g}", "until a connection stands", "s"),
    Option("first_event_timeout", _WAIT, f"{_P.first_event_s:g}", "until the first byte of an answer", "s"),
    Option("silence_timeout", _WAIT, f"{_P.silence_s:g}", "between two signs of life", "s"),
    Option("total_timeout", Number(0.01, 7 * _DAY_S), f"{_P.total_s:g}", "for a whole answer", "s"),
    Option("retries", whole(0, 20), f"{_P.retries}", "how often to ask again after what passes"),
    Option("retry_time", Number(0, _DAY_S), f"{_P.retry_time_s:g}", "how long to go on asking again", "s"),
    Option("max_in_flight", whole(1, 1000), f"{_P.max_in_flight}", "how many requests at a time; the others wait"),
    Option(
        "history",
        one_of("thread", "run", "none", off="none"),
        "thread",
        "which earlier turns are sent along: thread (all of the conversation), run (those of this kernel) or none",
    ),
    Option(
        "replay",
        Either((one_of("restart", "always", "never", off="never"), Folder())),
        "restart",
        "when a kept answer is given again: restart (a cell's first run in a kernel), always, never, or a folder",
    ),
    Option(
        "system",
        NoneOr(Text()),
        "none",
        "a system prompt for all notebooks; %openrouter system sets this one's",
    ),
    Option("context_check", _SWITCH, "on", "refuse what is too long for the model before it is sent"),
    Option("daily_budget", _AMOUNT, "none", "USD that all notebooks together may spend a day (UTC) at a service"),
    Option("budget_wait", Number(0, _DAY_S), "0", "how long to wait for what answers under way hold back", "s"),
    Option(
        "footer",
        one_of("full", "brief", "none", off="none"),
        "full",
        "what stands under an answer: full, brief or none",
    ),
    Option("live", _SWITCH, "on", "show answers as they arrive; off: once, at their end"),
    Option("attribution", _SWITCH, "on", "tell the service this program's name and a random id of the session"),
    Option("plain_http", _SWITCH, "off", "allow http to other machines, readable by all between"),
)
BY_NAME = {option.name: option for option in OPTIONS}


@cache
def default_values() -> dict[str, float | bool | str]:
    """The values of all options of which nobody says anything, by name; to be copied, not changed."""
    return {option.name: option.value(option.default, "default") for option in OPTIONS}
