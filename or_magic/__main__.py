"""``or-magic``: the command line. Each subcommand has its own ``--help``."""

from __future__ import annotations

import sys

from or_magic import __version__
from or_magic.errors import OrMagicError

_USAGE = """\
usage: or-magic COMMAND [options]

  demo      execute a notebook that asks, and watch its answer stream into the terminal
  lab       open JupyterLab, with the sandbox where there is no key
  sandbox   an OpenRouter on this machine, for rehearsals and tests

or-magic COMMAND --help tells more. OPENROUTER_API_KEY holds your key, from openrouter.ai/settings/keys."""


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand; returns the exit status: 0, 1 where it failed, 2 where it was mistyped."""
    words = sys.argv[1:] if argv is None else argv
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("-h", "--help"):
        print(_USAGE)
        return 0
    if command == "--version":
        print(f"or_magic {__version__}")
        return 0
    try:
        return _run(command, rest)
    except OrMagicError as error:
        print(f"or-magic {command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: str, rest: list[str]) -> int:
    if command == "sandbox":
        from or_magic.sandbox.command import main as sandbox

        return sandbox(rest)
    if command in ("demo", "lab"):
        from or_magic.jupyter import launch

        return launch.demo(rest) if command == "demo" else launch.lab(rest)
    print(f"or-magic: no command {command!r}.\n\n{_USAGE}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
