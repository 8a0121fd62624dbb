"""``%load_ext or_magic``: ``%%openrouter``, ``%openrouter`` and their alias ``or``. Dispatch only.

Loading must be instant, since it stands in the first cell of a lesson: this file imports nothing of ours, and what it
gives to IPython (a magic, a matcher, formatters, ``%config``) imports the rest when it is first called.
"""

from __future__ import annotations

import contextlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import TraitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
    from traitlets import TraitType

    from or_magic.jupyter.notebook_context import JupyterContext

# The client first: a question that is asked at once needs it last, and so finds it imported, or waits for little.
NEEDED_FOR_AN_ANSWER = (
    "or_magic.client.http",
    "or_magic.commands.cells",
    "or_magic.jupyter.notebook_context",
    "or_magic.chat.run",
    "or_magic.catalog.source",
    "or_magic.ledger.catalog_cache",
    "or_magic.ledger.threads",
    "or_magic.jupyter.views",
    "or_magic.terminal",
)


@magics_class
class OpenRouterMagics(Magics):
    """Ask OpenRouter's models from the notebook. ``%openrouter help`` tells what can be typed."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        self._failed: ExecutionResult | None = None
        super().__init__(shell)
        self.matcher = matcher_of(self)

    @cached_property
    def context(self) -> JupyterContext:
        """What commands and cells work with; made when the first of them runs."""
        from or_magic.chat.session import Session
        from or_magic.jupyter.hosts import ShellHost
        from or_magic.jupyter.notebook_context import JupyterContext
        from or_magic.settings.layers import Settings

        host = ShellHost(self.shell)
        session = Session(host, Settings(config=self._config))
        context = JupyterContext(self.shell, session, host, new_panel)
        if self._failed is not None:
            context.failed.note(self._failed)
        return context

    @property
    def is_used(self) -> bool:
        """Whether any command or cell has run."""
        return "context" in vars(self)

    @no_var_expand  # IPython would replace {x} and $x in what is asked
    @line_cell_magic("openrouter")  # type: ignore[arg-type]  # its own annotations contradict each other
    def openrouter(self, line: str, cell: str | None = None) -> object:
        """Ask a model, or run a subcommand.

        A cell asks: ``%%openrouter [MODEL] [-m MODEL] [-o NAME]``, with the prompt below the first line, in which
        ``{{ expression }}`` is a value of Python. A line commands: ``%openrouter help`` lists all.
        """
        if cell is None:
            from or_magic.commands.registry import run_line

            return run_line(self.context, line)
        from or_magic.commands import cells
        from or_magic.errors import CommandError

        asked = cells.cell_line(self.context, line)
        if asked.wants_help:
            return print(_help())
        if not cell.strip() and not any(asked.values.get(name) for name in ("prompt", "image", "file")):
            raise CommandError("The cell is empty: the prompt stands below the first line.")
        cells.ask(self.context, cell.removesuffix("\n"), asked, first_line=2)
        return None

    def warm_up(self, result: ExecutionResult) -> None:
        """Imports what the first answer needs, in the background, when the cell with ``%load_ext`` has ended.

        It is IPython's event ``post_run_cell``, once. Nothing is opened and nothing sent. A question that is asked
        meanwhile waits for what is being imported, and so loses nothing.
        """
        self.shell.events.unregister("post_run_cell", self.warm_up)
        if not self.is_used:
            threading.Thread(target=import_for_an_answer, name="or_magic imports", daemon=True).start()

    # What ``%openrouter?`` shows: IPython asks the object for it before it looks at the docstring.
    openrouter.__dict__["getdoc"] = lambda: _help()

    def note_failure(self, result: ExecutionResult) -> None:
        """Remembers a cell that failed, for ``%openrouter fix``; IPython's event ``post_run_cell``."""
        if self.is_used:
            self.context.failed.note(result)
        elif not result.success:
            self._failed = result

    def answer_html(self, answer: Any) -> str:
        """An answer as the value of a cell."""
        from or_magic.jupyter.views import answer_display_html

        return answer_display_html(answer)

    def conversation_html(self, shown: Any) -> str:
        """Turns as the value of a cell."""
        from or_magic.jupyter.html.answers import conversation_html

        return conversation_html(shown)

    def models_bundle(self, table: Any, include: object = None, exclude: object = None) -> dict[str, Any]:
        """A table of models as the value of a cell."""
        return self.context.models_bundle(table, include, exclude)

    def close(self) -> None:
        """Finishes what is under way and stops a sandbox that was started here."""
        if self.is_used:
            self.context.session.close()
            if self.context.sandbox is not None:
                self.context.sandbox.close()

    # What %config sees are traits of this class, which it looks for by one of these three.

    @classmethod
    def class_traits(cls, **metadata: Any) -> dict[str, TraitType[Any, Any]]:
        """The traits of the class, by name; see `traitlets.HasTraits.class_traits`."""
        from or_magic.jupyter.config import declare_settings

        declare_settings(OpenRouterMagics)
        return super().class_traits(**metadata)

    def traits(self, **metadata: Any) -> dict[str, TraitType[Any, Any]]:
        """The traits of this object, by name; see `traitlets.HasTraits.traits`."""
        if OpenRouterMagics.__name__ in self.config:  # set in ipython_config.py or on the command line
            self.class_traits()
        return super().traits(**metadata)

    def update_config(self, config: Any) -> None:
        """Takes over what is configured; see `traitlets.config.Configurable.update_config`."""
        self.class_traits()
        super().update_config(config)

    def _config(self) -> dict[str, Any]:
        if "base_url" not in vars(OpenRouterMagics):
            return {}
        from or_magic.jupyter.config import config_values

        return config_values(self)


