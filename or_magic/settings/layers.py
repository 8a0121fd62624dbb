"""Who sets what: the layers of settings, the user's settings file among them, and what they come to for a question.

The nearest layer that says something wins:

this cell > notebook (set by a command, for this kernel) > ``%config`` > settings file > environment > default

A question takes one look at all of them (`Settings.resolve`); what it finds is a value that never changes, so that
nobody meets other settings half-way through an answer.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import platformdirs

from or_magic.endpoint import LOOPBACK, Timeouts, origin_of
from or_magic.errors import CommandError, MissingKeyError
from or_magic.settings.options import BY_NAME, default_values
from or_magic.settings.parameters import (
    PARAMETER_BY_NAME,
    PARAMETER_BY_PLAIN_NAME,
    PARAMETERS,
    UNSET,
    UNSET_WORD,
    Parameter,
)
from or_magic.settings.value_types import as_typed
from or_magic.text import nearest

OPENROUTER = "https://openrouter.ai/api/v1"
DEFAULT_MODEL = "openrouter/auto"
ACCOUNT_MODEL = "account"  # the word for "send none: the account's own default"
FILE = "settings file"
ALIASES, PROMPTS = "aliases", "prompts"  # tables of the settings file
FAVOURITES = "favourites"  # a list of model ids there
NAMES = ("model", "base_url", *BY_NAME, *PARAMETER_BY_NAME)
_IN_FILE = frozenset({*NAMES, ALIASES, PROMPTS, FAVOURITES})
_NAME = "settings.toml"


class SettingsFile:
    """The user's settings file: TOML, with the names that settings have everywhere. Read again when it has changed.

    Args:
        path: another file than ``settings.toml`` in the user's configuration folder.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = Path(path) if path else platformdirs.user_config_path("or_magic", appauthor=False) / _NAME
        self._read_at: int | None = None
        self._values: Mapping[str, Any] = {}

    def values(self) -> Mapping[str, Any]:
        """What the file says now, by name; empty where there is no file.

        Raises:
            CommandError: it cannot be read, or is no TOML.
        """
        try:
            changed_at = self.path.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._values = tomllib.loads(self.path.read_text(encoding="utf-8"))
                self._read_at = changed_at
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CommandError(f"The settings file cannot be read: {error}. It is TOML: temperature = 0.2") from None
        return self._values

    def put(self, path: tuple[str, ...], value: Any) -> None:
        """Writes a value into the file, made where there is none; comments and order stay. None takes the value out.

        Args:
            path: the value's name, behind that of its table if it is in one.

        Raises:
            CommandError: the file cannot be read or written.
        """
        import tomlkit

        self.values()
        try:
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            document = tomlkit.parse(text)
            *tables, name = path
            table: Any = document
            for each in tables:
                table = table.setdefault(each, tomlkit.table())
            if value is None:
                table.pop(name, None)
            else:
                table[name] = tomlkit.string(value, multiline=True) if "\n" in str(value) else value
            self.path.parent.mkdir(parents=True, exist_ok=True)
            written = self.path.with_suffix(".new")
            written.write_text(tomlkit.dumps(document), encoding="utf-8")
            written.replace(self.path)  # whole or not at all
            self._read_at = None  # two writes may fall into one tick of the clock
        except OSError as error:
            raise CommandError(f"The settings file cannot be written: {error.strerror}.") from None


def timeouts_of(values: Mapping[str, Any]) -> Timeouts:
    """The options that the client obeys, as it takes them."""
    return Timeouts(
        connect_s=values["connect_timeout"],
        first_event_s=values["first_event_timeout"],
        silence_s=values["silence_timeout"],
        total_s=values["total_timeout"],
        retries=int(values["retries"]),
        retry_time_s=values["retry_time"],
        max_in_flight=int(values["max_in_flight"]),
    )


