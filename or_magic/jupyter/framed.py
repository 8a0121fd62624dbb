"""HTML of a model, shown as a page because the user said so: in a frame without rights, apart from the notebook.

Scripts in it run, but in an origin of their own: they see neither the notebook, nor its kernel, nor its cookies.
"""

from __future__ import annotations

import html

from IPython.display import HTML, display

from or_magic.answer import Answer
from or_magic.plain_text import sendable

_STYLE = "width:100%;height:24em;border:1px solid #8884;resize:vertical;overflow:auto;background:#fff"


def show_page(answer: Answer) -> None:
    """Displays the HTML of an answer: of its first block of HTML, else the whole text."""
    blocks = [str(block) for block in answer.code if block.language in ("html", "svg", "")]
    page = html.escape(sendable(blocks[0] if blocks else answer.text), quote=True)
    frame = f'<iframe sandbox="allow-scripts" referrerpolicy="no-referrer" style="{_STYLE}" srcdoc="{page}"></iframe>'
    display(HTML(frame))
