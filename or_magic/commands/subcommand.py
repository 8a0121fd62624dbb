"""How a subcommand of ``%openrouter`` is declared. Usage, help, the errors of one line and Tab follow from that.

    @command(
        "undo",
        "take the last turns out of the conversation",
        Argument("count", "N", "how many turns (1)", convert=positive, wants="a number of turns", default=1),
    )
    def undo(context: NotebookContext, count: int) -> None:
        '''What it does at length, for ``%openrouter undo --help``.'''

The function gets the values of its arguments by name, prints what it has to say, and returns what the line is worth.
argparse sorts the words into flags and positions; it says nothing, ends nothing, and its errors are ours.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NoReturn

from or_magic.commands.context import NotebookContext
from or_magic.errors import CommandError

Takes = Literal["one", "optional", "many", "switch", "text", "cell"]
Names = Literal["", "model", "thread", "setting", "value", "alias", "prompt", "job"]
ON, OFF = ("on", "true", "yes"), ("off", "false", "no")
_HELP_FLAGS = ("-h", "--help")
_LISTED_FLAGS, _SHOWN_FLAGS = 3, 6  # so many stand beside a command in the list of all, and in its usage
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that a subcommand takes: a word in its place, a flag, or the rest of the line.

    Attributes:
        name: of the function's parameter; with two dashes in front it is a flag (``--since``).
        shown: what the value is called in usage and help (``DATE``); "" for a flag that stands alone.
        help: what it is for, in one line.
        convert: makes the value of the word that was typed; raises `ValueError`, or `CommandError` with its own words.
        wants: what an error of one line asks for, behind "wants": ``a number of turns``.
        default: the value where nothing was typed.
        is_required: whether something must be typed.
        takes: one word; an optional word (of a flag that can also stand alone, whose value is "" then); many words,
            joined by spaces; a switch, which ``on`` or ``off`` may follow; the rest of the line as it was typed
            (text), or as the first line of a cell, in which this command's own flags may stand anywhere (cell).
        words: what can be typed, for Tab.
        names: what is named by it, so that Tab offers those there are.
        group: of the flags of one group only one can be typed.
    """

    name: str
    shown: str = ""
    help: str = ""
    convert: Callable[[str], Any] = str
    wants: str = "a value"
    default: Any = None
    is_required: bool = False
    takes: Takes = "one"
    words: tuple[str, ...] = ()
    names: Names = ""
    group: str = ""

    @property
    def is_flag(self) -> bool:
        """Whether it begins with dashes."""
        return self.name.startswith("--")

    @property
    def key(self) -> str:
        """The name of the function's parameter."""
        return self.name.lstrip("-").replace("-", "_")

    @property
    def has_value(self) -> bool:
        """Whether it is a flag behind which a value can stand."""
        return self.is_flag and bool(self.shown)

    @property
    def typed(self) -> str:
        """How it is typed: ``--since DATE``, ``--thread [NAME]``, ``FILE``."""
        value = f"[{self.shown}]" if self.is_flag and self.takes == "optional" else self.shown
        return f"{self.name} {value}".rstrip() if self.is_flag else value

    @property
    def usage(self) -> str:
        """How it stands in the usage: in brackets where it can be left out."""
        return self.typed if self.is_required else f"[{self.typed}]"


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        name: the word that is typed behind ``%openrouter``.
        help: what it does, in one line.
        run: the function that does it.
        arguments: what it takes.
        is_text: whether what is typed behind it is a text, in which nothing is special: no comment, no variable.
    """

    name: str
    help: str
    run: Callable[..., object]
    arguments: tuple[Argument, ...] = ()
    is_text: bool = False

    @property
    def flags(self) -> tuple[Argument, ...]:
        """Its flags."""
        return tuple(argument for argument in self.arguments if argument.is_flag)

    @property
    def positions(self) -> tuple[Argument, ...]:
        """What stands in its place, in this order."""
        return tuple(argument for argument in self.arguments if not argument.is_flag and argument.shown)

    @property
    def rest(self) -> Argument | None:
        """What takes the rest of the line; None where the line is cut into words."""
        return next((argument for argument in self.arguments if argument.takes in ("text", "cell")), None)

    @property
    def usage(self) -> str:
        """What is typed, without flags: ``undo [N]``."""
        return " ".join([self.name, *(argument.usage for argument in self.positions)])

    @property
    def full_usage(self) -> str:
        """What is typed, with all flags."""
        alone = [flag.usage for flag in self.flags if not flag.group]
        groups = dict.fromkeys(flag.group for flag in self.flags if flag.group)
        for group in groups:
            several = [flag.typed for flag in self.flags if flag.group == group]
            alone.insert(0, f"[{' | '.join(several)}]")
        return " ".join([self.usage, *(alone if len(alone) <= _SHOWN_FLAGS else ["[flags]"])])

    @property
    def line(self) -> str:
        """What it does and its first flags, for the list of all commands."""
        flags = [flag.typed for flag in self.flags]
        more = " …" if len(flags) > _LISTED_FLAGS else ""
        return self.help + (f" ({', '.join(flags[:_LISTED_FLAGS])}{more})" if flags else "")

    @property
    def page(self) -> str:
        """All that is to be said of it."""
        parts = [f"%openrouter {self.usage}: {self.help}", inspect.cleandoc(self.run.__doc__ or "").replace("``", "")]
        if self.flags:
            parts.append(f"  %openrouter {self.full_usage}")
        if rows := [(argument.typed, argument.help) for argument in self.arguments if argument.help]:
            width = max(len(usage) for usage, _ in rows)
            parts.append("\n".join(f"  {usage:<{width}}  {help}".rstrip() for usage, help in rows))
        return "\n\n".join(parts)

    def call(self, context: NotebookContext, text: str) -> object:
        """Carries it out with what was typed behind it; ``--help`` prints its page instead.

        Raises:
            CommandError: it cannot take that.
        """
        words = text.split()
        if words and words[-1] in _HELP_FLAGS and (len(words) == 1 or self.rest is None):
            return print(self.page)
        return self.run(context, **self.parse(text.strip() if self.is_text else context.expand(_without_comment(text))))

    def parse(self, text: str) -> dict[str, Any]:
        """The values of its arguments, by the names of the function's parameters.

        Raises:
            CommandError: something is missing, or too much, or cannot be what it should.
        """
        typed = self._sorted(words_of(text)) if self.rest is None else self._cut(text, self.rest)
        return {argument.key: self._value(argument, typed.get(argument.key)) for argument in self.arguments}

    def next_arguments(self, before: Sequence[str]) -> list[Argument]:
        """What can be typed next, for Tab: the value of the flag just typed, else what is not on the line yet.

        Args:
            before: the whole words behind the command's name.
        """
        last = next((flag for flag in self.flags if before and flag.name == before[-1]), None)
        if last is not None and last.has_value:
            return [last]
        plain = [
            word
            for word, earlier in zip(before, ["", *before], strict=False)
            if not word.startswith("-") and not any(flag.name == earlier and flag.has_value for flag in self.flags)
        ]
        places = list(self.positions[len(plain) :])[:1]
        if not places and self.positions and self.positions[-1].takes in ("many", "cell"):
            places = [self.positions[-1]]
        if places and not places[0].is_required:  # explain [N] FLAGS
            places += [each for each in self.positions if each.takes == "cell" and each not in places]
        return [*places, *(flag for flag in self.flags if flag.name not in before)]

    @cached_property
    def _parser(self) -> _Parser:
        parser = _Parser(add_help=False, allow_abbrev=False, exit_on_error=False)
        groups: dict[str, Any] = {"": parser}
        for argument in self.arguments:
            # Nothing is converted and nothing required here: what is wrong is said in the command's own words.
            given: dict[str, Any] = {"default": argparse.SUPPRESS}
            if not argument.is_flag or argument.has_value:
                given["nargs"] = "*" if argument.takes == "many" else "?"
            elif argument.takes != "switch":
                given["action"] = "store_true"
            if argument.has_value and argument.takes != "many":
                given["const"] = "" if argument.takes == "optional" else _MISSING
            if argument.group not in groups:
                groups[argument.group] = parser.add_mutually_exclusive_group()
            names = (argument.name,) if argument.is_flag else (argument.key,)
            groups[argument.group].add_argument(*names, **given)
        return parser

    def _sorted(self, words: list[str]) -> dict[str, Any]:
        """The words by the argument that each belongs to."""
        try:
            found, extra = self._parser.parse_known_intermixed_args(self._with_switches(words))
        except argparse.ArgumentError as error:
            raise CommandError(f"%openrouter {self.name}: {error.argument_name} is {error.message}.") from None
        if extra:
            raise CommandError(self._too_much(extra))
        return vars(found)

    def _with_switches(self, words: Iterable[str]) -> list[str]:
        """``--free off`` as ``--free=off``: what follows a switch is its value only where it is such a word."""
        switches = [argument.name for argument in self.arguments if argument.takes == "switch"]
        alone = [flag.name for flag in self.flags if not flag.has_value and flag.name not in switches]
        joined: list[str] = []
        for word in words:
            name, equals, _ = word.partition("=")
            if equals and name in alone:
                raise CommandError(f"%openrouter {self.name} {name} stands alone; {word!r} was typed.")
            if joined and joined[-1] in switches and word.lower() in (*ON, *OFF):
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return [f"{word}=on" if word in switches else word for word in joined]

    def _cut(self, text: str, rest: Argument) -> dict[str, Any]:
        """The first words and the flags, then the rest of the line as it stands."""
        found: dict[str, Any] = {}
        flags = {flag.name: flag.key for flag in self.flags}
        places = [argument for argument in self.positions if argument is not rest]
        if rest.takes == "cell":
            for name, key in flags.items():
                text, count = re.subn(rf"(?<!\S){name}(?!\S)", " ", text)
                found |= {key: True} if count else {}
        elif not self.is_text and (last := text.rpartition(" ")[2]) in flags:
            found[flags[last]], text = True, text.removesuffix(last).strip()
        while text := text.strip():
            word, *more = text.split(None, 1)
            if word in flags:
                found[flags[word]] = True
            elif places and self._is_one(places[0], word):
                found[places.pop(0).key] = word
            else:
                break
            text = more[0] if more else ""
        return found | ({rest.key: text} if text else {})

    def _is_one(self, argument: Argument, word: str) -> bool:
        """Whether a word that stands before the rest of a line is the argument, and not the beginning of the rest."""
        try:
            argument.convert(word)
        except ValueError:
            return argument.is_required
        return True

    def _value(self, argument: Argument, typed: Any) -> Any:
        if argument.is_flag and not argument.has_value and argument.takes != "switch":
            return bool(typed)
        if isinstance(typed, list):
            typed = " ".join(typed) or _MISSING
        if typed is None and not argument.is_required:
            return argument.default
        flag = f" {argument.name}" if argument.is_flag else ""
        if typed is None or typed is _MISSING:
            raise CommandError(f"%openrouter {self.name}{flag} wants {argument.wants}.")
        try:
            return _switched(typed) if argument.takes == "switch" else argument.convert(typed)
        except ValueError:
            wants = "on or off" if argument.takes == "switch" else argument.wants
            raise CommandError(f"%openrouter {self.name}{flag} wants {wants}; {typed!r} was typed.") from None

    def _too_much(self, extra: Sequence[str]) -> str:
        wrong = next((word for word in extra if word.startswith("-")), extra[0])
        if not wrong.startswith("-") or not self.flags:
            taken = " than ".join(filter(None, ("nothing more", self.full_usage.removeprefix(self.name).strip())))
            return f"%openrouter {self.name} takes {taken}; {wrong!r} was typed."
        flag = wrong.partition("=")[0]
        names = [each.name[2:] for each in self.flags]  # two dashes would make all of them alike
        near = difflib.get_close_matches(flag.lstrip("-").replace("_", "-"), names, n=1, cutoff=0.5)
        hint = f"Did you mean --{near[0]}?" if near else f"It takes {', '.join(each.typed for each in self.flags)}."
        return f"%openrouter {self.name} has no flag {flag!r}. {hint}"


def command(
    name: str, help: str, *arguments: Argument, is_text: bool = False
) -> Callable[[Callable[..., object]], Command]:
    """Declares the function below it as a subcommand; `Command` and `Argument` tell what the arguments are."""
    return lambda run: Command(name, help, run, arguments, is_text)


class _Parser(argparse.ArgumentParser):
    """A parser that prints nothing and ends nothing."""

    def error(self, message: str) -> NoReturn:
        """Whatever argparse finds wrong that is not one of its `ArgumentError`."""
        raise CommandError(f"{message}. %openrouter help lists what can be typed.")


def words_of(text: str) -> list[str]:
    """What was typed behind a command, cut as a shell does.

    Raises:
        CommandError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise CommandError(f"A quote is not closed in {text!r}.") from None


def positive(word: str) -> int:
    """A whole number from 1.

    Raises:
        ValueError: it is none.
    """
    if not word.isdecimal() or int(word) == 0:
        raise ValueError(word)
    return int(word)


def one_of(*words: str) -> Callable[[str], str]:
    """What takes one of these words, and no other."""

    def convert(word: str) -> str:
        if word not in words:
            raise ValueError(word)
        return word

    return convert


def moment(text: str) -> datetime:
    """A day or a moment as it was typed, in the time zone of this machine where it names none.

    Raises:
        CommandError: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise CommandError(f"{text!r} is no date: 2026-11-25, or 2026-11-25T14:00.") from None


def _switched(word: str) -> bool:
    if word.lower() not in (*ON, *OFF):
        raise ValueError(word)
    return word.lower() in ON


def _without_comment(text: str) -> str:
    """What stands before a ``# comment``, as in Python and in a shell: not one inside quotes or a word."""
    quote = ""
    for location, letter in enumerate(text):
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif letter == "#" and not quote and (location == 0 or text[location - 1].isspace()):
            return text[:location].strip()
    return text.strip()
