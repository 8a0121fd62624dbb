"""Tab: model ids, flags, their values, subcommands, threads, settings; in lines and in a cell's first line.

What is completed comes from memory and from the disk alone: nothing is asked of the network, and nothing here raises.
"""

from __future__ import annotations

import contextlib
import re
import types
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from or_magic.catalog.search import ranked
from or_magic.chat.tools import SERVER_TOOLS
from or_magic.commands.arguments import FLAGS, flag_of
from or_magic.errors import OrMagicError
from or_magic.settings.layers import ALIASES, NAMES, PROMPTS
from or_magic.settings.options import BY_NAME
from or_magic.settings.parameters import PARAMETER_BY_NAME, PARAMETERS, UNSET_WORD

if TYPE_CHECKING:
    from or_magic.commands.subcommand import Names
    from or_magic.jupyter.notebook_context import JupyterContext

_LINE = re.compile(r"^\s*(?:[A-Za-z_]\w*\s*=\s*)?%(?P<mark>%?)(?:openrouter|or)(?:\s+(?P<rest>.*))?$")
_MOST = 200
_ID_FLAGS = ("--model", "-m", "--fallback")
_TOOLBOX = ("variables", "describe", "python")


class Completed(NamedTuple):
    """A text to be put in, and what it is: a price, a kind."""

    text: str
    what: str = ""


def matches(context: JupyterContext, line: str, *, is_first: bool) -> dict[str, Any]:
    """What IPython's completer gets from a matcher: the completions of the word before the cursor, in their order.

    The arguments are those of `completions`.
    """
    from IPython.core.completer import SimpleCompletion

    found = completions(context, line, is_first=is_first)
    if found is None:
        return {"completions": []}
    word, listed = found
    texts = [SimpleCompletion(each.text, type=each.what or None) for each in listed[:_MOST]]
    return {"completions": texts, "matched_fragment": word, "suppress": True, "ordered": True}


def completions(context: JupyterContext, line: str, *, is_first: bool) -> tuple[str, list[Completed]] | None:
    """The word before the cursor and what it may become; None where the line is no command of ours.

    Args:
        line: up to the cursor.
        is_first: whether it is the first one of its cell, where alone a cell magic can stand.
    """
    found = _LINE.match(line)
    if found is None or (found["mark"] and not is_first) or (found["rest"] is None and not line.endswith(" ")):
        return None
    *before, word = _words(found["rest"] or "")
    with contextlib.suppress(OrMagicError):
        listed = _in_cell(context, before, word) if found["mark"] else _in_line(context, before, word)
        return word, list(dict.fromkeys(listed))
    return word, []


def _words(text: str) -> list[str]:
    """The words before the cursor; the last one is being typed, and may be empty."""
    words = text.split()
    return words if words and not text[-1:].isspace() else [*words, ""]


def _in_cell(context: JupyterContext, before: list[str], word: str) -> Iterable[Completed]:
    last = before[-1] if before else ""
    if word.startswith("-") and "=" not in word:
        return _matching(word, _flags(context, before))
    flag, equals, value = word.partition("=")
    if equals:
        return [Completed(f"{flag}={each.text}", each.what) for each in _values(context, flag, value)]
    if last.startswith("-") and (known := flag_of(last)) is not None and known.shown:
        return _values(context, last, word)
    return _ids(context, word)


def _in_line(context: JupyterContext, before: list[str], word: str) -> Iterable[Completed]:
    """Subcommands, then what the declaration of one says that it takes next."""
    from or_magic.commands.registry import COMMANDS, command_of

    if not before:
        return _matching(word, [Completed(command.name, command.help) for command in COMMANDS])
    command = command_of(before[0])
    named: list[Completed] = []
    typed: list[Completed] = []
    for argument in command.next_arguments(before[1:]) if command is not None else ():
        if argument.takes == "cell":
            named += _in_cell(context, before[1:], word)
        elif argument.is_flag and before[-1] != argument.name:
            typed.append(Completed(argument.name, argument.help))
        elif argument.is_flag or not word.startswith("-"):
            named += _named(context, argument.names, before, word)
            typed += map(Completed, argument.words)
    return [*named, *_matching(word, typed)]


def _named(context: JupyterContext, names: Names, before: list[str], word: str) -> Iterable[Completed]:
    """What there is of a kind of things that have names."""
    match names:
        case "model":
            return _ids(context, word)
        case "thread":
            return _matching(word, _threads(context))
        case "setting" | "value":
            return _settings(context, [each for each in before[1:] if each != "--user"], word)
        case "alias" | "prompt":
            known = context.session.settings.names_of(ALIASES if names == "alias" else PROMPTS)
            return _matching(word, map(Completed, known))
        case "job":
            return _matching(word, (Completed(str(job.turn_id)) for job in context.session.jobs()))
    return ()


