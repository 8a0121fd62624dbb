"""The widget panel: choose a model, talk, watch the money, without a magic.

Callbacks of widgets run in the main thread or in a subshell's, which cannot be foreseen (ipykernel 7.4). So no callback
does anything but hand over: to `work.Work`, one thread that looks and draws, or to a thread of its own that asks.
"""

from __future__ import annotations
