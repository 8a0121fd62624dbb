"""`or-magic sandbox`: the sandbox as a program, for a terminal, another language, or a class-room."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from or_magic.sandbox import start
from or_magic.sandbox.behaviour import Behaviour, with_knobs
from or_magic.sandbox.responses import ERRORS

DEFAULT_PORT = 8417
_VARIABLE = "OR_SANDBOX_"
_DESCRIPTION = """\
An OpenRouter on your own machine: no account, no key, no cost. It answers on 127.0.0.1 only,
speaks the same protocol as https://openrouter.ai/api/v1, streams, counts tokens, and keeps an
exact account of charges in play money. Its models say openly that no model was asked.
"""
_EPILOG = """\
models:
  openrouter/auto      the default; hands every question to sandbox/rehearsal
  sandbox/rehearsal    repeats the question and explains what has happened
  sandbox/echo         the last user message, byte for byte
  sandbox/essay        a long Markdown answer; longer with a larger max_tokens
  sandbox/reasoner     thinks aloud first, with a signature, then answers
  sandbox/slow         an echo of five words a second, for trying the stop button
  sandbox/fast         the essay at full speed, free of charge
  sandbox/tools        calls the functions it is offered (those that the question names, else the first)
  sandbox/json         fills the JSON schema of response_format
  sandbox/coder        gives the code in the question back with a remark on it
  sandbox/vision       reports the images, files, sounds and films that it was sent
  sandbox/sources      answers with citations
  sandbox/memory       repeats what it was told so far; takes 10,000 tokens
  sandbox/routed       served by four providers: sandbox, sandbox-cheap (half the price, trains, bills stopped
                       answers in full), sandbox-fast (three times the price), sandbox-down (always fails).
                       provider.order, only, ignore, sort, max_price, quantizations, data_collection,
                       allow_fallbacks, require_parameters and models (fallbacks) have their effects
  sandbox/byok         an echo with a key of your own at the provider: a fee is charged
  sandbox/small        has room for 400 tokens
  sandbox/moderated    refuses questions with the word "forbidden"
  sandbox/flaky        is overloaded at every second request
  sandbox/unstoppable  bills stopped answers in full
  sandbox/error-NAME   refuses with: {errors}
  sandbox/breaks-a, -b, -c, -first   an error in mid-stream, in its three shapes, or as the first event
  sandbox/silent, /cut               falls silent, or drops the connection, after five events
  replay/NAME          a recorded answer of --replay
presets (preset or @preset/NAME): brief, thoughtful; others by the knob
variants: :nitro (fastest provider), :floor (cheapest), :exacto, :online, :extended, :thinking
X-OpenRouter-Cache: true gives the same answer again, free of charge.

keys:
  Any key that begins with sk-or- is accepted, unless it contains "wrong", "revoked" or
  "invalid": those are answered with 401, like a key that OpenRouter does not know.

control (with the token printed at the start, as "Authorization: Bearer TOKEN"):
  GET  /sandbox/charges     every charge, and the sum
  GET  /sandbox/requests    what clients sent (never a key), and how each request ended
  GET  /sandbox/behaviour   the knobs; POST some of them to turn them:
  {knobs}
  POST /sandbox/fail        {{"status": 429, "message": "..."}}: the next chat request fails so
  POST /sandbox/cut         {{"after_events": 3}}: the next stream breaks off there

environment: each knob as OR_SANDBOX_NAME, such as OR_SANDBOX_PACE=20 or
  OR_SANDBOX_STREAM_ERROR='{{"shape": "b", "after_events": 9}}'

Ctrl-C ends it.
"""
_GREETING = """\
OpenRouter sandbox: {base_url}

  export OPENROUTER_BASE_URL={base_url}
  export OPENROUTER_API_KEY=sk-or-sandbox      # any key that begins with sk-or-

  curl {base_url}/chat/completions -H "Authorization: Bearer sk-or-sandbox" \\
       -H "Content-Type: application/json" \\
       -d '{{"model": "sandbox/essay", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

Control token: {token}
Ctrl-C ends it."""


def main(argv: list[str] | None = None) -> int:
    """Run a sandbox until Ctrl-C; returns the exit status: 0, 1 if the port is taken, 2 if a knob is turned too far."""
    options = _parser().parse_args(argv)
    try:
        knobs = _knobs_of(os.environ) | _given(pace=options.pace, first_token_s=options.first_token)
        behaviour = with_knobs(Behaviour(), knobs)
    except ValueError as error:
        print(f"OR_SANDBOX_...: {error}", file=sys.stderr)
        return 2
    try:
        with start(options.port, behaviour=behaviour, replay=options.replay) as sandbox:
            greeting = "{base_url}" if options.quiet else _GREETING
            print(greeting.format(base_url=sandbox.base_url, token=sandbox.token), flush=True)
            while sandbox.is_running:
                time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        return 1
    return 0


def _knobs_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """The knobs that the environment turns: JSON, or a word."""
    names = {f"{_VARIABLE}{name.upper()}": name for name in Behaviour.__struct_fields__}
    if unknown := [name for name in environment if name.startswith(_VARIABLE) and name not in names]:
        raise ValueError(f"there is no knob {unknown[0]}")
    found = {}
    for variable, name in names.items():
        if text := environment.get(variable):
            try:
                found[name] = msgspec.json.decode(text)
            except msgspec.DecodeError:
                found[name] = text
    shape = found.get("usage_shape")
    return found | ({"usage_shape": str(shape)} if shape is not None else {})


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="or-magic sandbox",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(errors=_wrapped(ERRORS), knobs=_wrapped(Behaviour.__struct_fields__)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    port_help = f"port on 127.0.0.1, 0 for any free one (default {DEFAULT_PORT})"
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help=port_help)
    pace_help = "tokens per second, 0 for as fast as possible (default: each model's own, mostly 100)"
    parser.add_argument("--pace", type=_not_negative, metavar="N", help=pace_help)
    first_help = "seconds to the first token (default: each model's own, mostly 0.25)"
    parser.add_argument("--first-token", type=_not_negative, metavar="SECONDS", help=first_help)
    replay_help = "a folder of recorded answers (.sse, .txt, .json, cassettes), asked for as replay/NAME"
    parser.add_argument("--replay", metavar="FOLDER", help=replay_help)
    parser.add_argument("--quiet", action="store_true", help="print the base URL and nothing else")
    return parser


def _wrapped(names: Iterable[str]) -> str:
    return textwrap.fill(", ".join(names), 90, subsequent_indent=" " * 23).strip()


def _not_negative(text: str) -> float:
    number = float(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
