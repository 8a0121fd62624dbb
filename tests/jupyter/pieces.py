"""Texts made of Markdown's own marks, which meet in ways that nobody would write."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = st.lists(
    st.sampled_from(
        "a|b c|*|**|_|`|``|```|~~~|\n|\n\n|\r\n|\r|\t|    |- |1. |> |# |=|---|===||$|$$|\\[|\\]|\\(|\\)|\\|<|>|<br>|"
        "<sub>|</sub>|<details>|</details>|<summary>|</summary>|<!--|-->|<div>|</div>|<script>|&lt;|&|[x]|(y)|![|](|"
        "| a ; b |;|---;---|;- [x] |\u2028|\x00|é|😀|\\begin{align}|\\end{align}".replace(";", "\x1f").split("|")
    ).map(lambda piece: piece.replace("\x1f", "|")),
    max_size=40,
).map("".join)
