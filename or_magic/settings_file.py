"""The user's settings file: TOML, with the same names as everywhere. Read anew when it has changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from or_magic.errors import CommandError

_NAME = "settings.toml"


class SettingsFile:
    """What the file says now.

    Args:
        path: another file than ``settings.toml`` in the user's configuration folder.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = Path(path) if path else platformdirs.user_config_path("or_magic", appauthor=False) / _NAME
        self._read_at: int | None = None
        self._values: Mapping[str, Any] = {}

    def values(self) -> Mapping[str, Any]:
        """By name; empty where there is no file.

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
