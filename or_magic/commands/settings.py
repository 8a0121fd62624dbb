"""Commands that show and set what can be tuned: the state, the model, options, the user's own names, whom to ask."""

from __future__ import annotations

from getpass import getpass
from pathlib import Path

from or_magic.catalog.card import model_card
from or_magic.commands.arguments import model_id
from or_magic.commands.context import NotebookContext
from or_magic.commands.conversation import thread_row
from or_magic.commands.subcommand import Argument, command, one_of
from or_magic.errors import CommandError, MissingKeyError, StoreError
from or_magic.money import format_usd
from or_magic.settings.layers import ALIASES, NAMES, PROMPTS, no_such
from or_magic.settings.options import BY_NAME, OPTIONS
from or_magic.settings.parameters import PARAMETER_BY_NAME, PARAMETERS, UNSET_WORD
from or_magic.text import strip_terminal

_DEFAULT = "default"
_ON_TOP = Argument("--notebook", help="for this notebook alone, on top of the others")
_SHOWN = 80  # characters of a named prompt
_COMMAND_OF = {ALIASES: "alias", PROMPTS: "prompt"}
_ALIASES = {parameter.long_flag.lstrip("-"): parameter.name for parameter in PARAMETERS if parameter.flag}


@command("panel", "a widget to choose a model, talk and watch the money in")
def show_panel(context: NotebookContext) -> object:
    """One widget with the model, the conversation, the settings and the money of this notebook.

    What is asked there and in cells is one conversation. ``or_magic.Panel()`` makes the same; `close` takes it away.
    """
    if context.front_end == "terminal":
        raise CommandError(
            "The panel needs a notebook: JupyterLab, Notebook or VS Code. Here %openrouter ask TEXT asks."
        )
    return context.show_panel()


@command(
    "model",
    "show the model of this notebook, or set it",
    Argument("id", "ID", "of the model, or its short name", names="model"),
)
def model(context: NotebookContext, id: str | None) -> None:
    """Shows or sets the model that this notebook's cells ask, and what is known of it."""
    settings = context.session.settings
    if id is not None:
        settings.notebook["model"] = id if id in settings.names_of(ALIASES) else model_id(id)
    chosen = settings.model()
    print(f"{chosen.value} ({chosen.source})")
    print(strip_terminal("\n".join(f"  {line}" for line in model_card(context.session.models, chosen.value))), end="\n")


@command(
    "set",
    "show or set an option of this notebook",
    Argument("name", "NAME", "of an option or a parameter; alone all of them are shown", default="", names="setting"),
    Argument("value", "VALUE", "its value; unset takes back what was set", default="", takes="text", names="value"),
    Argument("--user", help="for all notebooks"),
)
def put(context: NotebookContext, name: str, value: str, user: bool) -> None:
    """Sets an option for this notebook; alone it shows all of them.

    With --user for all notebooks, in the settings file (%openrouter config tells where it is); unset takes it out.
    """
    if not name:
        return _show_all(context)
    name = _ALIASES.get(name.lstrip("-"), name.lstrip("-").replace("-", "_"))
    if name == "model" and not user:
        raise CommandError("The model is set by %openrouter model ID; for all notebooks by set --user model ID.")
    if name not in NAMES:
        raise CommandError(no_such(name))
    if not value:
        raise CommandError(f"%openrouter set {name} wants a value, or the word {UNSET_WORD} to take back what was set.")
    if user:
        settings = context.session.settings
        known = settings.names_of(ALIASES)
        value = value.strip("'\"")
        if name == "model" and value != UNSET_WORD and value not in known:
            model_id(value)
        settings.put_for_user(name, None if value in (UNSET_WORD, _DEFAULT) else value)
    elif name == "base_url":
        _put_base_url(context, value)
    elif value == UNSET_WORD or (value == _DEFAULT and name in BY_NAME):
        context.session.settings.notebook.pop(name, None)
    else:
        context.session.settings.put(name, value.strip("'\""))
    return print(_row(context, name))


