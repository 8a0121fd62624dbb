"""The catalogue: decoding 400 and 10,000 models, and finding the ids near a mistyped one."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from or_magic.openrouter.catalog import decode_models
from tests.openrouter.test_catalog import DATA, ROW


def median_ms(action: Callable[[], object], rounds: int = 9) -> float:
    """The median time of one `action`."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def body_of(count: int) -> bytes:
    """A catalogue of so many rows: the recorded one over and over where it is there, else one row over and over."""
    recorded: Path = DATA / "models.json"
    rows = json.loads(recorded.read_bytes())["data"] if recorded.exists() else [ROW]
    numbered = ({**rows[n % len(rows)], "id": f"{rows[n % len(rows)]['id']}-{n}"} for n in range(count))
    return json.dumps({"data": list(numbered)}).encode()


def main() -> None:
    """Prints the medians."""
    for count in (400, 10_000):
        body = body_of(count)
        took = median_ms(lambda body=body: decode_models(body))
        print(f"decode {count:>6,} models ({len(body) / 1e6:.1f} MB){took:>10.1f} ms")
    catalogs = iter([decode_models(body) for _ in range(3)])
    catalog = decode_models(body)
    catalog.nearest("x")
    first = median_ms(lambda: next(catalogs).nearest("openai/gpt5"), 3)
    later = median_ms(lambda: catalog.nearest("antropic/claude-sonet"))
    print(f"nearest of 10,000 ids: the first time {first:.1f} ms, later {later:.1f} ms")


if __name__ == "__main__":
    main()
