"""What a live answer sends to the page: bytes over the text's own, beside a redraw of everything for each token."""

from __future__ import annotations

import time

from or_magic.jupyter.html.markdown import render
from or_magic.jupyter.live import ENVELOPE_BYTES, LiveAnswer, Pacer
from or_magic.types import TextDelta

PARAGRAPH = "Some **words** of a paragraph with `code`, a [link](https://example.org) and more of the same.\n\n"


def streamed(text: str, tokens_per_s: float) -> tuple[int, int]:
    """Frames and bytes for an answer that arrives at that pace; the clock is simulated, the rendering is real."""
    live, pacer, frames, sent = LiveAnswer("orm1", "a/b"), Pacer(), 0, 0
    for number in range(0, len(text), 4):
        now_s = number / 4 / tokens_per_s
        live.feed(TextDelta(text[number : number + 4]))
        if pacer.is_due(now_s) and (frame := live.frame()) is not None:
            pacer.drew(frame, now_s)
            frames, sent = frames + 1, sent + frame.weight
    return frames, sent


def main() -> None:
    """Prints a row for each length and pace."""
    for size in (1_000, 10_000, 100_000):
        text = (PARAGRAPH * (size // len(PARAGRAPH) + 1))[:size]
        naive = sum(ENVELOPE_BYTES + n for n in range(4, size, 4))
        for pace in (100, 1_000):
            started = time.process_time()
            frames, sent = streamed(text, pace)
            cpu_ms = (time.process_time() - started) * 1e3
            print(
                f"{size // 1000:>4} KB at {pace:>5} tokens/s{frames:>6} redraws{sent / size:>8.1f} x"
                f"   {sent / (size / 4 / pace) / 1e3:>6.1f} KB/s  CPU {cpu_ms:>5.0f} ms  (naive {naive / size:.0f} x)"
            )
    text = PARAGRAPH * 1_000
    started = time.process_time()
    render(text, answer_id="orm1")
    print(f"rendering {len(text) // 1000} KB: {(time.process_time() - started) * 1e3:.0f} ms CPU")


if __name__ == "__main__":
    main()