def shortened(text: str) -> str:
    """A text on one line, of a long one the beginning."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _from_home(path: Path) -> str:
    """The path as a reader knows it; notebooks are shared, and a home folder names its owner."""
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else str(path)


def _put_base_url(context: NotebookContext, value: str) -> None:
    notebook = context.session.settings.notebook
    before = notebook.pop("base_url", None)
    if value in (UNSET_WORD, _DEFAULT):
        return
    notebook["base_url"] = value
    try:
        context.session.settings.base_url()
    except CommandError:
        notebook.pop("base_url")
        if before is not None:
            notebook["base_url"] = before
        raise


def _row(context: NotebookContext, name: str) -> str:
    settings = context.session.settings
    if name in PARAMETER_BY_NAME:
        value = settings.parameters().get(name)
        return f"{name:<20} {'not set' if value is None else f'{value.value} ({value.source})'}"
    if name == "model":
        return f"{name:<20} {settings.model().value} ({settings.model().source})"
    setting = settings.base_url() if name == "base_url" else settings.option(name)
    unit = f" {BY_NAME[name].unit}" if name in BY_NAME and BY_NAME[name].unit else ""
    return f"{name:<20} {setting.value}{unit} ({setting.source})"


@command(
    "alias",
    "a short name for a model, for all notebooks",
    Argument("name", "NAME", "the short name", default="", names="alias"),
    Argument("id", "ID", "of the model; unset takes the name away", default="", words=("unset",), names="model"),
    _ON_TOP,
)
def alias(context: NotebookContext, name: str, id: str, notebook: bool) -> None:
    """A short name for a model; alone it shows all of them, ``unset`` takes one away.

    ``%openrouter alias fast openai/gpt-5-mini``, then ``%%openrouter fast``. It is kept in the settings file, for all
    notebooks; with --notebook it holds in this kernel, on top of that.
    """
    if id and id != UNSET_WORD:
        _check_name(name, "an alias")
        id = model_id(id)
    _put(context, ALIASES, name, id, is_here=notebook)


@command(
    "prompt",
    "a text to begin with: %%openrouter --prompt NAME",
    Argument("name", "NAME", "what it is called", default="", names="prompt"),
    Argument("text", "TEXT", "the text; unset takes the name away", default="", takes="text"),
    _ON_TOP,
    is_text=True,
)
def prompt(context: NotebookContext, name: str, text: str, notebook: bool) -> None:
    """A text to begin with; alone it shows all of them, ``unset`` takes one away.

    ``%openrouter prompt review Review this code.``, then ``%%openrouter --prompt review`` sends it before the cell's
    text; ``--system @review`` sends it as the system prompt. It is sent as it is: {{ }} in it is text. It is kept in
    the settings file, for all notebooks; with --notebook, which stands first, it holds in this kernel, on top of that.
    """
    if text and text != UNSET_WORD:
        _check_name(name, "a prompt's name")
    _put(context, PROMPTS, name, text, is_here=notebook)


def _put(context: NotebookContext, table: str, name: str, text: str, *, is_here: bool) -> None:
    """Keeps, takes away or shows what is named."""
    settings = context.session.settings
    before = settings.names_of(table)  # also looks whether the file is sound
    if text == UNSET_WORD:
        if name not in before:
            raise CommandError(f"There is no {name!r} in {table}. %openrouter config lists what there is.")
        settings.named[table].pop(name, None)
        if not is_here:
            settings.file.put((table, name), None)
        return print(f"{name} is gone.")
    if text and is_here:
        settings.named[table][name] = text
    elif text:
        settings.file.put((table, name), text)
    known = settings.names_of(table)
    shown = known if not name else {name: settings.prompt(name) if table == PROMPTS else known.get(name, "")}
    if not known:
        return print(f"There are no {table} yet. %openrouter {_COMMAND_OF[table]} --help tells how to make one.")
    for each, told in shown.items():
        print(f"{each:<16} {told if name else shortened(told)}" if told else f"There is no alias {each!r}.")
    return None


def _check_name(name: str, what: str) -> None:
    if not name.replace("-", "_").replace(".", "_").isidentifier() or name in ("auto", "account", "help"):
        raise CommandError(f"{name!r} cannot be {what}: letters, digits, _, - and ., beginning with a letter.")


@command("config", "every setting, its value, who set it, and where the file is")
def config(context: NotebookContext) -> None:
    """Every setting, its value, and who set it; where the user's file is, and what is named in it."""
    _show_all(context)


