"""``%%openrouter``, ``%openrouter`` and their alias ``or``: dispatch only."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Unicode

from or_magic.answer import Answer
from or_magic.chat.session import Session
from or_magic.errors import CommandError
from or_magic.jupyter.completion import matcher_of
from or_magic.jupyter.hosts import ShellHost
from or_magic.jupyter.notebook_context import JupyterContext
from or_magic.settings.layers import Settings
from or_magic.settings.options import BY_NAME, OPTIONS
from or_magic.settings.parameters import PARAMETERS

_ASK = re.compile(r"^(?P<indent>\s*)%(?:openrouter|or)\s+ask\s+(?P<text>.*\?)\s*$")

_CELL = re.compile(r"^%%(?:openrouter|or)(?:\s|$)")
_PLAIN_NAMES = tuple(parameter.plain_name for parameter in PARAMETERS)
# ``%config OpenRouterMagics.NAME``: one trait for each option and parameter, from their tables.
_Configured: Any = type(
    "_Configured",
    (Magics,),
    {
        **{option.name: Unicode("", help=option.help).tag(config=True) for option in OPTIONS},
        **{each.plain_name: Unicode("", help=each.help).tag(config=True) for each in PARAMETERS},
    },
)


@magics_class
class OpenRouterMagics(_Configured):  # type: ignore[misc]  # its base is made from a table
    """Ask OpenRouter's models from the notebook. ``%openrouter help`` tells what can be typed."""

    base_url = Unicode("", help="Address to ask; empty for OPENROUTER_BASE_URL or openrouter.ai.").tag(config=True)
    model = Unicode("", help="Model id to ask; empty for OR_MAGIC_MODEL or openrouter/auto.").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        host = ShellHost(shell)
        session = Session(host, Settings(config=self._config))
        self.context = JupyterContext(shell, session, host, new_panel)
        self.matcher: Any = None

    def _config(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("model", "base_url", *BY_NAME, *_PLAIN_NAMES)}

    @no_var_expand  # IPython would replace {x} and $x in what is asked
    @line_cell_magic("openrouter")  # type: ignore[arg-type]  # its own annotations contradict each other
    def openrouter(self, line: str, cell: str | None = None) -> object:
        """Ask a model, or run a subcommand.

        A cell asks: ``%%openrouter [MODEL] [-m MODEL] [-o NAME]``, with the prompt below the first line, in which
        ``{{ expression }}`` is a value of Python. A line commands: ``%openrouter help`` lists all.
        """
        if cell is None:
            from or_magic.commands.registry import run_line  # all commands, which `%load_ext` need not import

            return run_line(self.context, line)
        from or_magic.commands import cells

        asked = cells.cell_line(self.context, line)
        if asked.wants_help:
            return print(_help())
        if not cell.strip() and not any(asked.values.get(name) for name in ("prompt", "image", "file")):
            raise CommandError("The cell is empty: the prompt stands below the first line.")
        cells.ask(self.context, cell.removesuffix("\n"), asked, first_line=2)
        return None

    # What ``%openrouter?`` shows: IPython asks the object for it before it looks at the docstring.
    openrouter.__dict__["getdoc"] = lambda: _help()

    def close(self) -> None:
        """Finishes what is under way and stops a sandbox that was started here."""
        self.context.session.close()
        if self.context.sandbox is not None:
            self.context.sandbox.close()


def _help() -> str:
    from or_magic.commands.registry import help_text

    return help_text()


def new_panel(context: JupyterContext) -> object:
    """The panel of a notebook; its widgets are imported for the first one."""
    from or_magic.jupyter.panel.panel import Panel

    return Panel(context)


def answer_display_html(answer: Answer) -> str:
    """An answer as the value of a cell."""
    from or_magic.jupyter.views import answer_display_html as html

    return html(answer)


def conversation_html(shown: Any) -> str:
    """Turns as the value of a cell."""
    from or_magic.jupyter.html.answers import conversation_html as html

    return html(shown)


def load(shell: InteractiveShell) -> None:
    """What ``%load_ext or_magic`` does: the magics, an HTML view of answers, and questions that end in ``?``."""
    magics = OpenRouterMagics(shell)
    shell.register_magics(magics)
    shell.magics_manager.register_function(magics.openrouter, magic_kind="line_cell", magic_name="or")
    shell.input_transformers_cleanup.extend([keep_question_mark, give_body])
    shell.events.register("post_run_cell", magics.context.failed.note)
    magics.matcher = matcher_of(magics.context)
    if (completer := getattr(shell, "Completer", None)) is not None:
        completer.custom_matchers.append(magics.matcher)
    if shell.display_formatter is not None:
        html = shell.display_formatter.formatters["text/html"]
        html.for_type(Answer, answer_display_html)
        bundle = shell.display_formatter.mimebundle_formatter
        bundle.for_type_by_name("or_magic.catalog.table", "ModelTable", magics.context.models_bundle)
        # By name: the conversation's own imports come at its first use.
        for name in ("Conversation", "Turns"):
            html.for_type_by_name("or_magic.chat.conversation", name, conversation_html)


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
    with contextlib.suppress(ValueError):
        shell.events.unregister("post_run_cell", magics.context.failed.note)
    completer = getattr(shell, "Completer", None)
    if completer is not None and magics.matcher in completer.custom_matchers:
        completer.custom_matchers.remove(magics.matcher)
    for transform in (keep_question_mark, give_body):
        if transform in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(transform)
    if shell.display_formatter is not None:
        shell.display_formatter.formatters["text/html"].pop(Answer, None)
    magics.close()


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
    return [*lines, "\n", "\n"] if is_alone and lines and _CELL.match(lines[0]) else lines


def _as_call(line: str) -> str:
    found = _ASK.match(line)
    if found is None:
        return line
    return f"{found['indent']}get_ipython().run_line_magic('openrouter', {'ask ' + found['text']!r})\n"
