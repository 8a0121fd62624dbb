"""OpenRouter in the notebook: ``%load_ext or_magic``, then a ``%%openrouter`` cell is a prompt.

In Python the same: ``from or_magic import ask``. Every name is resolved at first use, so that the import is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from or_magic import catalog, charts, content, toolbox
    from or_magic.answer import Answer
    from or_magic.chat.tools import tool
    from or_magic.jupyter.panel.panel import Panel
    from or_magic.jupyter.panel.picker import ModelPicker
    from or_magic.python_api import ask, conversation, models, provenance

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "ModelPicker",
    "Panel",
    "ask",
    "catalog",
    "charts",
    "content",
    "conversation",
    "load_ipython_extension",
    "models",
    "provenance",
    "tool",
    "toolbox",
    "unload_ipython_extension",
]
_HOME_OF = {
    **dict.fromkeys(("ask", "conversation", "models", "provenance"), "or_magic.python_api"),
    "Answer": "or_magic.answer",
    "ModelPicker": "or_magic.jupyter.panel.picker",
    "Panel": "or_magic.jupyter.panel.panel",
    "tool": "or_magic.chat.tools",
}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext or_magic``."""
    from or_magic.jupyter.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext or_magic``."""
    from or_magic.jupyter.extension import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        found = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in ("catalog", "charts", "content", "toolbox"):
        found = importlib.import_module(f"or_magic.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
