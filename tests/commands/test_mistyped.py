"""What a beginner mistypes behind ``%openrouter``: one line that says what happened and what to type."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from or_magic.commands import cells
from or_magic.commands.registry import COMMANDS, run_line
from or_magic.commands.subcommand import Argument, Command
from or_magic.errors import CommandError

from .plain_context import PlainContext

MISTYPED = [  # what is typed, what must stand in the line
    ("undo two", "%openrouter undo wants a number of turns; 'two' was typed."),
    ("undo 0", "wants a number of turns; '0' was typed."),
    ("undo -1", "wants a number of turns; '-1' was typed."),
    ("undo 1 2", "%openrouter undo takes nothing more than [N]; '2' was typed."),
    ("undo --all", "%openrouter undo takes nothing more than [N]; '--all' was typed."),
    ("redo some", "wants a number of turns, or all; 'some' was typed."),
    ("reset all", "%openrouter reset takes nothing more; 'all' was typed."),
    ("budget 2,00", "wants an amount in USD, such as 2.00; '2,00' was typed."),
    ("budget 1 --week", "%openrouter budget has no flag '--week'. It takes --day, --thread, --notebook."),
    ("budget 1 --dya", "%openrouter budget has no flag '--dya'. Did you mean --day?"),
    ("budget 1 --day --thread", "%openrouter budget: --thread is not allowed with argument --day."),
    ("budget --day", "%openrouter budget AMOUNT --day sets one; off takes it away."),
    ("switch", "%openrouter switch wants the name of a thread; %openrouter threads lists them."),
    ("switch mian", "There is no thread 'mian'"),
    ("switch don't", 'A quote is not closed in "don\'t".'),
    ("fork", "%openrouter fork wants a name for the new thread."),
    ("forget", "wants one of --notebook, --thread [NAME], --before 2026-11-25."),
    ("forget everything", "%openrouter forget takes nothing more than [--notebook | --thread [NAME] | --before DATE]"),
    ("forget --before", "%openrouter forget --before wants a date, such as 2026-11-25."),
    ("forget --before yesterday", "'yesterday' is no date"),
    ("forget --notebook --thread", "--thread is not allowed with argument --notebook."),
    ("forget --notebok", "Did you mean --notebook?"),
    ("show", "wants the number of a turn, as %openrouter history tells it."),
    ("show last", "wants the number of a turn, as %openrouter history tells it; 'last' was typed."),
    ("history --search", "%openrouter history --search wants the words to look for."),
    ("history --find x", "%openrouter history has no flag '--find'. It takes --all, --search TEXT."),
    ("cost now", "takes nothing more than [--all] [--since DATE] [--plot]; 'now' was typed."),
    ("cost --all=3", "%openrouter cost --all stands alone; '--all=3' was typed."),
    ("export", "%openrouter export wants one file, such as talk.md."),
    ("export 'talk.md", 'A quote is not closed in "\'talk.md".'),
    ("export a.md b.md", "%openrouter export takes nothing more than FILE [--force]; 'b.md' was typed."),
    ("import", "%openrouter import wants one .json file of messages"),
    ("adopt", "wants the notebook's old name, such as adopt old.ipynb."),
    ("insert first", "%openrouter insert wants the number of a block; 'first' was typed."),
    ("stop 99", "Nothing is under way in the background."),
    ("ask", "%openrouter ask wants a question: %openrouter ask Why is the sky blue?"),
    ("fix", "No cell has failed in this kernel. %openrouter explain N explains cell N."),
    ("explain 99", "There is no cell [99] in this kernel"),
    ("model a b", "%openrouter model takes nothing more than [ID]; 'b' was typed."),
    ("model gpt five", "'five' was typed."),
    ("models --fre", "%openrouter models has no flag '--fre'. Did you mean --free?"),
    ("models --limit", "%openrouter models --limit wants a number of models."),
    ("models --free=maybe", "%openrouter models --free wants on or off; 'maybe' was typed."),
    ("endpoints a b", "%openrouter endpoints takes nothing more than [MODEL]; 'b' was typed."),
    ("providers all", "%openrouter providers takes nothing more; 'all' was typed."),
    ("changes yesterday", "'yesterday' is no date"),
    ("chart", "%openrouter chart wants what it draws: context, intelligence, history or spending."),
    ("chart pie", "context, intelligence, history or spending; 'pie' was typed."),
    ("set retrys 5", "Did you mean retries?"),
    ("set temperature", "wants a value, or the word unset"),
    ("alias a/b sandbox/echo", "cannot be an alias"),
    ("alias fast", "There are no aliases yet."),
    ("key sk-or-v1-0123", "A key written into a cell would be saved with the notebook."),
    ("key 'sk-or-v1-0123", "A key written into a cell would be saved with the notebook."),
    ("sandbox start", "%openrouter sandbox wants nothing more, or stop; 'start' was typed."),
    ("help flgas", "%openrouter help wants nothing more, or flags; 'flgas' was typed."),
    ("replay", "wants export FILE.json (--force replaces a file) or import FILE.json."),
    ("replay exprot a.json", "wants export FILE.json"),
    ("budgte 2", "No subcommand 'budgte'. Did you mean %openrouter budget?"),
    ("Why is the sky blue?", "No subcommand 'Why'. To ask: %openrouter ask Why is the sky blue?"),
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainContext]:
    folder = tmp_path_factory.mktemp("mistyped")
    names = {"OR_MAGIC_STORE": "ledger.sqlite", "OR_MAGIC_SETTINGS": "settings.toml"}
    context = PlainContext({name: str(folder / file) for name, file in names.items()})
    yield context
    context.session.close()


def line_of(context: PlainContext, typed: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a line, or what it printed."""
    try:
        run_line(context, typed)
    except CommandError as error:
        return str(error)
    return capsys.readouterr().out.strip()