def _settings(context: JupyterContext, before: list[str], word: str) -> Iterable[Completed]:
    """Names of settings, then the values that one may have."""
    if not before:
        helps = {**{name: option.help for name, option in BY_NAME.items()}, **{p.name: p.help for p in PARAMETERS}}
        return _matching(word, [Completed(name, helps.get(name, "")) for name in NAMES])
    name = before[0].replace("-", "_")
    if name == "model":
        return _ids(context, word)
    setting = BY_NAME.get(name) or PARAMETER_BY_NAME.get(name)
    words = setting.type.choices if setting is not None else ()
    return _matching(word, map(Completed, [*words, UNSET_WORD]))


def _flags(context: JupyterContext, before: list[str]) -> Iterator[Completed]:
    """The flags that are not on the line yet, without those that the model does not hear."""
    model = next((word for word in before if "/" in word), None) or context.session.settings.model().value
    known = context.session.models.stored(model)
    heard = known.supported_parameters if known is not None and not known.is_router else frozenset()
    for flag in FLAGS:
        is_heard = flag.parameter is None or not flag.parameter.ability or not heard
        if (is_heard or (flag.parameter and flag.parameter.ability in heard)) and flag.name not in before:
            yield Completed(flag.name, flag.shown.lower() if flag.shown.isalpha() else "")


def _values(context: JupyterContext, name: str, word: str) -> Iterable[Completed]:
    """What may stand behind a flag."""
    flag = flag_of(name)
    if flag is None:
        return ()
    match flag.type.names:
        case "model":
            return _ids(context, word)
        case "thread":
            return _matching(word, _threads(context))
        case "prompt":
            return _matching(word, map(Completed, context.session.settings.names_of(PROMPTS)))
        case "schema":
            return _matching(word, (Completed(each) for each in _types(context)))
        case "tool":
            earlier, comma, begun = word.rpartition(",")
            named = earlier.split(",")
            found = _matching(begun, (each for each in _functions(context) if each.text not in named))
            return [Completed(f"{earlier}{comma}{each.text}", each.what) for each in found]
    return _matching(word, map(Completed, flag.type.choices))


def _types(context: JupyterContext) -> Iterator[str]:
    """The user's own classes, which may be schemas."""
    for name, value in list(context.shell.user_ns.items()):
        if isinstance(value, type) and not name.startswith("_"):
            yield name


def _functions(context: JupyterContext) -> Iterator[Completed]:
    """The user's own functions, which may be tools; then the toolbox, and those that the service runs."""
    hidden = context.shell.user_ns_hidden
    for name, value in list(context.shell.user_ns.items()):
        if isinstance(value, types.FunctionType) and not name.startswith("_") and name not in hidden:
            yield Completed(name, "function")
    yield from (Completed(f"or_magic.toolbox.{name}", "function") for name in _TOOLBOX)
    yield from (Completed(f"openrouter:{name}", "run by the service") for name in SERVER_TOOLS)


def _threads(context: JupyterContext) -> list[Completed]:
    threads = context.session.threads.of(context.host.where().notebook)
    return [Completed(thread.name, "current" if thread.is_current else "thread") for thread in threads]


def _ids(context: JupyterContext, word: str) -> list[Completed]:
    """Aliases, then the ids that hold the word, the best and the cheapest first, each with its price."""
    aliases = context.session.settings.names_of(ALIASES)
    listed = [Completed(name, id) for name, id in aliases.items() if word in name]
    listed += [Completed(each, "") for each in ("auto", "account") if word and each.startswith(word)]
    completion_index = context.session.models.completion_index()
    if completion_index is None:
        return listed
    base, colon, variant = word.partition(":")
    places = ranked(word, completion_index.ids, (), completion_index.prices)[:_MOST]
    listed += [Completed(completion_index.ids[location], completion_index.price_texts[location]) for location in places]
    if colon and base in completion_index.known_ids:
        listed += [Completed(f"{base}:{each}") for each in ("nitro", "floor", "online") if each.startswith(variant)]
    return listed


def _matching(word: str, listed: Iterable[Completed]) -> list[Completed]:
    """Those that begin with the word, then those that hold it."""
    all_of_them = list(listed)
    begin = [each for each in all_of_them if each.text.startswith(word)]
    hold = [each for each in all_of_them if word.lstrip("-") in each.text and each not in begin]
    return [*begin, *(hold if word.strip("-") else [])]
