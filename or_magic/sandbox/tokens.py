"""How the sandbox counts tokens: one rule, the same for what is asked and what is answered.

A token is up to five characters that are not white space, with at most one white space before them; any
further white space is a token of its own. English text comes to about 4 bytes a token, as with real
tokenizers, and the same text always gives the same count.
"""

from __future__ import annotations

import re

# Every character is white space or not, so the two branches together lose none.
_TOKEN = re.compile(r"\s?\S{1,5}|\s")


def tokens_of(text: str) -> list[str]:
    """The tokens of a text, in order; joined, they are the text again.

    >>> tokens_of("Streaming is nice")
    ['Strea', 'ming', ' is', ' nice']
    """
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens a text has; 0 for the empty text."""
    return len(tokens_of(text))
