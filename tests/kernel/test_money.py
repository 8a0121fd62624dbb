"""Money in a real kernel: what cells say of budgets, costs and rehearsals."""

from __future__ import annotations

from pathlib import Path

import pytest

from or_magic.sandbox import Sandbox

from .conftest import Kernel


def printed(kernel: Kernel, line: str) -> str:
    """What a cell prints, or the line of its error."""
    request = kernel.send(line)
    reply = kernel.finish(request)
    return str(reply.get("evalue", "")) or kernel.printed(request)


def shown(kernel: Kernel, line: str) -> str:
    """The value of a cell, as text."""
    request = kernel.send(line)
    kernel.finish(request)
    return str(kernel.published(request, "execute_result")[-1]["content"]["data"]["text/plain"])


def test_a_budget(kernel: Kernel, sandbox: Sandbox) -> None:
    """A budget is set and shown in a line, refuses in a line, stands in the footer, and is taken away again."""
    assert printed(kernel, "%openrouter budget").startswith("No budget is set. %openrouter budget 2.00 sets one")
    assert printed(kernel, "%openrouter budget $0.01") == "this notebook: $0 of $0.010 spent\n"

    request = kernel.send("%%openrouter sandbox/echo\nhi")
    kernel.finish(request)
    footer = str(kernel.published(request, "update_display_data")[-1]["content"]["data"]["text/plain"])
    assert " of $0.010" in footer
    assert "max_tokens was set to " in footer

    before = len([each for each in sandbox.requests if each.body])
    assert "This may cost up to $0.75" in printed(kernel, "%%openrouter sandbox/essay --max-tokens 50000\nhi")
    assert len([each for each in sandbox.requests if each.body]) == before
    assert printed(kernel, "%openrouter budget off").startswith("No budget is set.")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%openrouter budget two", "wants an amount in USD, such as 2.00; 'two' was typed."),
        ("%openrouter budget -1", "wants an amount in USD"),
        ("%openrouter budget 1 --week", "has no flag '--week'. It takes --day, --thread, --notebook."),
        ("%openrouter budget --day", "%openrouter budget AMOUNT --day sets one"),
        ("%openrouter budget 1 --thread", "There is no thread yet"),
        ("%openrouter replay", "wants export FILE.json (--force replaces a file) or import FILE.json"),
        ("%openrouter replay exprot a.json", "wants export FILE.json"),
        ("%openrouter replay export a.json", "No cell of this kernel has an answer yet"),
        ("%openrouter replay import nowhere.json", "nowhere.json cannot be read: No such file or directory."),
        ("%openrouter replay import 'a.json", "A quote is not closed"),
        ("%openrouter set replay nowhere", "it wants one of restart, always, never, or a folder that exists."),
        ("%%openrouter sandbox/echo --replay sometimes\nhi", "wants one of restart, always, never."),
        ("%openrouter cost --by model", "has no flag '--by'. It takes --all, --since DATE, --plot."),
        ("%openrouter cost --since yesterday", "is no date"),
        ("%openrouter set daily_budget lots", "it wants an amount in USD such as 2.00, or none."),
        ("%%openrouter sandbox/echo --max-cost cheap\nhi", "--max-cost is 'cheap'; it wants an amount in USD"),
    ],
)
def test_mistyped(kernel: Kernel, line: str, said: str) -> None:
    """What is mistyped is one line that says what is wanted."""
    told = printed(kernel, line)

    assert said in told
    assert "\n" not in told


def test_costs(kernel: Kernel, sandbox: Sandbox) -> None:
    """The summary and the tables agree with the service's book."""
    for model in ("echo", "essay"):
        kernel.run(f"%%openrouter sandbox/{model}\nWhat?")
    total = sandbox.charges.total_usd()

    summary = shown(kernel, "spent = %openrouter cost\nspent")

    assert f"Exactly: ${total:f}." in summary
    assert "By model:" in summary
    assert kernel.value("str(sum(spent.df()['cost_usd']))") == f"{total:f}"
    assert kernel.value("list(spent.by('model').index)") == ["sandbox/essay", "sandbox/echo"]
    assert "All notebooks spent" in shown(kernel, "%openrouter cost --all --since 2026-01-01")


def test_a_dry_run(kernel: Kernel, sandbox: Sandbox, tmp_path: Path) -> None:
    """--dry-run prints what would be sent and its price; no answer is asked for and none is bound."""
    told = printed(kernel, "%%openrouter sandbox/essay --dry-run --max-tokens 100\nTell me.")

    assert told.startswith("Nothing was sent. To sandbox/essay at http://127.0.0.1:")
    assert "  user: Tell me.\n" in told
    assert "(100 tokens of answer, the most)" in told
    assert not [each for each in sandbox.requests if each.body]
    assert kernel.value("'_answer' in globals()") is False