def _show_all(context: NotebookContext) -> None:
    settings = context.session.settings
    chosen = settings.model()
    print(f"{'model':<20} {chosen.value} ({chosen.source})")
    print(_row(context, "base_url"))
    rows = {option: _row(context, option.name) for option in OPTIONS}
    width = max(map(len, rows.values()))
    for option, row in rows.items():
        print(f"{row:<{width}}  {option.help}")
    for name in settings.parameters():
        print(_row(context, name))
    for title, table in (("alias", ALIASES), ("prompt", PROMPTS)):
        for name, told in settings.names_of(table).items():
            print(f"{title} {name:<{19 - len(title)}} {shortened(told)}")
    path = settings.file.path
    print(f"For all notebooks: {_from_home(path)}{'' if path.exists() else ' (not there yet)'}")
    print("%openrouter set NAME VALUE changes one for this notebook; %openrouter help flags lists all parameters.")


@command(
    "key",
    "type a key; it is kept in this kernel's memory alone",
    Argument("text", default="", takes="text"),  # to say what is to be done with a key that was typed here
    is_text=True,
)
def key(context: NotebookContext, text: str) -> None:
    """Asks for a key in a field that does not show it; it is kept in this process's memory alone."""
    if text:
        raise CommandError(
            "A key written into a cell would be saved with the notebook. Delete it from the cell, run %openrouter key "
            "alone and type it into the field; if the notebook was shared, revoke it at openrouter.ai/settings/keys."
        )
    if context.front_end == "headless":
        raise CommandError("Nobody is here to type a key. Set OPENROUTER_API_KEY before the run.")
    typed = getpass(f"Key for {context.session.service} (begins with sk-or-): ").strip()
    if not typed:
        raise CommandError("No key was typed; nothing changed.")
    context.session.settings.give_key(typed)
    print(f"Key for {context.session.service} set for this kernel. It is not written anywhere.")


@command(
    "sandbox",
    "rehearse without a key: answers from this machine, with play money",
    Argument("word", "stop", "go back to the service", one_of("stop"), "nothing more, or stop", words=("stop",)),
)
def sandbox(context: NotebookContext, word: str | None) -> None:
    """From now on this notebook asks a rehearsal on this machine; ``stop`` goes back to the service."""
    if word == "stop":
        context.close_sandbox()
        print(f"The sandbox is gone. This notebook asks {context.session.service}.")
        return
    print(f"This notebook now asks the sandbox at {context.open_sandbox()}: no key, no cost, no model.")
    print("%openrouter sandbox stop goes back.")


def show(context: NotebookContext) -> None:
    """``%openrouter`` alone: model, service, key, notebook, spent. The key itself is never shown."""
    settings = context.session.settings
    chosen, address = settings.model(), settings.base_url()
    rows = {
        "model": f"{chosen.value} ({chosen.source})",
        "service": f"{context.session.service} ({address.source})",
        "key": _key_row(context),
        "notebook": _notebook_row(context),
        "thread": thread_row(context),
        "spent": _spent_row(context),
    }
    for name, value in rows.items():
        print(f"{name:<9} {value}")
    print("%openrouter help lists what can be typed.")


def _key_row(context: NotebookContext) -> str:
    try:
        return f"set ({context.session.settings.key().source})"
    except MissingKeyError:
        return "none (%openrouter key to type one, %openrouter sandbox to try without)"


def _notebook_row(context: NotebookContext) -> str:
    location = context.session.host.where()
    if location.budget_scope_name == "notebook":
        return Path(location.notebook).name  # not its folder: notebooks are shared, and paths name people
    return "not told by this front end; money is counted under the working folder"


def _spent_row(context: NotebookContext) -> str:
    try:
        spent = context.session.spent()
    except StoreError as error:
        return str(error)
    unknown = f", {spent.unknown} of unknown cost" if spent.unknown else ""
    return f"{format_usd(spent.pico_usd)} in {spent.turns:,} answers{unknown}"
