"""The catalog: decoding 400 and 10,000 models, as values and as a table; ids near a mistyped one; Tab in a kernel."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from or_magic.catalog.decoding import decode_models
from or_magic.catalog.table import models_table
from or_magic.sandbox import Behaviour, start
from tests.catalog.test_catalog import DATA, ROW
from tests.kernel.conftest import Kernel


def median_ms(action: Callable[[], object], rounds: int = 9) -> float:
    """The median time of one `action`."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def body_of(count: int) -> bytes:
    """A catalog of so many rows: the recorded one over and over where it is there, else one row over and over."""
    recorded: Path = DATA / "models.json"
    rows = json.loads(recorded.read_bytes())["data"] if recorded.exists() else [ROW]
    numbered = ({**rows[n % len(rows)], "id": f"{rows[n % len(rows)]['id']}-{n}"} for n in range(count))
    return json.dumps({"data": list(numbered)}).encode()


def peak_mb(action: Callable[[], object]) -> float:
    """How much memory an action takes at its peak."""
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def tables(body: bytes, count: int, rounds: int = 7) -> None:
    """Prints what our table takes against pandas' own way, in one interleaved run."""

    def ours() -> object:
        return models_table(body)

    def pandas_own() -> object:
        return pd.json_normalize(json.loads(body)["data"])

    times: dict[str, list[float]] = {"ours": [], "pandas": []}
    for _ in range(rounds):
        times["ours"].append(median_ms(ours, 1))
        times["pandas"].append(median_ms(pandas_own, 1))
    mine, theirs = (statistics.median(each) for each in times.values())
    memory = peak_mb(ours), peak_mb(pandas_own)
    print(
        f"bytes to DataFrame, {count:>6,} models: {mine:7.1f} ms, {memory[0]:6.1f} MB at its peak; json.loads and "
        f"json_normalize {theirs:7.1f} ms, {memory[1]:6.1f} MB: {mine / theirs:.2f} x, {memory[0] / memory[1]:.2f} x"
    )


def completion(count: int, rounds: int = 40) -> None:
    """Prints how long Tab takes in a real kernel whose catalog has so many models."""
    behaviour = Behaviour(pace=0, first_token_s=0, models=count)
    with start(behaviour=behaviour) as sandbox, tempfile.TemporaryDirectory() as name:
        store = str(Path(name) / "ledger.sqlite")
        kernel = Kernel(Path(name), {**os.environ, "OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": store})
        kernel.run("%openrouter models nothing")
        first = median_ms(lambda: kernel.complete("%%openrouter she"), 1)
        codes = itertools.cycle(("%%openrouter ech", "%%openrouter shelf-99", "%openrouter model san", "%%or shlf7"))
        times = [median_ms(lambda: kernel.complete(next(codes)), 1) for _ in range(rounds)]
        kernel.close()
    print(
        f"Tab among {count:>6,} ids in a real kernel: median {statistics.median(times):.1f} ms, worst {max(times):.1f} "
        f"ms, the first of all {first:.1f} ms"
    )


def main() -> None:
    """Prints the medians."""
    for count in (400, 10_000):
        body = body_of(count)
        took = median_ms(lambda body=body: decode_models(body))
        print(f"decode {count:>6,} models ({len(body) / 1e6:.1f} MB){took:>10.1f} ms")
        tables(body, count)
    catalogs = iter([decode_models(body) for _ in range(3)])
    catalog = decode_models(body)
    catalog.nearest("x")
    first = median_ms(lambda: next(catalogs).nearest("openai/gpt5"), 3)
    later = median_ms(lambda: catalog.nearest("antropic/claude-sonet"))
    print(f"nearest of 10,000 ids: the first time {first:.1f} ms, later {later:.1f} ms")
    for count in (400, 10_000):
        completion(count)


if __name__ == "__main__":
    main()
