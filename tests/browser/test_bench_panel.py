"""``make bench``: the panel in a real JupyterLab page: until it can be used, answers that stream, keys, long threads.

Each figure is the median of three runs (keys: of twenty), each in a page and, where a kernel is to be fresh, a kernel
of its own. The page counts what its web sockets bring and times its long tasks itself.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from statistics import median
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.sandbox import Sandbox
from tests.benchmarks.texts import text_of

from .lab import Lab, LabPage
from .panel_page import KERNEL, PanelPage

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1_200)]

OpenWatched = Callable[[str, list[str]], PanelPage]
RUNS, KEYS, TURNS = 3, 20, 200
STREAMS = ((10_000, 1_000), (10_000, 0), (100_000, 1_000), (100_000, 0))
PANEL = ".orm-panel .orm-conversation"
CELL = ".jp-Notebook .jp-Cell:nth-child(2) .jp-Cell-outputArea"
_WATCH = """
window.__seen = {tasks: [], received: 0, heardAt: 0, pressed: 0, sent: 0, drawn: []};
new PerformanceObserver(list => list.getEntries().forEach(each => window.__seen.tasks.push(each.duration)))
    .observe({type: 'longtask', buffered: false});
window.addEventListener('keydown', event => {
    if (event.key === 'Enter' && event.ctrlKey) Object.assign(window.__seen, {pressed: event.timeStamp, sent: 0});
}, true);
window.WebSocket = class extends window.WebSocket {
    constructor(...told) {
        super(...told);
        this.addEventListener('message', ({data}) => {
            window.__seen.received += data.byteLength ?? data.size ?? data.length;
            window.__seen.heardAt = performance.now();
        });
    }
    send(data) {
        super.send(data);
        window.__seen.sent ||= performance.now();
    }
};
window.__until = async look => {
    while (!look()) await new Promise(resolve => requestAnimationFrame(resolve));
    return performance.now();
};
window.__run = index => {
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
    return window.jupyterapp.commands.execute('notebook:run-cell');
};
"""
_RESET = "() => { Object.assign(window.__seen, {tasks: [], received: 0, drawn: []}); }"
_LONGEST = "() => Math.max(0, ...window.__seen.tasks)"
_QUIET = "() => performance.now() - window.__seen.heardAt > 700"
_USABLE_S = """async ([index, items]) => {
    const began = performance.now();
    window.__run(index);
    const usable = await window.__until(() => {
        const root = document.querySelector('.orm-panel');
        const box = root?.querySelector('.orm-prompt-text');
        return box?.offsetHeight && !box.disabled && root.querySelector('.orm-field input')?.value;
    });
    const drawn = await window.__until(() => document.querySelectorAll('.orm-panel .orm-item').length >= items);
    return [(usable - began) / 1000, (drawn - began) / 1000];
}"""
_TABLE_S = """async () => {
    const began = performance.now();
    document.querySelector('.orm-panel .orm-opener').click();
    const ended = await window.__until(() => document.querySelectorAll('.orm-panel .orm-models tbody tr').length >= 10);
    return (ended - began) / 1000;
}"""
_FOLLOW = """selector => {
    const root = document.querySelector(selector);
    new MutationObserver(() => window.__seen.drawn.push(performance.now()))
        .observe(root, {childList: true, subtree: true, characterData: true});
}"""
_ANSWERED = """async selector => {
    await window.__until(() => {
        const lines = document.querySelectorAll(selector + ' .orm-status');
        return lines.length && lines[lines.length - 1].textContent.includes('a/b via P');
    });
    return Date.now() / 1000;
}"""
_ONE_MORE = """() => window.__until(() => {
    const last = document.querySelector('.orm-panel .orm-item:last-child');
    return last?.textContent.startsWith('one more') && last.textContent.includes('a/b via P');
})"""
_PAUSE_S = """() => {
    const drawn = window.__seen.drawn;
    return Math.max(0, ...drawn.slice(1).map((at, index) => at - drawn[index])) / 1000;
}"""
_ALL_SHOWN_S = """async count => {
    const began = performance.now();
    let shown = 0;
    while (shown < count) {
        shown = document.querySelectorAll('.orm-panel .orm-item').length;
        document.querySelector('.orm-panel [data-orm=earlier]')?.click();
        await window.__until(() => document.querySelectorAll('.orm-panel .orm-item').length > shown || shown >= count);
    }
    return (performance.now() - began) / 1000;
}"""
_TIMED = """
import time
_moments = []
for _event in ("pre_run_cell", "post_run_cell"):
    get_ipython().events.register(_event, lambda *_: _moments.append(time.perf_counter()))
