"""What the sandbox refuses, and in which words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from or_magic.sandbox import Sandbox

from .talker import Talker

QUESTION = {"role": "user", "content": "hello"}


@pytest.mark.parametrize("path", ["/key", "/credits", "/generation?id=gen-1", "/chat/completions"])
@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "Missing Authentication header"),
        ("Basic abc", "Missing Authentication header"),
        ("Bearer", "Missing Authentication header"),
        ("Bearer sk-proj-of-someone-else", "User not found."),
        ("Bearer sk-or-wrong", "User not found."),
        ("Bearer sk-or-v1-revoked", "User not found."),
        ("Bearer sk-or-v1-invalid", "User not found."),
    ],
)
def test_a_key_is_needed(
    stranger: httpx.Client, sandbox: Sandbox, path: str, authorization: str | None, message: str
) -> None:
    """Without an acceptable key the answer is 401 in the service's words."""
    headers = {"Authorization": authorization} if authorization else {}
    method = "POST" if path == "/chat/completions" else "GET"

    answer = stranger.request(method, sandbox.base_url + path, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"error": {"message": message, "code": 401}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', "not valid JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "`messages`"),
        (b'{"messages": []}', "`$.messages`"),
        (b'{"messages": "hello"}', "`$.messages`"),
        (b'{"messages": [{"role": "robot", "content": "hello"}]}', "`$.messages[0].role`"),
        (b'{"messages": [{"role": "user", "content": 7}]}', "`$.messages[0].content`"),
    ],
)
def test_a_broken_request_is_explained(client: httpx.Client, body: bytes, message: str) -> None:
    """Broken JSON and wrong messages are a 400 that names the place."""
    answer = client.post("/chat/completions", content=body)

    assert answer.status_code == answer.json()["error"]["code"] == 400
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "many"),
        ("max_tokens", 0),
        ("temperature", 9),
        ("top_p", -0.1),
        ("stream", "yes"),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("provider", "openai"),
        ("models", "sandbox/echo"),
    ],
)
def test_a_parameter_out_of_range_is_named(client: httpx.Client, name: str, value: Any) -> None:
    """A parameter of the wrong type or out of its range is a 400 that names it."""
    answer = client.post("/chat/completions", json={"messages": [QUESTION], name: value})

    assert answer.status_code == 400
    assert f"`$.{name}`" in answer.json()["error"]["message"]


def test_unknown_parameters_are_ignored(talker: Talker) -> None:
    """The contract is additive: what the sandbox does not know has no effect."""
    answer = talker.whole("sandbox/echo", "hello", transforms=["middle-out"], something_new={"a": 1})

    assert answer["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_unknown_model_is_refused(sandbox: Sandbox, talker: Talker, is_streamed: bool) -> None:
    """An unknown model is a plain 400, also for a stream, and costs nothing."""
    answer = talker.post("foo/bar", "hello", stream=is_streamed)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "foo/bar is not a valid model ID"
    assert len(sandbox.charges) == 0


def test_another_path_says_where_the_sandbox_answers(
    stranger: httpx.Client, sandbox: Sandbox, client: httpx.Client
) -> None:
    """A path that does not exist is a JSON 404 that tells the right root, inside it and outside."""
    inside = client.get("/nothing")
    outside = stranger.post(f"http://127.0.0.1:{sandbox.port}/chat/completions")

    for answer in (inside, outside):
        assert answer.status_code == answer.json()["error"]["code"] == 404
        assert "/api/v1" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/chat/completions"), ("POST", "/models"), ("PUT", "/key")],
)
def test_another_method_is_refused(client: httpx.Client, method: str, path: str) -> None:
    """The wrong method is a JSON 405 that names the right one."""
    answer = client.request(method, path)

    assert answer.status_code == answer.json()["error"]["code"] == 405
    assert answer.headers["allow"] in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_machine_is_let_in(stranger: httpx.Client, sandbox: Sandbox, name: str) -> None:
    """The names of this machine, with the sandbox's port, are accepted as Host."""
    answer = stranger.get(f"{sandbox.base_url}/models", headers={"Host": f"{name}:{sandbox.port}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}"],
)
@pytest.mark.parametrize("path", ["/api/v1/models", "/sandbox/charges"])
def test_a_foreign_host_is_kept_out(stranger: httpx.Client, sandbox: Sandbox, host: str, path: str) -> None:
    """Any other Host is a 403 in JSON (DNS rebinding), before anything is looked at or written down."""
    url = f"http://127.0.0.1:{sandbox.port}{path}"

    answer = stranger.get(url, headers={"Host": host.format(port=sandbox.port)})

    assert answer.status_code == answer.json()["error"]["code"] == 403
    assert len(sandbox.requests) == 0


def test_a_browser_gets_no_permission(stranger: httpx.Client, sandbox: Sandbox) -> None:
    """A preflight from a web page is not answered with any CORS header."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    answer = stranger.options(f"{sandbox.base_url}/chat/completions", headers=asked)

    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
