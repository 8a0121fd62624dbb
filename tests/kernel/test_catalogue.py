"""The catalog in real kernels: tables, cards, charts, and Tab."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from or_magic.sandbox import Sandbox

from .conftest import Kernel

VEGA = "application/vnd.vegalite.v5+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


def out(kernel: Kernel, code: str) -> str:
    """What a cell printed, or the line of its error."""
    request = kernel.send(code)
    reply = kernel.finish(request)
    return str(reply.get("evalue") or kernel.printed(request))


def shown(kernel: Kernel, code: str) -> dict[str, Any]:
    """What the value of a cell is shown as."""
    request = kernel.send(code)
    assert kernel.finish(request)["status"] == "ok"
    bundle: dict[str, Any] = kernel.published(request, "execute_result")[-1]["content"]["data"]
    return bundle


def test_models_are_a_table(kernel: Kernel) -> None:
    """`%openrouter models` is a DataFrame that shows as a table to search, with plain HTML and text beside it."""
    bundle = shown(kernel, "%openrouter models sandbox --vision --sort price")
    assert set(bundle) == {WIDGET, "text/html", "text/plain"}
    assert "sandbox/vision" in bundle["text/html"]
    assert "sandbox/vision" in bundle["text/plain"]

    kernel.run("found = %openrouter models --tools --limit 1 --job 1000in,100out")
    assert kernel.value("(list(found.index), str(found['job_usd'].iloc[0]), type(found).__name__)") == (
        ["sandbox/tools"],
        "0.0014",
        "ModelTable",
    )
    assert kernel.value("len(__import__('or_magic').models(free=True))") >= 0
    assert "Did you mean --free?" in out(kernel, "%openrouter models --fre")
    assert "one of price, context" in out(kernel, "%openrouter models --sort cheap")


def test_endpoints_providers_and_changes(kernel: Kernel) -> None:
    """Who serves a model, the companies, and what changed are tables; what is not there yet is one line."""
    kernel.run("a = %openrouter endpoints sandbox/routed\nb = %openrouter providers")
    assert kernel.value("(len(a) >= 4, a['prompt_usd_per_m'].is_monotonic_increasing, len(b) >= 4)") == (True,) * 3
    assert "only one snapshot" in out(kernel, "%openrouter changes")
    assert "is no date" in out(kernel, "%openrouter changes yesterday")
    assert kernel.value("str(__import__('or_magic').catalog.price('sandbox/echo').prompt)") == "1E-7"
    assert "No model 'sandbox/ech'. Nearest: sandbox/echo (0.1 in, 0.4 out)" in out(
        kernel, "import or_magic; or_magic.models.price('sandbox/ech')"
    )


def test_the_card_of_a_model(kernel: Kernel) -> None:
    """`%openrouter model ID` sets it and tells what is known of it; of a mistyped one the nearest with their prices."""
    kernel.run("%openrouter models x")
    card = out(kernel, "%openrouter model sandbox/routed")
    assert card.startswith("sandbox/routed (%openrouter model)\n")
    assert "USD per million tokens" in card
    assert "    Fast Sandbox: 6 in, 24 out, 100.0 % up, 400 tokens/s" in card
    assert "% up" in card or "in trouble" in card
    assert "A router: it picks a model for each question" in out(kernel, "%openrouter model auto")
    assert "Nearest: sandbox/echo (0.1 in, 0.4 out)" in out(kernel, "%openrouter model sandbox/ech")
    assert "Nearest: sandbox/echo (0.1 in, 0.4 out)" in out(kernel, "%%openrouter sandbox/ech\nhi")


@pytest.mark.parametrize("what", ["context", "spending", "history sandbox/echo"])
def test_charts_draw_without_a_network(kernel: Kernel, what: str) -> None:
    """A chart is Vega-Lite 5 with its values in it, and a PNG beside it; nothing in it names another machine."""
    kernel.run("%%openrouter sandbox/echo\nhi")
    bundle = shown(kernel, f"%openrouter chart {what}")

    assert set(bundle) == {VEGA, "image/png", "text/plain"}
    assert bundle[VEGA]["$schema"].endswith("/v5.json")
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "url" not in str(bundle[VEGA]).replace("$schema", "")


def test_what_cannot_be_drawn_is_said(kernel: Kernel) -> None:
    """A chart that is none, or has nothing to draw, is one line."""
    assert "history or spending; 'pie' was typed." in out(kernel, "%openrouter chart pie")
    assert "nothing can be drawn" in out(kernel, "%openrouter chart context nothing-like-this")
    assert "nothing can be drawn" in out(kernel, "%openrouter chart spending")
    assert "nothing can be drawn" in out(kernel, "%openrouter chart intelligence")


COMPLETIONS = [  # what is typed, what must be offered first, what is replaced
    ("%%openrouter ech", "sandbox/echo", "ech"),
    ("%%openrouter sandbox/e", "sandbox/echo", "sandbox/e"),
    ("%%or -m visi", "sandbox/vision", "visi"),
    ("%%openrouter sandbox/echo:n", "sandbox/echo:nitro", "sandbox/echo:n"),
    ("%%openrouter --reas", "--reasoning", "--reas"),
    ("%%openrouter --reasoning ", "max", ""),
    ("%%openrouter --reasoning=lo", "--reasoning=low", "--reasoning=lo"),
    ("%%openrouter -f js", "json", "js"),
    ("%%openrouter --thread ma", "main", "ma"),
    ("%%openrouter --prompt rev", "review", "rev"),
    ("%%openrouter --schema Per", "Person", "Per"),
    ("%%openrouter fas", "fast", "fas"),
    ("%openrouter expo", "export", "expo"),
    ("%openrouter model reaso", "sandbox/reasoner", "reaso"),
    ("%openrouter set foo", "footer", "foo"),
    ("%openrouter set footer b", "brief", "b"),
    ("%openrouter switch m", "main", "m"),
    ("%openrouter models --so", "--sort", "--so"),
    ("%openrouter models --sort val", "value", "val"),
    ("x = 1\n%openrouter model ech", "sandbox/echo", "ech"),
    ("found = %openrouter models --vis", "--vision", "--vis"),
]


def test_tab_completes_without_asking_anybody(kernel: Kernel, sandbox: Sandbox) -> None:
    """Ids, flags, values, subcommands, threads and settings complete, by parts of words; nothing is fetched for it."""
    kernel.run("%openrouter models x\nclass Person: pass")
    kernel.run("%%openrouter sandbox/echo\nhi")
    kernel.run("%openrouter alias --notebook fast sandbox/echo\n%openrouter prompt --notebook review Look at it.")
    before = len(sandbox.requests)
    wrong = []
    for code, first, replaced in COMPLETIONS:
        reply = kernel.completion(code)
        offered = [each["text"] for each in reply["metadata"]["_jupyter_types_experimental"]]
        part = code[reply["cursor_start"] : reply["cursor_end"]]
        wrong += [] if (offered[:1], part) == ([first], replaced) else [(code, offered[:3], part)]

    assert wrong == []
    assert len(sandbox.requests) == before
    types = {
        e["text"]: e["type"] for e in kernel.completion("%%openrouter ech")["metadata"]["_jupyter_types_experimental"]
    }
    assert types["sandbox/echo"] == "0.1 in, 0.4 out"


def test_only_what_the_model_hears_is_offered(kernel: Kernel) -> None:
    """Flags of parameters that a model does not list are not offered for it; all others are."""
    kernel.run("%openrouter models x")
    echo = kernel.complete("%%openrouter sandbox/echo --")
    reasoner = kernel.complete("%%openrouter sandbox/reasoner --")

    assert "--reasoning" in reasoner
    assert "--reasoning" not in echo
    assert {"--model", "--schema", "--max-tokens"} <= set(echo) & set(reasoner)


def test_the_prompt_is_not_completed(kernel: Kernel) -> None:
    """Below the first line, and in other cells, completion is IPython's own."""
    kernel.run("%openrouter models x\nechoes = 1")
    assert "sandbox/echo" not in kernel.complete("%%openrouter sandbox/echo\nech")
    assert "echoes" in kernel.complete("ech")
    kernel.run("%unload_ext or_magic")
    assert "sandbox/echo" not in kernel.complete("%openrouter model ech")
