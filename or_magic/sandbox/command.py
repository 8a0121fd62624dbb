"""`or-magic sandbox`: the sandbox as a program, for a terminal, another language, or a class-room."""

from __future__ import annotations

import argparse
import sys
import time

from or_magic.sandbox import start
from or_magic.sandbox.behaviour import Behaviour

DEFAULT_PORT = 8417

_DESCRIPTION = """\
An OpenRouter on your own machine: no account, no key, no cost. It answers on 127.0.0.1 only,
speaks the same protocol as https://openrouter.ai/api/v1, streams, counts tokens, and keeps an
exact book of charges in play money. Its models say openly that no model was asked.
"""

_EPILOG = """\
models:
  openrouter/auto     the default; hands every question to sandbox/rehearsal
  sandbox/rehearsal   repeats the question and explains what has happened
  sandbox/echo        the last user message, byte for byte
  sandbox/essay       a long Markdown answer; longer with a larger max_tokens
  sandbox/reasoner    thinks aloud first, then answers
  sandbox/slow        an echo of about five words a second, for trying the stop button
  sandbox/fast        the essay at full speed, free of charge

keys:
  Any key that begins with sk-or- is accepted, unless it contains "wrong", "revoked" or
  "invalid": those are answered with 401, like a key that OpenRouter does not know.

control (with the token printed at the start, as "Authorization: Bearer TOKEN"):
  GET  /sandbox/book        every charge, and the sum
  GET  /sandbox/requests    what clients sent (never a key), and how each request ended
  GET  /sandbox/behaviour   the knobs; POST some of them to turn them:
         pace, first_token_s, comments, events_per_write, write_bytes, keep_alive_s, credits_usd
  POST /sandbox/fail        {"status": 429, "message": "..."}: the next chat request fails so
  POST /sandbox/cut         {"after_events": 3}: the next stream breaks off there

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
    """Run a sandbox until Ctrl-C; returns the exit status: 0, or 1 if the port is taken."""
    options = _parser().parse_args(argv)
    behaviour = Behaviour(pace=options.pace, first_token_s=options.first_token)
    try:
        with start(options.port, behaviour=behaviour) as sandbox:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="or-magic sandbox",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    port_help = f"port on 127.0.0.1, 0 for any free one (default {DEFAULT_PORT})"
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help=port_help)
    pace_help = "tokens per second, 0 for as fast as possible (default: each model's own, mostly 100)"
    parser.add_argument("--pace", type=_not_negative, metavar="N", help=pace_help)
    first_help = "seconds to the first token (default: each model's own, mostly 0.25)"
    parser.add_argument("--first-token", type=_not_negative, metavar="SECONDS", help=first_help)
    parser.add_argument("--quiet", action="store_true", help="print the base URL and nothing else")
    return parser


def _not_negative(text: str) -> float:
    number = float(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
