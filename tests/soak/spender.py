"""A process that asks many questions at once under a budget: ``python -m tests.soak.spender COUNT MAX_TOKENS``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from or_magic.chat.session import Session
from or_magic.errors import BudgetError

PROMPT = "word " * 100


def ask(max_tokens: int) -> str:
    """One question, each in a session of its own, as a cell of another notebook would be."""
    session = Session()
    session.settings.notebook["budget_wait"] = "120"
    try:
        session.ask(PROMPT, model="sandbox/echo", history="none", parameters={"max_tokens": max_tokens}, show=False)
        return "answered"
    except BudgetError:
        return "refused"
    finally:
        session.close()


def main() -> None:
    """Prints how each question ended."""
    count, max_tokens = int(sys.argv[1]), int(sys.argv[2])
    print("ready", flush=True)
    with ThreadPoolExecutor(count) as pool:
        for ending in pool.map(ask, [max_tokens] * count):
            print(ending, flush=True)


if __name__ == "__main__":
    main()
