"""OpenRouter in the notebook: ``%load_ext or_magic``, then a ``%%openrouter`` cell is a prompt.

In Python the same: ``from or_magic import ask``. Every name is resolved at first use, so that the import is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from or_magic.asking.current import current_session

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

    from or_magic.answer import Answer
    from or_magic.asking.conversation import Conversation
    from or_magic.asking.forms import Format
    from or_magic.asking.tools import tool
    from or_magic.ledger.records import WhichHistory

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


def ask(
    prompt: object,
    *,
    model: str | None = None,
    system: str | None = None,
    schema: object = None,
    format: Format | None = None,
    rows: int | None = None,
    tools: object = (),
    max_steps: int = 10,
    yes: bool = False,
    history: WhichHistory = "none",
    max_cost: object = None,
    **parameters: Any,
) -> Answer:
    """Asks and returns the whole answer; nothing is shown. Stands alone, unless `history` says otherwise.

    In a notebook that has loaded the extension it asks on the notebook's behalf (its model, its costs), elsewhere on
    behalf of this process.

    Args:
        prompt: what is asked: a text, sent exactly as it is, or a list of texts and values (DataFrames, figures,
            images, paths of files, functions, ...), which become parts of the message in that order.
        model: a model id; ``"account"`` sends none. Default: what is configured, else ``openrouter/auto``.
        system: the system prompt, "" for none. Default: what is configured.
        schema: what the answer shall be: a pydantic model, dataclass, TypedDict, any type that pydantic takes, or a
            JSON schema; ``answer.value`` is that, validated. One that does not fit is asked for once more.
        format: ``"text"``, ``"markdown"``, ``"code"``, ``"json"``, ``"math"``, ``"html"`` or ``"image"``.
        rows: how many rows of a table are sent. Default: as many as about 6,000 tokens hold.
        tools: functions that the model may call (`or_magic.tool` marks them), and names of the service's own, such as
            ``"openrouter:web_search"``. Each call is asked about, where somebody can answer.
        max_steps: how many times the model may be asked for one question with tools.
        yes: run the tools that are marked harmless without asking.
        history: which earlier turns of the notebook's conversation go along: ``"none"`` (a function that is called in a
            loop must not send all that it has said before), ``"thread"`` or ``"run"``. `conversation` goes on one.
        max_cost: what it may cost at most, in USD, ``0.05`` or ``"0.05"``; else it is not sent.
        parameters: any of the API's, under its own names: ``temperature=0.2``, ``models=["a/b"]`` (fallbacks),
            ``provider={"order": ["openai"]}``, ``reasoning="high"``; ``param={...}`` for what is newer than this
            version. docs/parameters.md lists them. Only what is given, or set in a setting, is sent.

    Raises:
        or_magic.errors.OrMagicError: one of its kinds, see `or_magic.errors`.
        or_magic.errors.Stopped: interrupted; what had arrived is in the store.
    """
    from or_magic.asking.content.converting import prompt_content
    from or_magic.asking.forms import form_of
    from or_magic.asking.question import checked_arguments
    from or_magic.asking.tool_loop import Toolbelt
    from or_magic.asking.tools import tools_of
    from or_magic.content import Room
    from or_magic.money import amount

    return current_session().ask(
        prompt_content(prompt, Room(rows=rows)),
        model=model,
        system=system,
        parameters=checked_arguments(parameters),
        form=form_of(format, schema),
        belt=Toolbelt(tools_of(tools), max_steps, yes),
        history=history,
        max_cost=None if max_cost is None else amount(str(max_cost), "max_cost"),
        show=False,
    )


def conversation(thread: str | None = None) -> Conversation:
    """The conversation of this notebook (or script): a sequence of its turns, which can be gone on, undone, exported.

    Args:
        thread: a thread of it; None for the one that the cells work in.

    Raises:
        or_magic.errors.CommandError: there is no thread of that name.
        or_magic.errors.StoreError: the store cannot be opened.
    """
    from or_magic.asking.conversation import Conversation

    return Conversation(current_session(), thread)


def provenance(path: str | Path) -> pd.DataFrame:
    """The answers in a saved notebook, one row each: who was asked, who answered, with what, at which exact cost.

    See `or_magic.jupyter.provenance.provenance` for the columns.

    Raises:
        or_magic.errors.CommandError: the file cannot be read, or is no notebook.
    """
    from or_magic.jupyter.provenance import provenance as read

    return read(path)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext or_magic``."""
    from or_magic.jupyter.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext or_magic``."""
    from or_magic.jupyter.magics import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name == "Answer":
        from or_magic.answer import Answer

        return Answer
    if name == "tool":
        from or_magic.asking.tools import tool

        return tool
    if name in ("catalog", "content", "toolbox"):
        return importlib.import_module(f"or_magic.{name}")
    if name == "models":
        from or_magic.catalog import models

        return models
    if name == "Panel":
        from or_magic.jupyter.panel.panel import Panel

        return Panel
    if name == "ModelPicker":
        from or_magic.jupyter.panel.picker import ModelPicker

        return ModelPicker
    if name == "charts":
        return importlib.import_module("or_magic.jupyter.charts")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