"""
_MADE_MS = """
import time, or_magic
_began = time.perf_counter()
_made = or_magic.Panel()
print((time.perf_counter() - _began) * 1000)
_made.close()
"""
_REFRESH_MS = """
import threading, time
def _refreshed():
    done, began = threading.Event(), time.perf_counter()
    panel.refresh()
    panel.worker.do(done.set)
    done.wait()
    return (time.perf_counter() - began) * 1000
print(sorted(_refreshed() for _ in range(5))[2])
"""
_ASK = "ask(f'question {n}', history='thread')\n"
_SHOW = "from or_magic import Panel\npanel = Panel()\npanel"
_WIDGETS = "from ipywidgets.widgets import widget as _w; print(len(_w._instances))"


class _Answering(BaseHTTPRequestHandler):
    """Streams ``/KIND/SIZE/PACE/...`` as `texts` does, and tells anybody who asks that there is one model.

    Attributes:
        asked_at, ended_at: when the last question arrived, and when its answer had been sent (`time.time`).
    """

    disable_nagle_algorithm = True
    asked_at = ended_at = 0.0

    def do_GET(self) -> None:
        self._begin("application/json")
        self.wfile.write(json.dumps({"data": [{"id": "a/b", "name": "A: B", "context_length": 10**7}]}).encode())

    def do_POST(self) -> None:
        type(self).asked_at = time.time()
        self.rfile.read(int(self.headers["Content-Length"]))
        _, kind, size, pace, *_ = self.path.split("/")
        self._begin("text/event-stream")
        with suppress(BrokenPipeError, ConnectionResetError):  # who is measured may hang up
            self._stream(text_of(kind, int(size)), int(pace))

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def _stream(self, text: str, pace: int) -> None:
        began = time.monotonic()
        for number, start in enumerate(range(0, len(text), 4)):
            due = began + number / pace if pace else 0.0
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            self._send({"role": "assistant", "content": text[start : start + 4]})
        self._send({"content": ""}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")
        type(self).ended_at = time.time()

    def _send(self, delta: dict[str, str], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "gen-1", "model": "a/b", "provider": "P", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


@contextmanager
def answering() -> Iterator[tuple[str, type[_Answering]]]:
    """A running server: its origin, and what it has noted."""
    handler = type("Answering", (_Answering,), {})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()


@pytest.fixture
def open_watched(browser: Any, lab: Lab) -> Iterator[OpenWatched]:
    """Opens a notebook in a page of its own that counts and times, and runs its first cell."""
    opened: list[LabPage] = []

    def open_it(name: str, sources: list[str]) -> PanelPage:
        path = lab.root / f"{name}.ipynb"
        cells = [new_code_cell(source) for source in sources]
        path.write_text(json.dumps(new_notebook(cells=cells, metadata=KERNEL)), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(_WATCH)
        opened.append(LabPage(context.new_page(), lab, path))
        opened[-1].open()
        page = PanelPage(opened[-1])
        page.page.set_default_timeout(120_000)
        page.page.evaluate("() => window.__run(0)")
        return page

    yield open_it
    for each in opened:
        each.close()


def loads(base_url: str = "", model: str = "a/b") -> str:
    """The source of a cell that loads the extension."""
    set_url = f"%openrouter set base_url {base_url}\n" if base_url else ""
    return f"%load_ext or_magic\n{set_url}%openrouter model {model}\n"


def middle(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
    """The median of each column."""
    return tuple(median(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("models", [500, 10_000])
def test_until_it_can_be_used(open_watched: OpenWatched, sandbox: Sandbox, models: int) -> None:
    """From the run of the cell to a box that takes text, and from Browse to a table, in fresh kernels and pages."""
    sandbox.behave(models=models)
    first = loads(model="sandbox/echo") + "%openrouter models --refresh --limit 1\n" + _TIMED
    rows = []
    for run in range(RUNS):
        page = open_watched(f"bench_usable_{models}_{run}", [first, "%openrouter panel"])
        usable_s, _ = page.page.evaluate(_USABLE_S, [1, 0])
        page.page.wait_for_function(_QUIET)
        table_s = page.page.evaluate(_TABLE_S)
        page.page.wait_for_function(_QUIET)
        longest_ms = page.page.evaluate(_LONGEST)
        cell_ms = float(page.run("print((_moments[2] - _moments[1]) * 1000)"))
        rows.append((usable_s, cell_ms, float(page.run(_MADE_MS)), table_s, longest_ms))
        page.lab.close()
    sandbox.behave(models=0)

    usable_s, cell_ms, made_ms, table_s, longest_ms = middle(rows)
    told = f"usable {usable_s:.2f} s (the cell {cell_ms:.0f} ms, another Panel() {made_ms:.0f} ms)"
    print(f"\npanel, {models:>6,} models   {told}   table {table_s:.2f} s   longest task {longest_ms:.0f} ms")
    assert len(rows) == RUNS


@pytest.mark.parametrize(("size", "pace"), STREAMS)
def test_an_answer_streams(open_watched: OpenWatched, size: int, pace: int) -> None:
    """The same text, in turns into a panel and into a cell: longest task, pause, how late the footer is, and bytes."""
    with answering() as (origin, noted):
        first, name = loads(f"{origin}/prose/{size}/{pace}"), f"bench_stream_{size}_{pace}"
        panel = open_watched(f"{name}_panel", [first, "%openrouter panel"])
        panel.page.evaluate(_USABLE_S, [1, 0])
        cell = open_watched(f"{name}_cell", [first, "%%openrouter a/b\nhi"])
        panel.page.evaluate(_FOLLOW, PANEL)
        cell.page.evaluate("() => window.__run(1)")
        cell.page.evaluate(_ANSWERED, CELL)
        cell.page.evaluate(_FOLLOW, CELL)
        rows: dict[str, list[tuple[float, ...]]] = {"panel": [], "cell": []}
        for _ in range(RUNS):
            rows["panel"].append(streamed(panel, lambda: panel.send("hi"), PANEL, size, noted))
            rows["cell"].append(
                streamed(cell, lambda: cell.page.evaluate("() => { window.__run(1); }"), CELL, size, noted)
            )

    at = f"{pace:,}/s" if pace else "unpaced"
    found = {where: middle(those) for where, those in rows.items()}
    for where, (task_ms, pause_s, lag_s, weight) in found.items():
        told = (
            f"longest task {task_ms:>4.0f} ms   pause {pause_s:.2f} s   lag {lag_s:.2f} s   {weight:>4.1f} x the text"
        )
        print(f"\n{where:<6}{size // 1000:>4} KB {at:>8}   {told}", end="")
    ratios = [of_panel / max(of_cell, 0.001) for of_panel, of_cell in zip(*found.values(), strict=True)]
    print("\npanel/cell           task {:.1f}   pause {:.1f}   lag {:.1f}   bytes {:.1f}".format(*ratios))
    assert panel.items().count() == 1


def streamed(
    page: PanelPage, ask: Callable[[], object], where: str, size: int, noted: type[_Answering]
) -> tuple[float, ...]:
    """Longest task in ms, longest pause and lag in s, and bytes as a multiple of the text, of one answer."""
    page.run("%openrouter reset")
    page.page.bring_to_front()
    page.page.wait_for_function(_QUIET)
    page.page.evaluate(
        "selector => document.querySelectorAll(selector + ' .orm-status').forEach(e => e.remove())", where
    )
    page.page.evaluate(_RESET)
    ask()
    shown = page.page.evaluate(_ANSWERED, where)
    pause_s = page.page.evaluate(_PAUSE_S)
    page.page.wait_for_function(_QUIET)
    received = page.page.evaluate("() => window.__seen.received")
    return page.page.evaluate(_LONGEST), pause_s, shown - noted.ended_at, received / size


def test_a_key(open_watched: OpenWatched) -> None:
    """From Ctrl+Enter to the end of the page's send, and to the question's arrival at the service."""
    with answering() as (origin, noted):
        page = open_watched("bench_keys", [loads(f"{origin}/prose/400/0"), "%openrouter panel"])
        page.page.evaluate(_USABLE_S, [1, 0])
        rows = []
        for number in range(KEYS):
            page.page.wait_for_function(_QUIET)
            page.ask(f"question {number}")
            seen = page.page.evaluate("() => ({...window.__seen, origin: performance.timeOrigin})")
            arrived_ms = noted.asked_at * 1000 - seen["origin"] - seen["pressed"]
            rows.append((seen["sent"] - seen["pressed"], arrived_ms))

    (sent_ms, arrived_ms), worst = middle(rows), [max(column) for column in zip(*rows, strict=True)]
    told = f"sent {sent_ms:.1f} ms (worst {worst[0]:.0f})   at the service {arrived_ms:.0f} ms (worst {worst[1]:.0f})"
    print(f"\nkey to send           {told}")
    assert page.items().count() == KEYS


@pytest.mark.parametrize(("turns", "size"), [(0, 600), (TURNS, 600), (30, 6_000)])
def test_a_long_conversation(open_watched: OpenWatched, turns: int, size: int) -> None:
    """Beside a thread of many turns, and of none: until it can be used, a refresh, one more question, all shown."""
    with answering() as (origin, _):
        first = loads(f"{origin}/prose/{size}/0") + f"from or_magic import ask\nfor n in range({turns}): " + _ASK
        rows = []
        for run in range(RUNS):
            page = open_watched(f"bench_long_{turns}_{run}", [first, _SHOW])
            usable_s, drawn_s = page.page.evaluate(_USABLE_S, [1, min(turns, 30)])
            opened = (usable_s, drawn_s, loaded(page)[0], *widgets_and_refresh(page))
            page.send("one more")
            page.page.evaluate(_ONE_MORE)
            more = loaded(page)
            shown_s = page.page.evaluate(_ALL_SHOWN_S, turns)
            rows.append((*opened, *more, shown_s, loaded(page)[0], *widgets_and_refresh(page)))
            page.lab.close()

    figures = middle(rows)
    print(f"\n{turns:>4} turns of {size / 1000} KB   ", end="")
    print("usable {:.2f} s, drawn {:.2f} s, task {:.0f} ms, refresh {:.0f} ms, {:.0f} widgets".format(*figures[:5]))
    print("      one more: task {:.0f} ms, {:.0f} KB".format(*figures[5:7]), end="")
    print("   all shown {:.2f} s, task {:.0f} ms, refresh {:.0f} ms, {:.0f} widgets".format(*figures[7:]))
    assert len(rows) == RUNS


def loaded(page: PanelPage) -> tuple[float, float]:
    """The longest task in ms, and what has come in KB, since this was asked last; when nothing comes any more."""
    page.page.wait_for_function(_QUIET)
    found = page.page.evaluate(_LONGEST), page.page.evaluate("() => window.__seen.received / 1000")
    page.page.evaluate(_RESET)
    return found


def widgets_and_refresh(page: PanelPage) -> tuple[float, float]:
    """How long the kernel takes for a refresh, in ms, and how many widgets are alive in it."""
    found = float(page.run(_REFRESH_MS)), float(page.run(_WIDGETS))
    loaded(page)
    return found