class Secret(str):
    """A key: a string that never shows itself in a repr, so that no traceback or debugger prints it by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Setting(msgspec.Struct, frozen=True):
    """A value and who set it."""

    value: str
    source: str


class ChosenValue(msgspec.Struct, frozen=True):
    """The value of a parameter, as its type gave it, and who set it."""

    value: Any
    source: str


class ResolvedSettings(msgspec.Struct, frozen=True):
    """What is set at one moment, read once and checked: what a question is asked with from its beginning to its end.

    Attributes:
        model: the model id to ask, that of the alias where one was named; ``"account"`` where none is to be sent.
        parameters: those that anybody set, by the API's names.
        options: all of `options.OPTIONS` by name, as values.
        base_url: the address to ask, checked.
        service: the origin of the address, under which money is counted and keys are kept.
        timeouts: the options that the client obeys, as it takes them.
        aliases: model ids by their short names.
        store: where the ledger is; None for the user's data folder.
    """

    model: Setting
    parameters: Mapping[str, ChosenValue]
    options: Mapping[str, float | bool | str]
    base_url: Setting
    service: str
    timeouts: Timeouts
    aliases: Mapping[str, str]
    store: str | None
    _key: Setting | None

    def key(self) -> Setting:
        """The key that belongs to the address; for a server on this machine a dummy where none was given.

        Raises:
            MissingKeyError: there is none.
        """
        if self._key is None:
            raise missing_key(self.service)
        return self._key


class _Layers(msgspec.Struct, frozen=True):
    """What everybody who can set something says at one moment; each layer is read once. The nearest one wins."""

    notebook: Mapping[str, str]
    config: Mapping[str, Any]
    file: Mapping[str, Any]
    environment: Mapping[str, str]
    named: Mapping[str, Mapping[str, str]]
    keys: Mapping[str, Secret]

    def model(self, flag: str | None) -> Setting:
        chosen = self._first(
            ("this cell", flag),
            ("%openrouter model", self.notebook.get("model")),
            *self._outer("model"),
            ("default", DEFAULT_MODEL),
        )
        id = self.names_of(ALIASES).get(chosen.value)
        return chosen if id is None else Setting(id, f"{chosen.source}: {chosen.value}")

    def names_of(self, table: str) -> dict[str, str]:
        in_file = self.file.get(table, {})
        if not isinstance(in_file, Mapping) or not all(isinstance(text, str) for text in in_file.values()):
            raise CommandError(f'In the settings file: [{table}] holds lines such as name = "text".')
        return {**in_file, **self.named[table]}

    def base_url(self) -> Setting:
        setting = self._first(
            ("%openrouter sandbox", self.notebook.get("sandbox_url")),
            ("%openrouter set", self.notebook.get("base_url")),
            ("%config", self.config.get("base_url")),
            (FILE, self.file.get("base_url")),
            ("OPENROUTER_BASE_URL", self.environment.get("OPENROUTER_BASE_URL")),
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
        raw, source, _ = self._chosen(name)
        return Setting(as_typed(raw), source)

    def option_value(self, name: str) -> float | bool | str:
        raw, source, is_typed = self._chosen(name)
        return BY_NAME[name].value(raw, source, is_typed=is_typed)

    def parameters(self, given: Mapping[str, Any]) -> dict[str, ChosenValue]:
        chosen = {name: value for name, value in given.items() if name not in PARAMETER_BY_NAME}
        chosen = {name: ChosenValue(value, "this cell") for name, value in chosen.items()}
        said = self._names()
        for parameter in PARAMETERS:
            value = None
            if parameter.name in given:
                value = ChosenValue(given[parameter.name], "this cell")
            elif parameter.name in said:
                value = self._set(parameter)
            if value is not None and value.value is not UNSET:
                chosen[parameter.name] = value
        return chosen

    def options(self) -> dict[str, float | bool | str]:
        """All of `options.OPTIONS` by name, as values."""
        said = self._names()
        return default_values() | {name: self.option_value(name) for name in BY_NAME if name in said}

    def key(self, origin: str) -> Setting | None:
        """The key that belongs to an origin; None where there is none."""
        if given := self.keys.get(origin):
            return Setting(given, "%openrouter key")
        key = Secret(self.environment.get("OPENROUTER_API_KEY", "").strip())
        if key and origin == origin_of(self.environment.get("OPENROUTER_BASE_URL") or OPENROUTER):
            return Setting(key, "OPENROUTER_API_KEY")
        return Setting("sk-or-none", "none needed") if urlsplit(origin).hostname in LOOPBACK else None

    def resolved(self, model: str | None, parameters: Mapping[str, Any]) -> ResolvedSettings:
        base_url, options = self.base_url(), self.options()
        service = origin_of(base_url.value)
        return ResolvedSettings(
            model=self.model(model),
            parameters=self.parameters(parameters),
            options=options,
            base_url=base_url,
            service=service,
            timeouts=timeouts_of(options),
            aliases=self.names_of(ALIASES),
            store=self.environment.get("OR_MAGIC_STORE") or None,
            _key=self.key(service),
        )

    def _names(self) -> set[str]:
        """The options and parameters of which any layer says something: few of the hundred that exist."""
        plain = {*self.config, *(name.removeprefix("OR_MAGIC_").lower() for name in self.environment)}
        known = (PARAMETER_BY_PLAIN_NAME[name].name for name in plain if name in PARAMETER_BY_PLAIN_NAME)
        return plain.union(self.notebook, self.file, known)

    def _set(self, parameter: Parameter) -> ChosenValue | None:
        """What the layers below a question say of a parameter."""
        is_own = PARAMETER_BY_PLAIN_NAME[parameter.plain_name] is parameter
        for raw, source, is_typed in self._said(parameter.name, parameter.plain_name if is_own else ""):
            if raw == UNSET_WORD:
                return ChosenValue(UNSET, source)
            value = parameter.type.read(raw, f"{source}: {parameter.name}", is_typed=is_typed)
            return ChosenValue(value, source)
        return None

    def _chosen(self, name: str) -> tuple[Any, str, bool]:
        """An option as it was given, who gave it, and whether it was typed; `UNSET_WORD` stands for the default."""
        default = BY_NAME[name].default, "default", True
        said = next(self._said(name, name), default)
        return default if said[0] == UNSET_WORD else said

    def _said(self, name: str, plain_name: str) -> Iterator[tuple[Any, str, bool]]:
        """What the layers below a question say of a name: the value, who gave it, whether it was typed.

        Args:
            plain_name: its name with underscores alone; "" where it has none of its own.
        """
        variable = f"OR_MAGIC_{plain_name.upper()}"
        layers = (
            (self.notebook.get(name), "%openrouter set", True),
            (self.config.get(plain_name), "%config", True),
            (self.file.get(name), FILE, False),
            (self.environment.get(variable), variable, True),
        )
        for raw, source, is_typed in layers:
            if not is_unset(raw):
                yield raw.strip() if is_typed and isinstance(raw, str) else raw, source, is_typed

    def _outer(self, name: str) -> Iterator[tuple[str, Any]]:
        """What the layers below the notebook say of a name, which is a text."""
        return ((source, raw) for raw, source, _ in self._said(name, name) if source != "%openrouter set")

    @staticmethod
    def _first(*candidates: tuple[str, Any]) -> Setting:
        source, value = next((source, value) for source, value in candidates if not is_unset(value))
        if not isinstance(value, str):
            raise CommandError(f"{source} is {value!r}; it wants a text.")
        return Setting(value, source)


class Settings:
    """The settings of one notebook.

    Args:
        environment: the process's environment, read anew at each look, so that ``%env`` counts.
        config: gives what ``%config`` holds now, by name with underscores for dots: texts or other values of Python;
            "" and None stand for "not set".
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        config: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._environment = environment
        self._config = config
        self._files: dict[str | None, SettingsFile] = {}
        self.notebook: dict[str, str] = {}
        self.named: dict[str, dict[str, str]] = {ALIASES: {}, PROMPTS: {}}
        self._keys: dict[str, Secret] = {}

    def resolve(self, model: str | None = None, parameters: Mapping[str, Any] | None = None) -> ResolvedSettings:
        """What is set now, for one question: the settings file, the environment and ``%config`` are read once.

        Args:
            model: the model that the question names.
            parameters: those of the question, as their types gave them; `UNSET` takes back what is set.

        Raises:
            CommandError: the settings file cannot be read, or whoever set something gave what cannot be its value.
        """
        return self._look().resolved(model, parameters or {})

    def model(self, flag: str | None = None) -> Setting:
        """The model id to ask, where an alias was named that of the alias; ``"account"`` where none is to be sent."""
        return self._look().model(flag)

    def names_of(self, table: str) -> dict[str, str]:
        """What the user has named: `ALIASES` of models, or `PROMPTS`; the notebook's own on top of the file's.

        Raises:
            CommandError: the settings file cannot be read.
        """
        return self._look().names_of(table)

    def prompt(self, name: str) -> str:
        """A named prompt.

        Raises:
            CommandError: there is none of that name.
        """
        prompts = self.names_of(PROMPTS)
        if name not in prompts:
            near = nearest(name, prompts, cutoff=0.5)
            hint = f"Did you mean {near}?" if near else f"%openrouter prompt {name} TEXT makes it."
            raise CommandError(f"There is no prompt {name!r}. {hint}")
        return prompts[name]

    @property
    def aliases(self) -> Container[str]:
        """The short names of models; the settings file is read when one is looked for, and not before."""
        return _Names(self, ALIASES)

    @property
    def file(self) -> SettingsFile:
        """The user's settings file."""
        path = self._environment.get("OR_MAGIC_SETTINGS")
        if path not in self._files:
            self._files[path] = SettingsFile(path)
        return self._files[path]

    def put_for_user(self, name: str, text: str | None) -> None:
        """Sets an option, a parameter or the model in the settings file, for all notebooks; None takes it out.

        Raises:
            CommandError: there is none of that name, it cannot take that value, or the file cannot be written.
        """
        value: Any = text
        if text is not None and name in BY_NAME:
            BY_NAME[name].value(text, "%openrouter set")
        elif text is not None and name in PARAMETER_BY_NAME:
            value = PARAMETER_BY_NAME[name].parse(text, f"%openrouter set {name}")
        self.file.put((name,), value)

    def base_url(self) -> Setting:
        """The address to ask, checked.

        Raises:
            CommandError: it is no http(s) address, or plain http to another machine.
        """
        return self._look().base_url()

    def option(self, name: str) -> Setting:
        """An option of `options.OPTIONS` as it was typed, and who set it; not yet checked."""
        return self._look().option(name)

    def option_value(self, name: str) -> float | bool | str:
        """The value of an option.

        Raises:
            CommandError: whoever set it gave what cannot be its value.
        """
        return self._look().option_value(name)

    def timeouts(self) -> Timeouts:
        """How long to wait and how often to try again.

        Raises:
            CommandError: one of the options has an impossible value.
        """
        return timeouts_of(self._look().options())

    def parameters(self, given: Mapping[str, Any] | None = None) -> dict[str, ChosenValue]:
        """The parameters of a request that anybody set, by name; those that nobody set are not in it.

        Args:
            given: those of this question, as their types gave them; `UNSET` takes back what lower layers set.

        Raises:
            CommandError: whoever set one gave what cannot be its value.
        """
        return self._look().parameters(given or {})

    def put(self, name: str, text: str) -> None:
        """Sets an option or a parameter for this notebook.

        Raises:
            CommandError: there is none of that name, or it cannot take that value.
        """
        if name in BY_NAME:
            BY_NAME[name].value(text, "%openrouter set")
        elif name in PARAMETER_BY_NAME:
            PARAMETER_BY_NAME[name].parse(text, f"%openrouter set {name}")
        else:
            raise CommandError(no_such(name))
        self.notebook[name] = text.strip()

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
        look = self._look()
        origin = origin_of(look.base_url().value)
        key = look.key(origin)
        if key is None:
            raise missing_key(origin)
        return key

    def _look(self) -> _Layers:
        values = self.file.values()
        if unknown := next((name for name in values if name not in _IN_FILE), None):
            raise CommandError(f"In the settings file: {no_such(unknown)}")
        environment = {
            name: self._environment[name] for name in self._environment if name.startswith(("OR_MAGIC_", "OPENROUTER_"))
        }
        return _Layers(dict(self.notebook), self._config(), values, environment, self.named, self._keys)


class _Names:
    """The names in a table of the settings file, read when one is looked for."""

    __slots__ = ("_settings", "_table")

    def __init__(self, settings: Settings, table: str) -> None:
        self._settings, self._table = settings, table

    def __contains__(self, name: object) -> bool:
        return name in self._settings.names_of(self._table)


def missing_key(origin: str) -> MissingKeyError:
    """The error where there is no key for an origin."""
    return MissingKeyError(
        f"No key for {origin}. Make one at openrouter.ai/settings/keys, then run %openrouter key (or set "
        "OPENROUTER_API_KEY). To try without one: %openrouter sandbox."
    )


def no_such(name: str) -> str:
    """One line about a name that is none, with the nearest."""
    near = nearest(name.lower().replace("-", "_").lstrip("_"), NAMES, cutoff=0.5)
    hint = f"Did you mean {near}?" if near else "%openrouter help flags lists all."
    return f"There is no {name!r}. {hint}"


def is_unset(value: Any) -> bool:
    """Whether a layer says nothing: None, or a text that is empty."""
    return value is None or (isinstance(value, str) and not value.strip())


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False
