"""Files that a user names: no file is replaced unasked or read beyond a size. Every failure is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from or_magic.errors import CommandError


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Writes a file.

    Raises:
        CommandError: it is there already (and `overwrite` is False), or cannot be written.
    """
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{path.name} is there already. Name another file, or add --force to replace it.") from None
    except OSError as error:
        raise CommandError(f"{path.name} cannot be written: {error.strerror}. Name another file.") from None


def read_json(path: Path, largest: int, otherwise: str) -> Any:
    """What a JSON file holds.

    Args:
        largest: how many bytes it may have.
        otherwise: the sentence that says what to do where it holds no JSON.

    Raises:
        CommandError: it cannot be read, is too large, or is no JSON.
    """
    try:
        if path.stat().st_size > largest:
            raise CommandError(f"{path.name} has over {largest // 1_000_000} MB, more than such a file ever has.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise CommandError(f"{path.name} is no JSON. {otherwise}") from None
