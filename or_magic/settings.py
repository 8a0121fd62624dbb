"""What can be configured, in layers: the first layer that says something wins, and its name is shown with the value.

flag > notebook (set by a command, for this kernel) > %config > environment > default
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from or_magic.errors import CommandError, MissingKeyError
from or_magic.options import BY_NAME, OPTIONS, Option, patience_of
from or_magic.patience import Patience

OPENROUTER = "https://openrouter.ai/api/v1"
DEFAULT_MODEL = "openrouter/auto"
ACCOUNT_MODEL = "account"  # the word for "send none: the account's own default"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Secret(str):
    """A key: a string that never shows itself in a repr, so that no traceback or debugger prints it by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and who set it."""

    value: str
    source: str


class Settings:
    """The settings of one notebook.

    Args:
        environment: the process's environment, read anew at each look, so that ``%env`` counts.
        config: gives what ``%config`` holds now (name to value, "" for "not set").
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        config: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._environment = environment
        self._config = config
        self.notebook: dict[str, str] = {}
        self._keys: dict[str, Secret] = {}

    def model(self, flag: str | None = None) -> Setting:
        """The model id to ask; its value may be ``"account"``, for which none is sent."""
        return self._first(
            ("this cell", flag),
            ("%openrouter model", self.notebook.get("model")),
            ("%config", self._config().get("model")),
            ("OR_MAGIC_MODEL", self._environment.get("OR_MAGIC_MODEL")),
            ("default", DEFAULT_MODEL),
        )

    def base_url(self) -> Setting:
        """The address to ask, checked.

        Raises:
            CommandError: it is no http(s) address, or plain http to another machine.
        """
        setting = self._first(
            ("%openrouter sandbox", self.notebook.get("sandbox_url")),
            ("%openrouter set", self.notebook.get("base_url")),
            ("%config", self._config().get("base_url")),
            ("OPENROUTER_BASE_URL", self._environment.get("OPENROUTER_BASE_URL")),
            ("default", OPENROUTER),
        )
        if not _is_address(setting.value):
            raise CommandError(
                f"{setting.source} is {setting.value!r}, which is no address. It should look like {OPENROUTER}."
            )
        parts = urlsplit(setting.value)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.option_value("plain_http"):
            raise CommandError(
                f"{setting.source} is {setting.value!r}: over plain http others could read the key and the text. "
                "Use https, or allow it with %openrouter set plain_http on."
            )
        return setting

    def option(self, name: str) -> Setting:
        """An option of `options.OPTIONS` as it was typed, and who set it; not yet checked."""
        option = BY_NAME[name]
        return self._first(
            ("%openrouter set", self.notebook.get(name)),
            ("%config", self._config().get(name)),
            (option.variable, self._environment.get(option.variable)),
            ("default", option.default),
        )

    def option_value(self, name: str) -> float | bool:
        """The value of an option.

        Raises:
            CommandError: whoever set it gave what cannot be its value.
        """
        setting = self.option(name)
        return BY_NAME[name].value(setting.value, setting.source)

    def patience(self) -> Patience:
        """How long to wait and how often to try again.

        Raises:
            CommandError: one of the options has an impossible value.
        """
        return patience_of({option.name: self.option_value(option.name) for option in OPTIONS})

    def put(self, option: Option, text: str) -> None:
        """Sets an option for this notebook.

        Raises:
            CommandError: it cannot take that value.
        """
        option.value(text, "%openrouter set")
        self.notebook[option.name] = text.strip()

    def store(self) -> str | None:
        """Where the ledger is; None for the user's data folder."""
        return self._environment.get("OR_MAGIC_STORE") or None

    def give_key(self, key: str) -> None:
        """Keeps a key for the address that is set now, in this process's memory alone."""
        self._keys[origin_of(self.base_url().value)] = Secret(key)

    def key(self) -> Setting:
        """The key for the address that is set now. A key is never sent to an address other than its own.

        The key of the environment belongs to the environment's own address, or to openrouter.ai where that names none.
        A server on this machine gets a dummy where none was given.

        Raises:
            MissingKeyError: there is none.
        """
        origin = origin_of(self.base_url().value)
        if given := self._keys.get(origin):
            return Setting(given, "%openrouter key")
        key = Secret(self._environment.get("OPENROUTER_API_KEY", "").strip())
        if key and origin == origin_of(self._environment.get("OPENROUTER_BASE_URL") or OPENROUTER):
            return Setting(key, "OPENROUTER_API_KEY")
        if urlsplit(origin).hostname in LOOPBACK:
            return Setting("sk-or-none", "none needed")
        raise MissingKeyError(
            f"No key for {origin}. Make one at openrouter.ai/settings/keys, then run %openrouter key (or set "
            "OPENROUTER_API_KEY). To try without one: %openrouter sandbox."
        )

    @staticmethod
    def _first(*candidates: tuple[str, str | None]) -> Setting:
        return next(Setting(value, source) for source, value in candidates if value)


def origin_of(url: str) -> str:
    """Scheme, host and port: ``https://openrouter.ai`` of ``https://openrouter.ai/api/v1``. Names a service."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False