def test_one_line_that_says_what_to_type(context: PlainContext, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake is one line with what was typed, or what is wanted; a key is not repeated."""
    told = {typed: line_of(context, typed, capsys) for typed, _ in MISTYPED}

    assert [(typed, told[typed]) for typed, said in MISTYPED if said not in told[typed] or "\n" in told[typed]] == []
    assert [line for line in told.values() if "0123" in line] == []


def test_every_declaration_is_whole() -> None:
    """Each command says what it does at length, and what each of its flags and required words is for."""
    missing = [command.name for command in COMMANDS if not command.run.__doc__]
    for command in COMMANDS:
        missing += [f"{command.name} {each.name}" for each in command.flags if not each.help]
        wanting = [each for each in command.arguments if each.is_required or (each.is_flag and each.has_value)]
        missing += [each.name for each in wanting if each.wants == "a value" and each.takes != "optional"]

    assert missing == []
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


def test_a_command_that_is_told_is_one(context: PlainContext, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is there yet, the command that is named is one that can be typed."""
    names = {command.name for command in COMMANDS}

    for typed in ("alias", "prompt"):
        run_line(context, typed)
        told = re.findall(r"%openrouter (\w+)", capsys.readouterr().out)
        assert told, typed
        assert set(told) <= names


def parsed(text: str, *arguments: Argument, is_text: bool = False) -> dict[str, object]:
    return Command("x", "", print, arguments, is_text).parse(text)


def test_flags_stand_anywhere_among_words() -> None:
    """Flags may stand before, between and behind the words; a word in quotes is one; a switch takes off."""
    file, what, force = Argument("file", "FILE"), Argument("what", "WHAT"), Argument("--force")
    switch, many = Argument("--free", takes="switch"), Argument("query", "QUERY", takes="many")

    for text in ("export --force 'a b'", "--force export 'a b'", "export 'a b' --force"):
        assert parsed(text, what, file, force) == {"what": "export", "file": "a b", "force": True}
    assert parsed("one --free two", many, switch) == {"query": "one two", "free": True}
    assert parsed("--free off x", many, switch) == {"query": "x", "free": False}
    assert parsed("", many, switch, force) == {"query": None, "free": None, "force": False}


def test_the_rest_of_a_line_stays_as_it_was_typed() -> None:
    """Quotes, braces and dashes are text there; flags count before it, and behind it where it is no prompt."""
    name, value, user = Argument("name", "NAME"), Argument("value", "VALUE", takes="text"), Argument("--user")

    assert parsed("""--user provider {"only": ["a b"]}""", name, value, user) == {
        "name": "provider",
        "value": """{"only": ["a b"]}""",
        "user": True,
    }
    assert parsed("stop ' END' --user", name, value, user) == {"name": "stop", "value": "' END'", "user": True}
    assert parsed("review it's --user", name, value, user, is_text=True)["value"] == "it's --user"


def test_a_cell_line_behind_a_command() -> None:
    """The flags of the command may stand anywhere in the line of a cell, and only a number is its number."""
    from or_magic.commands.ask import explain

    assert explain.parse("3 a/b --values -t 1") == {"number": 3, "values": True, "line": "a/b   -t 1"}
    assert explain.parse(" --values  ") == {"number": None, "values": True, "line": ""}
    assert explain.parse("a/b") == {"number": None, "values": False, "line": "a/b"}


def test_tab_offers_what_can_be_typed_next() -> None:
    """Behind a flag its value; else the next word and the flags that are not on the line yet."""
    offered = {
        "models": ["query", "--free"],
        "models --sort": ["--sort"],
        "forget --notebook": ["--thread", "--before"],
        "replay export": ["file", "--force"],
        "set footer": ["value", "--user"],
        "explain": ["number", "line"],
        "explain 3": ["line", "--values"],
        "export talk.md": ["--force"],
    }
    for line, first in offered.items():
        name, *before = line.split()
        (command,) = [each for each in COMMANDS if each.name == name]
        assert [argument.name for argument in command.next_arguments(before)][: len(first)] == first, line


def test_a_folder_is_no_file(context: PlainContext) -> None:
    """A folder that is given as a file is named in one line, also the one that has no name of its own."""
    for word in ("/", "..", "."):
        with pytest.raises(CommandError, match=r"is a folder\. Name a file in it\."):
            cells.ask(context, "hi", cells.cell_line(context, f"sandbox/echo --file {word}"))
