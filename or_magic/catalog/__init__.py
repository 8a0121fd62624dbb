"""The models as data: decoded once, priced exactly, searched, compared with earlier days.

The public functions, such as ``or_magic.catalog.price("a/b")``, answer for the current notebook. They are defined in
`or_magic.python_api` and imported at first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = ("changes", "endpoints", "find", "models", "price", "price_history", "providers")


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("or_magic.python_api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
