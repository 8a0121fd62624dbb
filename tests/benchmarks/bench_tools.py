"""What tools cost beside the model: ``python -m tests.benchmarks.bench_tools``. Figures, not a test."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from or_magic.chat.question import ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import tool, tool_of, tools_of
from or_magic.sandbox import Behaviour, start
from or_magic.settings.layers import Settings
from tests.chat.tool_functions import CASES

ROUNDS = 30


@tool(approve=False)
def rainfall(month: str = "June") -> float:
    """Tells how much rain fell."""
    return 71.5


def taken_ms(action: Callable[[], object]) -> float:
    """How long an action took."""
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Prints medians, in one interleaved run with two plain questions to the same model."""
    schemas = statistics.median(taken_ms(lambda fn=fn: tool_of(fn)) for fn, _ in CASES for _ in range(3))
    print(f"  a function described to the model: {schemas:.1f} ms (median of {len(CASES)} functions)")
    tool_settings = ToolSettings(tools_of([rainfall]), is_told_yes=True)
    with tempfile.TemporaryDirectory() as folder, start(behaviour=Behaviour(pace=0, first_token_s=0)) as sandbox:
        store = str(Path(folder) / "ledger.sqlite")
        session = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": store}))

        def plain() -> None:
            session.ask("hello", model="sandbox/tools", history="none", replay="never", show=False)

        def with_tool() -> None:
            session.ask(
                "hello", model="sandbox/tools", history="none", replay="never", show=False, tool_settings=tool_settings
            )

        actions: dict[str, Callable[[], None]] = {
            "two plain questions": lambda: (plain(), plain())[0],
            "a question whose tool is called": with_tool,
        }
        figures: dict[str, list[float]] = {name: [] for name in actions}
        for _ in range(ROUNDS):
            for name, action in actions.items():
                figures[name].append(taken_ms(action))
        session.close()
    medians = {name: statistics.median(each) for name, each in figures.items()}
    for name, median in medians.items():
        print(f"  {name:<34} {median:6.1f} ms")
    first, second = medians.values()
    print(f"  {second / first:.2f} x")


if __name__ == "__main__":
    main()
