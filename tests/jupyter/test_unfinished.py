from __future__ import annotations

import pytest

from tests.jupyter.page import page, squeezed

SAMPLE = """# A title

Some **bold text** and *more*, `code here`, a [link](https://a.example/x_(y)) and ~~gone~~ &amp; a<b.

- one
- [x] two **items**

```python
def f(x): return x  # why
```

$$
a_1
= b
$$

So \\(x^2\\) and $y_1$.

| a | b |
|---|--:|
| 1 | `2` |

> quoted *text*[^n]

<details>
<summary>More</summary>

text

</details>

![pixel](data:image/png;base64,AAAA) H<sub>2</sub>O

[^n]: note
"""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("some **bold", "some bold", id="bold"),
        pytest.param("some **bold*", "some bold", id="bold-half-closed"),
        pytest.param("some **", "some", id="bold-just-begun"),
        pytest.param("a *b **c", "a b c", id="nested"),
        pytest.param("a ~~b", "a b", id="struck"),
        pytest.param("use `cod", "use cod", id="code"),
        pytest.param("use ``a`b", "use a`b", id="double-code"),
        pytest.param("`", "", id="backtick-alone"),
        pytest.param("a\n\n``", "a", id="fence-begun"),
        pytest.param("a\n\n```py", "a", id="fence-without-code"),
        pytest.param("```py\nx = 1\n``", "x = 1", id="fence-half-closed"),
        pytest.param("see [the docs](https://a.exa", "see the docs", id="link"),
        pytest.param("see [the docs](", "see the docs", id="link-begun"),
        pytest.param('see [the docs](https://a.example "ti', "see the docs", id="link-title"),
        pytest.param("see ![a cat](data:image/png;base64,AAA", "see a cat", id="picture"),
        pytest.param("see [", "see", id="bracket"),
        pytest.param("so \\(x^2 + y", "so x^2 + y", id="formula"),
        pytest.param("so $$x^2", "so x^2", id="display-in-line"),
        pytest.param("$$\na\n=\nb", "a = b", id="display"),
        pytest.param("\\[\na\n- b\n\\", "a - b", id="display-half-closed"),
        pytest.param("A title\n--", "A title", id="underline"),
        pytest.param("text\n-", "text", id="item-begun"),
        pytest.param("text\n\n1.", "text", id="number-begun"),
        pytest.param("- [", "", id="task-begun"),
        pytest.param("a <det", "a", id="tag"),
        pytest.param("a &am", "a", id="entity"),
        pytest.param("<details>\n<summary>More</summary>\n\ntext", "More text", id="details"),
        pytest.param("2 * 3 and $5", "2 * 3 and $5", id="not-a-mark"),
        pytest.param("a_b_c", "a_b_c", id="name"),
        pytest.param("**a** and `b`", "a and b", id="closed"),
        pytest.param("| a | b |\n|---|---|\n| 1 | **2", "a b 1 2", id="half-a-row"),
    ],
)
def test_half_a_thing_is_read_as_what_it_will_be(text: str, read: str) -> None:
    """While a mark waits for its partner the reader sees what it holds, not the mark."""
    assert squeezed(page(text, streaming=True).text) == squeezed(read)


def test_no_mark_flashes_wherever_the_text_is_cut() -> None:
    """At each character of a sample of everything, no unclosed mark is seen and nothing forbidden is there."""
    for cut in range(len(SAMPLE) + 1):
        found = page(SAMPLE[:cut], streaming=True)

        assert found.faults == []
        flashes = [mark for mark in ("**", "~~", "`", "](", "$$", "\\[\\", "<details>") if mark in found.text]
        assert flashes == [], SAMPLE[max(0, cut - 30) : cut]


def test_a_whole_text_is_not_changed_by_being_the_last_piece() -> None:
    """A text that has ended looks the same whether or not more was expected."""
    assert page(SAMPLE, streaming=True).text == page(SAMPLE).text
