"""Commands in a real kernel: options, the account, and what is said while an answer waits."""

from __future__ import annotations

import pytest

from or_magic.sandbox import Sandbox
from or_magic.settings.parameters import PARAMETERS
from tests.faults.server import GOOD, serve

from .conftest import KEY, Kernel
from .test_real_kernel import shows


def test_an_option_is_set_shown_and_taken_back(kernel: Kernel) -> None:
    """`%openrouter set` changes an option, says so, and takes it back; `config` shows who set what."""
    changed = kernel.send("%openrouter set retries 5\n%config OpenRouterMagics.silence_timeout = '9'")
    assert kernel.finish(changed)["status"] == "ok"
    assert kernel.printed(changed).startswith("retries              5 (%openrouter set)")

    shown = kernel.send("%openrouter config")
    kernel.finish(shown)
    assert "silence_timeout      9 s (%config)" in kernel.printed(shown)
    assert "total_timeout        600 s (default)" in kernel.printed(shown)
    assert KEY not in kernel.printed(shown)

    back = kernel.send("%openrouter set retries default")
    kernel.finish(back)
    assert kernel.printed(back).startswith("retries              3 (default)")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        pytest.param("set retrys 5", "Did you mean retries?", id="a mistyped name"),
        pytest.param("set retries many", "'many'; it wants a whole number from 0 to 20", id="a word"),
        pytest.param("set retries 2.5", "a whole number", id="a fraction"),
        pytest.param("set retries", "wants a value, or the word unset", id="no value"),
        pytest.param("set model a/b", "%openrouter model ID", id="the model"),
        pytest.param("set base_url ftp://x", "no address", id="no address"),
        pytest.param("set base_url http://example.org/v1", "plain_http on", id="plain http"),
        pytest.param("config x", "takes nothing more", id="config with more"),
        pytest.param("credit", "Did you mean %openrouter credits?", id="a mistyped command"),
    ],
)
def test_what_a_beginner_mistypes(kernel: Kernel, typed: str, words: str) -> None:
    """A mistake is an error of one line that says what to type."""
    reply = kernel.run(f"%openrouter {typed}")

    assert (reply["status"], reply["ename"]) == ("error", "CommandError")
    assert words in reply["evalue"]
    assert len(reply["traceback"]) == 1


def test_another_server_of_the_protocol(kernel: Kernel) -> None:
    """`%openrouter set base_url` asks another server of the protocol, without the key of the first one."""
    with serve(GOOD) as server:
        kernel.run(f"%openrouter set base_url {server.base_url}")

        assert kernel.run("%%openrouter llama3/local\nhi")["status"] == "ok"

    assert kernel.value("_answer.text") == "Hello world"
    assert b'"stream_options": {"include_usage": true}' in server.requests[0]
    assert KEY.encode() not in server.requests[0]


def test_the_wait_for_another_attempt_is_shown(kernel: Kernel, sandbox: Sandbox) -> None:
    """A failure that passes is said in the cell while it waits, and in the footer; the answer comes all the same."""
    sandbox.fail_next(503, "Provider overloaded", headers={"Retry-After": "1"})
    request = kernel.send("%%openrouter sandbox/echo\nhi")

    kernel.watch(request, shows("Asked again in 1"))
    assert kernel.finish(request)["status"] == "ok"

    assert kernel.value("(_answer.text, _answer.attempts)") == ("hi", 2)
    assert [m for m in kernel.published(request, "update_display_data") if shows("asked 2 times")(m)]


def test_credits_and_limits_are_small_tables(kernel: Kernel) -> None:
    """`%openrouter credits` and `limits` are DataFrames: a table in the cell, a value in a variable."""
    for command in ("credits", "limits"):
        reply = kernel.run(f"{command} = %openrouter {command}")

        assert reply["status"] == "ok"
        assert kernel.value(f"type({command}).__name__") == "DataFrame"
        assert "USD" in kernel.value(f"{command}.to_string()")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("auto", "The model auto is now openrouter/auto."),
        ("sandbox/echo --provider.quantization fp16", "is now provider.quantizations: ['fp16']"),
        ("""sandbox/echo --transforms '["middle-out"]'""", "transforms is now a plugin"),
        ("sandbox/echo --route fallback --fallback sandbox/fast", "fallbacks are the models list"),
    ],
)
def test_old_names_in_a_cell(kernel: Kernel, line: str, words: str) -> None:
    """A name that the API has given up works in a cell, and the line under the answer says what it became."""
    request = kernel.send(f"%%openrouter {line}\nhi")

    assert kernel.finish(request)["status"] == "ok"
    last = kernel.published(request, "update_display_data")[-1]
    assert words in last["content"]["data"]["text/plain"].split("\n")[0]
    assert "<br>" in last["content"]["data"]["text/html"]


def test_parameters_from_every_place(kernel: Kernel, sandbox: Sandbox) -> None:
    """A parameter from the cell, the notebook, %config and the environment: the nearest wins, config shows which."""
    kernel.run("%env OR_MAGIC_SEED=1\n%config OpenRouterMagics.seed = '2'\n%config OpenRouterMagics.top_k = '40'")
    kernel.run("%openrouter set stop END")
    kernel.run("%%openrouter sandbox/echo -t 0.3 --seed 3\nhi")
    sent = sandbox.requests[-1].body

    assert [sent[name] for name in ("temperature", "seed", "top_k", "stop")] == [0.3, 3, 40, ["END"]]
    shown = kernel.send("%openrouter config")
    kernel.finish(shown)
    assert "seed                 2 (%config)" in kernel.printed(shown)
    assert "stop                 ['END'] (%openrouter set)" in kernel.printed(shown)


def test_who_serves_a_model(kernel: Kernel) -> None:
    """`%openrouter endpoints` is a DataFrame with a row a provider, and says so where there are none."""
    kernel.run("offers = %openrouter endpoints sandbox/routed")
    assert kernel.value("offers.index.tolist()") == ["sandbox-down", "sandbox-cheap", "sandbox", "sandbox-fast"]
    assert kernel.value("float(offers.loc['sandbox', 'prompt_usd_per_m'])") == 2.0

    reply = kernel.run("%openrouter endpoints openrouter/auto")
    assert "hand a question on" in reply["evalue"]


def test_the_help_lists_every_flag(kernel: Kernel) -> None:
    """`%openrouter help flags` lists every parameter."""
    request = kernel.send("%openrouter help flags")
    kernel.finish(request)

    assert all(parameter.long_flag in kernel.printed(request) for parameter in PARAMETERS)


def test_no_word_about_the_user_is_in_the_notebook(kernel: Kernel) -> None:
    """The parameters of a question are kept with its output, but none that tells about the user."""
    cell = "%%openrouter sandbox/echo -t 0.3 --user me-myself --session-id private-1 --metadata who=someone\nhi"
    request = kernel.send(cell)
    kernel.finish(request)

    messages = kernel.published(request, "display_data", "update_display_data")
    kept = [message["content"]["metadata"].get("or_magic", {}).get("parameters") for message in messages]
    assert {"temperature": 0.3} in kept
    assert not [message for message in messages if "me-myself" in str(message) or "private-1" in str(message)]
