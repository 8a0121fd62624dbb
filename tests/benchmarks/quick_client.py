"""What `bench_quick` measures, in a process of its own: with whichever or_magic stands first on the path.

Knows only what is public and the same in each version: ``%load_ext or_magic``, ``or_magic.ask``, the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from tests import counting

SETTLING_S = 0.05
PROMPT = " ".join(["token"] * 50)


def load() -> None:
    """Prints the milliseconds of CPU that ``%load_ext`` takes, and those that it goes on to take in the background."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    began = time.process_time()
    shell.run_line_magic("load_ext", "or_magic")
    loaded = time.process_time()
    time.sleep(float(os.environ.get("QUICK_LINGER_S", 0)))
    print(json.dumps([(loaded - began) * 1e3, (time.process_time() - loaded) * 1e3]))


def ask() -> None:
    """For each number that it reads from stdin it asks so often, and prints the milliseconds of CPU of each time.

    The CPU is that of all threads, from one question to the next: what is done behind an answer counts as well.
    """
    from or_magic import ask as put

    def answer() -> None:
        assert put(PROMPT, model="sandbox/echo").text == PROMPT

    answer_times(answer)


def answer_times(answer: Callable[[], None]) -> None:
    """Serves stdin with the times of something."""
    print(json.dumps(where()), flush=True)
    for line in sys.stdin:
        times = []
        began = time.process_time()
        for _ in range(int(line)):
            answer()
            ended = time.process_time()
            times.append((ended - began) * 1e3)
            began = ended
        time.sleep(SETTLING_S)
        times[-1] += (time.process_time() - began) * 1e3
        print(json.dumps(times), flush=True)


def count() -> None:
    """Prints what the first question and each of the next ones does to the ledger and to the settings file."""
    counts = counting.begin(os.environ["OR_MAGIC_SETTINGS"])
    from or_magic import ask as put

    each = []
    for _ in range(6):
        before = counts.copy()
        put(PROMPT, model="sandbox/echo")
        time.sleep(SETTLING_S)  # for what is done behind an answer
        each.append(vars(counts.since(before)))
    print(json.dumps(each))


def where() -> str:
    """The folder of the or_magic that is measured."""
    import or_magic

    return os.path.dirname(os.path.dirname(os.path.abspath(str(or_magic.__file__))))


if __name__ == "__main__":
    {"load": load, "ask": ask, "count": count}[sys.argv[1]]()