def _help() -> str:
    from or_magic.commands.registry import help_text

    return help_text()


def new_panel(context: JupyterContext) -> object:
    """The panel of a notebook; its widgets are imported for the first one."""
    from or_magic.jupyter.panel.panel import Panel

    return Panel(context)


def matcher_of(magics: OpenRouterMagics) -> Callable[[Any], Any]:
    """A matcher for ``ip.Completer.custom_matchers``, which completes what stands behind our magics."""
    from IPython.core.completer import context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython's
    def openrouter_matcher(context: Any) -> dict[str, Any]:
        """Completes what stands behind ``%openrouter`` and ``%%openrouter``."""
        lines = context.full_text.split("\n")
        number = context.cursor_line
        line = lines[number][: context.cursor_position] if number < len(lines) else ""
        if "%openrouter" not in line and "%or" not in line:
            return {"completions": []}
        from or_magic.jupyter.completion import matches

        return matches(magics.context, line, is_first=number == 0)

    matcher: Callable[[Any], Any] = openrouter_matcher
    return matcher


def load(shell: InteractiveShell) -> None:
    """What ``%load_ext or_magic`` does: the magics, completion, HTML views, and questions that end in ``?``.

    Raises:
        CommandError: IPython's configuration sets something to what cannot be its value.
    """
    try:
        magics = OpenRouterMagics(shell)
    except TraitError as error:
        from or_magic.errors import CommandError

        shell.configurables.pop()  # it has put itself there already
        raise CommandError(f"In IPython's configuration: OpenRouterMagics.{error}") from None
    shell.register_magics(magics)
    shell.magics_manager.register_function(magics.openrouter, magic_kind="line_cell", magic_name="or")
    shell.input_transformers_cleanup.extend([keep_question_mark, give_body])
    shell.events.register("post_run_cell", magics.note_failure)
    shell.events.register("post_run_cell", magics.warm_up)
    if (completer := getattr(shell, "Completer", None)) is not None:
        completer.custom_matchers.append(magics.matcher)
    for formatter, module, name, view in _views(magics):
        formatter.for_type_by_name(module, name, view)


def unload(shell: InteractiveShell) -> None:
    """Takes back what `load` did."""
    registry: dict[str, Any] = shell.magics_manager.registry
    magics = registry.pop(OpenRouterMagics.__name__, None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        for name in ("openrouter", "or"):
            shell.magics_manager.magics[kind].pop(name, None)
    shell.configurables.remove(magics)
    for noted in (magics.note_failure, magics.warm_up):
        with contextlib.suppress(ValueError):
            shell.events.unregister("post_run_cell", noted)
    completer = getattr(shell, "Completer", None)
    if completer is not None and magics.matcher in completer.custom_matchers:
        completer.custom_matchers.remove(magics.matcher)
    for transform in (keep_question_mark, give_body):
        if transform in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(transform)
    for formatter, module, name, _ in _views(magics):
        formatter.pop(f"{module}.{name}", None)
    magics.close()


def import_for_an_answer() -> None:
    """Imports what stands between a cell and its answer: 0.3 s in a fresh kernel."""
    import importlib

    for name in NEEDED_FOR_AN_ANSWER:
        with contextlib.suppress(ImportError):  # whoever asks is told
            importlib.import_module(name)


def _views(magics: OpenRouterMagics) -> list[tuple[Any, str, str, Any]]:
    """How our values are shown as those of a cell: formatter, module and name of their class, view."""
    if magics.shell.display_formatter is None:
        return []
    html = magics.shell.display_formatter.formatters["text/html"]
    bundle = magics.shell.display_formatter.mimebundle_formatter
    return [
        (html, "or_magic.answer", "Answer", magics.answer_html),
        (html, "or_magic.chat.conversation", "Conversation", magics.conversation_html),
        (html, "or_magic.chat.conversation", "Turns", magics.conversation_html),
        (bundle, "or_magic.catalog.table", "ModelTable", magics.models_bundle),
    ]


def keep_question_mark(lines: list[str]) -> list[str]:
    """Saves the ``?`` at the end of ``%openrouter ask ...?`` from becoming a request for IPython's help.

    Only a line that stands alone in its cell's text is touched: one inside a longer string might be somebody's data.
    """
    if sum(1 for line in lines if line.strip()) != 1:
        return lines
    return [_as_call(line) for line in lines]


def give_body(lines: list[str]) -> list[str]:
    """Gives a cell that is one line, such as ``%%openrouter --prompt review``, the body that IPython insists on."""
    is_alone = sum(1 for line in lines if line.strip()) == 1
    first = lines[0].split(maxsplit=1)[:1] if lines and lines[0].startswith("%%") else []
    return [*lines, "\n", "\n"] if is_alone and first in (["%%openrouter"], ["%%or"]) else lines


# So that a terminal does not ask it whether a cell is whole: after its first line the prompt is still to be typed.
give_body.has_side_effects = True  # type: ignore[attr-defined]


def _as_call(line: str) -> str:
    words = line.split(maxsplit=2)
    if words[:2] not in (["%openrouter", "ask"], ["%or", "ask"]) or not line.rstrip().endswith("?") or len(words) < 3:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return f"{indent}get_ipython().run_line_magic('openrouter', {'ask ' + words[2].rstrip()!r})\n"
