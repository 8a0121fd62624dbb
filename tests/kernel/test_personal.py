"""What a user keeps for all notebooks: defaults, short names of models, prompts; and help on each subcommand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from or_magic.commands.registry import COMMANDS
from or_magic.sandbox import Sandbox

from .conftest import Kernel


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return environment | {"OR_MAGIC_SETTINGS": str(tmp_path / "settings" / "settings.toml")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "settings.toml"


def out(kernel: Kernel, code: str) -> str:
    """What a line printed, or the line of its error."""
    request = kernel.send(code)
    reply = kernel.finish(request)
    return str(reply.get("evalue") or kernel.printed(request))


def body(sandbox: Sandbox) -> dict[str, object]:
    return [each.body for each in sandbox.requests if each.body and "messages" in each.body][-1]


def test_aliases(kernel: Kernel, sandbox: Sandbox, file: Path) -> None:
    """A short name stands for a model in cells, lines and settings; the notebook's own stands before the user's."""
    assert "sandbox/echo" in out(kernel, "%openrouter alias fast sandbox/echo  # the small one")
    kernel.run("%%openrouter fast\nhi")
    assert body(sandbox)["model"] == "sandbox/echo"
    assert tomllib.loads(file.read_text()) == {"aliases": {"fast": "sandbox/echo"}}

    kernel.run("%openrouter alias --notebook fast sandbox/tools")
    kernel.run("%openrouter model fast")
    kernel.run("%openrouter ask hi")
    assert body(sandbox)["model"] == "sandbox/tools"
    assert tomllib.loads(file.read_text()) == {"aliases": {"fast": "sandbox/echo"}}
    assert "gone" in out(kernel, "%openrouter alias fast unset")
    assert "'fast' is no model id" in out(kernel, "%%openrouter fast\nhi")
    assert "is no model id" in out(kernel, "%openrouter alias x gpt")
    assert "cannot be an alias" in out(kernel, "%openrouter alias a/b sandbox/echo")


def test_prompts(kernel: Kernel, sandbox: Sandbox, file: Path) -> None:
    """A named prompt stands before the cell's text or is its system prompt; templates in it are text."""
    kernel.run("%openrouter prompt review Review {{ this }} # and that:")
    kernel.run("x = 1")
    kernel.run("%%openrouter sandbox/echo --prompt review --no-history\ncode {{ x }}")
    assert body(sandbox)["messages"] == [{"role": "user", "content": "Review {{ this }} # and that:\n\ncode 1"}]
    kernel.run("%%openrouter sandbox/echo --prompt review --no-history\n")
    assert body(sandbox)["messages"][0]["content"] == "Review {{ this }} # and that:"
    kernel.run("%%openrouter sandbox/echo --system @review --no-history\nhi")
    assert body(sandbox)["messages"][0] == {"role": "system", "content": "Review {{ this }} # and that:"}
    kernel.run("%openrouter system @review")
    kernel.run("%%openrouter sandbox/echo\nhi")
    assert body(sandbox)["messages"][0]["role"] == "system"
    assert "Did you mean review?" in out(kernel, "%%openrouter --prompt revew\nhi")
    assert tomllib.loads(file.read_text())["prompts"] == {"review": "Review {{ this }} # and that:"}


def test_defaults_for_all_notebooks(kernel: Kernel, sandbox: Sandbox, file: Path) -> None:
    """`set --user` writes into the file, whose comments stay; the notebook's own wins; `unset` takes it out again."""
    file.parent.mkdir()
    file.write_text("# mine\ntop_p = 0.5  # half\n")
    for line in ("set --user temperature 0.3", "set --user model sandbox/echo", "set --user footer brief"):
        assert "settings file" in out(kernel, f"%openrouter {line}")
    kernel.run("%openrouter ask hi")

    assert (body(sandbox)["model"], body(sandbox)["temperature"], body(sandbox)["top_p"]) == ("sandbox/echo", 0.3, 0.5)
    assert file.read_text().startswith("# mine\ntop_p = 0.5  # half\n")
    kernel.run("%openrouter set temperature 0.9")
    kernel.run("%openrouter ask hi")
    assert body(sandbox)["temperature"] == 0.9
    kernel.run("%openrouter set temperature unset")
    kernel.run("%openrouter set --user temperature unset")
    assert "temperature" not in tomllib.loads(file.read_text())
    assert "a number from 0 to 2" in out(kernel, "%openrouter set --user temperature warm")
    assert "There is no" in out(kernel, "%openrouter set --user temprature 1")
    shown = out(kernel, "%openrouter config")
    assert "For all notebooks: " in shown
    assert "settings.toml" in shown


def test_a_damaged_file_is_said(kernel: Kernel, file: Path) -> None:
    """A file that is no TOML, or holds what is no name, is one line; nothing is overwritten."""
    file.parent.mkdir()
    file.write_text("[aliases]\nfast = 3\n")
    assert "[aliases] holds lines such as" in out(kernel, "%openrouter alias fast sandbox/echo")
    file.write_text("this is no toml")
    assert "The settings file cannot be read" in out(kernel, "%openrouter alias fast sandbox/echo")
    assert file.read_text() == "this is no toml"


def test_help_on_each_subcommand(kernel: Kernel) -> None:
    """`--help` behind any subcommand tells what it takes, and does nothing else."""
    for command in COMMANDS:
        for flag in ("--help", "-h"):
            shown = out(kernel, f"%openrouter {command.name} {flag}")
            assert shown.startswith(f"%openrouter {command.usage}: {command.help}\n\n"), command.name
            assert "``" not in shown


def test_comments_and_variables_on_a_line(kernel: Kernel, sandbox: Sandbox) -> None:
    """A comment behind flags is none of them, a quote protects it; {name} and $name are the user's variables."""
    kernel.run("m = 'sandbox/echo'; t = 0.25")
    kernel.run("%%openrouter $m -t {t} --system 'a # b' --no-history  # a remark -t 2\nhi # there")

    sent = body(sandbox)
    assert (sent["model"], sent["temperature"]) == ("sandbox/echo", 0.25)
    assert [message["content"] for message in sent["messages"]] == ["a # b", "hi # there"]
    assert "sandbox/echo" in out(kernel, "%openrouter model sandbox/echo # from now on")
    kernel.run("%openrouter ask Is this it # or {m} $m?")
    assert body(sandbox)["messages"][-1]["content"] == "Is this it # or {m} $m?"
